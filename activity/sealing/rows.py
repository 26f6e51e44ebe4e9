"""The rows of the record as they are stored now: what a verification compares.

Events are summed up in the database, a segment at a time, so that none comes here while all is
well. They come one by one when something is wrong, to say which it is.

These statements find PostgreSQL's own types, operators and functions, and only the tables in the
record's schema: whoever may make a function there could have it say what a row said before.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from django.db import connection

from activity.differences import Row
from activity.leaves import leaf_hash_sql
from activity.models import Segment
from tenants.context import current_scope
from tenants.quoting import identifier
from tenants.triggers import HERE

Position = tuple[int, Any]
"""Where an event stands among those of its cluster: its transaction and its id."""

BEGINNING: Final[Position] = (-(1 << 63), UUID(int=0))
"""Before every event that the table can hold, also where no transaction id can be."""

_BATCH: Final = 64
"""Segments that are read at once."""

# An erased part: no salt, a commitment, and nothing in its fields.
_CONSISTENT = """
(CASE WHEN actor_salt IS NOT NULL THEN actor_commitment IS NULL
      ELSE actor_commitment IS NOT NULL AND ip IS NULL AND session_ref = '' AND user_agent = ''
           AND actor_label = '' AND on_behalf_of_label = '' END
 AND
 CASE WHEN target_salt IS NOT NULL THEN target_commitment IS NULL
      ELSE target_commitment IS NOT NULL AND target_label = '' AND reason = ''
           AND changes = '{}' AND details = '{}' END)
"""

# One row more than there should be, so that one too many is noticed and a million are not read.
_ROWS = f"""
SELECT xid, id, {_CONSISTENT} AS consistent,
       coalesce({leaf_hash_sql()}, sha256(''::bytea)) AS hash
FROM {HERE}.activity_activityevent
WHERE cluster = %(cluster)s AND (xid, id) > (%(after_xid)s, %(after_id)s::uuid)
  AND (xid, id) <= (%(xid)s, %(id)s::uuid)
ORDER BY xid, id LIMIT %(most)s
"""

_SUMMED = f"""
SELECT count(*), coalesce(string_agg(hash, ''::bytea ORDER BY xid, id), ''::bytea),
       coalesce(bool_and(consistent), true),
       (array_agg(xid ORDER BY xid, id))[count(*)], (array_agg(id ORDER BY xid, id))[count(*)]
FROM ({_ROWS}) rows
"""

_LEVELS = f"SELECT level, count(*), sum(length(hashes)) FROM {HERE}.activity_tile GROUP BY level"

_CUTS = f"""
SELECT coalesce(sum((details ->> 'events')::bigint), 0) FROM {HERE}.activity_activityevent
WHERE action = 'record.cut'
"""

_IMPOSSIBLE = f"SELECT id FROM {HERE}.activity_activityevent WHERE xid < 0 ORDER BY xid, id LIMIT 1"


def segments(after: int) -> Iterator[Segment]:
    """Yield the segments behind a number, in order, a few at a time."""
    # From the very first one, also one with a number that no sealer gives.
    last: int | None = after or None
    while True:
        chosen = Segment.objects.order_by("number")
        if last is not None:
            chosen = chosen.filter(number__gt=last)
        batch = list(chosen[:_BATCH])
        yield from batch
        if len(batch) < _BATCH:
            return
        last = batch[-1].number


def summed(segment: Segment, after: Position) -> tuple[Any, ...]:
    """Return how many events of a segment stand behind a position, and their leaves.

    And whether each of them is whole or erased, and the position of the last.
    """
    with connection.cursor() as cursor:
        cursor.execute(_alone(_SUMMED), _asked(segment, after))
        count, leaves, *others = cursor.fetchone()
    return (count, bytes(leaves), *others)


def one_by_one(segment: Segment, after: Position) -> list[Row]:
    """Return a segment's events behind a position, and one more if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(_alone(_ROWS), _asked(segment, after))
        return [
            Row(str(event_id), bytes(leaf), consistent)
            for _, event_id, consistent, leaf in cursor.fetchall()
        ]


def levels() -> dict[int, tuple[int, int]]:
    """Return of each level of hashes how many tiles there are, and their bytes."""
    with connection.cursor() as cursor:
        cursor.execute(_alone(_LEVELS))
        return {level: (count, int(length)) for level, count, length in cursor.fetchall()}


def cut() -> int:
    """Return how many events the record says that retention has removed."""
    with connection.cursor() as cursor:
        cursor.execute(_alone(_CUTS))
        return int(cursor.fetchone()[0])


def impossible() -> str:
    """Return the id of an event of a transaction that no cluster can have had, or "".

    They count from 3 on. The sealer never looks below 0, so in no segment is such an event missed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_alone(_IMPOSSIBLE))
        found = cursor.fetchone()
    return str(found[0]) if found else ""


def stranger(positions: Mapping[int, Position], own: int) -> str:
    """Return the id of an event of another cluster than ``own`` that no segment reaches, or "".

    All of those came by an import. ``positions`` are how far segments reach in each cluster.
    """
    known = ", ".join(["(%s::bigint, %s::bigint, %s::uuid)"] * len(positions))
    joined = f"LEFT JOIN (VALUES {known}) AS p (cluster, xid, id) USING (cluster)"
    past = "AND (p.xid IS NULL OR (event.xid, event.id) > (p.xid, p.id))"
    values = [one for cluster, at in positions.items() for one in (cluster, *at)]
    with connection.cursor() as cursor:
        cursor.execute(
            _alone(
                f"SELECT event.id FROM {HERE}.activity_activityevent event"
                f" {joined if known else ''} WHERE cluster <> %s {past if known else ''}"
                " ORDER BY event.id LIMIT 1"
            ),
            [*values, own],
        )
        found = cursor.fetchone()
    return str(found[0]) if found else ""


def _alone(statement: str) -> str:
    """Return the message in which a statement finds no more of the record's schema than it names.

    The next message says again where it is.
    """
    here = identifier(connection.schema_name)  # type: ignore[attr-defined]
    return f"SET LOCAL search_path = pg_catalog, pg_temp; {statement.replace(HERE, here)}"


def _asked(segment: Segment, after: Position) -> dict[str, Any]:
    xid, event_id = after
    return {
        "tenant": current_scope(),
        "cluster": segment.cluster,
        "after_xid": xid,
        "after_id": event_id,
        "xid": segment.xid,
        "id": segment.event_id,
        "most": segment.events + 1,
    }
