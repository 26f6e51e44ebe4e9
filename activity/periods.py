"""Spans of local days, as people type them and as reports and exports need them."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from tenants.context import current_tenant
from tenants.errors import InvalidInput

BEGINNING: Final = date(1970, 1, 1)
"""The first day that can be asked for."""
MOST_DAYS: Final = 3_660
DEFAULT_DAYS: Final = 30


def zone_name() -> str:
    """Return the name of the time zone whose days count here: the tenant's, or the platform's.

    It may be none that is known here, such as one that exists no longer.
    """
    tenant = current_tenant()
    return tenant.time_zone if tenant else timezone.get_default_timezone_name()


def zone() -> ZoneInfo:
    """Return that time zone. Raises ``ZoneInfoNotFoundError`` for one that is not known."""
    return ZoneInfo(zone_name())


@dataclass(frozen=True, slots=True)
class Period:
    """From the beginning of ``since`` to the end of ``until``, both local days."""

    since: date
    until: date

    @property
    def days(self) -> list[date]:
        """Every day of the period, oldest first."""
        return [self.since + timedelta(n) for n in range((self.until - self.since).days + 1)]

    @property
    def months(self) -> list[date]:
        """The first day of every month that the period touches, oldest first."""
        month, months = self.since.replace(day=1), []
        while month <= self.until:
            months.append(month)
            month = last_day(month) + timedelta(1)
        return months

    @property
    def start(self) -> datetime:
        """The first moment of the period."""
        return datetime.combine(self.since, time.min, zone())

    @property
    def end(self) -> datetime:
        """The first moment after the period."""
        return datetime.combine(self.until + timedelta(1), time.min, zone())

    def __str__(self) -> str:
        return f"{self.since} to {self.until}"


def last_day(day: date) -> date:
    """Return the last day of the month that a day is in."""
    return (day.replace(day=1) + timedelta(31)).replace(day=1) - timedelta(1)


def split(period: Period) -> tuple[list[date], list[Period]]:
    """Return the months that are whole in a period, and the parts of others."""
    whole, parts = [], []
    for month in period.months:
        part = Period(max(month, period.since), min(last_day(month), period.until))
        if part == Period(month, last_day(month)):
            whole.append(month)
        else:
            parts.append(part)
    return whole, parts


def parse_day(text: str, what: str) -> date | None:
    """Return the day written in ``text``, ``None`` for nothing.

    Raises ``InvalidInput`` naming ``what`` for anything but YYYY-MM-DD, and for years with which
    one cannot reckon.
    """
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Python also reads 20260131 and 2026-W05-6.
    if day is None or day.isoformat() != text:
        raise InvalidInput(
            f"{what} {text[:40]!r} is not a day.", "Write it as YYYY-MM-DD, such as 2026-01-31."
        )
    if not BEGINNING.year <= day.year <= 9990:
        raise InvalidInput(
            f"{what} {day} is out of range.", f"Use years from {BEGINNING.year} to 9990."
        )
    return day


def period_between(since: str, until: str) -> Period:
    """Return the period that two typed days name; missing ones mean the last 30 days.

    Raises ``InvalidInput`` when they are no days, the wrong way round, or over ten years apart.
    """
    last = parse_day(until, "until") or timezone.now().astimezone(zone()).date()
    first = parse_day(since, "since") or last - timedelta(DEFAULT_DAYS - 1)
    if first > last and not until:
        raise InvalidInput(
            f"since {first} is after today, which is {last} in {zone_name()}.",
            "Choose an earlier day.",
        )
    if first > last:
        raise InvalidInput(f"since {first} is after until {last}.", "Swap them: since comes first.")
    if (last - first).days >= MOST_DAYS:
        raise InvalidInput(
            f"{first} to {last} is longer than ten years.", "Ask for a shorter period."
        )
    return Period(first, last)


def period_named(since: str, until: str) -> Period | None:
    """Return the period that two typed days name, ``None`` for all time when both are missing.

    Without ``since`` it begins with the first day there is. Raises ``InvalidInput`` as
    ``period_between`` does.
    """
    if since:
        return period_between(since, until)
    last = parse_day(until, "until")
    return Period(BEGINNING, last) if last else None


def last_days(count: int) -> Period:
    """Return the period of ``count`` local days that ends today."""
    today = timezone.now().astimezone(zone()).date()
    return Period(today - timedelta(count - 1), today)
