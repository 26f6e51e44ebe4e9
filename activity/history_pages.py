"""The history pages of a row, guarded, and taking it back to what it was."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from simple_history.admin import SimpleHistoryAdmin

from activity import reverting, viewing
from activity.reverting import Preview
from tenants.errors import Conflict, NotFound


class GuardedHistory(SimpleHistoryAdmin):  # type: ignore[misc]
    """History pages on which a row is taken back only after a look at what that changes.

    The library lets whoever may change a row post any old version of it, changed as they like, and
    with the powers it had then. Its form is closed. Who takes a row back needs the permission to do
    that, the permission to change that row, and changes only the fields that its page lets them.
    """

    object_history_form_template = "panel/history_version.html"

    def get_urls(self) -> Any:
        """Return the pages, and the one that takes a row back."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_take_back"
        view = self.admin_site.admin_view(self.take_back_view)
        own = path("<object_id>/history/<version_id>/take-back/", view, name=name)
        return [own, *super().get_urls()]

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave out the library's button."""
        return True

    def has_revert_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether somebody may take rows back at all, or this one."""
        allowed = request.user.has_perm("activity.revert_history")  # type: ignore[union-attr]
        return allowed and bool(self.has_change_permission(request, obj))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Show what was changed; an id that is no number belongs to nothing."""
        _refuse_non_numbers(object_id)
        return super().history_view(request, object_id, extra_context)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> Any:
        """Show a row as it was; what is posted here is refused."""
        _refuse_non_numbers(object_id, version_id)
        if request.method == "POST":
            get_object_or_404(self.model, pk=object_id)
            raise PermissionDenied
        offer = self._offer(request, object_id, version_id)
        context = {**(extra_context or {}), **offer}
        return super().history_form_view(request, object_id, version_id, context)

    def render_history_view(
        self, request: HttpRequest, template: str, context: dict[str, Any], **kwargs: Any
    ) -> Any:
        """Render either page, and record that it was looked at."""
        viewing.history_viewed(context["original"] if "original" in context else context["object"])
        return super().render_history_view(request, template, context, **kwargs)

    def take_back_view(self, request: HttpRequest, object_id: str, version_id: str) -> HttpResponse:
        """Show what taking a row back to a version would change; do it when that is posted."""
        request.current_app = self.admin_site.name
        _refuse_non_numbers(object_id, version_id)
        if not self.has_revert_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            row = self.model._default_manager.filter(pk=object_id).first()
            return self._preview_page(request, self._compare(request, row, object_id, version_id))
        try:
            with transaction.atomic():
                row = self.locked(object_id)
                shown = self._compare(request, row, object_id, version_id)
                if not shown.changes:
                    return self._preview_page(request, shown)
                self.refuse_taking_back(row, shown)
                reverting.take_back(
                    row,
                    shown,
                    agreed=request.POST.get("fingerprint", ""),
                    reason=request.POST.get("reason", ""),
                )
        except Conflict as error:
            messages.error(request, error.shown)
            row = self.model._default_manager.filter(pk=object_id).first()
            shown = self._compare(request, row, object_id, version_id)
            return self._preview_page(request, shown, status=error.http_status)
        messages.success(request, f"{row} is taken back to what was chosen.")
        return redirect(self._address("change", object_id))

    def locked(self, key: Any) -> Any:
        """Return the row with that key, which nobody else changes until the request ends."""
        return self.model._default_manager.select_for_update().filter(pk=key).first()

    def refuse_taking_back(self, row: Model, shown: Preview) -> None:
        """Raise ``Conflict`` for what must not happen to ``row``, whoever asks."""

    def _compare(self, request: HttpRequest, row: Any, object_id: str, version_id: str) -> Preview:
        """Compare a row with a version of it, in the fields that its page lets one change."""
        version = self._version(object_id, version_id)
        if version is None:
            raise Http404
        if row is None or not reverting.is_of(version, row):
            raise NotFound("this was removed, and is not brought back.", "Add it anew.")
        if not self.has_revert_permission(request, row):
            raise PermissionDenied
        changeable = self.get_form(request, row, change=True).base_fields
        return reverting.preview(row, version, changeable)

    def _version(self, object_id: str, version_id: str) -> Any:
        history: Any = self.model.history
        key = self.opts.pk.attname
        return history.filter(**{key: object_id, "history_id": version_id}).first()

    def _offer(self, request: HttpRequest, object_id: str, version_id: str) -> dict[str, str]:
        """Return where a version's page leads to, or why it does not."""
        if not self.has_revert_permission(request):
            return {}
        version = self._version(object_id, version_id)
        row = self.model._default_manager.filter(pk=object_id).first()
        if version is None or row is None or not reverting.is_of(version, row):
            return {"not_offered": "This was removed, and is not brought back."}
        if not self.has_revert_permission(request, row):
            return {"not_offered": "You may not change this one, so you cannot take it back."}
        return {"take_back": self._address("take_back", object_id, version_id)}

    def _preview_page(
        self, request: HttpRequest, shown: Preview, status: int = 200
    ) -> HttpResponse:
        version = shown.version
        key = getattr(version, self.opts.pk.attname)
        context = {
            **self.admin_site.each_context(request),
            "title": reverting.name_of(version),
            "shown": shown,
            "reason": request.POST.get("reason", ""),
            "longest_reason": reverting.LONGEST_REASON,
            "version_url": self._address("simple_history", key, version.pk),
        }
        viewing.history_viewed(version.instance)
        return render(request, "panel/take_back.html", context, status=status)

    def _address(self, page: str, *arguments: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=arguments, current_app=self.admin_site.name)


def _refuse_non_numbers(*texts: str) -> None:
    if not all(text.isascii() and text.isdecimal() for text in texts):
        raise Http404
