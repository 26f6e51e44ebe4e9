"""What the page of a report shows: its rows as cells for people, and its chart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils.timezone import localtime

from activity.overview.charts import Chart, Rank, chart_of, ranks_of
from activity.overview.dashboard import label_of
from activity.periods import Period
from activity.reading.values import uuid_or_none
from activity.reports import Definition, Report
from activity.reports.parameters import Parameter
from activity.reports.registry import Column, Draw, Kind
from tenants.errors import InvalidInput

MOST_CHARTS: Final = 4
_NUMBERS: Final = (Kind.COUNT, Kind.NUMBER, Kind.SHARE)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as people read it. ``moment`` is set for one, ``link`` where it leads somewhere."""

    text: str
    is_number: bool = False
    link: str = ""
    moment: str = ""
    is_day: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter in the form, what was typed, and what is wrong with that."""

    parameter: Parameter
    value: str
    error: InvalidInput | None = None


def cells(report: Report) -> list[list[Cell]]:
    """Return the rows of a report for its page."""
    return [
        [_cell(value, column) for value, column in zip(row, report.described, strict=True)]
        for row in report.rows
    ]


def _cell(value: Any, column: Column) -> Cell:
    text = _text(value, column)
    if isinstance(value, datetime):
        return Cell(text, moment=value.isoformat())
    if column.name == "event" and uuid_or_none(text):
        link = reverse("admin:activity_activityevent_change", args=[text])
        return Cell("open", link=link)
    return Cell(text, column.kind in _NUMBERS, is_day=column.kind == Kind.DAY)


def _text(value: Any, column: Column) -> str:
    match value:
        case None | "":
            text = "–"
        case bool():
            text = "yes" if value else "no"
        case datetime():
            text = localtime(value).strftime("%Y-%m-%d %H:%M:%S")
        case int() | float() if column.kind == Kind.SHARE:
            text = f"{value:.1%}"
        case int():
            text = intcomma(value)
        case list() | tuple():
            text = ", ".join(map(str, value))
        case _:
            text = str(value)
    return text


def fields(
    definition: Definition, typed: dict[str, str], error: InvalidInput | None
) -> list[Field]:
    """Return the form's fields, with an error beside the one that it is of."""
    return [
        Field(
            one,
            typed.get(one.name, one.default),
            error if error and error.message.startswith(f"{one.name} ") else None,
        )
        for one in definition.parameters
    ]


def charts(definition: Definition, report: Report) -> list[Chart]:
    """Return what the report says along a time, one chart for each of its numbers."""
    drawn = definition.chart
    if drawn is None or drawn.draw != Draw.TIME:
        return []
    along = report.columns.index(drawn.along)
    found = []
    for name in drawn.values[:MOST_CHARTS]:
        position = report.columns.index(name)
        column = report.described[position]
        title = report.title if len(drawn.values) == 1 else column.title
        points = _points(((row[along], row[position]) for row in report.rows), report.period)
        if len(points) > 1:
            found.append(chart_of(title, points, unit=column.unit))
    return found


def _points(pairs: Iterable[tuple[Any, Any]], period: Period) -> list[tuple[str, int]]:
    """Return the sum of each place along the time, in its order."""
    sums: dict[Any, int] = {}
    for place, value in pairs:
        sums[place] = sums.get(place, 0) + (value or 0)
    return [
        (label_of(place, period) if isinstance(place, date) else str(place), value)
        for place, value in sorted(sums.items())
    ]


def ranks(definition: Definition, report: Report) -> Sequence[Rank]:
    """Return the report's first rows as bars beside each other, the longest first."""
    drawn = definition.chart
    if drawn is None or drawn.draw != Draw.RANKS:
        return []
    along, position = (report.columns.index(name) for name in (drawn.along, drawn.values[0]))
    return ranks_of([(str(row[along]), row[position] or 0) for row in report.rows])
