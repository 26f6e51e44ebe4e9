"""How the two admin sites look, and their navigation."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

_COLORS: dict[str, Any] = {
    "primary": {
        "50": "#eef7f6", "100": "#d5ebe9", "200": "#aed8d5", "300": "#7fbfbb",
        "400": "#4fa19d", "500": "#348582", "600": "#286b6a", "700": "#235656",
        "800": "#1f4646", "900": "#1c3b3b", "950": "#0b2222",
    }
}  # fmt: skip


def _may(permission: str) -> Any:
    return lambda request: request.user.has_perm(permission)


def _is_administrator(request: Any) -> bool:
    return bool(request.user.is_superuser)


def _item(title: str, icon: str, url: str, permission: str | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(url)}
    return item | ({"permission": _may(permission)} if permission else {})


# The address "/" is the beginning of every other one, so it must say itself when it is open.
_MY_ACCOUNT = _item("My account", "person", "home") | {
    "active": lambda request: request.path == "/"
}

_API_TOKENS = _item(
    "API tokens", "key", "admin:accounts_apitoken_changelist", "accounts.view_apitoken"
)

_SHARED: dict[str, Any] = {
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "COLORS": _COLORS,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("tenantry/icon.svg")}
    ],
    "SITE_URL": "/",
    "STYLES": [lambda _: static("tenantry/panel.css")],
    "SCRIPTS": [lambda _: static("tenantry/panel.js")],
    "BORDER_RADIUS": "6px",
}

TENANTRY_PANEL = _SHARED | {
    "SITE_TITLE": "config.navigation.title",
    "SITE_HEADER": "config.navigation.header",
    "SITE_SYMBOL": "group",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item("Overview", "home", "admin:index"),
                    _item(
                        "People",
                        "group",
                        "admin:accounts_customuser_changelist",
                        "accounts.view_customuser",
                    ),
                    _item("Roles", "badge", "admin:auth_group_changelist", "auth.view_group"),
                    _API_TOKENS,
                    _item(
                        "Activity",
                        "history",
                        "admin:activity_activityevent_changelist",
                        "activity.view_activityevent",
                    ),
                    _item("Reports", "bar_chart", "reports", "activity.view_activityevent"),
                    _item("Exports", "download", "exports", "activity.view_activityevent"),
                    _item("Schedules", "schedule_send", "schedules", "activity.view_activityevent"),
                    _item("Retention", "auto_delete", "retention", "activity.change_retention"),
                    _item("Support access", "support_agent", "support-panel")
                    | {"permission": _is_administrator},
                    _MY_ACCOUNT,
                ]
            }
        ],
    },
}

TENANTRY_CONSOLE = _SHARED | {
    "SITE_TITLE": "Tenantry console",
    "SITE_HEADER": "Tenantry console",
    "SITE_SYMBOL": "apartment",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item("Tenants", "apartment", "admin:tenants_tenant_changelist"),
                    _item(
                        "Operations",
                        "conveyor_belt",
                        "admin:tenants_operation_changelist",
                        "tenants.view_operation",
                    ),
                    _item("Operators", "group", "admin:accounts_customuser_changelist"),
                    _API_TOKENS,
                    _item("Activity", "history", "admin:activity_activityevent_changelist"),
                    _item("Reports", "bar_chart", "reports", "activity.view_activityevent"),
                    _item("Exports", "download", "exports", "activity.view_activityevent"),
                    _item("Schedules", "schedule_send", "schedules", "activity.view_activityevent"),
                    _MY_ACCOUNT,
                ]
            }
        ],
    },
}
