"""Changing people in the panel and the console while nobody else does.

Two who save at once would each undo what the other did, and two administrators who take each
other's power would leave nobody to run the place.
"""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import administrators
from accounts.models import CustomUser
from activity.reverting import Preview


class LockedToChange:
    """The ways in which a page changes or deletes people, who are locked before they are read.

    Goes before ``GuardedHistory``, whose ``locked`` and ``refuse_taking_back`` it replaces.
    """

    def locked(self, key: Any) -> Any:
        """Return the person with that key; with them every administrator is locked."""
        return administrators.locked(int(key)).get(int(key))

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Show the form or keep it; what it is compared with is locked before it is read."""
        self._lock_for_change(request, object_id)
        return super().changeform_view(request, object_id, *args, **kwargs)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, object_id: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask or delete; raises ``Conflict`` for the last administrator."""
        self._lock_for_change(request, object_id)
        return super().delete_view(request, object_id, *args, **kwargs)  # type: ignore[misc]

    def _lock_for_change(self, request: HttpRequest, object_id: Any) -> None:
        key = str(object_id)
        if request.method == "POST" and key.isascii() and key.isdecimal():
            self.locked(key)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save what was changed and no more: of the rest somebody may have changed something."""
        if change:
            columns = {field.name for field in obj._meta.concrete_fields}
            obj.save(update_fields=[name for name in form.changed_data if name in columns])
        else:
            super().save_model(request, obj, form, change)  # type: ignore[misc]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete somebody, but not the last administrator; that one is locked already."""
        administrators.keep_one(obj)
        super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CustomUser]) -> None:
        """Delete those who were chosen, one by one, so that the last administrator is noticed."""
        for user in self.locked_among(queryset):
            administrators.keep_one(user)
            user.delete()

    def refuse_taking_back(self, row: Any, shown: Preview) -> None:
        """Keep the last administrator."""
        powers = {"is_superuser", "is_active"}
        if any(change.name in powers and not change.then for change in shown.changes):
            administrators.keep_one(row)

    @staticmethod
    def locked_among(chosen: QuerySet[CustomUser]) -> list[CustomUser]:
        """Return who was chosen, as they are now; with them every administrator is locked."""
        keys = [user.pk for user in chosen]
        people = administrators.locked(*keys)
        return [people[key] for key in keys if key in people]
