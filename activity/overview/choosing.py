"""The period picker: which days somebody chose, by a click or by typing two days."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from activity.periods import Period, last_days, period_between
from tenants.errors import InvalidInput

SPANS: Final = {"1": "Today", "7": "7 days", "30": "30 days", "90": "90 days"}
"""What can be chosen by a click: how many days, today the last, and what that is called."""

USUAL: Final = "7"
"""What the overview shows when nobody chose."""

MOST_DAYS: Final = 366
"""More days than that no overview shows at a glance."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The period that counts, and what was asked for.

    ``span`` is the key of one of ``SPANS``, empty for two days that were typed. ``error`` says why
    these are none, and ``field`` which of them it is about, if it is one that can be typed; the
    period is then the usual one.
    """

    period: Period
    span: str
    since: str
    until: str
    error: InvalidInput | None = None
    field: str = ""

    @property
    def query(self) -> str:
        """The period as the page's address has it."""
        if self.span:
            return f"days={self.span}"
        return f"since={self.period.since}&until={self.period.until}"


def choose(asked: Mapping[str, str], usual: str, most_days: int | None = None) -> Chosen:
    """Return the period that an address asks for; raises nothing, an error is part of it."""
    since, until = asked.get("since", ""), asked.get("until", "")
    if not since and not until:
        span = asked.get("days") or usual
        if span not in SPANS:
            error = InvalidInput(
                f"there is no period of {span[:20]!r} days to choose.",
                f"Choose one of {', '.join(SPANS)}, or write two days.",
            )
            return replace(_by_click(usual), error=error)
        return _by_click(span)
    try:
        period = period_of(since, until, most_days)
    except InvalidInput as error:
        field = "until" if error.message.startswith("until") else "since"
        fallen_back = _by_click(usual)
        return Chosen(
            period=fallen_back.period,
            span=usual,
            since=since[:40],
            until=until[:40],
            error=error,
            field=field,
        )
    return Chosen(period=period, span="", since=str(period.since), until=str(period.until))


def period_of(since: str, until: str, most_days: int | None) -> Period:
    """Return the period that two typed days name, of at most so many days.

    Raises ``InvalidInput`` for what is no period, and for a longer one.
    """
    period = period_between(since, until)
    if most_days and (length := len(period.days)) > most_days:
        raise InvalidInput(
            f"since {period.since} is {length:,} days before the end.",
            f"Choose {most_days} days at most here. Reports show up to ten years.",
        )
    return period


def _by_click(span: str) -> Chosen:
    period = last_days(int(span))
    return Chosen(period=period, span=span, since=str(period.since), until=str(period.until))


def before(period: Period) -> Period:
    """Return the period of the same length that ends the day before."""
    length = timedelta(len(period.days))
    return Period(period.since - length, period.until - length)


def in_words(period: Period) -> str:
    """Return a period as people write it: `17 to 23 November 2026`."""
    first, last = period.since, period.until
    end = f"{last.day} {last:%B %Y}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {end}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%B}{year} to {end}"


def length_in_words(period: Period) -> str:
    """Return how long a period is: `day`, `7 days`."""
    length = len(period.days)
    return "day" if length == 1 else f"{length:,} days"
