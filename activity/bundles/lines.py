"""The members of a bundle that are long, as pieces: events, checkpoints and hashes.

PostgreSQL writes the lines: it has the canonical form of a leaf already (``activity.leaves``), and
making objects of rows would take longer than everything else together.
"""

from collections.abc import Iterator
from typing import Any, Final

from django.db import connection

from activity.bundles.spans import Span
from activity.leaves import ACTOR_MEMBERS, TARGET_MEMBERS, canonical, leaf_sql
from activity.models import Segment
from activity.sealing import sealer, tiles
from tenants.context import current_scope
from tenants.errors import TenantryError

LONGEST_LINE: Final = 16 << 20
"""Bytes of a line: who reads a bundle needs no more memory than some of these."""
_ROWS: Final = 500
_SEGMENTS: Final = 256
_HASHES: Final = 64 * 256


def _document(members: dict[str, str]) -> str:
    """Return SQL for the text of a JSON document, its members in canonical order."""
    parts = [f"""'"{name}":' || {members[name]}""" for name in sorted(members)]
    inside = " || ',' || ".join(parts)
    return f"'{{' || {inside} || '}}'"


def _salt(part: str) -> str:
    return f"""coalesce('"' || pg_catalog.encode({part}_salt, 'hex') || '"', 'null')"""


_LINE: Final = _document(
    {
        "actor": _document(dict(ACTOR_MEMBERS)),
        "actor_salt": _salt("actor"),
        # None for a row that is no event of ours. It is handed on, so that it can be seen.
        "leaf": f"coalesce(pg_catalog.convert_from({leaf_sql()}, 'UTF8'), 'null')",
        "target": _document(dict(TARGET_MEMBERS)),
        "target_salt": _salt("target"),
    }
)

_EVENTS: Final = f"""
SELECT {_LINE} FROM activity_activityevent
WHERE cluster = %(cluster)s AND (xid, id) > (%(after_xid)s, %(after_id)s::uuid)
  AND (xid, id) <= (%(xid)s, %(id)s::uuid)
ORDER BY xid, id
"""

# Consecutive segments of one cluster are read in one go, however many there are.
_RUNS: Final = """
SELECT cluster, min(number), max(number) FROM (
    SELECT cluster, number, number - row_number() OVER (PARTITION BY cluster ORDER BY number) AS run
    FROM activity_segment WHERE number BETWEEN %s AND %s
) numbered GROUP BY cluster, run ORDER BY min(number)
"""


def events(span: Span) -> Iterator[bytes]:
    """Yield the line of each stored event of a span, in the order of the record.

    Raises ``TenantryError`` for an event that is too long for a bundle.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RUNS, [span.first_segment, span.last_segment])
        runs = cursor.fetchall()
    for cluster, first, last in runs:
        with connection.chunked_cursor() as cursor:
            cursor.execute(_EVENTS, _bounds(cluster, first, last))
            while rows := cursor.fetchmany(_ROWS):
                for (line,) in rows:
                    yield _bounded(line.encode())


def _bounds(cluster: int, first: int, last: int) -> dict[str, Any]:
    ends = Segment.objects.filter(cluster=cluster).values_list("xid", "event_id")
    before = ends.filter(number__lt=first).order_by("-number").first()
    after_xid, after_id = before or (-1, sealer.NOTHING)
    xid, event_id = ends.get(number=last)
    return {
        "tenant": current_scope(),
        "cluster": cluster,
        "after_xid": after_xid,
        "after_id": after_id,
        "xid": xid,
        "id": event_id,
    }


def _bounded(line: bytes) -> bytes:
    if len(line) >= LONGEST_LINE:
        raise TenantryError(
            f"an event has {len(line)} bytes, and a line of a bundle at most {LONGEST_LINE}.",
            "Ask for a span without it: --since and --until.",
        )
    return line + b"\n"


def checkpoints(span: Span) -> Iterator[bytes]:
    """Yield a line for each segment of a span."""
    number = span.first_segment
    while number <= span.last_segment:
        batch = Segment.objects.filter(number__range=(number, span.last_segment))
        found = list(batch.order_by("number")[:_SEGMENTS])
        if not found:
            return
        for segment in found:
            yield _checkpoint(segment)
        number = found[-1].number + 1


def _checkpoint(segment: Segment) -> bytes:
    document: dict[str, str | int | None] = {
        "number": segment.number,
        "first": segment.first,
        "events": segment.events,
        "cut": segment.cut,
        "cluster": str(segment.cluster),
        "xid": str(segment.xid),
        "event_id": str(segment.event_id),
        "note": segment.note,
    }
    return canonical(document) + b"\n"


def hashes(span: Span) -> Iterator[bytes]:
    """Yield the leaf hashes that were sealed, 32 bytes each. Raises ``TilesMissing``."""
    for start in range(span.first, span.size, _HASHES):
        yield tiles.hashes(0, start, min(start + _HASHES, span.size))
