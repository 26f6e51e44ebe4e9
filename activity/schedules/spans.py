"""Of which days a run is: said once, in words that move along with the calendar."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from activity.periods import MOST_DAYS, Period, last_day
from tenants.errors import InvalidInput

_DAYS: Final = re.compile(r"last-([1-9][0-9]{0,3})")
_UNITS: Final = {
    "day": "the day before",
    "week": "the week before, Monday to Sunday",
    "month": "the month before",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Some whole days before a run, such as ``week`` or ``last-30``."""

    text: str

    @property
    def words(self) -> str:
        """The span as a person says it."""
        if self.text in _UNITS:
            return _UNITS[self.text]
        days = self._count
        return "the last day" if days == 1 else f"the last {days} days"

    @property
    def _count(self) -> int:
        return int(self.text.removeprefix("last-"))

    def before(self, day: date) -> Period:
        """Return the days that a run on ``day`` is of. They are over, so they change no more."""
        if self.text == "day":
            return Period(day - timedelta(1), day - timedelta(1))
        if self.text == "week":
            monday = day - timedelta(day.weekday() + 7)
            return Period(monday, monday + timedelta(6))
        if self.text == "month":
            last = day.replace(day=1) - timedelta(1)
            return Period(last.replace(day=1), last)
        return Period(day - timedelta(self._count), day - timedelta(1))


def span_called(text: str) -> Span:
    """Return the span that somebody wrote.

    Raises ``InvalidInput`` listing those there are.
    """
    text = text.strip().lower()
    days = _DAYS.fullmatch(text)
    if text not in _UNITS and not (days and int(days[1]) <= MOST_DAYS):
        raise InvalidInput(
            f"{text[:40]!r} is no span of days.",
            f"Write {', '.join(_UNITS)}, or last-30 for the last 30 days, {MOST_DAYS:,} at most.",
        )
    return Span(text)


def span_like(period: Period) -> Span:
    """Return the span of a period's kind: a day, a week, a month, or so many last days."""
    first, last = period.since, period.until
    if first == last:
        return Span("day")
    if first.weekday() == 0 and last == first + timedelta(6):
        return Span("week")
    if first.day == 1 and last == last_day(first):
        return Span("month")
    return Span(f"last-{len(period.days)}")
