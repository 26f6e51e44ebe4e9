"""What the platform keeps of each record's checkpoints, and comparing a record with it.

The newest checkpoint, and the last of each day, go into ``public`` in the transaction that seals.
Whoever cuts off the end of a record in its own schema, or brings back an older copy of that, leaves
these behind.
"""

from dataclasses import dataclass
from typing import Any

import structlog
from django.db import connection

from activity.models import Segment
from tenants.context import current_scope

logger = structlog.get_logger("tenantry.sealing")

# Only what goes on from the head that is kept replaces it: after its end was cut off a record would
# otherwise wipe out what shows that, by sealing on.
_KEEP = """
WITH head AS (
    INSERT INTO public.tenants_recordhead AS head (record, number, size, note, sealed_at)
    VALUES (%(record)s, %(number)s, %(size)s, %(note)s, %(sealed_at)s)
    ON CONFLICT (record) DO UPDATE SET number = EXCLUDED.number, size = EXCLUDED.size,
        note = EXCLUDED.note, sealed_at = EXCLUDED.sealed_at
    WHERE head.note IN (EXCLUDED.note, %(before)s)
        OR %(arrives)s AND head.number <= EXCLUDED.number AND head.size <= EXCLUDED.size
    RETURNING record, size, note
)
INSERT INTO public.tenants_dailycheckpoint AS kept (record, day, size, note)
SELECT record, (now() AT TIME ZONE 'UTC')::date, size, note FROM head
ON CONFLICT (record, day) DO UPDATE SET size = EXCLUDED.size, note = EXCLUDED.note
WHERE kept.size <= EXCLUDED.size
"""

_KEPT = """
SELECT size, note, 'the platform''s newest' FROM public.tenants_recordhead WHERE record = %(record)s
UNION ALL
SELECT size, note, 'the platform''s of ' || day FROM public.tenants_dailycheckpoint
WHERE record = %(record)s ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint of a record that was kept outside it, and where."""

    size: int
    note: str
    where: str


def keep(segment: Segment, before: str = "", *, arrives: bool = False) -> None:
    """Keep a segment's checkpoint, which follows the one ``before``, in the transaction one is in.

    A record that does not go on from what is kept leaves that as it is: the log says so, and
    verification will. One that ``arrives`` by an import, perhaps begun for the second time, may.
    """
    values: dict[str, Any] = {
        "record": current_scope(),
        "number": segment.number,
        "size": segment.size,
        "note": segment.note,
        "sealed_at": segment.sealed_at,
        "before": before,
        "arrives": arrives,
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, values)
        if not cursor.rowcount:
            logger.error("record cut back", record=current_scope(), segment=segment.number)


def kept() -> list[Kept]:
    """Return what the platform has of the record of the place one is in, the smallest first."""
    with connection.cursor() as cursor:
        cursor.execute(_KEPT, {"record": current_scope()})
        return [Kept(*row) for row in cursor.fetchall()]


def is_newest(segment: Segment) -> bool:
    """Tell whether the platform's newest checkpoint is that of a segment, or of a later one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, size, note, sealed_at FROM public.tenants_recordhead WHERE record = %s",
            [current_scope()],
        )
        found = cursor.fetchone()
    if found is None:
        return False
    expected = (segment.number, segment.size, segment.note, segment.sealed_at)
    # Outside a transaction of ours a sealer may have gone on meanwhile.
    return bool(found == expected or (found[0] > segment.number and found[1] > segment.size))
