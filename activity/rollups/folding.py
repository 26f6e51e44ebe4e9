"""Folding sealed segments into roll-ups, each segment exactly once.

A segment is complete and does not change, so a number says how far the counting is. Number and
figures move in one transaction: a crash, a second run or two at once change nothing, and what
commits late is in a later segment. A backlog is many transactions, since the sealer of everybody
waits for the oldest that is open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from activity.models import RollupCursor, Segment
from activity.rollups import counting, cursors, figures
from activity.sealing.sealer import NOTHING

MOST_EVENTS: Final = 131_072
"""Events that one transaction counts, or one segment more."""
_MOST_SEGMENTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Folded:
    """What one fold did: how many events it counted, and when."""

    events: int
    at: datetime
    is_complete: bool = True
    """Whether it came to the newest segment; not when it was bounded."""
    is_busy: bool = False
    """Whether somebody else counts, so that nothing was done."""


def fold(now: datetime, most: int | None = None, *, wait: bool = True) -> Folded:
    """Count the segments that are new, in the place one is in.

    ``now`` is what reports will name as their age. ``most`` transactions are made, all that it
    takes by default. Without ``wait`` nothing is counted while somebody else does.
    """
    events, rounds = 0, 0
    is_part = connection.in_atomic_block
    while True:
        with transaction.atomic():
            if not is_part:
                _leave_the_disk_behind()
            found = cursors.lock(wait=wait)
            if not found:
                return Folded(events, now, is_busy=True)
            counted, is_complete, days = advance(found[0], now)
            cursors.tell()
            figures.tell(days)
        events += counted
        rounds += 1
        if is_complete or rounds == most:
            return Folded(events, now, is_complete)


def fold_now() -> None:
    """Count what is sealed so far: before a tenant is exported or its record is cut."""
    fold(timezone.now())


def arrive() -> None:
    """Count what came with an import and was not counted where it came from.

    The cursor came along, and segments keep their numbers.
    """
    fold(timezone.now())
    figures.tell_all()


def advance(cursor: RollupCursor, now: datetime) -> tuple[int, bool, set[date]]:
    """Count the next segments into a build whose cursor is locked, and move that.

    Returns how many events they have, whether they were the last, and on which days they were.
    """
    segments = _next(cursor)
    days: set[date] = set()
    for run in _runs(cursor, segments):
        days |= count(run)
    events = 0
    if segments:
        last = segments[-1]
        events = last.size - cursor.size
        cursor.number, cursor.size = last.number, last.size
    # Late, a fold must not make figures look older than they are.
    cursor.folded_at = max(now, cursor.folded_at or now)
    cursor.save(update_fields=["number", "size", "folded_at"])
    return events, cursor.number >= cursors.newest_segment(), days


def _leave_the_disk_behind() -> None:
    """Have the commit not wait for the disk, for as long as the transaction lasts.

    A server that loses its power then loses the last folds as a whole, how far the counting is too,
    and they are done again. Never within a transaction that does more than count.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")


def _next(cursor: RollupCursor) -> list[Segment]:
    """The segments of one transaction."""
    following = Segment.objects.filter(number__gt=cursor.number).order_by("number")
    chosen: list[Segment] = []
    for segment in following.defer("note", "sealed_at", "cut")[:_MOST_SEGMENTS]:
        chosen.append(segment)
        if segment.size - cursor.size >= MOST_EVENTS:
            break
    return chosen


def _runs(cursor: RollupCursor, segments: list[Segment]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each run of segments that are of one cluster and treated alike."""
    run: list[Segment] = []
    for segment in segments:
        if run and _is_apart(cursor, run[-1], segment):
            yield _run(cursor, run)
            run = []
        run.append(segment)
    if run:
        yield _run(cursor, run)


def _is_apart(cursor: RollupCursor, one: Segment, other: Segment) -> bool:
    return one.cluster != other.cluster or one.number == cursor.copied


def _run(cursor: RollupCursor, run: list[Segment]) -> dict[str, Any]:
    first, last = run[0], run[-1]
    before = Segment.objects.filter(number__lt=first.number, cluster=first.cluster)
    after = before.order_by("-number").values_list("xid", "event_id").first()
    return {
        "build": cursor.build,
        "zone": cursor.zone,
        "cut_at": cursor.cut_at,
        "cut_day": cursor.cut_day,
        "since": cursor.since if last.number <= cursor.copied else None,
        "cluster": first.cluster,
        "after_xid": after[0] if after else -1,
        "after_id": after[1] if after else NOTHING,
        "xid": last.xid,
        "id": last.event_id,
        "admin": counting.ADMIN_ACTIONS,
        "changes": counting.CHANGES,
    }


def count(run: dict[str, Any]) -> set[date]:
    """Count one run, in the open transaction; returns the days that have events of it."""
    with connection.cursor() as cursor:
        # Compiling would take longer than most runs do. What groups in memory does not sort. And
        # tallies that were empty when they were analyzed are taken to be empty still: then all
        # that a run adds would be read through for each of its people.
        cursor.execute(
            "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL enable_seqscan = off"
        )
        cursor.execute(counting.TOTALS, run)
        days = {day for (day,) in cursor.fetchall()}
        asked = {**run, "days": sorted(days)}
        for statement in counting.TALLIES if len(days) > 1 else counting.TALLIES_OF_ONE_DAY:
            cursor.execute(statement, asked)
    return days
