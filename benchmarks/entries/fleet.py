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

from benchmarks.entry import Contestant, Entry, Goal
from benchmarks.ground import Ground, Place
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.fleet"
STOCK = ("migrate_schemas", "--skip-checks", "--verbosity=0")
TENANTRY = ("tenant", "migrate")
START = ("tenant", "migrate", "--help")


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


def _write_down(
    sent: list[str],
    execute: Callable[..., Any],
    sql: Any,
    params: Any,
    many: bool,
    context: dict[str, Any],
) -> Any:
    result = execute(sql, params, many, context)
    text = str(sql)
    if not text.startswith(("SELECT", "SET", "SAVEPOINT", "RELEASE")):
        sent.append(context["connection"].ops.compose_sql(text, params))
    return result


def _fill_tenantry(tenants: int) -> Turns:
    from django.db import connection

    from tenants.context import enter_platform
    from tenants.fleet.running import migrate_fleet
    from tenants.fleet.wish import Wish
    from tenants.hosts import marker_of
    from tenants.models import Tenant

    with enter_platform():
        call_command("migrate", verbosity=0)
        for number in range(tenants):
            tenant = Tenant.objects.create(
                slug=f"tenant{number}", name="Tenant", state=Tenant.State.ACTIVE
            )
            tenant.refresh_from_db()
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE SCHEMA {tenant.schema_name}")
                cursor.execute(
                    f"COMMENT ON SCHEMA {tenant.schema_name} IS %s", [marker_of(tenant)]
                )
        report = migrate_fleet(Wish())
    assert report.migrated == tenants, report.failures[:3]
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


def _columns(arguments: tuple[str, ...], place: Path) -> Turns:
    """Add a column a turn. ``place`` keeps the releases: a later process goes on with them."""
    migrations = place / "release" / "accounts_migrations"
    if not migrations.exists():
        migrations.mkdir(parents=True)
        for file in Path("accounts/migrations").glob("*.py"):
            (migrations / file.name).write_text(file.read_text())
        (place / "release" / "__init__.py").touch()
    settings = os.environ["DJANGO_SETTINGS_MODULE"]
    (place / "release" / "settings.py").write_text(_RELEASE.format(settings=settings))
    environment = {
        **os.environ,
        "PYTHONPATH": str(place),
        "DJANGO_SETTINGS_MODULE": "release.settings",
    }
    yield None
    for number in count(9000):
        names = sorted(file.stem for file in migrations.glob("0*.py")) + sorted(
            file.stem for file in migrations.glob("9*.py")
        )
        name = f"{number}_column"
        (migrations / f"{name}.py").write_text(
            _MIGRATION.format(before=names[-1], name=f"column{number}")
        )
        yield _milliseconds(arguments, environment)


