"""What nobody may do for somebody else, whatever that person may.

Each page of a tenant's host is named here, or it is refused: a page that comes later is closed to
support access until somebody has thought about it. A test names those that are missing.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.support import pages, serving
from activity import denials, viewing
from activity.requests import SAFE_METHODS
from tenants.problems import is_api, problem

_PAGES: Final = ("activity_activityevent", "accounts_customuser", "auth_group", "accounts_apitoken")

LOOKING: Final = frozenset(
    {
        *("home", "own-activity", "api-tokens", "second-factor", "published-keys"),
        *("reports", "report", "schedules", "schedule", "retention", "support-panel"),
        *("exports", "exports-list", "export", "saved_searches"),
        *("index", "login", "search", "app_list", "autocomplete", "jsi18n"),
        *(f"{page}_{name}" for page in _PAGES for name in ("changelist", "change", "history")),
        *(f"{page}_simple_history" for page in ("accounts_customuser", "auth_group")),
        *("account_logout", "logout", "support-enter", "support-end"),
    }
)
"""Pages that may be looked at, as far as the person may."""

REFUSED: Final = frozenset(
    {
        # Passwords, addresses, second factors, sessions: with them somebody comes back alone.
        *("account_login", "account_change_password", "account_set_password", "account_signup"),
        *("account_reset_password", "account_reset_password_done", "account_reauthenticate"),
        *("account_reset_password_from_key", "account_reset_password_from_key_done"),
        *("account_email", "account_confirm_email", "account_email_verification_sent"),
        *("account_confirm_login_code", "account_inactive", "password_change"),
        *("password_change_done", "second-factor-on", "second-factor-off"),
        *("second-factor-codes", "second-factor-asked", "api-token-new", "api-token-revoke"),
        # Links that make credentials, new people, power, and the end of somebody.
        *("accounts_customuser_add", "accounts_customuser_delete", "accounts_customuser_erase"),
        *("accounts_customuser_send_link", "accounts_customuser_take_factor_away"),
        *("accounts_customuser_take_back", "auth_group_add", "auth_group_delete"),
        *("auth_group_take_back", "accounts_apitoken_add", "accounts_apitoken_delete"),
        *("activity_activityevent_add", "activity_activityevent_delete"),
        # The record, or a person, as a file.
        *("accounts_customuser_take_out", "summary", "export-new", "export-link"),
        *("export-manifest", "schedule-new"),
    }
)
"""Pages that are closed, also for looking. What is in neither list is closed as well.

So is all of the API: programs come by a token of their own.
"""


def _always(request: HttpRequest) -> bool:
    return True


def _deactivates(request: HttpRequest) -> bool:
    """Of what a list of people offers: never what gives somebody their way in back."""
    return set(request.POST.getlist("action")) == {"deactivate"}


ACTING: Final[dict[str, Callable[[HttpRequest], bool]]] = {
    "home": _always,
    "saved_searches": _always,
    # The form leaves out what gives power or a way in (accounts.admin).
    "accounts_customuser_change": _always,
    "accounts_customuser_changelist": _deactivates,
    "support-enter": _always,
    "support-end": _always,
}
"""Pages that may be sent something, and what of it."""


_NO_PAGES: Final = frozenset({"jsi18n"})
"""What may be looked at and shows nothing of the tenant's: words of the panel's scripts."""


SIGNING_OUT: Final = ("account_logout", "logout")
"""Pages whose form ends the access, as the banner's does."""


def is_allowed(request: HttpRequest) -> bool:
    """Tell whether support access reaches as far as a request."""
    name = _name(request)
    if is_api(request):
        return False
    if request.method in SAFE_METHODS:
        # The admin's nameless addresses lead from short forms to long ones.
        return (name in LOOKING or not name) and "export" not in request.GET
    may = ACTING.get(name)
    return may is not None and may(request)


def _name(request: HttpRequest) -> str:
    match = request.resolver_match
    return (match.url_name if match else None) or ""


def refuse(request: HttpRequest) -> HttpResponse:
    """Record that something was tried under support access, and say that it may not be."""
    denials.deny(request, "support access")
    if is_api(request):
        return problem("not-permitted", "support access is for the pages, not for programs.")
    return render(request, "accounts/support/refused.html", status=403)


class SupportMiddleware:
    """Keeps support access from what it may not do, before the view is called.

    What it is shown is recorded before it leaves. A page that nobody is asked for, who they are,
    shows nothing that is not everybody's, and costs no statement here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Not in_force(): whoever was not asked who they are is not asked now.
        if getattr(request, "support", None) and _name(request) not in _NO_PAGES:
            viewing.page_viewed(request, response)
        return response

    def process_view(
        self, request: HttpRequest, view: object, arguments: object, named: object
    ) -> HttpResponse | None:
        """Return the page that refuses, if the request may not go on."""
        if is_allowed(request) or serving.in_force(request) is None:
            return None
        if request.method == "POST" and _name(request) in SIGNING_OUT:
            return pages.end(request)
        return refuse(request)
