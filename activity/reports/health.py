"""How the record itself is: sealed up to where, how long that takes, and when it was verified."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.db import connection

from activity.periods import zone
from activity.reports.registry import (
    Asked,
    Column,
    Definition,
    Row,
    Source,
    register,
)
from activity.sealing import checking
from tenants.context import current_scope

_LAST_SEALS: Final = 100

_MOST_WAITING: Final = 10_000

# The oldest event of a segment is the first after the segment before it, in the record's order.
# What waits comes after the last segment of the cluster that one is in (activity.sealing.sealer).
_SEALED: Final = f"""
WITH newest AS (
    SELECT number, first + events AS size, sealed_at
    FROM activity_segment ORDER BY number DESC LIMIT 1
), here AS (
    SELECT xid, event_id FROM activity_segment
    WHERE cluster = (SELECT system_identifier FROM pg_control_system())
    ORDER BY number DESC LIMIT 1
), lately AS (
    SELECT segment.sealed_at - oldest.occurred_at AS waited
    FROM (SELECT * FROM activity_segment ORDER BY number DESC LIMIT {_LAST_SEALS}) segment
    JOIN activity_segment before
        ON before.number = segment.number - 1 AND before.cluster = segment.cluster
    CROSS JOIN LATERAL (
        SELECT event.occurred_at FROM activity_activityevent event
        WHERE (event.xid, event.id) > (before.xid, before.event_id)
            AND event.cluster = segment.cluster
        ORDER BY event.xid, event.id LIMIT 1
    ) oldest
), waiting AS (
    SELECT event.occurred_at FROM activity_activityevent event
    WHERE event.cluster = (SELECT system_identifier FROM pg_control_system())
        AND (event.xid, event.id) > (
            coalesce((SELECT xid FROM here), -1),
            coalesce((SELECT event_id FROM here), '00000000-0000-0000-0000-000000000000'))
    ORDER BY event.xid, event.id LIMIT {_MOST_WAITING}
)
SELECT newest.size, newest.number, newest.sealed_at,
    (SELECT count(*) FROM waiting), (SELECT min(occurred_at) FROM waiting),
    (SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY waited)) FROM lately),
    (SELECT extract(epoch FROM max(waited)) FROM lately)
FROM (VALUES (1)) one LEFT JOIN newest ON true
"""  # noqa: S608 (our own words)


def _health(asked: Asked) -> Iterable[Row]:
    with connection.cursor() as cursor:
        cursor.execute(_SEALED)
        size, number, sealed_at, waiting, since, usual, longest = cursor.fetchone()
    yield "Events that are sealed", str(size or 0), "events"
    yield "Segments", str(number or 0), "segments"
    yield "Sealed last", _moment(sealed_at), ""
    more = " or more" if waiting == _MOST_WAITING else ""
    yield "Events that wait to be sealed", f"{waiting}{more}", "events"
    yield "The oldest of them is from", _moment(since), ""
    lately = f"the last {_LAST_SEALS} seals"
    yield f"Seconds until sealed, the median of {lately}", _seconds(usual), "seconds"
    yield f"Seconds until sealed, the longest of {lately}", _seconds(longest), "seconds"
    yield from _verified()


def _verified() -> Iterator[Row]:
    last = checking.state(current_scope())
    yield "Verified last", _moment(last.checked_at if last else None), ""
    yield "Found intact", str(last.events) if last else "", "events"
    yield "What was wrong", last.sentence if last else "", ""


def _moment(value: Any) -> str:
    return value.astimezone(zone()).isoformat(timespec="seconds") if value else ""


def _seconds(value: Any) -> str:
    return "" if value is None else f"{value:.1f}"


register(
    Definition(
        name="record-health",
        title="How the record is",
        about="The record",
        sentence=(
            "How much is sealed and how much waits, how long sealing takes, and what the last"
            " verification found."
        ),
        columns=(Column("what", "What"), Column("value", "Is"), Column("unit", "Unit")),
        rows=_health,
        reads=Source.EVENTS,
        has_period=False,
    )
)
