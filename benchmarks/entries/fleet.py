"""What bringing all tenants up to date costs.

Whole commands, with the start of their processes: ``manage.py tenant migrate`` beside
``manage.py migrate_schemas`` of django-tenants with its standard executor, on the same tables. Once
there is nothing to do, once the next release adds a column to the people's table, another one each
turn.

The tenants are made by replaying one: only what they look like matters here.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from django.core.management import call_command

from benchmarks.entry import Entry, Goal
from benchmarks.ground import Place
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.fleet"
_STOCK = ("migrate_schemas", "--skip-checks", "--verbosity=0")
_TENANTRY = ("tenant", "migrate")
_START = ("tenant", "migrate", "--help")


def _fill_stock(tenants: int) -> Turns:
    from django.db import connection

    from benchmarks.stock.models import Client

    call_command("migrate_schemas", shared=True, verbosity=0)
    first, *others = [f"tenant{number}" for number in range(tenants)]
    Client.objects.bulk_create(Client(schema_name=name) for name in (first, *others))
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"CREATE SCHEMA {name}" for name in (first, *others)))
    sent: list[str] = []
    with connection.execute_wrapper(partial(_write_down, sent)):
        call_command("migrate_schemas", schema_name=first, verbosity=0)
    with connection.cursor() as cursor:
        for name in others:
            cursor.execute(f"BEGIN; SET LOCAL search_path = {name};" + "\n;\n".join(sent))
            cursor.execute("COMMIT")
    yield None
    yield None


def _write_down(sent: list[str], execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
    result = execute(sql, *rest)
    params, _, context = rest
    text = str(sql)
    if not text.startswith(("SELECT", "SET", "SAVEPOINT", "RELEASE")):
        sent.append(context["connection"].ops.compose_sql(text, params))
    return result


def _fill_tenantry(tenants: int) -> Turns:
    from django.db import transaction

    from tenants.blueprint import blueprint, replay
    from tenants.context import enter_platform
    from tenants.hosts import marker_of
    from tenants.models import Tenant

    with enter_platform():
        call_command("migrate", verbosity=0)
        made_from = blueprint()
        for number in range(tenants):
            with transaction.atomic():
                tenant = Tenant.objects.create(
                    slug=f"tenant{number}", name="Tenant", state=Tenant.State.ACTIVE
                )
                tenant.refresh_from_db()
                replay(made_from, tenant.schema_name, marker_of(tenant))
    yield None
    yield None


def _milliseconds(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return (time.perf_counter() - started) * 1000


def _nothing(arguments: tuple[str, ...]) -> Turns:
    yield None
    while True:
        yield _milliseconds(arguments, dict(os.environ))


_RELEASE = """
from {settings} import *

MIGRATION_MODULES = MIGRATION_MODULES | {{"accounts": "release.accounts_migrations"}}
"""

_MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "{before}")]
    operations = [
        migrations.AddField(
            "customuser", "{name}", models.CharField(max_length=50, default="", db_default="")
        )
    ]
"""


def _columns(arguments: tuple[str, ...]) -> Turns:
    """Add a column a turn, each by a release of its own."""
    with tempfile.TemporaryDirectory() as directory:
        migrations = Path(directory) / "release" / "accounts_migrations"
        migrations.mkdir(parents=True)
        for file in Path("accounts/migrations").glob("*.py"):
            (migrations / file.name).write_text(file.read_text())
        (migrations.parent / "__init__.py").touch()
        settings = os.environ["DJANGO_SETTINGS_MODULE"]
        (migrations.parent / "settings.py").write_text(_RELEASE.format(settings=settings))
        environment = {
            **os.environ,
            "PYTHONPATH": directory,
            "DJANGO_SETTINGS_MODULE": "release.settings",
        }
        before = max(file.stem for file in migrations.glob("0*.py"))
        yield None
        for number in count(9000):
            name = f"{number}_column"
            migration = _MIGRATION.format(before=before, name=f"column{number}")
            (migrations / f"{name}.py").write_text(migration)
            before = name
            yield _milliseconds(arguments, environment)


def fill_stock_100() -> Turns:
    """Make django-tenants' tenants."""
    return _fill_stock(100)


def fill_stock_1000() -> Turns:
    """Make django-tenants' tenants."""
    return _fill_stock(1000)


def fill_tenantry_100() -> Turns:
    """Make Tenantry's tenants."""
    return _fill_tenantry(100)


def fill_tenantry_1000() -> Turns:
    """Make Tenantry's tenants."""
    return _fill_tenantry(1000)


def nothing_stock() -> Turns:
    """Find nothing to do, the way of django-tenants; yield the milliseconds."""
    return _nothing(_STOCK)


def nothing_tenantry() -> Turns:
    """Find nothing to do, the way of Tenantry; yield the milliseconds."""
    return _nothing(_TENANTRY)


def start_tenantry() -> Turns:
    """Start the command and ask it nothing; yield the milliseconds."""
    return _nothing(_START)


def column_stock() -> Turns:
    """Add a column, the way of django-tenants; yield the milliseconds."""
    return _columns(_STOCK)


def column_tenantry() -> Turns:
    """Add a column, the way of Tenantry; yield the milliseconds."""
    return _columns(_TENANTRY)


def _entries(tenants: int, **options: Any) -> list[Entry]:
    theirs = Place(
        "benchmarks.settings.stock_apps",
        f"bench_fleet_theirs_{tenants}",
        f"{_HERE}:fill_stock_{tenants}",
    )
    ours = Place(
        "config.settings.development",
        f"bench_fleet_ours_{tenants}",
        f"{_HERE}:fill_tenantry_{tenants}",
    )
    common = {"unit": "ms", "more_is_better": False, **options}
    return [
        Entry(
            name=f"fleet-nothing-{tenants}",
            sentence=f"What it costs to find that {tenants:,} tenants lack no migration.",
            contestants=[
                contestant("django-tenants", theirs, f"{_HERE}:nothing_stock"),
                contestant("Tenantry", ours, f"{_HERE}:nothing_tenantry"),
                contestant("Tenantry's start alone", ours, f"{_HERE}:start_tenantry"),
            ],
            goal=Goal("Tenantry", 1 / 50),
            **common,
        ),
        Entry(
            name=f"fleet-column-{tenants}",
            sentence=f"What it costs to add a column in {tenants:,} tenants.",
            contestants=[
                contestant("django-tenants", theirs, f"{_HERE}:column_stock"),
                contestant("Tenantry", ours, f"{_HERE}:column_tenantry"),
            ],
            goal=Goal("Tenantry", 1 / 30),
            **common,
        ),
    ]


ENTRIES = [
    *_entries(100, rounds=3, is_seldom=True),
    # django-tenants takes minutes, so it has one turn.
    *_entries(1000, rounds=1, warms_up=False, is_seldom=True),
]
