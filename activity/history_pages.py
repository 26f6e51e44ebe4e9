"""The history pages of a row, guarded."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from simple_history.admin import SimpleHistoryAdmin

from activity import viewing


class GuardedHistory(SimpleHistoryAdmin):  # type: ignore[misc]
    """History pages on which only administrators put a row back as it was.

    The library lets whoever may view a row post any old version of it, changed as they like, and
    with the powers it had then.
    """

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the power to put back with administrators, and from their own rows."""
        return not request.user.is_superuser or obj == request.user  # type: ignore[union-attr]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Show what was changed; an id that is no number belongs to nothing."""
        _refuse_non_numbers(object_id)
        return super().history_view(request, object_id, extra_context)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> Any:
        """Show a row as it was, or put it back; a row that is gone stays gone."""
        _refuse_non_numbers(object_id, version_id)
        if request.method == "POST":
            row = get_object_or_404(self.model, pk=object_id)
            if self.revert_disabled(request, row) or not self.has_change_permission(request, row):
                raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)

    def render_history_view(
        self, request: HttpRequest, template: str, context: dict[str, Any], **kwargs: Any
    ) -> Any:
        """Render either page, and record that it was looked at."""
        viewing.history_viewed(context["original"] if "original" in context else context["object"])
        return super().render_history_view(request, template, context, **kwargs)


def _refuse_non_numbers(*texts: str) -> None:
    if not all(text.isascii() and text.isdecimal() for text in texts):
        raise Http404
