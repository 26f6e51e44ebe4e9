"""Two roles: one that serves people, and one that owns the schemas."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from django.conf import settings

from config.environment import CHECKOUT

NAME = f"{settings.DATABASES['default']['NAME']}_roles"
OWNER, APP = f"{NAME}_owner", f"{NAME}_app"
SECRET = "0f5c9d1e7a3b"

Manage = Callable[..., "subprocess.CompletedProcess[str]"]


def _connect(role: str | None = None, database: str = NAME) -> Any:
    place = settings.DATABASES["default"]
    who = {"user": role, "password": SECRET} if role else {"user": place["USER"]}
    if role is None and place["PASSWORD"]:
        who["password"] = place["PASSWORD"]
    connection = psycopg2.connect(
        host=place["HOST"], port=place["PORT"] or 5432, dbname=database, **who
    )
    connection.autocommit = True
    return closing(connection)


def _url(role: str) -> str:
    place = settings.DATABASES["default"]
    port = f":{place['PORT']}" if place["PORT"] else ""
    return f"postgresql://{role}:{SECRET}@{quote(place['HOST'], safe='')}{port}/{NAME}"


def _drop(cursor: Any) -> None:
    cursor.execute(f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)')
    for role in (OWNER, APP):
        cursor.execute(f'DROP ROLE IF EXISTS "{role}"')


@pytest.fixture(scope="module")
def as_owner(django_db_setup: None) -> Iterator[Manage]:
    """Yield what runs ``manage.py`` as migrations and workers do: with both URLs."""
    with _connect(database="postgres") as server, server.cursor() as cursor:
        _drop(cursor)
        for role in (OWNER, APP):
            cursor.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{SECRET}'")
            # Who is no superuser gives databases only to roles that they could be.
            cursor.execute(f'GRANT "{role}" TO CURRENT_USER WITH SET TRUE')
        cursor.execute(f'CREATE DATABASE "{NAME}" OWNER "{OWNER}"')
        try:
            both = {"DATABASE_URL": _url(APP), "DATABASE_OWNER_URL": _url(OWNER)}
            run = _manage({**both, "TENANTRY_SPARE_SCHEMAS": "0"})
            migrated = run("migrate", "--verbosity=0")
            assert migrated.returncode == 0, migrated.stderr
            yield run
        finally:
            _drop(cursor)


@pytest.fixture(scope="module")
def as_web(as_owner: Manage) -> Manage:
    """Return what runs ``manage.py`` as a process that serves people: with one URL."""
    return _manage({"DATABASE_URL": _url(APP), "TENANTRY_SPARE_SCHEMAS": "0"})


def _manage(variables: dict[str, str]) -> Manage:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"DJANGO_SETTINGS_MODULE": "config.settings.development", **variables}
    environment["REDIS_URL"] = settings.REDIS_URL

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def schemas(as_owner: Manage) -> list[str]:
    """The platform's schema and a tenant's."""
    made = as_owner("tenant", "create", "acme", "--admin-email", "ann@acme.example")
    assert made.returncode == 0, made.stderr
    with _connect() as server, server.cursor() as cursor:
        cursor.execute("SELECT schema_name FROM public.tenants_tenant WHERE slug = 'acme'")
        return ["public", *(name for (name,) in cursor.fetchall())]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {schema}.activity_activityevent SET reason = 'none'",
        "DELETE FROM {schema}.activity_activityevent",
        "TRUNCATE {schema}.activity_activityevent",
        "ALTER TABLE {schema}.activity_activityevent DISABLE TRIGGER ALL",
        "ALTER TABLE {schema}.activity_activityevent DROP COLUMN reason",
        "DROP TABLE {schema}.activity_activityevent",
        "CREATE TABLE {schema}.mine (id int)",
        "CREATE INDEX ON {schema}.accounts_customuser (email)",
        "CREATE SCHEMA t_aaaaaaaaaaaaaaaa",
        "COMMENT ON SCHEMA {schema} IS 'tenantry:nobody'",
        "DROP SCHEMA {schema} CASCADE",
        "SET session_replication_role = replica",
        "CREATE ROLE another SUPERUSER",
    ],
)
def test_who_serves_people_cannot_do_what_owners_do(schemas: list[str], statement: str) -> None:
    for schema in schemas:
        with (
            _connect(APP) as server,
            server.cursor() as cursor,
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
        ):
            cursor.execute(statement.format(schema=schema))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM {schema}.activity_activityevent",
        "UPDATE {schema}.accounts_customuser SET display_name = 'x' WHERE false",
        "DELETE FROM {schema}.django_session WHERE false",
        "SELECT nextval('{schema}.auth_group_id_seq')",
    ],
)
def test_who_serves_people_reads_and_writes_rows(schemas: list[str], statement: str) -> None:
    for schema in schemas:
        with _connect(APP) as server, server.cursor() as cursor:
            cursor.execute(statement.format(schema=schema))


def test_the_record_is_written_by_who_serves_people(as_web: Manage, schemas: list[str]) -> None:
    suspended = as_web("tenant", "suspend", "acme", "--reason", "unpaid")
    assert suspended.returncode == 0, suspended.stderr
    assert as_web("tenant", "resume", "acme").returncode == 0
    with _connect() as server, server.cursor() as cursor:
        for schema in schemas:
            cursor.execute(
                f"SELECT count(*) FROM {schema}.activity_activityevent"
                " WHERE action = 'tenant.suspended' AND reason = 'unpaid'"
            )
            assert cursor.fetchone() == (1,)


def test_a_tenant_that_one_cannot_make_is_left_to_who_can(as_web: Manage, as_owner: Manage) -> None:
    asked = as_web("tenant", "create", "initech")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "a worker makes it" in asked.stdout
    assert "Requested" in as_web("tenant", "show", "initech").stdout.title()

    [operation] = as_owner("tenant", "operations", "--tenant", "initech").stdout.splitlines()
    done = as_owner("tenant", "operations", "--resume", operation.split("\t")[0])

    assert done.returncode == 0, done.stderr
    assert "Active" in as_web("tenant", "show", "initech").stdout.title()
    assert as_web("tenant", "create", "initech").returncode == 0


def test_a_migration_repairs_privileges_that_somebody_changed(
    as_owner: Manage, schemas: list[str]
) -> None:
    with _connect() as server, server.cursor() as cursor:
        for schema in schemas:
            event = f"{schema}.activity_activityevent"
            cursor.execute(f'GRANT UPDATE, TRUNCATE ON {event} TO "{APP}"')
            cursor.execute(f'REVOKE SELECT ON {schema}.auth_group FROM "{APP}"')

        assert as_owner("migrate", "--verbosity=0").returncode == 0

        for schema in schemas:
            cursor.execute(
                "SELECT has_table_privilege(%s, %s, 'UPDATE'),"
                " has_table_privilege(%s, %s, 'TRUNCATE'), has_table_privilege(%s, %s, 'SELECT')",
                [
                    *(APP, f"{schema}.activity_activityevent") * 2,
                    *(APP, f"{schema}.auth_group"),
                ],
            )
            assert cursor.fetchone() == (False, False, True)
