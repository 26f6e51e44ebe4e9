"""What there is to say of a period, at a glance: figures, charts, changes, and what is wrong.

A dashboard is data that nothing changes any more. The page shows it, the PDF prints it, and both
therefore say the same.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from django.urls import reverse

from activity import reports
from activity.events import sentence
from activity.models import ActivityEvent
from activity.overview import attention
from activity.overview.charts import Chart, chart_of
from activity.overview.choosing import before as period_before
from activity.overview.choosing import length_in_words
from activity.periods import Period
from activity.reading.events import narrow
from activity.reading.links import link_to
from activity.reading.query import parse
from activity.reports import ADMIN_ACTIONS, Report
from activity.reports.people import MOST_PEOPLE
from activity.rollups.reading import people_in

MOST_CHANGES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number, the same of the period before, and where exactly its rows are."""

    title: str
    value: int
    before: int
    than: str
    link: str
    is_warning: bool = False

    @property
    def change(self) -> str:
        """How it compares, as words."""
        difference = self.value - self.before
        if difference == 0:
            return f"as many as {self.than}" if self.value else f"none {self.than} either"
        more = "more" if difference > 0 else "fewer"
        return f"{abs(difference):,} {more} than {self.than}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something that was changed, as a sentence, and the event that tells of it."""

    id: str
    sentence: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """All that is to be said of a period. ``as_of`` is when the figures were counted, if ever."""

    period: Period
    before: Period
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...]
    changes: tuple[Change, ...]
    all_changes: str
    notices: tuple[attention.Notice, ...]
    health: attention.Health
    as_of: datetime | None

    @property
    def days(self) -> list[tuple[str, list[int]]]:
        """The numbers of all charts, day by day."""
        columns = ([bar.value for bar in chart.bars] for chart in self.charts)
        labels = [bar.label for bar in self.charts[0].bars] if self.charts else []
        return [(label, values) for label, *values in zip(labels, *columns, strict=True)]

    @property
    def has_one_table(self) -> bool:
        """Whether the charts have one table together: of many days, one each is too much."""
        return any(chart.line for chart in self.charts)

    @property
    def wrong(self) -> list[attention.Notice]:
        """What somebody must do something about."""
        return [notice for notice in self.notices if notice.is_wrong]

    @property
    def worth_a_look(self) -> list[attention.Notice]:
        """What may be as it should, and only people know."""
        return [notice for notice in self.notices if not notice.is_wrong]


def dashboard(period: Period) -> Dashboard:
    """Return what there is to say of ``period``, of the place one is in."""
    earlier = period_before(period)
    both = Period(earlier.since, period.until)
    names = ("active-users", "sign-ins", "failed-sign-ins", "admin-changes")
    people, sign_ins, failures, changes = reports.build_all(names, both)
    figures = _figures(period, earlier, sign_ins, failures, changes)
    health = attention.health()
    look = attention.Look(
        period=period,
        figures={figure.title: figure for figure in figures},
        health=health,
        as_of=people.as_of,
    )
    return Dashboard(
        period=period,
        before=earlier,
        figures=figures,
        charts=_charts(period, people, sign_ins, failures, _per_day(changes)),
        changes=tuple(_changes(period)),
        all_changes=link_to(search_for(period, *ADMIN_ACTIONS)),
        notices=attention.notices(look),
        health=health,
        as_of=people.as_of,
    )


def search_for(period: Period, *actions: str) -> str:
    """Return the search that finds the events of these actions in a period."""
    return attention.search_in(period, f"action:{','.join(actions)}")


def _figures(
    period: Period, earlier: Period, sign_ins: Report, failures: Report, changes: Report
) -> tuple[Figure, ...]:
    than = "the day before" if len(period.days) == 1 else f"in the {length_in_words(period)} before"
    active, active_before = people_in(period), people_in(earlier)
    report = reverse("report", args=["most-active"])
    # All of them, which the report has only when it is asked for as many.
    most = f"&most={active}" if active > MOST_PEOPLE else ""
    counted = [
        _counted("Sign-ins", sign_ins, "sign_ins", period, than, "session.started"),
        _counted("Failed sign-ins", failures, "failed_sign_ins", period, than, "session.failed"),
        _counted("Changes to people and roles", changes, "changes", period, than, *ADMIN_ACTIONS),
    ]
    return (
        Figure(
            title="People active",
            value=active,
            before=active_before,
            than=than,
            link=f"{report}?since={period.since}&until={period.until}{most}",
        ),
        *counted,
    )


def _counted(
    title: str, report: Report, column: str, period: Period, than: str, *actions: str
) -> Figure:
    """Return a column's sum, linked to the very events that it counts."""
    position = report.columns.index(column)
    now = sum(row[position] for row in report.rows if row[0] >= period.since)
    before = report.total(column) - now
    return Figure(
        title=title,
        value=now,
        before=before,
        than=than,
        link=link_to(search_for(period, *actions)),
        is_warning=column == "failed_sign_ins" and attention.is_up(now, before),
    )


def _per_day(changes: Report) -> Report:
    """Return the changes of each day together, whoever made them and of whatever kind."""
    position = changes.columns.index("changes")
    counts: Counter[date] = Counter()
    for row in changes.rows:
        counts[row[0]] += row[position]
    rows = tuple((day, counts[day]) for day in changes.period.days)
    return replace(changes, columns=("day", "changes"), rows=rows)


def _charts(period: Period, *daily: Report) -> tuple[Chart, ...]:
    """Return how the days compare. A single day has nothing to be compared with."""
    if len(period.days) == 1:
        return ()
    return tuple(
        _chart(title, report, period, unit, empty)
        for (title, unit, empty), report in zip(_CHARTS, daily, strict=True)
    )


_CHARTS: Final = (
    (
        "Active people per day",
        "people",
        "Nobody did anything in this period. Whoever signs in or changes something is counted.",
    ),
    (
        "Sign-ins per day",
        "sign-ins",
        "Nobody signed in in this period. Each sign-in is counted on its day.",
    ),
    (
        "Failed sign-ins per day",
        "failed sign-ins",
        "No attempt failed in this period. Typos and attacks are counted on their day.",
    ),
    (
        "Changes per day",
        "changes",
        "Nothing changed in this period. What is done to people and roles is counted on its day.",
    ),
)


def _chart(title: str, report: Report, period: Period, unit: str, empty: str) -> Chart:
    now = [(label_of(row[0], period), row[1]) for row in report.rows if row[0] >= period.since]
    earlier = [row[1] for row in report.rows if row[0] < period.since]
    link = f"{reverse('report', args=[report.name])}?since={period.since}&until={period.until}"
    return chart_of(title, now, before=earlier, unit=unit, link=link, empty=empty)


def label_of(day: date, period: Period) -> str:
    """Return a day as charts call it, with its year where the period has two."""
    year = "" if period.since.year == period.until.year else " %Y"
    return format(day, f"%-d %b{year}")


def _changes(period: Period) -> list[Change]:
    events = narrow(ActivityEvent.objects.all(), parse(search_for(period, *ADMIN_ACTIONS)))
    return [
        Change(id=str(event.pk), sentence=sentence(event), at=event.occurred_at)
        for event in events[:MOST_CHANGES]
    ]
