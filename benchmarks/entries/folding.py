"""What bringing the roll-ups up to date costs.

A tenant gets 100,000 events of a week, of ten actions by a hundred people. Each turn forgets the
roll-ups and folds all of them again.

- *GROUP BY alone* is the database counting the same events and writing nothing: the limit.
- *ORM recount* counts them with ``annotate`` and writes the roll-ups with ``bulk_create``: what one
  writes first.
- *Tenantry's fold()* counts, writes, and moves its cursor in one transaction.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Entry
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.folding"
_EVENTS = 100_000
_SLUG = "folded"

_GROUP = """
SELECT max(actor_label), sum(events) FROM (
    SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, action, outcome, actor_kind, actor_id,
           max(actor_label) AS actor_label, count(*) AS events
    FROM activity_activityevent
    GROUP BY 1, 2, 3, 4, 5
) groups
"""


@contextmanager
def _inside() -> Iterator[None]:
    """Be inside the tenant of these events, making it first if need be."""
    from activity.models import ActivityEvent
    from tenants.context import enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    made = create(TenantRequest(slug=_SLUG))
    with enter_tenant(made.tenant):
        if made.created:
            fill(ActivityEvent, _EVENTS)
        yield


def fill(event: Any, number: int) -> None:
    """Multiply the tenant's first event until there are so many."""
    from activity.actions import CATALOGUE

    actions = ", ".join(f"'{name}'" for name in sorted(CATALOGUE)[:10])
    varied = {
        "occurred_at": f"one.occurred_at - n * interval '7 days' / {number}",
        "action": f"(ARRAY[{actions}])[1 + n % 10]",
        "actor_kind": "'person'",
        "actor_id": "lpad((n * 7919 / 10 % 100)::text, 36, '0')",
        "actor_label": "'Person ' || n * 7919 / 10 % 100",
    }
    columns = [field.column for field in event._meta.local_fields]
    given = [name for name in columns if name != "id"]
    table = event._meta.db_table
    there = event.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            # So that they lie in the past: the trigger would stamp this moment on all of them.
            f"ALTER TABLE {table} DISABLE TRIGGER USER;"
            f" INSERT INTO {table} ({', '.join(given)})"
            f" SELECT {', '.join(varied.get(name, f'one.{name}') for name in given)}"
            f" FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) one,"
            f" generate_series({there + 1}, {number}) n;"
            f" ALTER TABLE {table} ENABLE TRIGGER USER"
        )
        cursor.execute(f"ANALYZE {table}")


def _forget() -> None:
    from activity.models import DailyRollup, RollupCursor

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {DailyRollup._meta.db_table}")
    RollupCursor.objects.all().delete()


def _turns(count: Callable[[], object]) -> Turns:
    """Yield how many events a second ``count`` takes on, each turn all of them."""
    with _inside():
        yield None
        while True:
            _forget()
            started = time.perf_counter()
            count()
            yield _EVENTS / (time.perf_counter() - started)


def group() -> Turns:
    """Count in the database and write nothing."""
    yield from _turns(_group)


def orm() -> Turns:
    """Count with the ORM and write what it counted."""
    yield from _turns(_recount)


def fold() -> Turns:
    """Fold as the timetable does."""
    yield from _turns(_fold)


def _group() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_GROUP)


def _recount() -> None:
    from django.db.models import Count, Max
    from django.db.models.functions import TruncDate

    from activity.models import ActivityEvent, DailyRollup

    with transaction.atomic():
        groups = (
            ActivityEvent.objects.order_by()
            .annotate(day=TruncDate("occurred_at"))
            .values("day", "action", "outcome", "actor_kind", "actor_id")
            .annotate(events=Count("pk"), actor_label=Max("actor_label"))
        )
        DailyRollup.objects.bulk_create([DailyRollup(**row) for row in groups], batch_size=1000)


def _fold() -> None:
    from activity import rollups

    folded = rollups.fold(timezone.now())
    if folded.events != _EVENTS:
        raise RuntimeError(f"{folded.events} events were folded instead of {_EVENTS}.")


ENTRIES = [
    Entry(
        name="fold",
        sentence=f"How fast {_EVENTS:,} events become daily roll-ups.",
        unit="events/s",
        contestants=[
            contestant("GROUP BY alone", TENANTRY, f"{_HERE}:group"),
            contestant("ORM recount", TENANTRY, f"{_HERE}:orm"),
            contestant("Tenantry's fold()", TENANTRY, f"{_HERE}:fold"),
        ],
    )
]
