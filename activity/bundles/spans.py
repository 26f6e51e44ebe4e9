"""Which part of a record a bundle holds: always whole segments, between two checkpoints."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Q

from activity.models import Segment
from activity.periods import Period
from tenants.errors import InvalidInput, NotFound

_SLACK: Final = timedelta(minutes=1)
"""By how much id and time of an event may differ: both are stamped within its one statement."""


@dataclass(frozen=True, slots=True)
class Span:
    """Segments ``first_segment`` to ``last_segment``, leaves ``first`` up to ``size``.

    ``before`` is the checkpoint of the tree of ``first`` leaves, ``""`` at the record's beginning.
    """

    first_segment: int
    last_segment: int
    first: int
    size: int
    before: str
    is_newest: bool


def span_of(*, after: int | None = None, period: Period | None = None) -> Span:
    """Return the span of all that is sealed, of what follows a checkpoint, or of a period.

    ``after`` is the size in a checkpoint; of a ``period`` it is the fewest segments with all of
    its events. Raises ``InvalidInput`` and ``NotFound``.
    """
    last = Segment.objects.order_by("-number").first()
    if last is None:
        return _between(None, None, is_newest=True)
    if period is not None:
        return _of_period(period, last)
    before = None if not after else _ending_at(after)
    return _between(before, last, is_newest=True)


def _between(before: Segment | None, last: Segment | None, *, is_newest: bool) -> Span:
    return Span(
        first_segment=before.number + 1 if before else 1,
        last_segment=last.number if last else 0,
        first=before.size if before else 0,
        size=last.size if last else 0,
        before=before.note if before else "",
        is_newest=is_newest,
    )


def _ending_at(size: int) -> Segment:
    below = Segment.objects.filter(first__lt=size).order_by("-number").first()
    if below is None or size < 0 or below.size < size:
        newest = below.size if below else 0
        raise InvalidInput(
            f"no checkpoint has {size} events.", f"The newest one of this record has {newest}."
        )
    if below.size != size:
        raise InvalidInput(
            f"no checkpoint has {size} events.",
            f"Those next to it have {below.first} and {below.size}.",
        )
    return below


_ENDS = """
SELECT cluster, min(xid), max(xid), (array_agg(id ORDER BY xid DESC, id DESC))[1]
FROM activity_activityevent
WHERE id >= %s AND id < %s AND occurred_at >= %s AND occurred_at < %s
GROUP BY cluster
"""


def _of_period(period: Period, newest: Segment) -> Span:
    numbers: list[int] = []
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, _moments(period))
        for cluster, first_xid, last_xid, last_id in cursor.fetchall():
            own = Segment.objects.filter(cluster=cluster).order_by("number")
            first = own.filter(xid__gte=first_xid).first()
            if first is None:
                continue
            reaching = own.filter(Q(xid__gt=last_xid) | Q(xid=last_xid, event_id__gte=last_id))
            # The last events of the period may not be sealed yet.
            last = reaching.first() or own.last()
            numbers += [first.number, last.number if last else first.number]
    if not numbers:
        raise NotFound(
            f"no sealed event of {period} is there.", "Ask for other days, or for all of it."
        )
    return _between(
        Segment.objects.filter(number=min(numbers) - 1).first(),
        Segment.objects.get(number=max(numbers)),
        is_newest=max(numbers) == newest.number,
    )


def _moments(period: Period) -> list[uuid.UUID | datetime]:
    """The period as bounds of ids, which have an index, and exactly."""
    low, high = _least_id(period.start - _SLACK), _least_id(period.end + _SLACK)
    return [low, high, period.start, period.end]


def _least_id(moment: datetime) -> uuid.UUID:
    """Return what no UUID of version 7 of a moment or later lies below (RFC 9562, 5.7)."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)
