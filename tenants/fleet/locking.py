"""One run at a time."""

import os
import pwd
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from tenants.errors import Conflict
from tenants.operations import lock_of
from tenants.owner import owner_connection

_PAUSE_SECONDS: Final = 0.25
_LOCK: Final = "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))"
_HOLDER: Final = """
SELECT a.application_name, to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid),
     pg_catalog.hashtextextended(%s, 0) AS key
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND l.classid = ((key >> 32) & 4294967295)::oid AND l.objid = (key & 4294967295)::oid
"""


class FleetLock:
    """Held while schemas are migrated; gone with the process, however it goes.

    It is a transaction's, so that it holds behind a pooler too, on a connection of its own that
    does nothing else. It is the lock of the fleet's operations, so nobody carries one on meanwhile.
    """

    def __init__(self, *, wait: bool, say: Callable[[str], None]) -> None:
        self._wait = wait
        self._say = say
        self._connection: Any = None

    def __enter__(self) -> Self:
        """Take the lock, or wait for it. Raises ``Conflict`` instead if one is not to wait."""
        owner = owner_connection()
        with owner.wrap_database_errors:
            self._connection = owner.get_new_connection(owner.get_connection_params())
        try:
            with owner.wrap_database_errors:
                self._take()
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def _take(self) -> None:
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            # It does nothing for as long as the run takes, and holds back no vacuum meanwhile.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SET LOCAL transaction_timeout = 0")
            cursor.execute("SELECT set_config('application_name', %s, true)", [_who_we_are()])
            told = False
            while True:
                cursor.execute(_LOCK, [lock_of(None)])
                if cursor.fetchone()[0]:
                    return
                if not told:
                    who = self._holder(cursor)
                    if not self._wait:
                        raise Conflict(
                            f"schemas are being migrated by {who}.",
                            "Wait until it is done, or leave out --no-wait.",
                        )
                    self._say(f"Waiting: schemas are being migrated by {who}.")
                    told = True
                time.sleep(_PAUSE_SECONDS)

    def _holder(self, cursor: Any) -> str:
        cursor.execute(_HOLDER, [lock_of(None)])
        row = cursor.fetchone()
        return f"{row[0]} since {row[1]} UTC" if row else "somebody else"


def _who_we_are() -> str:
    """Return who runs this, for whoever waits: at most the 63 bytes that PostgreSQL keeps."""
    return f"{user_name()}, process {os.getpid()} on {socket.gethostname()}"[:63]


def user_name() -> str:
    """Return the operating system's name of who runs this, or the number if it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
