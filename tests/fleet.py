"""A platform with tenants in a database of its own, and next releases of the code for it.

For tests that migrate for real, with real processes: nothing of it can be rolled back. A release is
a directory with copies of the migrations of ``accounts`` and one more, and with settings that name
it. The column that it adds says of each schema whether it is old, new, or neither.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2

from config.environment import CHECKOUT
from tenants.names import new_schema_name
from tests.databases import drop_database

COLUMN = "nickname"

NEWEST = max(path.stem for path in (CHECKOUT / "accounts/migrations").glob("0*.py"))
"""The migration of ``accounts`` that the next release's follows."""

ADDS_A_COLUMN = f"""
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "{NEWEST}")]
    operations = [
        migrations.AddField(
            model, "{COLUMN}", models.CharField(max_length=50, default="", db_default="")
        )
        for model in ("customuser", "historicalcustomuser")
    ]
"""

# A new schema has no groups, so the blueprint has none either.
RUNS_PYTHON = ADDS_A_COLUMN.replace(
    "class Migration",
    """
def found(apps, editor):
    Group = apps.get_model("auth", "Group")
    for group in Group.objects.using(editor.connection.alias).all():
        Group.objects.using(editor.connection.alias).create(name=f"Founders of {group.name}")


class Migration""",
).replace(
    "    operations = [",
    "    operations = [migrations.RunPython(found, migrations.RunPython.noop)] + [",
)

# The models as the code of that release has them.
MODELS = f"""
from django.db import models

from accounts.models import CustomUser

for model in (CustomUser, CustomUser.history.model):
    field = models.CharField(max_length=50, default="", db_default="")
    model.add_to_class("{COLUMN}", field)
"""


@dataclass
class Ran:
    """What a command led to."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


@dataclass
class Fleet:
    """The platform: its environment, a cursor in its database, and its tenants, by slug."""

    environment: dict[str, str]
    cursor: Any
    directory: Path
    schemas: dict[str, str] = field(default_factory=dict)
    settings: str = "config.settings.test"

    @property
    def slugs(self) -> list[str]:
        return sorted(self.schemas)

    def release(
        self, migration: str = ADDS_A_COLUMN, *, before: str = "", models: bool = False
    ) -> dict[str, str]:
        """Make a release with one more migration, or one ``before`` it too; return what runs it.

        With ``models`` its code uses the column.
        """
        package = self.directory / f"release{len(list(self.directory.glob('release*')))}"
        migrations = package / "accounts_migrations"
        shutil.copytree(CHECKOUT / "accounts/migrations", migrations)
        if before:
            (migrations / "0098_before.py").write_text(before)
            migration = migration.replace(NEWEST, "0098_before")
        (migrations / "0099_next.py").write_text(migration)
        (package / "__init__.py").touch()
        (package / "models.py").write_text(MODELS if models else "")
        (package / "settings.py").write_text(
            f"from {self.settings} import *\n"
            f"INSTALLED_APPS = [*INSTALLED_APPS, {package.name!r}]\n"
            "SHARED_APPS = INSTALLED_APPS\n"
            f"MIGRATION_MODULES['accounts'] = '{package.name}.{migrations.name}'\n"
        )
        return {
            **self.environment,
            "PYTHONPATH": str(self.directory),
            "DJANGO_SETTINGS_MODULE": f"{package.name}.settings",
        }

    def start(self, *argv: str, release: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start ``manage.py`` with the given arguments."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *argv],
            cwd=CHECKOUT,
            env=release or self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell starts in the background ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *argv: str, release: dict[str, str] | None = None) -> Ran:
        """Run ``manage.py`` with the given arguments to its end."""
        return ended(self.start(*argv, release=release))

    def ask(self, sql: str, *parameters: Any) -> list[Any]:
        """Return the rows of a statement, which commits."""
        self.cursor.execute(sql, parameters or None)
        return list(self.cursor.fetchall()) if self.cursor.description else []

    def add(self, count: int) -> None:
        """Make active tenants with empty schemas: ``manage.py migrate`` makes their tables."""
        for number in range(1, count + 1):
            slug, schema = f"tenant-{number:02}", new_schema_name()
            [(key,)] = self.ask(
                "INSERT INTO tenants_tenant (slug, name, schema_name, state, time_zone)"
                " VALUES (%s, %s, %s, 'active', 'UTC') RETURNING id",
                slug,
                slug.title(),
                schema,
            )
            self.ask(
                "INSERT INTO tenants_domain (tenant_id, domain, is_primary, verified_at)"
                " VALUES (%s, %s, true, now())",
                key,
                f"{slug}.localhost",
            )
            self.ask(f"CREATE SCHEMA {schema}")
            self.ask(f"COMMENT ON SCHEMA {schema} IS 'tenantry:{key}'")
        self.look()

    def leave(self) -> None:
        """Let go of the database, so that it can be copied."""
        self.cursor.connection.close()

    def join(self) -> None:
        """Take hold of it, again."""
        connection = psycopg2.connect(self.environment["DATABASE_URL"])
        connection.autocommit = True
        self.cursor = connection.cursor()
        # Where a connection begins that never says where it is, is not our subject.
        self.cursor.execute("SET search_path = public")

    def look(self) -> None:
        """Find the tenants that are there."""
        self.schemas = dict(self.ask("SELECT slug, schema_name FROM tenants_tenant"))

    def reset(self) -> None:
        """Make the release before of what the last run and the last test left."""
        for schema in ("public", *self.schemas.values()):
            for table in ("accounts_customuser", "accounts_historicalcustomuser"):
                self.ask(f"ALTER TABLE {schema}.{table} DROP COLUMN IF EXISTS {COLUMN}")
            self.ask(f"DELETE FROM {schema}.django_migrations WHERE name = '0099_next'")
            self.ask(f"DELETE FROM {schema}.auth_group")
        self.ask("UPDATE tenants_tenant SET lacks = '[]', state = 'active'")
        self.ask("DELETE FROM tenants_operation")

    def group(self, name: str) -> None:
        """Make a group in every tenant."""
        for schema in self.schemas.values():
            self.ask(f"INSERT INTO {schema}.auth_group (name) VALUES (%s)", name)

    def groups(self, slug: str) -> list[str]:
        """Return the names of a tenant's groups."""
        return [name for (name,) in self.ask(f"SELECT name FROM {self.schemas[slug]}.auth_group")]

    def states(self) -> dict[str, str]:
        """Say of each tenant whether its schema is ``old``, ``new`` or ``half`` migrated."""
        found = {}
        for slug, schema in self.schemas.items():
            [(columns,)] = self.ask(
                "SELECT count(*) FROM information_schema.columns"
                " WHERE table_schema = %s AND column_name = %s",
                schema,
                COLUMN,
            )
            [(noted,)] = self.ask(
                f"SELECT count(*) FROM {schema}.django_migrations WHERE name = '0099_next'"
            )
            found[slug] = {(0, 0): "old", (2, 1): "new"}.get((columns, noted), "half")
        return found

    def lacks(self) -> dict[str, list[str]]:
        """Return what each tenant is noted to lack, where it lacks something."""
        return dict(self.ask("SELECT slug, lacks FROM tenants_tenant WHERE lacks <> '[]'"))

    def operations(self) -> list[Any]:
        """Return state, attempts and error of each run, the first one first."""
        return self.ask("SELECT state, attempt, error FROM tenants_operation ORDER BY id")


def ended(process: subprocess.Popen[str], seconds: float = 120) -> Ran:
    """Wait for a command's end; return what it led to."""
    stdout, stderr = process.communicate(timeout=seconds)
    return Ran(process.returncode, stdout, stderr)


@contextmanager
def copy_of(environment: dict[str, str], directory: Path, suffix: str = "fleet") -> Iterator[Fleet]:
    """Yield the platform of an environment, copied into a database of its own."""
    url = urlsplit(environment["DATABASE_URL"])
    name = f"{url.path[1:]}_{suffix}"
    server = urlunsplit(url._replace(path="/postgres"))
    copy = urlunsplit(url._replace(path=f"/{name}"))
    with closing(psycopg2.connect(server)) as administrator:
        administrator.autocommit = True
        with administrator.cursor() as cursor:
            drop_database(cursor, name)
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{url.path[1:]}"')
            try:
                fleet = Fleet({**os.environ, **environment, "DATABASE_URL": copy}, None, directory)
                fleet.join()
                fleet.look()
                yield fleet
                fleet.leave()
            finally:
                drop_database(cursor, name)
