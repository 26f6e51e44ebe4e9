"""What a tenant's people did, counted by day: from the daily roll-ups."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Final

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
from activity.rollups import counting, reading

MOST_PEOPLE: Final = 100
ADMIN_ACTIONS: Final = counting.ADMIN_ACTIONS


def _per_day(period: Period, rows: Iterable[tuple[date, int]]) -> Iterable[Row]:
    """One row for every day, the silent ones too."""
    counts: Counter[date] = Counter()
    for day, events in rows:
        counts[day] += events
    return ((day, counts[day]) for day in period.days)


def _events_per_day(period: Period, action: str) -> Iterable[Row]:
    return _per_day(period, ((row.day, row.events) for row in reading.daily(period, [action])))


def _sign_ins(asked: Asked) -> Iterable[Row]:
    return _events_per_day(asked.period, "session.started")


def _failed_sign_ins(asked: Asked) -> Iterable[Row]:
    return _events_per_day(asked.period, "session.failed")


def _active_users(asked: Asked) -> Iterable[Row]:
    return reading.people_per_day(asked.period)


def _most_active(asked: Asked) -> Iterable[Row]:
    people = reading.tallies("person", asked.period, MOST_PEOPLE)
    return ((one.label, one.events, one.sign_ins, one.changes) for one in people)


def _admin_changes(asked: Asked) -> Iterable[Row]:
    return reading.admin_changes(asked.period)


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
