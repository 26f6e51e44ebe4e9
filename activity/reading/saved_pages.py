"""The page of saved searches, and what its forms do. Part of the list of events."""

import uuid
from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.http import urlencode

from activity.models import SavedSearch
from activity.reading import saved
from tenants.errors import InvalidInput, TenantryError

PAGE: Final = "saved_searches"


class SavedSearchPages:
    """Adds saving, and the page of what is saved, to the admin of events."""

    admin_site: Any
    has_view_permission: Any

    def get_urls(self) -> list[Any]:
        """Return the admin's pages and the one of saved searches."""
        view = self.admin_site.admin_view(self.searches)
        own: list[URLPattern] = [path("searches/", view, name=PAGE)]
        return own + super().get_urls()  # type: ignore[misc, no-any-return]

    def searches(self, request: HttpRequest) -> HttpResponse:
        """Show a person's searches and the shared ones; save, rename, share, delete their own."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return _done(request)
        found = saved.visible_to(request.user)
        context = {
            **self.admin_site.each_context(request),
            "title": "Saved searches",
            "mine": [with_link(one) for one in found if one.owner_id == request.user.pk],
            "shared": [with_link(one) for one in found if one.owner_id != request.user.pk],
            "most": saved.MOST_SAVED,
        }
        return render(request, "panel/saved_searches.html", context)


def with_link(one: SavedSearch) -> dict[str, Any]:
    """Return a saved search and where it is shown."""
    return {"saved": one, "link": saved.link_of(one)}


def _done(request: HttpRequest) -> HttpResponse:
    """Do what a form asks, say so, and go back to where it was sent from."""
    asked = request.POST.get("do", "")
    back = redirect("admin:activity_activityevent_changelist")
    if asked == "save":
        back["Location"] += f"?{urlencode({'q': request.POST.get('q', '')})}"
    else:
        back = redirect(f"admin:{PAGE}")
    try:
        if "\0" in "".join(request.POST.values()):  # type: ignore[arg-type]
            raise InvalidInput("the form holds a NUL character.", "Type it again.")
        with transaction.atomic():
            messages.success(request, _do(request, asked))
    except TenantryError as error:
        messages.error(request, error.shown)
    return back


def _do(request: HttpRequest, asked: str) -> Any:
    """Do it; returns what to say."""
    person, sent = request.user, request.POST
    if asked == "save":
        name, search = sent.get("name", ""), sent.get("q", "")
        before = saved.to_replace(person, name)
        kept = saved.save(person, name, search, is_shared=bool(sent.get("is_shared")))
        if before and before.search != kept.search:
            said = "The search is saved as “{}”, in place of the one before: {}"
            return format_html(said, kept.name, before.search)
        return format_html("The search is saved as “{}”.", kept.name)
    doing: dict[str, tuple[Callable[[uuid.UUID], SavedSearch], str]] = {
        "rename": (
            lambda key: saved.rename(person, key, sent.get("name", "")),
            "The search is called “{}” now.",
        ),
        "share": (
            lambda key: saved.share(person, key, to=True),
            "Everybody who may read the record sees “{}” now.",
        ),
        "withdraw": (
            lambda key: saved.share(person, key, to=False),
            "“{}” is yours alone again.",
        ),
        "delete": (lambda key: saved.delete(person, key), "“{}” is deleted."),
    }
    try:
        act, said = doing[asked]
        key = uuid.UUID(sent.get("key", ""))
    except (KeyError, ValueError):
        raise InvalidInput("the form means nothing.", "Open the page again.") from None
    return format_html(said, act(key).name)
