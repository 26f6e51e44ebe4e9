"""The two phases: what the check finds in migrations, and what a schema may lack and be served."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from django.test import Client

from tenants import hosts
from tenants.context import enter_platform
from tenants.directory import tenant_to_enter
from tenants.errors import TenantUnavailable
from tenants.fleet import serving
from tenants.migration_rules import effects, unexplained
from tenants.models import Tenant
from tenants.tasks import TenantTask

FIRST = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Desk", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=20, null=True)),
            ("floor", models.IntegerField()),
            ("note", models.TextField(db_default="")),
        ]),
    ]
"""

SECOND = """
import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    {marker}
    dependencies = [("sessions", "0001_initial")]
    operations = [{operation}]
"""


@pytest.fixture
def loader_of(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return what loads two migrations: one that makes a model, and one that is under test."""
    package = tmp_path / "throwaway_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "0001_initial.py").write_text(FIRST)
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, "sessions": package.name}

    def load(operation: str, marker: str = "") -> MigrationLoader:
        (package / "0002_second.py").write_text(SECOND.format(operation=operation, marker=marker))
        for name in [name for name in sys.modules if name.startswith(package.name)]:
            del sys.modules[name]
        return MigrationLoader(None)

    yield load
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]


def ours(migration: Any) -> bool:
    return bool(migration.app_label == "sessions")


BREAKS = {
    'migrations.RemoveField("desk", "floor")': "removes desk.floor",
    'migrations.DeleteModel("Desk")': "deletes Desk",
    'migrations.RenameField("desk", "floor", "level")': "knows the old name",
    'migrations.RenameModel("Desk", "Table")': "knows the old name",
    'migrations.AlterModelTable("desk", "desks")': "knows the old name",
    'migrations.AddField("desk", "size", models.IntegerField(default=1))': "can insert nothing",
    'migrations.AlterField("desk", "name", models.CharField(max_length=20))': "demands a value of",
    'migrations.AlterField("desk", "name", models.CharField(max_length=9, null=True))': "shortens",
    'migrations.AlterField("desk", "floor", models.CharField(max_length=9))': "changes the type",
    'migrations.AlterField("desk", "floor", models.IntegerField(unique=True))': "each value once",
    'migrations.AlterField("desk", "note", models.TextField())': "takes the default",
    'migrations.AlterField("desk", "floor", models.IntegerField(db_column="f"))': "the column of",
    'migrations.AddConstraint("desk", models.UniqueConstraint(fields=["name"], name="one"))': (
        "adds the constraint one"
    ),
    'migrations.AlterUniqueTogether("desk", {("name", "floor")})': "does not heed it",
    'migrations.RunSQL("alter table sessions_desk drop column floor")': "runs SQL with drop",
    'migrations.RunSQL([("TRUNCATE sessions_desk", None)])': "runs SQL with TRUNCATE",
    "migrations.SeparateDatabaseAndState(database_operations=["
    'migrations.RunSQL("ALTER TABLE a RENAME TO b")])': "runs SQL with RENAME",
}

LEAVES = (
    'migrations.CreateModel("Chair", [("id", models.BigAutoField(primary_key=True))])',
    'migrations.AddField("desk", "size", models.IntegerField(default=1, db_default=1))',
    'migrations.AddField("desk", "size", models.IntegerField(null=True))',
    'migrations.AlterField("desk", "name", models.CharField(max_length=99, null=True))',
    'migrations.AlterField("desk", "floor", models.IntegerField(help_text="Where."))',
    'migrations.AddIndex("desk", models.Index(fields=["name"], name="by_name"))',
    'migrations.AlterModelOptions("desk", {"ordering": ["name"]})',
    'migrations.RunSQL("UPDATE sessions_desk SET floor = 1")',
    "migrations.RunPython(migrations.RunPython.noop)",
    """migrations.CreateModel("Chair", [("id", models.BigAutoField(primary_key=True))]),
    migrations.AddField("chair", "legs", models.IntegerField(default=4)),
    migrations.AddConstraint("chair", models.UniqueConstraint(fields=["legs"], name="one"))""",
)


@pytest.mark.parametrize(("operation", "word"), BREAKS.items())
def test_what_breaks_the_code_before_needs_a_reason(
    loader_of: Any, operation: str, word: str
) -> None:
    [problem] = unexplained(loader_of(operation), ours)

    assert problem.startswith("sessions.0002_second ")
    assert word in problem
    assert unexplained(loader_of(operation, 'contract = " "'), ours) == [problem]
    assert unexplained(loader_of(operation, 'contract = "unused since 1.4"'), ours) == []


@pytest.mark.parametrize("operation", LEAVES)
def test_what_the_code_before_does_not_notice_needs_none(loader_of: Any, operation: str) -> None:
    assert unexplained(loader_of(operation), ours) == []


def test_our_own_migrations_keep_the_rule() -> None:
    assert unexplained() == []


def test_the_rule_is_a_system_check(
    loader_of: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tenants.migration_rules.is_ours", ours)
    loader_of('migrations.DeleteModel("Desk")')
    with pytest.raises(Exception, match=r"tenants\.E005"):
        call_command("check", tags=["tenants"])


# What the code after it can do without


@pytest.mark.parametrize(
    ("operation", "is_needed"),
    [
        ('migrations.DeleteModel("Desk")', False),
        ('migrations.RemoveField("desk", "note")', False),
        ('migrations.RemoveField("desk", "name")', False),
        # Its column takes no row without a value, and the code after gives it none.
        ('migrations.RemoveField("desk", "floor")', True),
        ('migrations.AlterField("desk", "name", models.CharField(max_length=20))', False),
        ('migrations.AlterField("desk", "name", models.CharField(max_length=99, null=True))', True),
        ('migrations.AddField("desk", "size", models.IntegerField(null=True))', True),
        ('migrations.AddIndex("desk", models.Index(fields=["name"], name="by_name"))', False),
        ('migrations.RenameField("desk", "floor", "level")', True),
        ('migrations.RemoveConstraint("desk", "one")', True),
        ("migrations.RunPython(migrations.RunPython.noop)", True),
    ],
)
def test_what_only_takes_away_can_be_lacked(
    loader_of: Any, operation: str, is_needed: bool
) -> None:
    prelude = ""
    if "RemoveConstraint" in operation:
        prelude = (
            'migrations.AddConstraint("desk",'
            ' models.UniqueConstraint(fields=["name"], name="one")),'
        )
    found = effects(loader_of(prelude + operation))["sessions", "0002_second"]

    assert bool(found[-1].after) is is_needed


@pytest.fixture
def fresh_needs() -> Iterator[None]:
    serving._needed.cache_clear()
    yield
    serving._needed.cache_clear()


def test_a_marker_says_that_one_serves_without(loader_of: Any, fresh_needs: None) -> None:
    operation = 'migrations.AddField("desk", "size", models.IntegerField(null=True))'
    loader_of(operation)
    assert serving.needed(["sessions.0002_second"]) == ["sessions.0002_second"]
    serving._needed.cache_clear()
    loader_of(operation, 'serves_without = "Only a report shows it."')
    assert serving.needed(["sessions.0002_second"]) == []


# Who is not served


def lack(tenant: Tenant, *names: str) -> None:
    with enter_platform():
        Tenant.objects.filter(pk=tenant.pk).update(lacks=list(names))
    hosts.forget_hosts()


def status(tenant: Tenant) -> int:
    host = f"{tenant.slug}.localhost"
    return Client(headers={"host": host}).get("/accounts/login/").status_code


def test_a_tenant_that_lacks_what_the_code_needs_is_answered_503(
    acme: Tenant, globex: Tenant
) -> None:
    lack(acme, "accounts.0001_initial")
    response = Client(headers={"host": "acme.localhost"}).get("/accounts/login/")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "30"
    assert "Try again in a minute" in response.content.decode()
    assert "Acme" not in response.content.decode()
    assert status(globex) == 200
    lack(acme)
    assert status(acme) == 200


@pytest.mark.parametrize(
    "name",
    [
        "accounts.0042_of_another_release",
        # Of an app that has no tables in tenants.
        "tenants.0001_initial",
        "nonsense",
    ],
)
def test_what_the_code_does_not_know_or_need_keeps_nobody_out(acme: Tenant, name: str) -> None:
    lack(acme, name)

    assert status(acme) == 200
    assert tenant_to_enter("acme") == acme


def test_tasks_and_commands_are_refused_too(acme: Tenant) -> None:
    lack(acme, "accounts.0001_initial")
    ran = []

    class Work(TenantTask):
        name = "tests.work"

        def run(self) -> None:
            ran.append(True)

    with pytest.raises(TenantUnavailable, match=r"is behind this release: accounts\.0001_initial"):
        Work()(tenant_id=str(acme.pk))
    with pytest.raises(TenantUnavailable, match="tenant migrate --only acme"):
        tenant_to_enter("acme")
    assert ran == []


def test_as_long_as_nobody_lacks_anything_no_migration_is_loaded(
    acme: Tenant, fresh_needs: None
) -> None:
    assert status(acme) == 200
    assert serving._needed.cache_info().misses == 0
