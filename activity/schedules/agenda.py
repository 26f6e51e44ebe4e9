"""When each place wants to be visited: kept on the platform, so that one look finds who is due.

The row is written in the transaction that changes a schedule. Should one be lost, as with a
schema that somebody brings back from a backup, the place is found by turns within an hour.
"""

from datetime import datetime
from typing import Final

from django.db import connection
from django.utils import timezone

from activity.periods import zone_name
from tenants import asking
from tenants.context import PLATFORM, current_scope, enter_platform
from tenants.models import Tenant

_TURNS: Final = 60
"""Minutes in which every place is asked once, whatever its row says."""

_LOCK: Final = """
INSERT INTO public.tenants_due (place, at, zone) VALUES (%s, 'infinity', '')
ON CONFLICT (place) DO UPDATE SET at = tenants_due.at
"""
_KEEP: Final = """
WITH wanted AS (SELECT min(least(next_at, look_at)) AS at FROM activity_schedule),
gone AS (
    DELETE FROM public.tenants_due USING wanted WHERE place = %(place)s AND wanted.at IS NULL
)
UPDATE public.tenants_due SET at = wanted.at, zone = %(zone)s FROM wanted
WHERE place = %(place)s AND wanted.at IS NOT NULL
"""

_DUE: Final = """
SELECT place FROM public.tenants_due
LEFT JOIN public.tenants_tenant AS tenant ON tenant.id::text = place
WHERE (at <= %(now)s OR zone <> coalesce(tenant.time_zone, %(zone)s))
AND (place = 'platform' OR tenant.state = 'active')
ORDER BY at
"""

# A tenant whose schema is behind has no such table yet.
_OF_THIS_TURN: Final = """
SELECT tenant.id::text, schema_name FROM public.tenants_tenant AS tenant
JOIN pg_namespace ON nspname = schema_name
JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = 'activity_schedule'
WHERE state = 'active' AND get_byte(uuid_send(tenant.id), 15) %% %(turns)s = %(turn)s
"""
_ASKED: Final = """
SELECT {record} FROM {schema}.activity_schedule HAVING min(least(next_at, look_at))
IS DISTINCT FROM (SELECT at FROM public.tenants_due WHERE place = {record})
"""


def keep() -> None:
    """Note when the place one is in wants to be visited, in the transaction one is in.

    Two that change schedules of one place wait for each other here, so that the later one sees
    what both left.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [current_scope()])
        cursor.execute(_KEEP, {"place": current_scope(), "zone": zone_name()})


def due(now: datetime) -> list[str]:
    """Return the places to visit: those whose time has come, or whose time zone is another.

    And those of this minute's turn whose row is not what their schedules say.
    """
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now, "zone": timezone.get_default_timezone_name()})
        found = [place for (place,) in cursor.fetchall()]
        cursor.execute(_OF_THIS_TURN, {"turns": _TURNS, "turn": now.minute % _TURNS})
        asked = asking.ask_each(cursor, _ASKED, [(PLATFORM, "public"), *cursor.fetchall()])
        return list(dict.fromkeys([*found, *(place for (place,) in asked)]))


def forget(tenant: Tenant) -> int:
    """Remove what is noted of a tenant that is destroyed; returns how many rows that was."""
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM public.tenants_due WHERE place = %s", [str(tenant.pk)])
        return int(cursor.rowcount)
