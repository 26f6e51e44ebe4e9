"""Exports that are made again and again, by the clock."""

from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q

from tenants.uuid7 import UUIDv7

LONGEST_NAME: Final = 60
LONGEST_ASKED: Final = 200
"""Characters. With all bounds together a row fits a page, so the table needs no TOAST."""


class Schedule(models.Model):
    """What is made, when, and how it reaches its owner; and how far its present run is.

    A run is an export job; this row knows the last one. ``step`` says what is still to be done
    for it, and ``look_at`` when: whoever comes first does it, a lost message costs a minute.
    """

    class Delivery(models.IntegerChoices):
        """How a file reaches its owner."""

        LINK = 0, "link"
        ATTACHMENT = 1, "attachment"
        STORAGE = 2, "storage"

    class Step(models.IntegerChoices):
        """What is to be done next."""

        IDLE = 0, "idle"
        MAKING = 1, "making"
        SENDING = 2, "sending"
        TELLING = 3, "telling"

    class Outcome(models.IntegerChoices):
        """How the last run ended."""

        NONE = 0, "not run yet"
        UNDER_WAY = 1, "under way"
        DELIVERED = 2, "delivered"
        FAILED = 3, "failed"

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    # Without an index: the table is short. Empty when the owner's account is gone.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    name = models.CharField(max_length=LONGEST_NAME)
    source = models.CharField(max_length=40)
    form = models.CharField(max_length=8)
    compression = models.CharField(max_length=4, blank=True)
    asked = models.CharField(max_length=LONGEST_ASKED, blank=True)
    span = models.CharField(max_length=12)
    cron = models.CharField(max_length=50)
    zone = models.CharField(max_length=40)
    delivery = models.SmallIntegerField(choices=Delivery)
    is_active = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    missed = models.PositiveIntegerField(default=0)
    outcome = models.SmallIntegerField(choices=Outcome, default=Outcome.NONE)
    why = models.CharField(max_length=20, blank=True)
    is_untold = models.BooleanField(default=False)
    step = models.SmallIntegerField(choices=Step, default=Step.IDLE)
    job = models.UUIDField(null=True)
    look_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = "schedule"
        verbose_name_plural = "schedules"
        ordering: ClassVar[Any] = ["name", "id"]
        # Whoever may read the record has schedules of their own; this is about everybody's.
        default_permissions = ()
        permissions: ClassVar[Any] = [
            ("oversee_schedules", "Can see, pause and delete everybody's schedules"),
        ]
        constraints: ClassVar[Any] = [
            models.CheckConstraint(
                name="schedule_runs_while_it_is_active",
                condition=Q(is_active=True, next_at__isnull=False)
                | Q(is_active=False, next_at__isnull=True),
            ),
            models.CheckConstraint(
                name="schedule_is_looked_at_while_something_is_to_be_done",
                condition=Q(step=0, look_at__isnull=True) | (~Q(step=0) & Q(look_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.name
