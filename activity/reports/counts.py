"""What a tenant's people did, counted by day: from the daily roll-ups."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum

from activity.actions import names
from activity.context import ActorKind
from activity.models import DailyRollup
from activity.periods import Period
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

MOST_PEOPLE: Final = 100
ADMIN_ACTIONS: Final = names("user", "group")


def _in(period: Period) -> QuerySet[DailyRollup]:
    return DailyRollup.objects.filter(day__range=(period.since, period.until))


def _per_day(period: Period, rows: Iterable[tuple[date, int]]) -> Iterable[Row]:
    """One row for every day, the silent ones too."""
    counts = dict(rows)
    return ((day, counts.get(day, 0)) for day in period.days)


def _events_per_day(period: Period, action: str) -> Iterable[Row]:
    rows = _in(period).filter(action=action).values_list("day").annotate(Sum("events"))
    return _per_day(period, rows)


def _sign_ins(asked: Asked) -> Iterable[Row]:
    return _events_per_day(asked.period, "session.started")


def _failed_sign_ins(asked: Asked) -> Iterable[Row]:
    return _events_per_day(asked.period, "session.failed")


def _active_users(asked: Asked) -> Iterable[Row]:
    people = _in(asked.period).filter(actor_kind=ActorKind.PERSON)
    return _per_day(
        asked.period, people.values_list("day").annotate(Count("actor_id", distinct=True))
    )


def _most_active(asked: Asked) -> Iterable[Row]:
    people = list(
        _in(asked.period)
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


def _admin_changes(asked: Asked) -> Iterable[Row]:
    return (
        _in(asked.period)
        .filter(action__in=ADMIN_ACTIONS)
        .values_list("day", "actor_label", "action")
        .annotate(Sum("events"))
        .order_by("-day", "actor_label", "action")
    )


_DAY: Final = Column("day", "Day", Kind.DAY)


register(
    Definition(
        name="sign-ins",
        title="Sign-ins per day",
        about="Signing in",
        sentence="How often people signed in.",
        columns=(_DAY, Column("sign_ins", "Sign-ins", Kind.COUNT, "sign-ins")),
        rows=_sign_ins,
        chart=Chart(Draw.TIME, "day", ("sign_ins",)),
    ),
    Definition(
        name="failed-sign-ins",
        title="Failed sign-ins per day",
        about="Signing in",
        sentence="How often somebody tried and failed: typos, forgotten passwords, attacks.",
        columns=(_DAY, Column("failed_sign_ins", "Failed sign-ins", Kind.COUNT, "attempts")),
        rows=_failed_sign_ins,
        chart=Chart(Draw.TIME, "day", ("failed_sign_ins",)),
    ),
    Definition(
        name="active-users",
        title="Active people per day",
        about="People",
        sentence="How many different people did something.",
        columns=(_DAY, Column("people", "People", Kind.COUNT, "people")),
        rows=_active_users,
        chart=Chart(Draw.TIME, "day", ("people",)),
    ),
    Definition(
        name="most-active",
        title="Most active people",
        about="People",
        sentence=f"Who did most, the first {MOST_PEOPLE}.",
        columns=(
            Column("person", "Person"),
            Column("events", "Events", Kind.COUNT, "events"),
            Column("sign_ins", "Sign-ins", Kind.COUNT, "sign-ins"),
            Column("admin_changes", "Changes to people and roles", Kind.COUNT, "changes"),
        ),
        rows=_most_active,
        chart=Chart(Draw.RANKS, "person", ("events",)),
    ),
    Definition(
        name="admin-changes",
        title="Changes to people and roles",
        about="Changes",
        sentence="Who changed accounts, roles and memberships, and how often.",
        columns=(
            _DAY,
            Column("by", "By"),
            Column("action", "Action"),
            Column("changes", "Changes", Kind.COUNT, "changes"),
        ),
        rows=_admin_changes,
    ),
)
