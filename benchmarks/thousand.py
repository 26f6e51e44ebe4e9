"""A thousand tenants with nothing to do, and how long it takes to find that out of all of them.

One is made as tenants are, with a record that is sealed and counted. The others have the tables
that a sweep asks, with the same in them: a thousand whole schemas take minutes to make.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from django.core.management import call_command
from django.db import connection, transaction

from benchmarks.entries.requests import TENANTRY
from benchmarks.ground import Place
from benchmarks.worker import Turns

TENANTS: Final = 1_000
THOUSAND: Final = Place(TENANTRY.settings, "bench_thousand", "benchmarks.thousand:thousand")

_AT_ONCE: Final = 50
"""Tenants of one transaction: locks are kept for each table until it ends."""
_ASKED: Final = ("activity_activityevent", "activity_segment", "activity_rollupcursor")
_TOLD: Final = ("public.tenants_recordhead", "public.tenants_recordrollup")

_SWEEPS: Final = 5
_LONG_SECONDS: Final = 1.0
"""A sweep that takes longer is measured once a turn."""


def thousand() -> Turns:
    """Make a thousand tenants, each with a record that is sealed and counted."""
    from activity import rollups
    from activity.sealing import sealer
    from tenants.context import enter_platform, enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    call_command("migrate", verbosity=0)
    yield None
    first = create(TenantRequest(slug="tenant0")).tenant
    for place in (enter_tenant(first), enter_platform()):
        with place:
            sealer.seal_now()
            rollups.fold_now()
    with enter_platform(), connection.cursor() as cursor:
        for begin in range(1, TENANTS, _AT_ONCE):
            with transaction.atomic():
                for number in range(begin, min(begin + _AT_ONCE, TENANTS)):
                    _copy(cursor, first, number)
        cursor.execute(f"ANALYZE {', '.join(_TOLD)}")
    yield {}


def _copy(cursor: Any, first: Any, number: int) -> None:
    """Make a tenant of which a sweep can tell no difference to the first one."""
    from tenants.hosts import marker_of
    from tenants.models import Tenant

    tenant = Tenant.objects.create(slug=f"tenant{number}", name="Tenant", state=first.state)
    tenant.refresh_from_db()
    schema = tenant.schema_name
    cursor.execute(f"CREATE SCHEMA {schema}")
    cursor.execute(f"COMMENT ON SCHEMA {schema} IS %s", [marker_of(tenant)])
    for table in _ASKED:
        cursor.execute(
            f"CREATE TABLE {schema}.{table} (LIKE {first.schema_name}.{table} INCLUDING ALL);"
            f" INSERT INTO {schema}.{table} SELECT * FROM {first.schema_name}.{table}"
        )
    for table in _TOLD:
        cursor.execute(
            f"INSERT INTO {table} SELECT (jsonb_populate_record(one, %s)).* FROM {table} one"
            " WHERE record = %s",
            [json.dumps({"record": str(tenant.pk)}), str(first.pk)],
        )


def sweeps(sweep: Callable[[], Any]) -> Turns:
    """Yield the milliseconds that a sweep takes, the first one aside."""
    sweep()
    yield None
    while True:
        started = time.perf_counter()
        done = 0
        while not done or (done < _SWEEPS and time.perf_counter() - started < _LONG_SECONDS):
            sweep()
            done += 1
        yield (time.perf_counter() - started) / done * 1000
