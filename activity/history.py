"""What a row was: django-simple-history, with the record's idea of who and of what counts.

Differences from the library's own: the actor is kept by id and label and so survives the actor; a
save that changed nothing, or only what is excluded, leaves no row; each row leaves an event that
says the same with before and after.
"""

from typing import Any

from django.db import models, transaction
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

from activity import context
from activity.context import Actor
from activity.recording import Changes, record
from activity.subjects import Declaration, declaration_of


class HistoryRow(models.Model):
    """What each history row holds beside the copied fields."""

    actor_label = models.CharField(max_length=200, blank=True)
    request_id = models.UUIDField(default=context.current_request_id)

    class Meta:
        abstract = True


def _actor_label(row: Any) -> str | None:
    return row.actor_label or None


def _set_actor(row: Any, actor: Actor | None) -> None:
    if actor is not None:
        row.history_user_id, row.actor_label = actor.id, actor.label[:200]


class OwnHistory(HistoryManager):  # type: ignore[misc]
    """``ann.history``: of the place that Ann is from; the library asks by her key, anywhere."""

    def get_super_queryset(self) -> models.QuerySet[Any]:
        """Return all rows, naming the instance on whose behalf they are asked for."""
        rows: models.QuerySet[Any] = super().get_super_queryset()
        if self.instance is not None:
            rows._add_hints(instance=self.instance)  # type: ignore[attr-defined]
        return rows


class RecordedHistory(HistoricalRecords):  # type: ignore[misc]
    """``history = RecordedHistory()`` on a model: rows and events for what is saved or deleted."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("bases", [HistoryRow])
        kwargs.setdefault("history_id_field", models.BigAutoField())
        kwargs.setdefault("history_manager", OwnHistory)
        kwargs.setdefault("history_user_id_field", models.CharField(max_length=64, null=True))
        kwargs.setdefault("history_user_getter", _actor_label)
        kwargs.setdefault("history_user_setter", _set_actor)
        super().__init__(**kwargs)

    def copy_fields(self, model: type[models.Model]) -> dict[str, Any]:
        """Copy the fields, with an index on the key alone: nobody searches history by the rest."""
        fields: dict[str, Any] = super().copy_fields(model)
        key = model._meta.pk.name
        for name, field in fields.items():
            if name != key and not isinstance(field, models.ForeignKey):
                field.db_index = False
        return fields

    def create_history_model(self, model: type[models.Model], inherited: bool) -> Any:
        """Make the history model, which knows who writes it."""
        history_model = super().create_history_model(model, inherited)
        history_model.recorder = self
        return history_model

    def get_history_user(self, instance: models.Model) -> Actor:
        """Return who acts now."""
        return context.current().actor

    def post_save(
        self, instance: Any, created: bool, using: str | None = None, **kwargs: Any
    ) -> None:
        """Write what was saved; of ``save(update_fields=…)`` what the row now is.

        The rest of the instance was not written: it may be older than the row, or never saved.
        """
        if kwargs.get("update_fields") is not None and not created:
            instance = type(instance)._base_manager.using(using).get(pk=instance.pk)
        super().post_save(instance, created, using=using, **kwargs)

    def create_historical_record(
        self, instance: Any, history_type: str, using: str | None = None
    ) -> None:
        """Write the row and the event, both or neither; nothing for a save that changed nothing."""
        changes = self._changes(instance, history_type)
        if history_type == "~" and not changes:
            return
        with transaction.atomic(using=using, savepoint=False):
            super().create_historical_record(instance, history_type, using=using)
            known = declaration_of(type(instance))
            for action, fields in self._actions(known, history_type, changes):
                record(action, target=instance, changes={name: changes[name] for name in fields})

    def _changes(self, instance: Any, history_type: str) -> Changes:
        fields = {field.name: field.attname for field in self.fields_included(type(instance))}
        now = {name: getattr(instance, attname) for name, attname in fields.items()}
        if history_type == "-":
            return {name: (value, None) for name, value in now.items()}
        before = getattr(instance, self.manager_name).order_by("-history_id").first()
        if history_type == "+" or before is None:
            return {name: (None, value) for name, value in now.items()}
        then = {name: getattr(before, attname) for name, attname in fields.items()}
        return {name: (then[name], now[name]) for name in now if then[name] != now[name]}

    @staticmethod
    def _actions(
        known: Declaration, history_type: str, changes: Changes
    ) -> list[tuple[str, list[str]]]:
        if history_type == "+":
            return [(known.created, list(changes))]
        if history_type == "-":
            return [(known.deleted, list(changes))]
        if known.actions_for:
            return known.actions_for(changes)
        return [(f"{known.noun}.changed", list(changes))]


def write(instance: Any, history_type: str) -> None:
    """Write history and event for a row that Django inserted (``+``) or will delete (``-``).

    For bulk writes, which send none of the signals that history listens to.
    """
    instance.history.model.recorder.create_historical_record(instance, history_type)
