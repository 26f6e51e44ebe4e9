"""What reports read. All of it is of the place one is in and of one build of the figures.

Days are the cursor's days: the tenant's, but for the minutes after its time zone has changed, in
which the figures of before are served.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection

from activity.models.rollups import Kind
from activity.periods import Period, last_day
from activity.rollups import cursors, pieces, sweeping
from activity.rollups.counting import ADMIN_ACTIONS, RANKS
from activity.rollups.tallying import COUNTS

ORDERS: Final = (*COUNTS, "last_at")


class Daily(NamedTuple):
    """How many events of a kind there were on a day."""

    day: date
    action: str
    outcome: str
    facet: str
    events: int


class Tallied(NamedTuple):
    """What somebody or something did or had done in a period."""

    subject: str
    label: str
    events: int
    sign_ins: int
    failures: int
    changes: int
    last_at: datetime


class AdminChange(NamedTuple):
    """How often somebody changed people or roles by one action on a day."""

    day: date
    label: str
    action: str
    events: int


_DAILY: Final = f"""
SELECT day, action, outcome, facet, events FROM activity_dailytotal
WHERE build = {cursors.SERVED} AND {{actions}} AND day BETWEEN %(since)s AND %(until)s
AND (%(outcomes)s::text[] IS NULL OR outcome = ANY (%(outcomes)s))
ORDER BY day, action, outcome, facet
"""  # noqa: S608

_PEOPLE: Final = f"""
SELECT date_trunc(%(span)s, day)::date, sum(events)::bigint FROM activity_dailytotal
WHERE build = {cursors.SERVED} AND action = '' AND facet = %(span)s
AND day BETWEEN %(since)s AND %(until)s GROUP BY 1
"""  # noqa: S608

# The newest label: of an event, one look into an index for each, and where that is gone or erased
# of a tally.
_NAMED: Final = """
coalesce(nullif((
    SELECT actor_label FROM activity_activityevent AS event
    WHERE event.actor_id = summed.subject ORDER BY event.id DESC LIMIT 1
), ''), {label})
"""
_SUMS: Final = """sum(events)::bigint AS events, sum(sign_ins)::bigint AS sign_ins,
           sum(failures)::bigint AS failures, sum(changes)::bigint AS changes,
           max(last_at) AS last_at, max(month) AS month"""
_TALLIES: Final = f"""
WITH summed AS (
    SELECT subject, {_SUMS}
    FROM ({{parts}}) AS part GROUP BY subject ORDER BY {{order}} DESC, subject LIMIT %s
)
SELECT subject, {{label}}, events, sign_ins, failures, changes, last_at
FROM summed ORDER BY {{order}} DESC, subject
"""  # noqa: S608

# Of whom most is known by their events alone, the rest is looked up.
_MOST_ACTIVE: Final = f"""
WITH ranked AS (
    SELECT subject FROM ({{ranked}}) AS part
    GROUP BY subject ORDER BY sum(events) DESC, subject LIMIT %s
), summed AS (
    SELECT ranked.subject, {_SUMS}
    FROM ranked CROSS JOIN LATERAL ({{parts}}) AS part GROUP BY ranked.subject
)
SELECT subject, {{label}}, events, sign_ins, failures, changes, last_at
FROM summed ORDER BY events DESC, subject
"""  # noqa: S608

_LABEL: Final = """(
    SELECT label FROM activity_monthlytally AS named WHERE named.build = {served}
    AND named.kind = %s AND named.month = summed.month AND named.subject = summed.subject
)"""

_DISTINCT: Final = "SELECT count(DISTINCT subject) FROM ({parts}) AS part"

_ADMIN: Final = f"""
SELECT month, subject, label, events_through FROM activity_monthlytally
WHERE build = {cursors.SERVED} AND kind = 'admin' AND month BETWEEN %s AND %s
"""  # noqa: S608


def daily(period: Period, actions: Iterable[str] = (), outcomes: Iterable[str] = ()) -> list[Daily]:
    """Return how many events there were by day, action, outcome and facet, the oldest first.

    Of all actions and outcomes where none are named. A facet is a sign-in's method or an export's
    format, empty for what has none.
    """
    wanted, ended = list(actions), list(outcomes)
    asked = {
        "since": period.since,
        "until": period.until,
        "actions": wanted,
        "outcomes": ended or None,
    }
    condition = "action = ANY (%(actions)s)" if wanted else "action > ''"
    return [Daily(*row) for row in _rows(_DAILY.replace("{actions}", condition), asked)]


def people_per_day(period: Period) -> list[tuple[date, int]]:
    """Return how many different people did something, for every day."""
    counts = _people("day", period.since, period.until)
    return [(day, counts.get(day, 0)) for day in period.days]


def people_per_week(period: Period) -> list[tuple[date, int]]:
    """Return how many different people did something, by the Monday of every week it touches.

    Each week is counted as a whole, also where the period begins or ends within it.
    """
    first = _monday(period.since)
    counts = _people("week", first, _monday(period.until) + timedelta(6))
    weeks = (_monday(period.until) - first).days // 7 + 1
    mondays = (first + timedelta(7 * number) for number in range(weeks))
    return [(monday, counts.get(monday, 0)) for monday in mondays]


def people_per_month(period: Period) -> list[tuple[date, int]]:
    """Return how many different people did something, by the first of every month it touches.

    Each month is counted as a whole.
    """
    months = period.months
    counts = _people("month", months[0], last_day(months[-1]))
    return [(month, counts.get(month, 0)) for month in months]


def people_in(period: Period) -> int:
    """Return how many different people did something in a period."""
    statement, asked = pieces.of(Kind.PERSON, period)
    [[count]] = _rows(_DISTINCT.format(parts=statement), asked)
    return int(count)


def tallies(
    kind: Kind | str, period: Period, most: int | None = None, order: str = "events"
) -> list[Tallied]:
    """Return what people, networks or objects did or had done, those with most first.

    ``order`` is one of ``ORDERS``, and ``most`` how many rows at most. ``last_at`` is the last
    moment in the months that the period touches. A person is named as they were last; networks are
    ``192.0.2.0/24`` or ``2001:db8::/48``, empty where an address is not known; objects ``type:id``.
    """
    if order not in ORDERS:
        raise ValueError(f"{order} is no order of tallies.")
    label, named = _LABEL.format(served=cursors.SERVED), [str(kind)]
    if kind == Kind.NETWORK:
        label, named = "''", []
    elif kind == Kind.PERSON and most is not None:
        label = _NAMED.format(label=label)
        if order == "events" and cursors.knows(RANKS):
            return _most_active(_to_its_end(period), most, label)
    statement, asked = pieces.of(Kind(kind), period)
    whole = _TALLIES.format(parts=statement, order=order, label=label)
    return [Tallied(*row) for row in _rows(whole, [*asked, most, *named])]


def admin_changes(period: Period) -> list[AdminChange]:
    """Return who changed people and roles, by which action and how often: the newest day first."""
    counts: dict[tuple[date, str, str], int] = {}
    months = period.months
    for month, subject, label, through in _rows(_ADMIN, [months[0], months[-1]]):
        action = subject.split(" ")[1]
        if action not in ADMIN_ACTIONS:
            continue  # Counted by older rules.
        for place, before in enumerate([0, *through[:-1]]):
            day = month + timedelta(place)
            if through[place] > before and period.since <= day <= period.until:
                key = (day, label, action)
                counts[key] = counts.get(key, 0) + through[place] - before
    ordered = sorted(counts, key=lambda key: (-key[0].toordinal(), *key[1:]))
    return [AdminChange(*key, counts[key]) for key in ordered]


def folded_at() -> datetime | None:
    """Return when the figures were brought up to date; ``None`` before they ever were.

    With nothing new to count that is when a sweep last looked.
    """
    cursor = cursors.served()
    if cursor is None or cursor.folded_at is None:
        return None
    if cursor.number < cursors.newest_segment():
        return cursor.folded_at
    return max(cursor.folded_at, sweeping.looked_at() or cursor.folded_at)


def _most_active(period: Period, most: int, label: str) -> list[Tallied]:
    """Return the people with most events, those with most first."""
    ranked, rank = pieces.ranked(period)
    parts, asked = pieces.of(Kind.PERSON, period, "AND subject = ranked.subject")
    statement = _MOST_ACTIVE.format(ranked=ranked, parts=parts, label=label)
    return [Tallied(*row) for row in _rows(statement, [*rank, most, *asked, str(Kind.PERSON)])]


def _to_its_end(period: Period) -> Period:
    """Return a period up to the end of its last month, if nobody did anything after it.

    A month that is not over is as good as a whole one then, of which fewer rows tell.
    """
    last = last_day(period.until)
    if period.until == last:
        return period
    counts = _people("day", period.until + timedelta(1), last)
    return period if counts else Period(period.since, last)


def _people(span: str, since: date, until: date) -> dict[date, int]:
    return dict(_rows(_PEOPLE, {"span": span, "since": since, "until": until}))


def _monday(day: date) -> date:
    return day - timedelta(day.weekday())


def _rows(statement: str, asked: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return list(cursor.fetchall())
