"""System checks of what tenancy relies on; each has an id, what is wrong and what to do."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register("tenants")
def migrations_in_two_phases(**_: Any) -> list[CheckMessage]:
    """Refuse migrations of ours that break the code before them and do not say why."""
    from tenants.migration_rules import unexplained

    return [
        Error(
            problem,
            hint="Do it in a later release than the one that stops using it, and say so on the"
            ' class: contract = "unused since VERSION: why". See docs/operations.md, Migrations.',
            id="tenants.E005",
        )
        for problem in unexplained()
    ]


@register("tenants")
def settings_fail_closed(**_: Any) -> list[CheckMessage]:
    """Refuse settings of django-tenants with which a stranger reads the wrong schema."""
    problems: list[CheckMessage] = []
    if getattr(settings, "SHOW_PUBLIC_IF_NO_TENANT_FOUND", False):
        problems.append(
            Error(
                "SHOW_PUBLIC_IF_NO_TENANT_FOUND serves the platform on hosts that nobody owns.",
                hint="Remove it: an unknown host is answered with 404.",
                id="tenants.E001",
            )
        )
    if getattr(settings, "PG_EXTRA_SEARCH_PATHS", []):
        problems.append(
            Error(
                "PG_EXTRA_SEARCH_PATHS puts another schema behind the tenant's.",
                hint="Remove it: the tenant's schema is alone on its search path.",
                id="tenants.E002",
            )
        )
    if settings.DATABASES["default"]["ENGINE"] != "tenants.backend":
        problems.append(
            Error(
                "The database engine is not tenants.backend, so public stands behind each tenant.",
                hint='Set DATABASES["default"]["ENGINE"] to "tenants.backend".',
                id="tenants.E003",
            )
        )
    if getattr(settings, "ASGI_APPLICATION", None):
        problems.append(
            Error(
                "ASGI_APPLICATION is set, and the tasks of an event loop share connections.",
                hint="Remove it: requests are served by WSGI, in processes and threads.",
                id="tenants.E004",
            )
        )
    return problems
