"""The ends of a tenant where one role serves people and another owns the schemas."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.tenants.test_privileges import APP, NAME, OWNER, SECRET, Manage
from tests.tenants.test_privileges import _connect as connected
from tests.tenants.test_privileges import _drop as drop
from tests.tenants.test_privileges import _manage as manage
from tests.tenants.test_privileges import _url as url


@pytest.fixture(scope="module")
def as_owner(django_db_setup: None) -> Iterator[Manage]:
    """Yield what runs ``manage.py`` as workers do: with both URLs."""
    with connected(database="postgres") as server, server.cursor() as cursor:
        drop(cursor)
        for role in (OWNER, APP):
            cursor.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{SECRET}'")
            # Who made a role may not give it a database before they may act as it.
            cursor.execute(f'GRANT "{role}" TO CURRENT_USER WITH SET TRUE')
        cursor.execute(f'CREATE DATABASE "{NAME}" OWNER "{OWNER}"')
        try:
            done(manage({"DATABASE_URL": url(OWNER)})("migrate", "--verbosity=0"))
            run = manage(
                {
                    "DATABASE_URL": url(APP),
                    "DATABASE_OWNER_URL": url(OWNER),
                    "TENANTRY_SPARE_SCHEMAS": "0",
                }
            )
            done(run("shell", "-c", "from tenants import privileges; privileges.settle()"))
            yield run
        finally:
            drop(cursor)


@pytest.fixture(scope="module")
def as_web(as_owner: Manage) -> Manage:
    """Return what runs ``manage.py`` as a process that serves people: with one URL."""
    return manage({"DATABASE_URL": url(APP), "TENANTRY_SPARE_SCHEMAS": "0"})


def done(ran: Any) -> str:
    assert ran.returncode == 0, ran.stderr
    return str(ran.stdout)


def sql(query: str, role: str | None = None) -> list[Any]:
    with connected(role) as server, server.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall()) if cursor.description else []


def test_a_worker_purges_what_a_web_process_may_not(as_owner: Manage, as_web: Manage) -> None:
    done(as_owner("tenant", "create", "doomed"))
    done(as_web("tenant", "delete", "doomed", "--reason", "over", "--grace", "0", "--yes"))

    out = done(as_web("tenant", "purge", "doomed", "--yes"))

    assert out == "requested, a worker purges it: doomed\n"
    [operation] = json.loads(done(as_web("tenant", "operations", "--json")))
    assert (operation["kind"], operation["state"]) == ("purge", "waiting")
    done(as_owner("tenant", "operations", "--resume", operation["id"]))
    assert json.loads(done(as_web("tenant", "certificate", "doomed", "--json")))["reason"] == "over"
    assert sql("SELECT 1 FROM pg_namespace WHERE nspname LIKE 't\\_%'") == []


def test_a_web_process_exports_and_only_the_owner_imports(
    as_owner: Manage, as_web: Manage, tmp_path: Path
) -> None:
    done(as_owner("tenant", "create", "moving", "--admin-email", "ann@moving.example"))
    path = str(tmp_path / "moving.tenant")
    done(as_web("tenant", "export", "moving", path))
    [(schema, key)] = sql("SELECT schema_name, id FROM public.tenants_tenant WHERE slug = 'moving'")
    sql(f"DROP SCHEMA {schema} CASCADE")
    for table in ("operation", "domain"):
        sql(f"DELETE FROM public.tenants_{table} WHERE tenant_id = '{key}'")
    sql(f"DELETE FROM public.tenants_tenant WHERE id = '{key}'")

    refused = as_web("tenant", "import", path)
    assert refused.returncode == 1
    assert "DATABASE_OWNER_URL" in refused.stderr
    assert sql("SELECT 1 FROM public.tenants_tenant WHERE slug = 'moving'") == []
    done(as_owner("tenant", "import", path))

    assert "tenant.imported" in done(as_web("activity", "events", "--tenant", "moving"))
    [(schema,)] = sql("SELECT schema_name FROM public.tenants_tenant WHERE slug = 'moving'")
    assert sql(f"SELECT count(*) FROM {schema}.accounts_customuser", APP) == [(1,)]
    for statement in (
        f"UPDATE {schema}.activity_activityevent SET reason = 'none'",
        f"DELETE FROM {schema}.activity_activityevent",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            sql(statement, APP)
