# ruff: noqa: S608 (our own words)
"""The tallies of a period, as SQL: of its whole months, and of the parts of its first and last.

For who did most there are tallies of years, a row a person. A year of ten thousand people is a
hundred thousand tallies of months, of which only those of the parts are read then.
"""

from datetime import date
from typing import Any, Final

from activity.models.rollups import Kind
from activity.periods import Period, last_day, split
from activity.rollups import cursors
from activity.rollups.tallying import COUNTS

_LEAST_MONTHS: Final = 3
"""Fewer months of a year than these are read as fast by themselves."""

_WHOLE: Final = f"""
SELECT subject, month, last_at, {", ".join(COUNTS)} FROM activity_monthlytally
WHERE build = {cursors.SERVED} AND kind = %s AND month = ANY (%s::date[])
"""

_PART: Final = f"""
SELECT subject, month, last_at, {{parts}} FROM activity_monthlytally
WHERE build = {cursors.SERVED} AND kind = %s AND month = %s AND days & %s <> 0
"""

_EVENTS: Final = f"""
SELECT subject, {{events}} AS events FROM activity_monthlytally
WHERE build = {cursors.SERVED} AND kind = %s AND month = %s AND days & %s <> 0
"""


def of(kind: Kind, period: Period, condition: str = "") -> tuple[str, list[Any]]:
    """Return a statement for a period's tallies, several of a subject, and its parameters.

    ``condition`` is added to that of each part.
    """
    whole, parts = split(period)
    statements: list[str] = []
    asked: list[Any] = []
    for part in parts:
        columns = _columns(kind, part.since.day, part.until.day)
        statements.append(_PART.format(parts=columns) + condition)
        asked += [str(kind), part.since.replace(day=1), _bits(part.since.day, part.until.day)]
    if whole:
        statements.append(_WHOLE + condition)
        asked += [str(kind), whole]
    return " UNION ALL ".join(statements), asked


def ranked(period: Period) -> tuple[str, list[Any]]:
    """Return a statement for how many events people had, several rows of one, and its parameters.

    It reads the tallies of years where that is less.
    """
    whole, parts = split(period)
    statements: list[str] = []
    asked: list[Any] = []

    def add(kind: Kind, month: date, first: int, last: int) -> None:
        statements.append(_EVENTS.format(events=_between("events", first, last)))
        asked.extend([str(kind), month, _bits(first, last)])

    for part in parts:
        add(Kind.PERSON, part.since.replace(day=1), part.since.day, part.until.day)
    for year in sorted({month.year for month in whole}):
        found = [month for month in whole if month.year == year]
        if len(found) >= _LEAST_MONTHS:
            add(Kind.YEAR, date(year, 1, 1), found[0].month, found[-1].month)
        else:
            for month in found:
                add(Kind.PERSON, month, 1, last_day(month).day)
    return " UNION ALL ".join(statements), asked


def _bits(first: int, last: int) -> int:
    return ((1 << last - first + 1) - 1) << first - 1


def _between(name: str, first: int, last: int) -> str:
    """How many there were from one place to another."""
    through = f"coalesce({name}_through[{last}], {name})"
    return f"{through} - coalesce({name}_through[{first - 1}], {name})" if first > 1 else through


def _columns(kind: Kind, first: int, last: int) -> str:
    """How many there were from one day of a month to another, as columns."""
    columns = {name: _between(name, first, last) for name in COUNTS}
    if kind == Kind.NETWORK:
        columns["events"] = f"{columns['sign_ins']} + {columns['failures']}"
    elif kind == Kind.OBJECT:
        columns["events"] = columns["changes"]
    return ", ".join(f"{value} AS {name}" for name, value in columns.items())
