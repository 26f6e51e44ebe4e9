"""Who signed in and who failed to: by day, by method, by network."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Final

from activity.periods import Period
from activity.reports import parameters
from activity.reports.registry import (
    Asked,
    Chart,
    Column,
    Definition,
    Draw,
    Kind,
    Row,
    register,
)
from activity.rollups import counting, reading

_FAILED: Final = "session.failed"
PASSWORD: Final = "password"  # noqa: S105  (a word)
"""The method of a sign-in that names none: there was no other when that was recorded."""
UNKNOWN: Final = "unknown"


def per_day(period: Period, rows: Iterable[tuple[date, int]]) -> Iterable[Row]:
    """Return one row for every day, the silent ones too."""
    counts: Counter[date] = Counter()
    for day, events in rows:
        counts[day] += events
    return ((day, counts[day]) for day in period.days)


def _events_per_day(period: Period, action: str) -> Iterable[Row]:
    return per_day(period, ((row.day, row.events) for row in reading.daily(period, [action])))


def _sign_ins(asked: Asked) -> Iterable[Row]:
    return _events_per_day(asked.period, counting.SIGN_IN)


def _failed_sign_ins(asked: Asked) -> Iterable[Row]:
    return _events_per_day(asked.period, _FAILED)


def _by_method(asked: Asked) -> Iterable[Row]:
    counts: Counter[tuple[str, str]] = Counter()
    for row in reading.daily(asked.period, counting.SIGN_INS):
        counts[row.facet or PASSWORD, row.action] += row.events
    methods = sorted({method for method, _ in counts})
    rows = [(one, counts[one, counting.SIGN_IN], counts[one, _FAILED]) for one in methods]
    return sorted(rows, key=lambda row: (-row[1] - row[2], row[0]))


def _by_network(asked: Asked) -> Iterable[Row]:
    for one in reading.tallies("network", asked.period, asked.most, asked["order"]):
        yield (one.subject or UNKNOWN, one.sign_ins, one.failures, one.last_at)


_DAY: Final = Column("day", "Day", Kind.DAY)
_IN: Final = Column("sign_ins", "Sign-ins", Kind.COUNT, "sign-ins")
_OUT: Final = Column("failed_sign_ins", "Failed sign-ins", Kind.COUNT, "attempts")

register(
    Definition(
        name="sign-ins",
        title="Sign-ins per day",
        about="Signing in",
        sentence="How often people signed in.",
        columns=(_DAY, _IN),
        rows=_sign_ins,
        chart=Chart(Draw.TIME, "day", ("sign_ins",)),
    ),
    Definition(
        name="failed-sign-ins",
        title="Failed sign-ins per day",
        about="Signing in",
        sentence="How often somebody tried and failed: typos, forgotten passwords, attacks.",
        columns=(_DAY, _OUT),
        rows=_failed_sign_ins,
        chart=Chart(Draw.TIME, "day", ("failed_sign_ins",)),
    ),
    Definition(
        name="sign-ins-by-method",
        title="Sign-ins by method",
        about="Signing in",
        sentence="How people signed in, or failed to. What names no method was by password.",
        columns=(Column("method", "Method"), _IN, _OUT),
        rows=_by_method,
        chart=Chart(Draw.RANKS, "method", ("sign_ins",)),
    ),
    Definition(
        name="sign-ins-by-network",
        title="Sign-ins by network",
        about="Signing in",
        sentence=(
            "From which networks people signed in, or failed to: the /24 of an address, of IPv6 the"
            " /48. When it was last is said of the months that the period touches."
        ),
        columns=(Column("network", "Network"), _IN, _OUT, Column("last_at", "Last", Kind.MOMENT)),
        rows=_by_network,
        parameters=(
            parameters.choice(
                "order", "First", "Which come first.", ("failures", "sign_ins", "last_at")
            ),
        ),
        chart=Chart(Draw.RANKS, "network", ("failed_sign_ins",)),
    ),
)
