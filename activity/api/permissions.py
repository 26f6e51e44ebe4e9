"""Who may read the record: whoever may in the panel, by a token no more than it was made for."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission

from activity.api.errors import InsufficientScope


class MayReadRecord(BasePermission):  # type: ignore[misc]
    """The person may open the panel and read the record there; the token has one of the scopes.

    Asked with every request, so a role that is taken ends what a token may do. Who came by a
    session has no scopes, and may what the person may.
    """

    message = "You may not read the record."

    def has_permission(self, request: Any, view: Any) -> bool:
        """Tell whether the request may go on; raises ``InsufficientScope`` for a lesser token."""
        person = request.user
        if not (person.is_active and person.is_staff):
            return False
        changes = request.method not in SAFE_METHODS
        scopes = view.changing if changes and view.changing else view.scopes
        if request.auth is not None and not set(request.auth.scopes.split()) & {*scopes}:
            raise InsufficientScope(scopes)
        return bool(person.has_perm("activity.view_activityevent"))
