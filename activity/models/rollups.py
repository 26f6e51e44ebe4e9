"""What reports read: events counted by day, and people, networks and objects by month.

Figures are counted in the days of one time zone, the cursor's. While they are counted anew, in
another zone or to repair them, the new ones are rows of another ``build``, which nobody reads until
they are complete (``activity.rollups.rebuilding``).
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models

FIRST_BUILD = 1


def _counts(help_text: str) -> Any:
    return ArrayField(models.IntegerField(), default=list, help_text=help_text)


class DailyTotal(models.Model):
    """How many events of an action there were on one of the tenant's local days.

    Rows without an action count people: those who were active on that day for the first time in
    the ``day``, ``week`` or ``month`` that ``facet`` names, so that a sum over a week or a month is
    how many different people it had. By the facets ``network`` and ``name`` they say how many
    failed sign-ins the one that had most had: a day of few has no attack.
    """

    # The action first: a report of few actions reads nothing else, and PostgreSQL 18 skips from
    # action to action for a report of all.
    pk = models.CompositePrimaryKey("build", "action", "day", "outcome", "facet")
    build = models.PositiveSmallIntegerField(default=FIRST_BUILD)
    action = models.CharField(max_length=64)
    day = models.DateField()
    outcome = models.CharField(max_length=16)
    facet = models.CharField(max_length=32, default="", help_text="A sign-in's method, say.")
    events = models.BigIntegerField()

    class Meta:
        verbose_name = "daily total"

    def __str__(self) -> str:
        return f"{self.day} {self.action} {self.events}"


class Kind(models.TextChoices):
    """Of what a tally is."""

    PERSON = "person"
    YEAR = "year"
    """Of a person, their events in a year, by its months: who did most is read of these."""
    NETWORK = "network"
    NAME = "name"
    """Of failed sign-ins, by groups of the accounts that they were tried at."""
    OBJECT = "object"
    ADMIN = "admin"
    """Of changes to people and roles: by somebody, by one action."""
    FLOOD = "flood"
    """Of one event, how many attempts it stands for: kept when the event is erased."""


class MonthlyTally(models.Model):
    """What somebody or something did or had done in a month, and by which of its days.

    The n-th place of an array says how many there were through the n-th day, so that any span of
    days is one subtraction. Arrays end at the last day that adds something. Of a year, days are
    months.
    """

    # Plain numbers first: a report of whole months reads no further than these.
    pk = models.CompositePrimaryKey("build", "kind", "month", "subject")
    build = models.PositiveSmallIntegerField(default=FIRST_BUILD)
    month = models.DateField(help_text="Its first day.")
    days = models.IntegerField(help_text="Bit n is set when there was anything on day n + 1.")
    events = models.IntegerField(help_text="All that is counted.")
    sign_ins = models.IntegerField(default=0, help_text="Sign-ins that succeeded.")
    failures = models.IntegerField(default=0, help_text="What failed or was denied.")
    changes = models.IntegerField(default=0, help_text="Of people: to people and roles.")
    last_at = models.DateTimeField(help_text="When it was last.")
    kind = models.CharField(max_length=8, choices=Kind)
    subject = models.CharField(max_length=160)
    label = models.CharField(max_length=200, blank=True)
    events_through = _counts("Empty for networks and objects: the sum of the others.")
    sign_ins_through = _counts("")
    failures_through = _counts("")
    changes_through = _counts("")

    class Meta:
        verbose_name = "monthly tally"

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.kind} {self.subject}"


class RollupCursor(models.Model):
    """Up to which segment of the record the events are counted, in which days. A row a build."""

    build = models.PositiveSmallIntegerField(primary_key=True, default=FIRST_BUILD)
    is_served = models.BooleanField(default=True)
    number = models.BigIntegerField(default=0, help_text="The newest segment that is counted.")
    size = models.BigIntegerField(default=0, help_text="How many events of the record that is.")
    zone = models.CharField(max_length=64, help_text="Whose days are counted.")
    rules = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="By which it was counted."
    )
    folded_at = models.DateTimeField(null=True)
    # Days up to cut_day, which ended at cut_at, have lost events to retention: their figures stay.
    cut_day = models.DateField(null=True)
    cut_at = models.DateTimeField(null=True)
    # Counted anew are events since this moment; of older ones only those past segment `copied`.
    since = models.DateTimeField(null=True)
    copied = models.BigIntegerField(default=0)
    compared_at = models.DateTimeField(null=True)
    difference = models.CharField(max_length=300, blank=True, help_text="The first, if any.")

    class Meta:
        verbose_name = "roll-up cursor"

    def __str__(self) -> str:
        return f"build {self.build}, segment {self.number}"
