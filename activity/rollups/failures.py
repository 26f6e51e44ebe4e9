"""On which days there may have been an attack: the others need not be read event by event.

Roll-ups know of each day how many failed sign-ins the network, and the group of accounts, had that
had most (``activity.rollups.days``). No source and no account had more. Of what they do not know
the answer is that there may: events that are not counted yet, days that were counted otherwise.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db import connection

from activity.periods import Period, zone
from activity.rollups.counting import RANKS

_MOST_WAITING: Final = 10_000

# All in one statement, so that an event that is being counted is on one side or on the other. The
# record goes on in the cluster one is in, and of others all is sealed, when its newest segment is.
_KNOWN: Final = f"""
WITH served AS (
    SELECT *, (SELECT system_identifier FROM pg_control_system()) AS cluster
    FROM activity_rollupcursor
    WHERE is_served AND rules >= {RANKS} AND zone = %(zone)s
), mark AS (
    SELECT segment.cluster, segment.xid, segment.event_id
    FROM activity_segment segment JOIN served USING (number, cluster)
    WHERE NOT EXISTS (SELECT FROM activity_segment later
        WHERE later.number > served.number AND later.cluster <> served.cluster)
), waiting AS (
    SELECT event.occurred_at, event.action FROM activity_activityevent event
    WHERE event.cluster = (SELECT cluster FROM mark)
    AND (event.xid, event.id) > ((SELECT xid FROM mark), (SELECT event_id FROM mark))
    ORDER BY event.xid, event.id LIMIT {_MOST_WAITING}
)
SELECT served.cut_day, (SELECT count(*) FROM waiting),
    (SELECT min(occurred_at) FROM waiting WHERE action = 'session.failed'),
    ARRAY(SELECT DISTINCT day FROM activity_dailytotal
        WHERE build = served.build AND action = '' AND day BETWEEN %(since)s AND %(until)s
        AND (facet = 'network' AND events >= %(network)s OR facet = 'name' AND events >= %(name)s))
FROM served, mark
"""  # noqa: S608 (our own words)


@dataclass(frozen=True, slots=True)
class _Known:
    """What figures say of a period."""

    cut_day: date | None
    first_waiting: date | None
    days: frozenset[date]

    def may_have(self, day: date) -> bool:
        # Around a cut the days of figures do not begin when the tenant's do.
        was_cut = self.cut_day is not None and day <= self.cut_day + timedelta(2)
        waits = self.first_waiting is not None and day >= self.first_waiting
        return day in self.days or was_cut or waits


def spans(period: Period, *, network: int, name: int) -> list[Period]:
    """Return the parts of a period on whose days a network or an account may have had so many.

    ``network`` and ``name`` are how many failed sign-ins of one, and at the other, are worth a day.
    """
    known = _known(period, network, name)
    if known is None:
        return [period]
    found: list[Period] = []
    for day in filter(known.may_have, period.days):
        if found and found[-1].until == day - timedelta(1):
            found[-1] = Period(found[-1].since, day)
        else:
            found.append(Period(day, day))
    return found


def _known(period: Period, network: int, name: int) -> _Known | None:
    """Return ``None`` when figures are not of these days and rules, or far behind the record."""
    asked: dict[str, Any] = {
        "zone": zone().key,
        "since": period.since,
        "until": period.until,
        "network": network,
        "name": name,
    }
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, asked)
        row = cursor.fetchone()
    if row is None or row[1] == _MOST_WAITING:
        return None
    cut_day, _, waiting, days = row
    first = waiting.astimezone(zone()).date() if waiting else None
    return _Known(cut_day, first, frozenset(days))
