"""How long migrating a schema may keep others waiting."""

from dataclasses import dataclass
from typing import Final

LOCK_SECONDS: Final = 3.0
STATEMENT_SECONDS: Final = 900

IN_THE_WAY: Final = frozenset(
    {
        "55P03",  # lock_not_available: somebody was using a table
        "40P01",  # deadlock_detected
    }
)
"""SQLSTATEs of what may go well a little later."""


@dataclass(frozen=True)
class Bounds:
    """Seconds: to wait for a lock, and for one statement. 0 is without bound.

    Whoever waits for a table's lock makes everybody wait who comes after, so the first is short,
    and it is tried again later.
    """

    lock: float = LOCK_SECONDS
    statement: float = STATEMENT_SECONDS

    def sql(self) -> str:
        """Return the statements that set them for the transaction one is in."""
        return (
            f"SET LOCAL lock_timeout = {round(self.lock * 1000)};"
            f" SET LOCAL statement_timeout = {round(self.statement * 1000)};"
        )
