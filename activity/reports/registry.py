"""What a report is, and the list of those there are.

A report is a function from what is asked for to rows, and knows nothing of pages, files or formats.
Whatever offers reports (panel, command, API, schedules) offers exactly what is registered here.
What lies above this app registers its own when it starts: see ``accounts.reports``.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from django.utils import timezone

from activity.periods import Period, last_days, period_between
from activity.reports.parameters import Parameter
from activity.rollups import folded_at
from tenants.context import current_tenant
from tenants.errors import InvalidInput

READ: Final = "activity.view_activityevent"
"""The permission to read the record, and so the reports of it."""

Row = tuple[Any, ...]


class Kind(StrEnum):
    """What the values of a column are."""

    DAY = "day"
    MOMENT = "moment"
    COUNT = "count"
    NUMBER = "number"
    SHARE = "share"
    """A part of 1."""
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in files and for programs, its title for people, and its unit."""

    name: str
    title: str
    kind: Kind = Kind.TEXT
    unit: str = ""


class Draw(StrEnum):
    """How a chart is drawn: bars along a time, or bars beside each other, the longest first."""

    TIME = "time"
    RANKS = "ranks"


@dataclass(frozen=True, slots=True)
class Chart:
    """Which column is drawn along which."""

    draw: Draw
    along: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What rows are asked for: of which period, with which parameters, how many at most."""

    period: Period
    values: Mapping[str, Any]
    most: int | None = None
    """``None`` for all of them; a page shows no more than it can bear."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


class Source(StrEnum):
    """What a report reads, which says how old its figures are."""

    ROLLUPS = "roll-ups"
    EVENTS = "events"
    TABLES = "tables"
    PLATFORM = "figures of tenants"


COUNTED: Final = (Source.ROLLUPS, Source.PLATFORM)
"""What is as old as the last time that somebody counted."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a report is called, what it says, what may be asked of it, how its rows come about.

    ``about`` groups reports in lists. ``has_period`` is false for what is of one moment. What
    ``is_for_operators`` is of all tenants, and is there on the platform alone.
    """

    name: str
    title: str
    about: str
    sentence: str
    columns: tuple[Column, ...]
    rows: Callable[[Asked], Iterable[Row]]
    reads: Source = Source.ROLLUPS
    parameters: tuple[Parameter, ...] = ()
    chart: Chart | None = None
    has_period: bool = True
    permission: str = READ
    is_for_operators: bool = False

    @property
    def is_here(self) -> bool:
        """Whether there is this report in the place one is in."""
        return not (self.is_for_operators and current_tenant() is not None)

    @property
    def daily(self) -> bool:
        """Whether there is one row a day, which a chart can draw."""
        return self.chart is not None and self.chart.along == "day"

    def values(self, period: Period, given: Mapping[str, str]) -> dict[str, Any]:
        """Return what the parameters ask for; one that is not given, or empty, has its default.

        Raises ``InvalidInput`` for a value that means nothing, and for a parameter that it has not.
        """
        for name in given:
            self._refuse_unknown(name)
        return {one.name: one.value(given.get(one.name, ""), period) for one in self.parameters}

    def _refuse_unknown(self, name: str) -> None:
        known = [parameter.name for parameter in self.parameters]
        if name in known:
            return
        near = difflib.get_close_matches(name[:60], known, 1)
        hint = f"Use one of {', '.join(known)}." if known else "It has none."
        raise InvalidInput(
            f"the report {self.name} has no parameter {name[:60]!r}.",
            f"Did you mean {near[0]}?" if near else hint,
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """A finished report. ``as_of`` is when the figures were brought up to date, if ever."""

    name: str
    title: str
    period: Period
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    as_of: datetime | None
    described: tuple[Column, ...] = ()
    """The columns with their titles, kinds and units."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The parameters as they were typed, without those that had their default."""
    is_cut: bool = False
    """Whether there are more rows than were asked for."""

    def total(self, column: str) -> int:
        """Return the sum of a numeric column."""
        position = self.columns.index(column)
        return sum(row[position] for row in self.rows)

    @property
    def filters(self) -> dict[str, str]:
        """How its rows were chosen, for whoever asks for them again."""
        if not definition_of(self.name).has_period:
            return {**self.given}
        days = {"since": str(self.period.since), "until": str(self.period.until)}
        return {**days, **self.given}


REPORTS: Final[dict[str, Definition]] = {}
"""All reports by name, in the order in which lists show them."""


def register(*definitions: Definition) -> None:
    """Offer reports. The last registration of a name holds."""
    for definition in definitions:
        REPORTS[definition.name] = definition


def here() -> dict[str, Definition]:
    """Return the reports that there are in the place one is in, by name."""
    return {name: one for name, one in REPORTS.items() if one.is_here}


def definition_of(name: str) -> Definition:
    """Return the report called ``name``; raises ``InvalidInput`` listing those there are here."""
    found = REPORTS.get(name)
    if found is None or not found.is_here:
        known = here()
        near = difflib.get_close_matches(name[:60], known, 1)
        guess = f"Did you mean {near[0]}? " if near else ""
        raise InvalidInput(
            f"there is no report {name[:60]!r}.", f"{guess}Choose one of {', '.join(known)}."
        )
    return found


def period_for(name: str, since: str, until: str) -> Period:
    """Return the period that two typed days name for a report.

    Raises ``InvalidInput`` when they name none, and when the report is of one moment.
    """
    if definition_of(name).has_period:
        return period_between(since, until)
    if since or until:
        raise InvalidInput(
            f"the report {name} is of one moment, not of a period.", "Leave since and until out."
        )
    return last_days(1)


def build(
    name: str,
    period: Period,
    given: Mapping[str, str] | None = None,
    *,
    most: int | None = None,
) -> Report:
    """Return the report called ``name`` for ``period``, of the place one is in.

    ``given`` has parameters as they were typed, ``most`` is how many rows are wanted at most.
    Raises ``InvalidInput`` for a report or a parameter that there is not, or a value that means
    nothing.
    """
    definition = definition_of(name)
    folded = folded_at() if definition.reads in COUNTED else None
    return _built(definition, period, given or {}, most, folded)


def build_all(names: Iterable[str], period: Period) -> list[Report]:
    """Return several reports for ``period``, of the place one is in and of the same age."""
    as_of = folded_at()
    return [_built(definition_of(name), period, {}, None, as_of) for name in names]


def _built(
    definition: Definition,
    period: Period,
    given: Mapping[str, str],
    most: int | None,
    folded: datetime | None,
) -> Report:
    typed = {name: text for name, text in given.items() if text}
    values = definition.values(period, typed)
    # One more tells whether there are more.
    wanted = None if most is None else most + 1
    now = timezone.now()
    rows = tuple(islice(definition.rows(Asked(period, values, wanted)), wanted))
    return Report(
        name=definition.name,
        title=definition.title,
        period=period,
        columns=tuple(column.name for column in definition.columns),
        rows=rows if most is None else rows[:most],
        as_of=folded if definition.reads in COUNTED else now,
        described=definition.columns,
        given=typed,
        is_cut=most is not None and len(rows) > most,
    )
