"""Finding exports in all places: those that wait for a worker, and those whose time is over.

Only places that have exports are asked: PostgreSQL knows how large each table is without looking
into it. One that nobody ever exported from costs a row of the catalog.
"""

from datetime import timedelta
from typing import Any, Final

import structlog
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from activity.jobs import keeping, steps
from activity.models import ExportJob
from tenants import asking
from tenants.context import PLATFORM, current_scope, enter_platform

logger = structlog.get_logger("tenantry.exports")

KEPT_DAYS: Final = 30
"""For how long the list shows an export that is over."""

_MESSAGE_SECONDS: Final = 10
State = ExportJob.State

_PLACES: Final = """
SELECT t.id::text, t.schema_name FROM tenants_tenant t
JOIN pg_namespace n ON n.nspname = t.schema_name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'activity_exportjob'
WHERE t.state = 'active' AND pg_relation_size(c.oid) > 0
UNION ALL SELECT 'platform', 'public'
"""

# Whose last file was begun longest ago comes first, so that one with many does not starve others.
_WAITING: Final = """
SELECT {record},
       (SELECT id::text FROM {schema}.activity_exportjob
        WHERE state = 'waiting'
           OR (state = 'running' AND progressed_at < now() - make_interval(secs => {stale}))
        ORDER BY id LIMIT 1),
       (SELECT max(started_at) FROM {schema}.activity_exportjob)
"""


def sweep() -> int:
    """Send a message for each place that has a job to make; returns how many those are."""
    from activity.jobs import tasks

    found = waiting()
    for record, job in found:
        if record == PLATFORM:
            tasks.run_platform_export.apply_async(args=(job,), expires=_MESSAGE_SECONDS)
        else:
            tasks.run_export.apply_async(
                args=(job,), kwargs={"tenant_id": record}, expires=_MESSAGE_SECONDS
            )
    return len(found)


def waiting() -> list[tuple[str, str]]:
    """Return the places with a job to make, and the oldest of each, in the order of turns."""
    stale = steps.STALE.total_seconds()
    with enter_platform(), connection.cursor() as cursor:
        found = asking.ask_each(cursor, _WAITING, _places(cursor), stale=stale)
    rows = [row for row in found if row[1]]
    rows.sort(key=lambda row: (row[2] is not None, row[2]))
    return [(record, job) for record, job, _ in rows]


def announce() -> None:
    """Have a worker look for what waits. Lost, the timetable does."""
    from activity.jobs import tasks

    try:
        tasks.run_exports.apply_async(expires=_MESSAGE_SECONDS)
    except OperationalError:
        logger.warning("exports not announced")


def expire_everywhere() -> int:
    """Delete files whose time is over, of each place that has exports; returns how many have."""
    from activity.jobs import tasks

    with enter_platform(), connection.cursor() as cursor:
        places = [record for record, _ in _places(cursor) if record != PLATFORM]
    for record in places:
        tasks.expire_exports_in_tenant.apply_async(kwargs={"tenant_id": record}, expires=3000)
    keeping.drop_old_parts()
    with enter_platform():
        expire_due()
    return len(places)


def expire_due() -> int:
    """Delete files of the place one is in whose time is over, and rows that are long over.

    Returns how many files that were. One that cannot be deleted keeps no other.
    """
    now = timezone.now()
    count = 0
    for job in ExportJob.objects.filter(state=State.READY, expires_at__lte=now):
        try:
            count += steps.expire(job, "its time was over")
        except Exception:
            logger.exception("export not deleted", place=current_scope(), job=str(job.pk))
    old = now - timedelta(days=KEPT_DAYS)
    over = Q(state__in=(State.FAILED, State.CANCELLED, State.EXPIRED), finished_at__lte=old)
    ExportJob.objects.filter(over).delete()
    return count


def _places(cursor: Any) -> list[tuple[str, str]]:
    cursor.execute(_PLACES)
    return list(cursor.fetchall())
