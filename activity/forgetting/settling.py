"""Waiting until nobody can write any more what they read of somebody who is being erased.

A request that has read a name keeps it in memory, and may write it down after everything that was
there has been emptied. Requests pay nothing for what follows; the erasure does, by looking again.

All that is found is emptied, whatever is open then is waited for, and what was written meanwhile
is looked for, until a look finds nothing. Then nothing can follow. Somebody who could still write
the name has read it since the last wait began, where it was already emptied, or where somebody had
written it whose transaction is over: there this look would have found it.

Transactions are told by their virtual ids, which they have before they write, and which PostgreSQL
shows to every role. Vacuuming writes no events, and other databases are none of ours.
"""

import time
from typing import Final

from django.db import connection

from tenants.errors import Conflict

PATIENCE: Final = 10.0
"""Seconds to wait for whoever is at work: longer than nearly every request takes."""
_PAUSE: Final = 0.02

_OTHERS: Final = """
SELECT lock.virtualtransaction FROM pg_catalog.pg_locks AS lock
JOIN pg_catalog.pg_stat_activity AS process USING (pid)
WHERE lock.locktype = 'virtualxid' AND lock.mode = 'ExclusiveLock' AND lock.granted
AND process.datname = pg_catalog.current_database() AND process.usesysid IS NOT NULL
AND pid <> pg_catalog.pg_backend_pid()
"""
_HORIZON: Final = """
SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint
"""


class Unsettled(Conflict):
    """Somebody who began before all was emptied has not ended yet. All that is there is emptied."""


def horizon() -> int:
    """Return a transaction id: whatever the next statement does not see yet has it, or a later."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        return int(cursor.fetchone()[0])


def others() -> set[str]:
    """Return the transactions of others that are open."""
    with connection.cursor() as cursor:
        cursor.execute(_OTHERS)
        return {one for (one,) in cursor.fetchall()}


def wait(patience: float | None = None) -> None:
    """Wait until every transaction has ended that is open now; raises ``Unsettled`` if one stays.

    Outside a transaction: inside one, nobody else sees what was emptied.
    """
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    waiting = others()
    while waiting:
        if time.monotonic() >= end:
            raise Unsettled(
                "what is kept of the person is emptied, but somebody who was at work already "
                "has not ended.",
                "It is looked again, and certified then. Ask again later.",
            )
        time.sleep(_PAUSE)
        waiting &= others()
