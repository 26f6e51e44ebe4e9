"""How far sealing is behind, and the alarm when it is too far.

What a sweep finds is left in the cache for whoever shows it. Lag is counted from the sweep that
first found a record's events committed and not sealed, not from their own time: a transaction that
was open for an hour has old events the moment it commits.
"""

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import structlog
from django.core.cache import cache
from django.db import connection

from activity.sealing.unsealed import Unsealed
from tenants.context import enter_platform

logger = structlog.get_logger("tenantry.sealing")

ALARM_SECONDS: Final = 60.0
_KEPT_SECONDS: Final = 90
"""After so long without a sweep nothing is known."""
_AGAIN_SECONDS: Final = 60
"""How often a lag that stays is logged."""
_KEY: Final = "sealing-lag"

# Only a transaction that has an id holds sealing back. Of other roles' the server tells nothing to
# a role without pg_read_all_stats.
_OLDEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float
FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Lag:
    """What the last sweep found."""

    at: float
    """When, as a Unix time."""
    since: dict[str, float] = field(default_factory=dict)
    """Of each record with unsealed events: when a sweep first found some."""
    events: int = 0
    """How many events are unsealed, each record's counted up to a thousand."""
    transaction_seconds: float = 0.0
    """The age of the oldest open transaction that writes."""

    @property
    def seconds(self) -> float:
        """For how long the record that waits longest has waited."""
        return max((self.at - since for since in self.since.values()), default=0.0)

    @property
    def is_alarming(self) -> bool:
        """Whether it is more than a minute."""
        return self.seconds > ALARM_SECONDS


def note(found: list[Unsealed]) -> Lag:
    """Keep what a sweep found; log an error, once a minute, while the lag is alarming."""
    now = time.time()
    with enter_platform():
        before = read()
        known = before.since if before else {}
        lag = Lag(
            at=now,
            # A clock that was put back must not make a wait begin in the future.
            since={one.record: min(known.get(one.record, now), now) for one in found},
            events=sum(one.events for one in found),
            transaction_seconds=_oldest_transaction(),
        )
        cache.set(_KEY, asdict(lag), _KEPT_SECONDS)
        if lag.is_alarming and cache.add(f"{_KEY}-logged", True, _AGAIN_SECONDS):
            logger.error(
                "sealing lags",
                seconds=round(lag.seconds),
                records=len(lag.since),
                longest=min(lag.since, key=lambda record: lag.since[record]),
                oldest_transaction_seconds=round(lag.transaction_seconds),
            )
    return lag


def read() -> Lag | None:
    """Return what the last sweep found, ``None`` when none was within a minute and a half."""
    with enter_platform():
        found: dict[str, Any] | None = cache.get(_KEY)
    return Lag(**found) if found else None


def _oldest_transaction() -> float:
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        return float(cursor.fetchone()[0])
