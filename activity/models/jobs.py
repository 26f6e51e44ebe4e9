"""Exports that are made in the background, from being asked for until their file is gone."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from tenants.uuid7 import UUIDv7

LONGEST_ERROR = 500


class ExportJob(models.Model):
    """A file that somebody asked for, and what has become of it.

    PostgreSQL is the queue: whatever waits here is found and made, whether its message arrived or
    not. Whoever asked is kept by id and label, without a foreign key, as in events.
    """

    class State(models.TextChoices):
        """Where a job is. The last four are ends; only a file that is ready can end once more."""

        WAITING = "waiting"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    source = models.CharField(max_length=64)
    asked = models.JSONField(help_text="Filters, columns, format, compression, zone, note.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    requester_kind = models.CharField(max_length=16)
    requester_id = models.CharField(max_length=64)
    requester_label = models.CharField(max_length=200)
    schedule_id = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    rows_done = models.PositiveBigIntegerField(default=0)
    rows_expected = models.PositiveBigIntegerField(null=True)
    bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, default="")
    file = models.CharField(max_length=200, default="")
    error = models.CharField(max_length=LONGEST_ERROR, default="")
    snapshot = models.JSONField(
        null=True, help_text="Of which moment the rows are: that of the first attempt."
    )
    used = models.JSONField(default=list, help_text="The links that were used, by their numbers.")
    asked_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    progressed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    downloaded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "export"
        verbose_name_plural = "exports"
        ordering: ClassVar[Any] = ["-id"]
        constraints: ClassVar[Any] = [
            models.CheckConstraint(
                # A list would come back from PostgreSQL in other words than it was given.
                condition=models.Q(
                    state__regex="^(waiting|running|ready|failed|cancelled|expired)$"
                ),
                name="export_job_state_is_known",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="ready") | ~models.Q(file=""),
                name="export_job_that_is_ready_has_a_file",
            ),
        ]

    def __str__(self) -> str:
        return f"export of {self.source}"

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done, so that it can be cancelled."""
        return self.state in (self.State.WAITING, self.State.RUNNING)

    @property
    def is_ready(self) -> bool:
        """Whether there is a file to download."""
        return self.state == self.State.READY

    @property
    def expected(self) -> int | None:
        """About how many rows there will be; ``None`` when there are more than were expected."""
        # PostgreSQL's estimate, which knows nothing of what was written since its last ANALYZE.
        return self.rows_expected if self.rows_done <= (self.rows_expected or -1) else None

    @property
    def percent(self) -> int | None:
        """How much is done, as far as it can be known; never all before it is."""
        if not self.expected or self.state != self.State.RUNNING:
            return None
        return min(99, 100 * self.rows_done // self.expected)

    @property
    def rate(self) -> float | None:
        """Rows a second, since the attempt began."""
        took = _seconds(self.started_at, self.progressed_at)
        return self.rows_done / took if took and self.rows_done else None

    @property
    def left(self) -> timedelta | None:
        """How long it will still take at this rate, if that can be said."""
        if self.rate is None or not self.expected:
            return None
        return timedelta(seconds=round((self.expected - self.rows_done) / self.rate))


def _seconds(since: datetime | None, until: datetime | None) -> float:
    return (until - since).total_seconds() if since and until else 0.0
