"""Counting again by other means, and finding the first figure that is not what it should be.

The recount is of single events, up to where the cursor says, in one statement for each kind of
figure and at one moment. It shares no rule with the counting: those are written down a second time
in ``activity.rollups.recounting``. What older rules counted otherwise waits for the new ones.

Days of which events were cut cannot be counted again. Of events that were erased, method and
network are not known any more: there the figures may say more than a recount, by as many events as
were erased on that day, and their totals must agree.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import structlog
from django.db import connection
from django.utils import timezone

from activity.models import RollupCursor
from activity.rollups import cursors, recounting
from tenants.context import current_scope
from tenants.errors import Conflict
from tenants.moments import one_moment

logger = structlog.get_logger("tenantry.rollups")


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that is not what a recount says."""

    figure: str
    """``total``, ``facet``, ``people``, ``most``, ``month``, ``changes``, or a kind of tally."""
    day: date
    subject: str
    """Whose or of what it is, such as ``session.started success``."""
    counted: int
    recounted: int

    @property
    def sentence(self) -> str:
        """Say it."""
        return (
            f"{self.day}, {self.figure}, {self.subject or 'unknown'}: {self.counted} are counted,"
            f" {self.recounted} in the record"
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found."""

    events: int
    """How many events of the record the figures claim to hold."""
    since: date | None
    """From which day on it compared, ``None`` for all."""
    difference: Difference | None


class Busy(Conflict):
    """Another process compares figures: they take turns, and leave workers for the rest."""

    def __init__(self) -> None:
        super().__init__("figures are being compared already.", "Try again when that has ended.")


def compare(now: datetime | None = None) -> Compared:
    """Count again what is served in the place one is in, and keep what that found.

    A difference is an error in the log. Raises ``Busy`` while somebody else compares.
    """
    with one_moment() as sql:
        sql.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('tenantry compares', 0))")
        if sql.fetchone() != (True,):
            raise Busy
        cursor = cursors.served()
        if cursor is None:
            return Compared(0, None, None)
        found = _first(cursor)
    _remember(cursor, now or timezone.now(), found)
    if found:
        logger.error("figures differ", record=current_scope(), difference=found.sentence)
    return Compared(cursor.size, cursor.cut_day, found)


def _first(cursor: RollupCursor) -> Difference | None:
    asked: dict[str, Any] = {
        "build": cursor.build,
        "zone": cursor.zone,
        "cut_day": cursor.cut_day,
        "cut_at": cursor.cut_at,
        "number": cursor.number,
    }
    found = []
    with connection.cursor() as sql:
        figures = [
            figure
            for rules, some in recounting.FIGURES_OF_RULES.items()
            if cursor.rules >= rules
            for figure in some.items()
        ]
        for figure, (recounted, counted, gone) in figures:
            parts = {"recounted": recounted, "counted": counted, "gone": gone}
            sql.execute(recounting.JOINED.format(events=recounting.EVENTS, **parts), asked)
            found += [Difference(figure, *row) for row in sql.fetchall()]
        sql.execute(recounting.SUMS, asked)
        found += [Difference("month", *row) for row in sql.fetchall()]
    # A month's number says less than the day that is wrong in it.
    return min(found, key=lambda one: (one.figure == "month", one.day), default=None)


def _remember(cursor: RollupCursor, now: datetime, found: Difference | None) -> None:
    """Keep it with the figures and tell the platform; they may have moved on meanwhile.

    Those that took their place are others, of which nothing is known yet.
    """
    sentence = found.sentence[:300] if found else ""
    same = RollupCursor.objects.filter(build=cursor.build, is_served=True)
    if same.update(compared_at=now, difference=sentence):
        cursors.tell()
