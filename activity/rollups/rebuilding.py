"""Counting anew: in another time zone, or to repair figures, while the old ones are served.

The new figures are another build, which folds the same segments by the same statements, in the same
bounded transactions, from the first one on. When it has caught up, it takes the place of the old
one in one transaction. A killed process leaves a build that whoever comes next carries on.

What cannot be counted again is taken over: days of which retention has cut events. They end at one
moment (``cut_at``), so that no event is counted in them and again after them.
"""

from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from activity import periods
from activity.models import DailyTotal, MonthlyTally, RollupCursor, Segment
from activity.rollups import counting, cursors, days, figures, tallying
from activity.rollups.folding import Folded, advance
from tenants.errors import InvalidInput

_SLACK: Final = timedelta(days=1)
"""By how much the clocks of the database and of who seals may differ."""

_TAKE_TOTALS: Final = """
INSERT INTO activity_dailytotal (build, action, day, outcome, facet, events)
SELECT %(build)s, action, day, outcome, facet, events FROM activity_dailytotal
WHERE build = %(served)s AND (action > '' OR facet IN ('network', 'name')) AND day <= %(day)s
"""


def _taken(name: str) -> str:
    return f"CASE WHEN is_whole THEN {name} ELSE coalesce({name}_through[%(at)s], {name}) END"


_TAKE_TALLIES: Final = f"""
INSERT INTO activity_monthlytally (build, kind, month, subject, label, days, last_at,
    sign_ins, failures, changes, events,
    events_through, sign_ins_through, failures_through, changes_through)
SELECT %(build)s, kind, month, subject, label, days & bits, least(last_at, %(last_at)s),
    {_taken("sign_ins")}, {_taken("failures")}, {_taken("changes")},
    CASE kind WHEN 'network' THEN {_taken("sign_ins")} + {_taken("failures")}
        WHEN 'object' THEN {_taken("changes")} ELSE {_taken("events")} END,
    events_through[:place], sign_ins_through[:place], failures_through[:place],
    changes_through[:place]
FROM (
    SELECT *, month < %(month)s AS is_whole,
        CASE WHEN month < %(month)s THEN 31 ELSE %(at)s END AS place,
        CASE WHEN month < %(month)s THEN -1 ELSE ((1::bigint << %(at)s) - 1)::int END AS bits
    FROM activity_monthlytally
    WHERE build = %(served)s AND kind <> 'year' AND month <= %(month)s
) AS old
WHERE days & bits <> 0
"""  # noqa: S608


def is_due() -> bool:
    """Tell whether figures are being counted anew here, or have to be.

    They have to when they are in other days than the tenant's, or were counted by older rules.
    """
    served = cursors.served()
    return served is not None and (
        cursors.growing() is not None
        or served.zone != periods.zone().key
        or served.rules < counting.RULES
    )


def begin(since: date | None = None) -> None:
    """Begin to count anew, all days or those from ``since`` on; one that is begun goes on.

    Raises ``InvalidInput`` for ``since`` when the time zone has changed, or the rules of counting:
    then all days have.
    """
    zone = periods.zone().key
    with transaction.atomic():
        served, *others = cursors.lock()
        if since is not None and served.zone != zone:
            raise InvalidInput(
                f"the time zone was {served.zone} and is {zone}: every day begins elsewhere.",
                "Count all of them anew, without --from.",
            )
        if since is not None and served.rules < counting.RULES:
            raise InvalidInput(
                "figures have to be counted by newer rules, of every day.",
                "Count all of them anew, without --from.",
            )
        for other in others:
            is_of_all_days = since is None and other.since == other.cut_at
            if is_of_all_days and other.zone == zone and other.rules >= counting.RULES:
                return
            _clear(other.build)
        cursor = RollupCursor(
            build=2 if served.build == 1 else 1,
            is_served=False,
            zone=zone,
            rules=counting.RULES,
            cut_day=served.cut_day,
            cut_at=served.cut_at,
        )
        _clear(cursor.build)
        _take_over(served, cursor, since)
        cursor.save(force_insert=True)
        cursors.tell()


def carry_on(now: datetime, most: int | None = None, *, wait: bool = True) -> Folded:
    """Go on with what was begun, in ``most`` transactions at most; serve it when it is complete."""
    events, rounds = 0, 0
    while True:
        with transaction.atomic():
            found = cursors.lock(wait=wait)
            if len(found) < 2:
                return Folded(events, now, is_busy=not found)
            served, cursor = found
            counted, is_complete, _ = advance(cursor, now)
            if is_complete:
                _serve(cursor, served)
        events += counted
        rounds += 1
        if is_complete or rounds == most:
            return Folded(events, now, is_complete)


def rebuild(now: datetime, since: date | None = None) -> Folded:
    """Count anew, to the end. Raises what ``begin`` raises."""
    begin(since)
    return carry_on(now)


def finish(now: datetime) -> None:
    """Bring what was begun to its end, if anything was: before events are cut."""
    if cursors.growing() is not None:
        carry_on(now)


def _take_over(served: RollupCursor, cursor: RollupCursor, since: date | None) -> None:
    """Copy the figures of days that are not counted anew."""
    day, moment = served.cut_day, served.cut_at
    if since is not None and (day is None or since > day):
        start = datetime.combine(since, time.min, ZoneInfo(served.zone))
        if moment is None or start > moment:
            day, moment = since - timedelta(1), start
    if day is None or moment is None:
        return
    cursor.since, cursor.copied = moment, served.number
    # Nothing is sealed before it happens.
    older = Segment.objects.filter(number__lte=served.number, sealed_at__lt=moment - _SLACK)
    last = older.order_by("-number").first()
    if last is not None:
        cursor.number, cursor.size = last.number, last.size
    asked: dict[str, Any] = {
        "build": cursor.build,
        "served": served.build,
        "day": day,
        "month": day.replace(day=1),
        "at": day.day,
        "last_at": moment - timedelta(microseconds=1),
    }
    with connection.cursor() as sql:
        sql.execute(_TAKE_TOTALS, asked)
        sql.execute(_TAKE_TALLIES, asked)
        sql.execute(days.PEOPLE_OF_TALLIES, asked)
        sql.execute(tallying.YEARS_OF_TALLIES, asked)


def _serve(cursor: RollupCursor, served: RollupCursor) -> None:
    """Put a complete build in the place of the old one."""
    _clear(served.build)
    cursor.is_served, cursor.since, cursor.copied = True, None, 0
    cursor.save(update_fields=["is_served", "since", "copied"])
    cursors.tell()
    figures.tell_all()


def _clear(build: int) -> None:
    RollupCursor.objects.filter(build=build).delete()
    for model in (DailyTotal, MonthlyTally):
        model.objects.filter(build=build).delete()
