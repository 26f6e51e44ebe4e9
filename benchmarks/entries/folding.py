"""What bringing the roll-ups up to date costs.

- ``fold``: a tenant has 100,000 sealed events of a week, of ten actions by a hundred people on two
  thousand objects and from two hundred networks. Each turn forgets the roll-ups and folds all of
  them again. *GROUP BY alone* is the database counting the same events by the same days, actions
  and people and writing nothing: the limit. *ORM recount* counts them with ``annotate`` and writes
  with ``bulk_create``: what one writes first.
- ``fold-new``: the same tenant with 200,000 events gets 1,000 more; counting those, beside
  counting all again.
- ``fold-sweep``: finding who has something to count among 1,000 tenants that have nothing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Entry
from benchmarks.thousand import TENANTS, THOUSAND, sweeps
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.folding"
_EVENTS = 100_000
_SLUG = "folded"
_LONG = "foldedlong"
_HISTORY = 200_000
_NEW = 1_000

_GROUP = """
SELECT max(actor_label), sum(events) FROM (
    SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, action, outcome, actor_kind, actor_id,
           max(actor_label) AS actor_label, count(*) AS events
    FROM activity_activityevent
    GROUP BY 1, 2, 3, 4, 5
) groups
"""


@contextmanager
def _inside(slug: str = _SLUG, events: int = _EVENTS) -> Iterator[None]:
    """Be inside the tenant of these events, sealed, making it first if need be."""
    from activity.models import ActivityEvent
    from activity.sealing import sealer
    from tenants.context import enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    made = create(TenantRequest(slug=slug))
    with enter_tenant(made.tenant):
        if made.created:
            fill(ActivityEvent, events)
            _vary(ActivityEvent)
            sealer.seal_now()
        yield


def fill(event: Any, number: int) -> None:
    """Multiply the tenant's first event until there are so many."""
    from activity.actions import CATALOGUE

    actions = ", ".join(f"'{name}'" for name in sorted(CATALOGUE)[:10])
    varied = {
        "occurred_at": f"one.occurred_at - n * interval '7 days' / {number}",
        "action": f"(ARRAY[{actions}])[1 + n % 10]",
        "actor_kind": "'person'",
        "actor_id": "lpad((n::bigint * 7919 / 10 % 100)::text, 36, '0')",
        "actor_label": "'Person ' || n::bigint * 7919 / 10 % 100",
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


def _vary(event: Any) -> None:
    """Give the events objects and networks."""
    table = event._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER USER;"
            f" UPDATE {table} SET target_type = 'user',"
            " target_id = lpad((hashtext(id::text) & 2047)::text, 36, '0'),"
            " ip = '10.0.0.0'::inet + (hashtext(id::text) & 51199);"
            f" ALTER TABLE {table} ENABLE TRIGGER USER"
        )
        cursor.execute(f"VACUUM ANALYZE {table}")


def _forget() -> None:
    from activity.models import DailyTotal, MonthlyTally, RollupCursor

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {DailyTotal._meta.db_table}, {MonthlyTally._meta.db_table}")
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
    """Fold as a worker does."""
    yield from _turns(_fold)


def _group() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_GROUP)


def _recount() -> None:
    from django.db.models import Count
    from django.db.models.functions import TruncDate

    from activity.models import ActivityEvent, DailyTotal

    with transaction.atomic():
        groups = (
            ActivityEvent.objects.order_by()
            .annotate(day=TruncDate("occurred_at"))
            .values("day", "action", "outcome", "actor_id")
            .annotate(events=Count("pk"))
        )
        rows = [
            DailyTotal(
                day=row["day"],
                action=row["action"],
                outcome=row["outcome"],
                facet=row["actor_id"][-32:],
                events=row["events"],
            )
            for row in groups
        ]
        DailyTotal.objects.bulk_create(rows, batch_size=1000)


def _fold() -> None:
    from activity import rollups

    folded = rollups.fold(timezone.now())
    if folded.events != _EVENTS:
        raise RuntimeError(f"{folded.events} events were folded instead of {_EVENTS}.")


def _add() -> None:
    """Record and seal 1,000 events."""
    from activity.models import ActivityEvent
    from activity.sealing import sealer

    columns = [str(field.column) for field in ActivityEvent._meta.local_fields]
    names = ", ".join(name for name in columns if name != "id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO activity_activityevent ({names}) SELECT {names}"
            f" FROM activity_activityevent ORDER BY id LIMIT {_NEW}"
        )
    sealer.seal(timezone.now())


def _added(count: Callable[[], object]) -> Turns:
    with _inside(_LONG, _HISTORY):
        count()
        yield None
        while True:
            _add()
            started = time.perf_counter()
            count()
            yield (time.perf_counter() - started) * 1000


def added_recount() -> Turns:
    """Count all events again."""
    yield from _added(_group)


def added_fold() -> Turns:
    """Fold those that are new."""
    from activity import rollups

    yield from _added(lambda: rollups.fold(timezone.now()))


def each() -> Turns:
    """Ask every tenant in its schema, one after the other: what one writes first."""
    from activity.rollups import cursors
    from tenants.context import enter_platform, enter_tenant
    from tenants.models import Tenant

    def ask() -> None:
        with enter_platform():
            tenants = list(Tenant.objects.active())
        for tenant in tenants:
            with enter_tenant(tenant):
                served = cursors.served()
                if served is None or served.number != cursors.newest_segment():
                    raise RuntimeError("a tenant is behind.")

    yield from sweeps(ask)


def sweep() -> Turns:
    """Ask the platform's own tables, as a worker does."""
    from activity.rollups import sweeping

    def ask() -> None:
        if sweeping.behind():
            raise RuntimeError("a tenant is behind.")

    yield from sweeps(ask)


ENTRIES = [
    Entry(
        name="fold",
        sentence=f"How fast {_EVENTS:,} events become roll-ups.",
        unit="events/s",
        contestants=[
            contestant("GROUP BY alone", TENANTRY, f"{_HERE}:group"),
            contestant("ORM recount", TENANTRY, f"{_HERE}:orm"),
            contestant("Tenantry's fold()", TENANTRY, f"{_HERE}:fold"),
        ],
    ),
    Entry(
        name="fold-new",
        sentence=f"How long {_NEW:,} new events take in a tenant that has {_HISTORY:,}.",
        unit="ms",
        more_is_better=False,
        is_seldom=True,
        contestants=[
            contestant("GROUP BY of all", TENANTRY, f"{_HERE}:added_recount"),
            contestant("Tenantry's fold()", TENANTRY, f"{_HERE}:added_fold"),
        ],
    ),
    Entry(
        name="fold-sweep",
        sentence=f"How long it takes to find who of {TENANTS:,} idle tenants is to be counted.",
        unit="ms",
        more_is_better=False,
        is_seldom=True,
        contestants=[
            contestant("asking each", THOUSAND, f"{_HERE}:each"),
            contestant("Tenantry's sweep", THOUSAND, f"{_HERE}:sweep"),
        ],
    ),
]
