"""Which records have something to seal, asked of few tenants out of many.

Asking a tenant is one step into an index, but planning it for a thousand tenants every two seconds
took an eighth of a processor and 100 MB of a backend. So only these are asked:

- those whose table of events has grown by PostgreSQL's own counters: one statement for all. A
  session that is idle after several short transactions may hold them back for ten seconds;
- those where a request may have changed something, told through Redis;
- those that had something at the last sweep;
- one in 150 by turns: whatever the others miss is found within some minutes.

The first three are hints. Whether there is something to seal PostgreSQL says, of the rows.
"""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.core.cache import cache
from django.db import connection

from tenants import asking
from tenants.context import PLATFORM, enter_platform
from tenants.models import Tenant

_TURNS: Final = 150
_WARM_SECONDS: Final = 12.0
"""For how long a tenant that changed is asked: the counters of what came next may be held back."""
_MOST_VISITED: Final = 200
"""Schemas after which the connection is given up: its backend keeps memory for each of them."""
_COUNTED: Final = 1_000
"""Up to how many unsealed events of a record are counted."""
_HINTS: Final = "unsealed"

# The first events past the last segment, of this cluster: from an import come none without a seal.
_ONE = """
SELECT {record}, count(*), bool_or(xid < (SELECT xid FROM horizon)) FROM (
    SELECT xid FROM {schema}.activity_activityevent
    WHERE cluster = (SELECT cluster FROM horizon)
    AND (xid, id) > (
        coalesce((SELECT xid FROM {schema}.activity_segment
                  WHERE cluster = (SELECT cluster FROM horizon)
                  ORDER BY number DESC LIMIT 1), -1),
        coalesce((SELECT event_id FROM {schema}.activity_segment
                  WHERE cluster = (SELECT cluster FROM horizon)
                  ORDER BY number DESC LIMIT 1), '00000000-0000-0000-0000-000000000000')
    )
    ORDER BY xid, id LIMIT {counted}
) event HAVING count(*) > 0
"""

_HORIZON = """
WITH horizon AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid,
           (SELECT system_identifier FROM pg_control_system()) AS cluster
)
"""

# A server that counts nothing says nothing: then everybody is asked. A tenant that is not served
# may be so because its schema is not its own.
_GROWTH = """
SELECT t.id, t.schema_name, c.oid,
       CASE WHEN current_setting('track_counts')::boolean
            THEN pg_stat_get_tuples_inserted(c.oid) END
FROM tenants_tenant t
JOIN pg_namespace n ON n.nspname = t.schema_name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'activity_activityevent'
WHERE t.state = ANY (%s)
    AND (t.state = 'active' OR obj_description(n.oid, 'pg_namespace') = 'tenantry:' || t.id)
"""


class Unsealed(NamedTuple):
    """A record with events past its last segment."""

    record: str
    """A tenant's UUID, or ``platform``."""
    events: int
    """How many, up to a thousand."""
    is_ripe: bool
    """Whether any can be sealed now, past no transaction that is still open."""


@dataclass
class Sweep:
    """What a process remembers from one sweep to the next; lost, everybody is asked once."""

    grown: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each tenant: its table of events and how many rows had been inserted into it."""
    warm: dict[str, float] = field(default_factory=dict)
    """Until when a tenant is asked at each sweep, by a clock that nobody sets."""
    visited: int = 0
    turn: int = 0

    def unsealed(self) -> list[Unsealed]:
        """Return the records that have events past their last segment."""
        with enter_platform(), connection.cursor() as cursor:
            hinted = set(cache.take_members(_HINTS))  # type: ignore[attr-defined]
            cursor.execute(_GROWTH, [[*map(str, Tenant.LIVING)]])
            rows = cursor.fetchall()
            chosen = {PLATFORM: "public", **self._chosen(rows, hinted, time.monotonic())}
            found = _asked(cursor, list(chosen.items()))
        # Whoever has something that is not ripe is asked again, however long it takes.
        again = time.monotonic() + _WARM_SECONDS
        self.warm.update(dict.fromkeys((one.record for one in found), again))
        self._spare_memory(len(chosen))
        return found

    def _chosen(
        self, rows: list[tuple[uuid.UUID, str, int, int | None]], hinted: set[str], now: float
    ) -> dict[str, str]:
        self.turn = (self.turn + 1) % _TURNS
        chosen: dict[str, str] = {}
        grown: dict[str, tuple[int, int]] = {}
        for key, schema, table, inserted in rows:
            record = str(key)
            if inserted is not None:
                grown[record] = (table, inserted)
            is_known = record in self.grown
            if record in hinted or (is_known and grown.get(record) != self.grown[record]):
                self.warm[record] = now + _WARM_SECONDS
            is_due = inserted is None or key.int % _TURNS == self.turn
            if record in self.warm or not is_known or is_due:
                chosen[record] = schema
        self.grown = grown
        self.warm = {record: until for record, until in self.warm.items() if until > now}
        return chosen

    def _spare_memory(self, visited: int) -> None:
        self.visited += visited
        if self.visited > _MOST_VISITED and not connection.in_atomic_block:
            connection.close()
            self.visited = 0


def _asked(cursor: Any, records: list[tuple[str, str]]) -> list[Unsealed]:
    return [
        Unsealed(*row)
        for row in asking.ask_each(cursor, _ONE, records, before=_HORIZON, counted=_COUNTED)
    ]


def count_past(cluster: int, xid: int, event_id: uuid.UUID | str) -> int:
    """Return how many events of a cluster, in the place one is in, come after a position.

    Of one cluster: transaction ids of another mean nothing there. Answered by the index alone.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM activity_activityevent"
            " WHERE cluster = %s AND (xid, id) > (%s, %s::uuid)",
            [cluster, xid, event_id],
        )
        return int(cursor.fetchone()[0])


def hint(record: str) -> None:
    """Have the next sweep ask a record. Lost without Redis, where sweeps find it all the same."""
    with enter_platform():
        cache.add_member(_HINTS, record)  # type: ignore[attr-defined]


_sweep = Sweep()


def unsealed() -> list[Unsealed]:
    """Return the records that have events past their last segment, by this process's sweep."""
    return _sweep.unsealed()
