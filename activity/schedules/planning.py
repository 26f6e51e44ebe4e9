"""What is due of a schedule: pure reckoning, which asks neither database nor clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from activity.schedules.cron import Cron
from tenants.errors import InvalidInput

LATE: Final = timedelta(minutes=15)
"""A run that begins later than this after its time says so."""


@dataclass(frozen=True, slots=True)
class Due:
    """A run to begin: for which moment, how many before it never ran, and when the next one is."""

    at: datetime
    missed: int
    next_at: datetime

    def is_late(self, now: datetime) -> bool:
        """Tell whether the run begins long after its time."""
        return now - self.at > LATE


def due(cron: Cron, next_at: datetime, now: datetime, zone: ZoneInfo) -> Due | None:
    """Return what is due at ``now`` of a schedule whose next run was to be at ``next_at``.

    However many times went by, it is one run: that of the last of them. The others are counted.
    """
    if next_at > now:
        return None
    last, missed = next_at, 0
    for at in cron.after(next_at, zone):
        if at > now:
            return Due(last, missed, at)
        last, missed = at, missed + 1
    raise AssertionError(f"{cron.text} ends")


def zone_called(name: str) -> ZoneInfo:
    """Return the time zone with a name.

    Raises ``InvalidInput`` when this machine's tz database has none, or no longer.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(
            f"there is no time zone {name[:40]!r}.",
            "Choose one of the tz database, such as Europe/Berlin.",
        ) from None
