"""What a row was: django-simple-history to read, with the record's idea of who.

The rows are written by triggers (``activity.capture``), whichever way the table was changed. The
actor is kept by id and label and so survives the actor; a change of nothing, or only of what is
excluded, leaves no row; each row leaves an event that says the same with before and after.
"""

from typing import Any

from django.db import models
from django.db.models import signals
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

from activity import context


class HistoryRow(models.Model):
    """What each history row holds beside the copied fields."""

    actor_label = models.CharField(max_length=200, blank=True)
    request_id = models.UUIDField(default=context.current_request_id)

    class Meta:
        abstract = True


def _actor_label(row: Any) -> str | None:
    return row.actor_label or None


class OwnHistory(HistoryManager):  # type: ignore[misc]
    """``ann.history``: of the place that Ann is from; the library asks by her key, anywhere."""

    def get_super_queryset(self) -> models.QuerySet[Any]:
        """Return all rows, naming the instance on whose behalf they are asked for."""
        rows: models.QuerySet[Any] = super().get_super_queryset()
        if self.instance is not None:
            rows._add_hints(instance=self.instance)  # type: ignore[attr-defined]
        return rows


class RecordedHistory(HistoricalRecords):  # type: ignore[misc]
    """``history = RecordedHistory()`` on a model: the history of its rows."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("bases", [HistoryRow])
        kwargs.setdefault("history_id_field", models.BigAutoField())
        kwargs.setdefault("history_manager", OwnHistory)
        kwargs.setdefault("history_user_id_field", models.CharField(max_length=64, null=True))
        kwargs.setdefault("history_user_getter", _actor_label)
        super().__init__(**kwargs)

    def copy_fields(self, model: type[models.Model]) -> dict[str, Any]:
        """Copy the fields, with an index on the key alone: nobody searches history by the rest."""
        fields: dict[str, Any] = super().copy_fields(model)
        key = model._meta.pk.name
        for name, field in fields.items():
            if name != key and not isinstance(field, models.ForeignKey):
                field.db_index = False
        return fields

    def finalize(self, sender: type[models.Model], **kwargs: Any) -> None:
        """Make the model and what reads it, and write nothing: triggers do (activity.capture)."""
        super().finalize(sender, **kwargs)
        for signal, receiver in (
            (signals.post_save, self.post_save),
            (signals.post_delete, self.post_delete),
            (signals.pre_delete, self.pre_delete),
        ):
            signal.disconnect(receiver, sender=sender)
