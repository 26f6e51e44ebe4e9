"""How many people are active, how often they come back, and who does most."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.utils import timezone

from activity.periods import Period, last_day, zone
from activity.reports.parameters import number
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
from activity.reports.spans import BY
from activity.rollups import reading

MOST_PEOPLE: Final = 100

_PER_SPAN: Final = {
    "day": reading.people_per_day,
    "week": reading.people_per_week,
    "month": reading.people_per_month,
}


def _active_users(asked: Asked) -> Iterable[Row]:
    return reading.people_per_day(asked.period)


def _active_people(asked: Asked) -> Iterable[Row]:
    return _PER_SPAN[asked["by"]](asked.period)


def _stickiness(asked: Asked) -> Iterable[Row]:
    today = timezone.now().astimezone(zone()).date()
    months = reading.people_per_month(asked.period)
    whole = Period(months[0][0], last_day(months[-1][0]))
    per_day = dict(reading.people_per_day(whole))
    for month, people in months:
        # Of the month that is not over, the days that there were.
        last = min(last_day(month), today)
        days = [per_day[month + timedelta(n)] for n in range((last - month).days + 1)]
        usual = sum(days) / len(days) if days else 0.0
        share = round(usual / people, 3) if people else 0.0
        yield month, round(usual, 1), people, share


def _most_active(asked: Asked) -> Iterable[Row]:
    most = asked["most"] if asked.most is None else min(asked["most"], asked.most)
    people = reading.tallies("person", asked.period, most)
    return ((one.label, one.events, one.sign_ins, one.changes) for one in people)


_PEOPLE: Final = Column("people", "People", Kind.COUNT, "people")

register(
    Definition(
        name="active-users",
        title="Active people per day",
        about="People",
        sentence="How many different people did something, operators who acted here among them.",
        columns=(Column("day", "Day", Kind.DAY), _PEOPLE),
        rows=_active_users,
        chart=Chart(Draw.TIME, "day", ("people",)),
    ),
    Definition(
        name="active-people",
        title="Active people per day, week or month",
        about="People",
        sentence=(
            "How many different people did something in each day, week or month, operators who"
            " acted here among them. Weeks and months that the period touches are counted as a"
            " whole."
        ),
        columns=(Column("from", "From", Kind.DAY), _PEOPLE),
        rows=_active_people,
        parameters=(BY,),
        chart=Chart(Draw.TIME, "from", ("people",)),
    ),
    Definition(
        name="stickiness",
        title="How often people come back",
        about="People",
        sentence=(
            "Of each month that the period touches: how many people there were on an average day,"
            " how many in all, and the first as a share of the second. Whole months are counted,"
            " the one that is not over up to today."
        ),
        columns=(
            Column("month", "Month", Kind.DAY),
            Column("people_per_day", "People on an average day", Kind.NUMBER, "people"),
            _PEOPLE,
            Column("stickiness", "Stickiness", Kind.SHARE, "of all people"),
        ),
        rows=_stickiness,
        chart=Chart(Draw.TIME, "month", ("people",)),
    ),
    Definition(
        name="most-active",
        title="Most active people",
        about="People",
        sentence=(
            f"Who did most, operators who acted here among them, the first {MOST_PEOPLE} unless"
            " more are asked for."
        ),
        columns=(
            Column("person", "Person"),
            Column("events", "Events", Kind.COUNT, "events"),
            Column("sign_ins", "Sign-ins", Kind.COUNT, "sign-ins"),
            Column("admin_changes", "Changes to people and roles", Kind.COUNT, "changes"),
        ),
        rows=_most_active,
        parameters=(
            number(
                "most",
                "People at most",
                "How many people are listed at most.",
                least=1,
                most=1_000_000,
                usual=MOST_PEOPLE,
            ),
        ),
        chart=Chart(Draw.RANKS, "person", ("events",)),
    ),
)
