"""What making a tenant's schema costs, with few and with many tenants in the database.

*Script replay* is the floor: the blueprint's statements, sent as one message by psycopg2 itself in
a transaction. *Blueprint* is ``tenants.blueprint.replay``, *spare* is ``tenants.spares.claim``,
each in a transaction, with the commit, and without the hint that a claim sends to the worker.
*django-tenants* makes the same tables its way: saving the tenant makes the schema and migrates it;
with *clone* it copies a template schema and fakes the migrations.

The schemas that are there already are the blueprint's, in both databases. What a turn makes is
dropped after it, unmeasured, so that their number stays.
"""

import json
import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from django.core.management import call_command

from benchmarks.entry import Entry, Goal
from benchmarks.ground import Place
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.schemas"
_TOGETHER = 20
"""So many schemas are made in one transaction when the ground is laid."""


def _script() -> Path:
    """Where the blueprint's statements are left for those that cannot ask Tenantry for them."""
    return Path(os.environ["TENANTRY_DATA"]) / "blueprint-statements.json"


def _message(schema: str) -> str:
    statements = json.loads(_script().read_text())
    text = ";\n".join(["CREATE SCHEMA {schema}", *statements])
    return text.replace("{schema}", schema)


def _own_connection() -> Any:
    """A psycopg2 connection to the database of this worker."""
    import psycopg2
    from django.db import connection

    place = connection.settings_dict
    return psycopg2.connect(host=place["HOST"], user=place["USER"], dbname=place["NAME"])


def _fill(schemas: int) -> None:
    """Make so many schemas, as the blueprint makes them."""
    from tenants.names import new_schema_name

    own = _own_connection()
    with own.cursor() as cursor:
        for number in range(schemas):
            cursor.execute(_message(new_schema_name()))
            if number % _TOGETHER == 0:
                own.commit()
    own.commit()
    own.autocommit = True
    with own.cursor() as cursor:
        # As autovacuum would have done by the time so many tenants are there.
        for name in ("pg_class", "pg_attribute", "pg_constraint", "pg_index", "pg_depend"):
            cursor.execute(f"ANALYZE pg_catalog.{name}")
    own.close()


def _lay_ours(schemas: int) -> Turns:
    from tenants.blueprint import blueprint
    from tenants.context import enter_platform

    call_command("migrate", verbosity=0)
    with enter_platform():
        _script().write_text(json.dumps(blueprint().statements))
    _fill(schemas)
    yield None
    yield None


def _lay_theirs(schemas: int) -> Turns:
    from benchmarks.stock.models import Client

    call_command("migrate_schemas", shared=True, verbosity=0)
    Client(schema_name="template").save(verbosity=0)
    _fill(schemas)
    yield None
    yield None


def ours_10() -> Turns:
    """Lay Tenantry's ground."""
    return _lay_ours(10)


def ours_100() -> Turns:
    """Lay Tenantry's ground."""
    return _lay_ours(100)


def ours_1000() -> Turns:
    """Lay Tenantry's ground."""
    return _lay_ours(1000)


def theirs_10() -> Turns:
    """Lay django-tenants' ground."""
    return _lay_theirs(10)


def theirs_100() -> Turns:
    """Lay django-tenants' ground."""
    return _lay_theirs(100)


def theirs_1000() -> Turns:
    """Lay django-tenants' ground."""
    return _lay_theirs(1000)


def _timed(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def script_replay() -> Turns:
    """Send the script a turn; yield the milliseconds."""
    from tenants.names import new_schema_name

    own = _own_connection()
    yield None
    while True:
        name = new_schema_name()
        message = _message(name)

        def act(message: str = message) -> None:
            own.cursor().execute(message)
            own.commit()

        taken = _timed(act)
        own.cursor().execute(f"DROP SCHEMA {name} CASCADE")
        own.commit()
        yield taken


def from_blueprint() -> Turns:
    """Replay the blueprint a turn; yield the milliseconds."""
    from django.db import connection, transaction

    from tenants.blueprint import blueprint, replay
    from tenants.context import enter_platform
    from tenants.names import new_schema_name

    with enter_platform():
        connection.ensure_connection()
        yield None
        while True:
            name = new_schema_name()

            def act(name: str = name) -> None:
                with transaction.atomic():
                    replay(blueprint(), name, "tenantry:nobody")

            taken = _timed(act)
            connection.cursor().execute(f"DROP SCHEMA {name} CASCADE")
            yield taken


def from_spare() -> Turns:
    """Claim a spare a turn; yield the milliseconds."""
    from django.db import connection, transaction

    from tenants import spares
    from tenants.context import enter_platform

    with enter_platform():
        connection.ensure_connection()
        yield None
        while True:
            spares.fill(1)

            started = time.perf_counter()
            with transaction.atomic():
                claimed = spares.claim()
                # The hint goes to Redis: here the database is measured.
                connection.run_on_commit.clear()
            taken = (time.perf_counter() - started) * 1000
            assert claimed is not None
            connection.cursor().execute(f"DROP SCHEMA {claimed.schema_name} CASCADE")
            yield taken


def stock() -> Turns:
    """Make a tenant a turn the way of django-tenants; yield the milliseconds."""
    from benchmarks.stock.models import Client

    yield None
    for number in count():
        tenant = Client(schema_name=f"tenant{number}")
        taken = _timed(lambda tenant=tenant: tenant.save(verbosity=0))  # type: ignore[misc]
        tenant.delete(force_drop=True)
        yield taken


def stock_clone() -> Turns:
    """Clone a tenant a turn the way of django-tenants; yield the milliseconds."""
    from django.test import override_settings

    from benchmarks.stock.models import Client

    yield None
    with override_settings(TENANT_BASE_SCHEMA="template", TENANT_CREATION_FAKES_MIGRATIONS=True):
        for number in count():
            tenant = Client(schema_name=f"clone{number}")
            taken = _timed(lambda tenant=tenant: tenant.save(verbosity=0))  # type: ignore[misc]
            tenant.delete(force_drop=True)
            yield taken


def _entry(schemas: int) -> Entry:
    theirs = Place(
        "benchmarks.settings.stock_apps",
        f"bench_schemas_theirs_{schemas}",
        f"{_HERE}:theirs_{schemas}",
    )
    ours = Place(
        "config.settings.development", f"bench_schemas_ours_{schemas}", f"{_HERE}:ours_{schemas}"
    )
    return Entry(
        name=f"schema-{schemas}",
        sentence=f"What making a tenant's schema costs, when there are {schemas:,} of them.",
        unit="ms",
        more_is_better=False,
        rounds=10,
        contestants=[
            # First, because it leaves the script for django-tenants' ground.
            contestant("script replay", ours, f"{_HERE}:script_replay"),
            contestant("Tenantry, blueprint", ours, f"{_HERE}:from_blueprint"),
            contestant("Tenantry, spare", ours, f"{_HERE}:from_spare"),
            contestant("django-tenants", theirs, f"{_HERE}:stock"),
            contestant("django-tenants, clone", theirs, f"{_HERE}:stock_clone"),
        ],
        goal=Goal("Tenantry, blueprint", 1.5),
    )


ENTRIES = [_entry(10), _entry(100), _entry(1000)]
