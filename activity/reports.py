"""The reports: what a tenant's people did, from the daily roll-ups.

Each is a function from a period to rows, and knows nothing of pages, files or formats. ``REPORTS``
lists them; whatever offers reports (panel, command) offers exactly these.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum

from activity.actions import names
from activity.context import ActorKind
from activity.models import DailyRollup
from activity.periods import Period
from activity.rollups import folded_at
from tenants.errors import InvalidInput

Row = tuple[Any, ...]

MOST_PEOPLE: Final = 100
ADMIN_ACTIONS: Final = names("user", "group")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A finished report. ``as_of`` is when the figures were brought up to date, if ever."""

    name: str
    title: str
    period: Period
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    as_of: datetime | None

    def total(self, column: str) -> int:
        """Return the sum of a numeric column."""
        position = self.columns.index(column)
        return sum(row[position] for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a report is called, what it says, and how its rows come about."""

    name: str
    title: str
    sentence: str
    columns: tuple[str, ...]
    rows: Callable[[Period], Iterable[Row]]
    daily: bool = False
    """Whether there is one row a day, which a chart can draw."""


def _in(period: Period) -> QuerySet[DailyRollup]:
    return DailyRollup.objects.filter(day__range=(period.since, period.until))


def _per_day(period: Period, rows: Iterable[tuple[date, int]]) -> Iterable[Row]:
    """One row for every day, the silent ones too."""
    counts = dict(rows)
    return ((day, counts.get(day, 0)) for day in period.days)


def _events_per_day(period: Period, action: str) -> Iterable[Row]:
    rows = _in(period).filter(action=action).values_list("day").annotate(Sum("events"))
    return _per_day(period, rows)


def _sign_ins(period: Period) -> Iterable[Row]:
    return _events_per_day(period, "session.started")


def _failed_sign_ins(period: Period) -> Iterable[Row]:
    return _events_per_day(period, "session.failed")


def _active_users(period: Period) -> Iterable[Row]:
    people = _in(period).filter(actor_kind=ActorKind.PERSON)
    return _per_day(period, people.values_list("day").annotate(Count("actor_id", distinct=True)))


def _most_active(period: Period) -> Iterable[Row]:
    people = list(
        _in(period)
        .filter(actor_kind=ActorKind.PERSON)
        .values("actor_id")
        .annotate(
            sum_events=Sum("events"),
            sign_ins=Sum("events", filter=Q(action="session.started"), default=0),
            changes=Sum("events", filter=Q(action__in=ADMIN_ACTIONS), default=0),
        )
        .order_by("-sum_events", "actor_id")[:MOST_PEOPLE]
    )
    labels = _labels([row["actor_id"] for row in people])
    return [
        (labels[row["actor_id"]], row["sum_events"], row["sign_ins"], row["changes"])
        for row in people
    ]


# One look into the index of events by actor for each, however much they did. Where the events are
# gone already, the roll-ups remember.
_NEWEST_LABELS: Final = """
SELECT actor.id, COALESCE(
    (
        SELECT event.actor_label FROM activity_activityevent event
        WHERE event.actor_id = actor.id ORDER BY event.id DESC LIMIT 1
    ),
    (
        SELECT rollup.actor_label FROM activity_dailyrollup rollup
        WHERE rollup.actor_id = actor.id ORDER BY rollup.day DESC LIMIT 1
    )
)
FROM unnest(%s::text[]) AS actor(id)
"""


def _labels(actor_ids: list[str]) -> dict[str, str]:
    """The newest label of each actor: a person who was renamed is still one person."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_LABELS, [actor_ids])
        return dict(cursor.fetchall())


def _admin_changes(period: Period) -> Iterable[Row]:
    return (
        _in(period)
        .filter(action__in=ADMIN_ACTIONS)
        .values_list("day", "actor_label", "action")
        .annotate(Sum("events"))
        .order_by("-day", "actor_label", "action")
    )


_ALL: Final = (
    Definition(
        name="sign-ins",
        title="Sign-ins per day",
        sentence="How often people signed in.",
        columns=("day", "sign_ins"),
        rows=_sign_ins,
        daily=True,
    ),
    Definition(
        name="failed-sign-ins",
        title="Failed sign-ins per day",
        sentence="How often somebody tried and failed: typos, forgotten passwords, attacks.",
        columns=("day", "failed_sign_ins"),
        rows=_failed_sign_ins,
        daily=True,
    ),
    Definition(
        name="active-users",
        title="Active people per day",
        sentence="How many different people did something.",
        columns=("day", "people"),
        rows=_active_users,
        daily=True,
    ),
    Definition(
        name="most-active",
        title="Most active people",
        sentence=f"Who did most, the first {MOST_PEOPLE}.",
        columns=("person", "events", "sign_ins", "admin_changes"),
        rows=_most_active,
    ),
    Definition(
        name="admin-changes",
        title="Changes to people and roles",
        sentence="Who changed accounts, roles and memberships, and how often.",
        columns=("day", "by", "action", "changes"),
        rows=_admin_changes,
    ),
)

REPORTS: Final = {definition.name: definition for definition in _ALL}


def definition_of(name: str) -> Definition:
    """Return the report called ``name``; raises ``InvalidInput`` listing those there are."""
    try:
        return REPORTS[name]
    except KeyError:
        raise InvalidInput(
            f"there is no report {name[:60]!r}.", f"Choose one of {', '.join(REPORTS)}."
        ) from None


def build(name: str, period: Period) -> Report:
    """Return the report called ``name`` for ``period``, of the place one is in."""
    [report] = build_all((name,), period)
    return report


def build_all(names: Iterable[str], period: Period) -> list[Report]:
    """Return several reports for ``period``, of the place one is in and of the same age."""
    as_of = folded_at()
    return [
        Report(
            name=definition.name,
            title=definition.title,
            period=period,
            columns=definition.columns,
            rows=tuple(definition.rows(period)),
            as_of=as_of,
        )
        for definition in map(definition_of, names)
    ]
