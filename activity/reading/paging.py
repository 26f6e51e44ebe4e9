"""Pages of the record by key: newest first, each found from the last one's end and never counted.

A page costs what it shows, at any depth, and events that arrive meanwhile move nothing. What no
index can answer is looked for among a bounded number of events at a time; the page says how far
it has looked, and the next goes on from there.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet

from activity.models import ActivityEvent
from activity.reading.events import beginning, condition, is_bound, is_keyed
from activity.reading.query import Query

SIZE: Final = 50

LOOKED_THROUGH: Final = 10_000
"""How many events one page looks at for what no index can answer: some 20 ms of a core."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: below ``before``, or above ``after``; both empty for the newest."""

    before: uuid.UUID | None = None
    after: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first. ``older`` and ``newer`` are where the pages beside it begin, if any.

    ``stopped_at`` is the event at which looking ended before the page was full.
    """

    events: list[ActivityEvent]
    older: uuid.UUID | None
    newer: uuid.UUID | None
    stopped_at: uuid.UUID | None = None


def page(
    events: QuerySet[ActivityEvent], query: Query, cursor: Cursor, *, size: int = SIZE
) -> Page:
    """Return one page, of at most ``size``, of ``events``, which are those that ``query`` leaves.

    Sends one statement, and one more first where some event may have to be looked at and left out.
    """
    forwards = cursor.after is not None
    order = "id" if forwards else "-id"
    beyond = _beyond(cursor)
    stop = _stop(query, order, beyond)
    found = events.filter(beyond).order_by(order)
    if stop is not None:
        found = found.filter(Q(id__lte=stop) if forwards else Q(id__gte=stop))
    rows = _rows(found, query, order, size)
    is_more, rows = len(rows) > size, list(rows[:size])
    if is_more:
        stop = None
    end = rows[-1].pk if is_more else stop
    if cursor.after is not None:
        rows.reverse()
        # Where nothing is newer, what one came from is itself the first of the older page.
        older = rows[-1].pk if rows else uuid.UUID(int=cursor.after.int + 1)
        return Page(rows, older, end, stop)
    start = rows[0].pk if rows else cursor.before
    return Page(rows, end, start if cursor.before else None, stop)


def _rows(
    found: QuerySet[ActivityEvent], query: Query, order: str, size: int
) -> Sequence[ActivityEvent]:
    """Return one row more than a page has, if there are."""
    several = [t for t in query.terms if t.name in ("action", "family") and not t.negated]
    rest = [t for t in query.terms if t not in several and not is_bound(t)]
    if len(several) != 1 or rest or is_keyed(several[0]):
        return list(found[: size + 1])
    # The index has each action's events in order, but not those of several: merge the first of
    # each. A rare family in a long record would otherwise be looked for from end to end.
    parts = [found.filter(action=name)[: size + 1] for name in several[0].value]
    return list(parts[0].union(*parts[1:], all=True).order_by(order)[: size + 1])


def _stop(query: Query, order: str, beyond: Q) -> uuid.UUID | None:
    """Return the last event that a page may look at, or ``None`` if it need look at no other."""
    terms = [term for term in query.terms if not is_bound(term)]
    lead = next((term for term in terms if is_keyed(term)), None)
    rest = [term for term in terms if term is not lead]
    is_family = len(rest) == 1 and not rest[0].negated and rest[0].name in ("action", "family")
    if not rest or (lead is None and is_family):
        return None
    looked_at = ActivityEvent.objects.filter(beyond)
    for term in query.terms:
        if term is lead or is_bound(term):
            looked_at = looked_at.filter(condition(term))
        looked_at = looked_at.filter(beginning(term))
    # Bounded and by index alone: not the OFFSET that grows with the depth of a page.
    ids = looked_at.order_by(order).values_list("id", flat=True)
    return next(iter(ids[LOOKED_THROUGH : LOOKED_THROUGH + 1]), None)


def _beyond(cursor: Cursor) -> Q:
    if cursor.after is not None:
        return Q(id__gt=cursor.after)
    return Q(id__lt=cursor.before) if cursor.before is not None else Q()
