"""What the platform keeps of each record, outside the schema that the record is in.

A schema that is rolled back, or cut off at its end, as a whole still agrees with itself. It does
not agree with these rows. They hold sizes, hashes and times; nothing about people.
"""

from typing import Any, ClassVar

import pgtrigger
from django.db import models
from django.db.models.functions import Now

from tenants.triggers import PinnedTrigger

_ONLY_GROWS = "RAISE EXCEPTION 'what is kept of a record only grows';"

_KEPT: list[Any] = [
    PinnedTrigger(
        name="keep_rows",
        operation=pgtrigger.Delete,
        when=pgtrigger.Before,
        func=_ONLY_GROWS,
    ),
    PinnedTrigger(
        name="keep",
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        func=_ONLY_GROWS,
    ),
]


def _growing(condition: str) -> pgtrigger.Trigger:
    return PinnedTrigger(
        name="only_grow",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        func=f"IF {condition} THEN {_ONLY_GROWS} END IF; RETURN NEW;",
    )


def _record() -> Any:
    return models.CharField(
        max_length=36, primary_key=True, help_text="A tenant's UUID, or platform."
    )


class RecordHead(models.Model):
    """The newest checkpoint of a record, and up to where witnesses have its checkpoints.

    Written in the transaction that seals. There is no foreign key: it outlives the tenant.
    """

    record = _record()
    number = models.BigIntegerField(help_text="Of the newest segment.")
    size = models.BigIntegerField(help_text="How many events are sealed.")
    note = models.CharField(max_length=450, help_text="The signed checkpoint.")
    sealed_at = models.DateTimeField()
    filed = models.BigIntegerField(
        db_default=0, help_text="The newest segment whose checkpoint is in the witness file."
    )
    posted = models.BigIntegerField(
        db_default=0, help_text="The newest segment whose checkpoint was sent to the witness."
    )

    class Meta:
        ordering: ClassVar[Any] = ["record"]
        triggers: ClassVar[Any] = [
            *_KEPT,
            _growing("NEW.record <> OLD.record OR NEW.number < OLD.number OR NEW.size < OLD.size"),
        ]

    def __str__(self) -> str:
        return f"{self.record}, {self.size} events"


class DailyCheckpoint(models.Model):
    """The last checkpoint of a record on one day, in UTC by the database's clock."""

    pk = models.CompositePrimaryKey("record", "day")
    record = models.CharField(max_length=36, help_text="A tenant's UUID, or platform.")
    day = models.DateField()
    size = models.BigIntegerField(help_text="How many events were sealed.")
    note = models.CharField(max_length=450, help_text="The signed checkpoint.")

    class Meta:
        ordering: ClassVar[Any] = ["record", "day"]
        triggers: ClassVar[Any] = [
            *_KEPT,
            _growing("NEW.record <> OLD.record OR NEW.day <> OLD.day OR NEW.size < OLD.size"),
        ]

    def __str__(self) -> str:
        return f"{self.record} on {self.day}, {self.size} events"


class RecordCheck(models.Model):
    """The last verification of a record: up to where it was intact, and what was wrong first."""

    record = _record()
    checked_at = models.DateTimeField(db_default=Now())
    events = models.BigIntegerField(help_text="How many events were found intact.")
    seconds = models.FloatField(help_text="How long it took.")
    wrong = models.CharField(max_length=20, blank=True, help_text="The kind; empty when intact.")
    sentence = models.CharField(max_length=400, blank=True, help_text="What is wrong, and where.")

    class Meta:
        ordering: ClassVar[Any] = ["record"]

    def __str__(self) -> str:
        return f"{self.record}: {self.sentence or 'intact'}"


class RecordRollup(models.Model):
    """How far the roll-ups of a record are, as its own cursor says: what a sweep asks of all.

    A copy, written in the transaction that counts. Without it a record is found behind, counted,
    and has it again.
    """

    record = _record()
    number = models.BigIntegerField(help_text="The newest segment that is counted.")
    size = models.BigIntegerField(help_text="How many events are counted.")
    zone = models.CharField(max_length=64, help_text="In whose days.")
    rules = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="By which it was counted."
    )
    is_rebuilding = models.BooleanField(default=False)
    folded_at = models.DateTimeField(null=True)
    compared_at = models.DateTimeField(null=True)
    difference = models.CharField(max_length=300, blank=True, help_text="From a recount.")

    class Meta:
        ordering: ClassVar[Any] = ["record"]

    def __str__(self) -> str:
        return f"{self.record}: {self.size} events counted"
