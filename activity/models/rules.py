"""What the record forgets by itself, and what it must not forget."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import models
from django.db.models import Q

LEAST_DAYS: Final = 30
MOST_DAYS: Final = 36_500
EVERYBODY: Final = UUID(int=0)
"""Stands in a hold for the whole record."""


class _PlainText(models.CharField):  # type: ignore[type-arg]
    """Text that is a key, without Django's second index, for LIKE, which nobody reads."""

    def db_type(self, connection: Any) -> str:
        """Return the same type under its other name."""
        return f"character varying({self.max_length})"


class Retention(models.Model):
    """For how many days events of a family are kept. A family without a row is kept for ever."""

    family = _PlainText(primary_key=True, max_length=32)
    days = models.IntegerField()

    class Meta:
        verbose_name = "retention"
        verbose_name_plural = "retention"
        ordering: ClassVar[Any] = ["family"]
        constraints: ClassVar[Any] = [
            models.CheckConstraint(
                name="retention_is_long_enough",
                condition=Q(days__gte=LEAST_DAYS) & Q(days__lte=MOST_DAYS),
            ),
            models.CheckConstraint(
                name="retention_keeps_the_record_of_the_record", condition=~Q(family="record")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.family}: {self.days} days"


class Hold(models.Model):
    """A legal hold: nothing of whom it covers is cut or erased, whatever else is asked for."""

    subject = models.UUIDField(
        primary_key=True, help_text="A person's public ID; all zeros for the whole record."
    )
    # Who, by id alone: a name would be one more to erase.
    placed_by = models.CharField(max_length=64)
    placed_at = models.DateTimeField()
    reason = models.CharField(max_length=300)

    class Meta:
        verbose_name = "legal hold"
        ordering: ClassVar[Any] = ["placed_at"]

    def __str__(self) -> str:
        return "the whole record" if self.subject == EVERYBODY else str(self.subject)
