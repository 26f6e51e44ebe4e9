"""Events as reports read them: by action and period, through the index of actions.

Ids are made in the order of time, so a range of them is a period, but for clocks that were set
back. So the range is wider than the period, and the moment itself decides.
"""

from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet

from activity.events import erased
from activity.models import ActivityEvent
from activity.periods import Period, zone
from activity.reading.events import first_id_at
from activity.reports.registry import Asked, Row

_MARGIN: Final = timedelta(minutes=10)

WITHIN: Final = (
    "event.id >= %(first)s AND event.id < %(last)s"
    " AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s"
)
"""The condition that an event is of the period, for ``fetched``."""

TIMES: Final = (
    "CASE WHEN event.outcome <> 'success' AND jsonb_typeof(event.details -> 'count') = 'number'"
    " THEN (event.details -> 'count')::bigint ELSE 1 END"
)
"""How often what an event tells of was done: a flood is one event with a count."""

SOURCE: Final = "CASE family(ip) WHEN 6 THEN network(set_masklen(ip, 64))::inet ELSE ip END"
"""Where an event is from: an address, of version 6 the network that one subscriber has."""
NAMED_SOURCE: Final = "CASE family(source) WHEN 6 THEN source::text ELSE host(source) END"
"""Its text, of rows that have it as ``source``: a network with its length, an address without."""

SPANS: Final = """unnest(%(firsts)s::uuid[], %(lasts)s::uuid[], %(starts)s::timestamptz[],
        %(ends)s::timestamptz[]) AS span (first_id, last_id, start_at, end_at)"""
WITHIN_SPAN: Final = (
    "event.id >= span.first_id AND event.id < span.last_id"
    " AND event.occurred_at >= span.start_at AND event.occurred_at < span.end_at"
)
"""The condition that an event is of one of several periods, for ``fetched_of``."""


def newest(asked: Asked, condition: Q) -> QuerySet[ActivityEvent]:
    """Return the events of which a condition holds, newest first, no more than are asked for."""
    bounds = _bounds(asked.period)
    found = ActivityEvent.objects.filter(
        condition,
        id__gte=bounds["first"],
        id__lt=bounds["last"],
        occurred_at__gte=bounds["start"],
        occurred_at__lt=bounds["end"],
    ).order_by("-id")
    return found if asked.most is None else found[: asked.most]


def fetched(statement: str, period: Period, **values: Any) -> list[Row]:
    """Return the rows of a statement that may name the period's bounds and the local zone."""
    return _rows(statement, {**_bounds(period), **values})


def fetched_of(statement: str, periods: list[Period], **values: Any) -> list[Row]:
    """Return the rows of a statement about several periods that have no day in common."""
    bounds = [_bounds(period) for period in periods]
    names = ("first", "last", "start", "end")
    spans = {f"{name}s": [one[name] for one in bounds] for name in names}
    return _rows(statement, {**spans, **values})


def _rows(statement: str, asked: dict[str, Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"zone": zone().key, **asked})
        rows: list[Row] = cursor.fetchall()
    return rows


# One look into the index of events by target for each.
_CALLED: Final = """
SELECT target.id, newest.target_type, newest.target_label, newest.target_salt IS NULL
FROM unnest(%s::text[]) AS target(id)
CROSS JOIN LATERAL (
    SELECT event.target_type, event.target_label, event.target_salt
    FROM activity_activityevent event
    WHERE event.target_id = target.id ORDER BY event.id DESC LIMIT 1
) newest
"""


def called(ids: set[str]) -> dict[str, str]:
    """Return what the record calls some objects now: somebody who was renamed has one name."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLED, [sorted(ids)])
        return {
            key: (erased(key) if kind == "user" else "something erased") if is_erased else label
            for key, kind, label, is_erased in cursor.fetchall()
        }


def _bounds(period: Period) -> dict[str, Any]:
    return {
        "first": first_id_at(period.start - _MARGIN),
        "last": first_id_at(period.end + _MARGIN),
        "start": period.start,
        "end": period.end,
    }


def who(event: ActivityEvent) -> str:
    """Return who acted, as the record calls them now."""
    if event.actor_salt is None:
        return erased(event.actor_id) if event.actor_id else f"{event.actor_kind}, erased"
    return event.actor_label or event.actor_kind


def whom(event: ActivityEvent) -> str:
    """Return what it was done to, as the record calls it now."""
    if event.target_salt is None:
        return erased(event.target_id) if event.target_type == "user" else "something erased"
    return event.target_label
