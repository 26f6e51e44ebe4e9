"""The two admin sites: the platform's console and the tenant's panel.

They are two objects, so that a shared model cannot turn up on a tenant's host: what is not
registered on a site has no URL there. Both are called ``admin``, one in each URLconf.
"""

from collections.abc import Callable
from typing import Any, Final

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.contrib.admin import ModelAdmin as DjangoAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DataError, IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from psycopg2.errorcodes import UNIQUE_VIOLATION
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite

from tenants.errors import Conflict, InvalidInput
from tenants.sqlstate import sqlstate_of

_POLICY: Final = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
"""What differs from the policy of all pages, for unfold's: Alpine.js makes functions of attributes,
and the colours of the theme are an inline style. Inline scripts are refused here too."""


class SoundList:
    """A list whose filters and chosen rows may be any text: what means nothing is no error of ours.

    Django checks values as Python, but leaves to PostgreSQL what PostgreSQL cannot take: NUL, a
    moment before its first, a pattern that is none.
    """

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Build the list; raise what Django answers with the list without its filters."""
        try:
            return super().get_changelist_instance(request)  # type: ignore[misc]
        except (DataError, OverflowError, ValueError):
            # The statement that failed has spoilt the transaction, and nothing was written yet.
            transaction.set_rollback(True)
            raise IncorrectLookupParameters from None

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Run an action on the chosen rows; raises ``InvalidInput`` for keys that are none."""
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(key)  # type: ignore[attr-defined]
        except ValidationError:
            raise InvalidInput(
                "a chosen row means nothing.", "Open the list again and choose there."
            ) from None
        return super().response_action(request, queryset)  # type: ignore[misc]


class SecondLook:
    """An admin whose form tells of a name that was taken while it was checked."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, or keep it; raises ``Conflict`` when its second look finds nothing.

        Two who ask for the same at once are both told that it is free. The slower one's rows were
        undone with the error, and what was in the way is committed: looked at again, the form finds
        it, and says so with its own sentence and what was typed.
        """
        view = super().changeform_view  # type: ignore[misc]
        for _ in ("a look", "a second one"):
            try:
                response: HttpResponse = view(request, *args, **kwargs)
            except IntegrityError as error:
                if sqlstate_of(error) != UNIQUE_VIOLATION:
                    raise
            else:
                return response
        raise Conflict(
            "what was typed is taken already: somebody was faster.",
            "Nothing was changed. Open the page again.",
        )


class Unlogged:
    """An admin that keeps no log of its own: what it changes is in the record.

    Django's log would be a second copy that proves nothing and that erasure would have to clean.
    There is no table for it (``config.contrib.AdminConfig``).
    """

    def log_addition(self, *args: Any) -> None:
        """Write nothing."""

    def log_change(self, *args: Any) -> None:
        """Write nothing."""

    def log_deletions(self, *args: Any) -> None:
        """Write nothing."""


class _WithoutHistory(Unlogged):
    """An admin whose page of history would be Django's, made of its log."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Render the page without the button that leads there."""
        shown = context | {"show_history": False}
        response: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, shown, *args, **kwargs
        )
        return response

    def history_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """There is none."""
        raise Http404


class _NoEntries(list[Any]):
    """What templates find that ask for the newest entries of Django's log."""

    def filter(self, **_: Any) -> "_NoEntries":
        """Return the same: nothing."""
        return self


class Site(UnfoldAdminSite):  # type: ignore[misc]
    """An admin that signs people in where everybody signs in, and keeps no log of its own."""

    def register(self, models: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models, also with an admin of somebody else's: it keeps the rules of this site.

        It writes no log, and its form is told when somebody else was faster.
        """
        shown = admin_class or ModelAdmin
        own_history = shown.history_view is not DjangoAdmin.history_view
        without = Unlogged if own_history else _WithoutHistory
        kept = type(shown.__name__, (SecondLook, without, shown), {})
        super().register(models, kept, **options)

    def get_log_entries(self, request: HttpRequest) -> Any:
        """Return nothing, for templates that show what was done last."""
        return _NoEntries()

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Wrap a view as Django does, and let the browser run what unfold's pages consist of."""
        return csp_replace(_POLICY)(super().admin_view(view, cacheable))

    def get_urls(self) -> Any:
        """Leave out the shortcut to public pages: there are none, and it tells which rows exist."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send strangers to the sign-in page; tell those who are signed in that they may not."""
        if request.user.is_authenticated:
            if self.has_permission(request):
                return redirect("admin:index")
            raise PermissionDenied
        wanted = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
            wanted = reverse("admin:index")
        return redirect(f"{reverse('account_login')}?{urlencode({'next': wanted})}")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Sign out where everybody does."""
        return redirect("account_logout")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Change the password where everybody does."""
        return redirect("account_change_password")


class PlatformSite(Site):
    """The operators' console, on the platform's host."""

    settings_name = "TENANTRY_CONSOLE"
    index_title = "Console"

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Begin with the tenants, which is what operators come for."""
        return redirect("admin:tenants_tenant_changelist")


class TenantSite(Site):
    """The panel of one tenant, on its own host."""

    settings_name = "TENANTRY_PANEL"
    index_title = "Overview"
    index_template = "panel/overview.html"

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the overview, with whatever apps have to say on it."""
        context: dict[str, Any] = dict(extra_context or {})
        for contribute in overview:
            context |= contribute(request)
        response: HttpResponse = super().index(request, context)
        response.status_code = context.get("status", response.status_code)
        return response


warnings: list[Any] = []
"""Functions that return sentences which apps have to tell operators, above the list of tenants."""

overview: list[Any] = []
"""Functions from a request to template context, which apps add for the panel's first page.

``status`` in it is the page's, where what was asked for is none.
"""

platform_site = PlatformSite()
tenant_site = TenantSite()
