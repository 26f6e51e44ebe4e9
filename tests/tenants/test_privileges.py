"""Two roles: one that serves people, and one that owns the schemas."""

import os
from pathlib import Path

import psycopg2
import pytest

from tests.activity.test_stamp import FORGED_NUMBERS
from tests.fleet import ADDS_A_COLUMN, NEWEST, Fleet
from tests.tenants.roles import APP, NAME, OWNER, Manage, connect, rows, url


@pytest.fixture(scope="module")
def schemas(as_owner: Manage) -> list[str]:
    """The platform's schema and a tenant's."""
    made = as_owner("tenant", "create", "acme", "--admin-email", "ann@acme.example")
    assert made.returncode == 0, made.stderr
    with connect() as server, server.cursor() as cursor:
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
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE TYPE pg_temp.text AS (v int)",
    ],
)
def test_l03_who_serves_people_cannot_do_what_owners_do(schemas: list[str], statement: str) -> None:
    for schema in schemas:
        with (
            connect(APP) as server,
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
        with connect(APP) as server, server.cursor() as cursor:
            cursor.execute(statement.format(schema=schema))


def test_the_record_is_written_by_who_serves_people(as_web: Manage, schemas: list[str]) -> None:
    suspended = as_web("tenant", "suspend", "acme", "--reason", "unpaid")
    assert suspended.returncode == 0, suspended.stderr
    assert as_web("tenant", "resume", "acme").returncode == 0
    with connect() as server, server.cursor() as cursor:
        for schema in schemas:
            cursor.execute(
                f"SELECT count(*) FROM {schema}.activity_activityevent"
                " WHERE action = 'tenant.suspended' AND reason = 'unpaid'"
            )
            assert cursor.fetchone() == (1,)


def test_a_person_is_erased_by_who_serves_people_and_by_one_door(
    as_web: Manage, schemas: list[str]
) -> None:
    schema = schemas[-1]
    for name in ("mallory", "owen"):
        made = as_web(
            *("tenant", "superuser", "acme", "--username", name),
            *("--email", f"{name}@quist.example"),
        )
        assert made.returncode == 0, made.stderr
    with connect() as server, server.cursor() as cursor:
        cursor.execute(
            f"SELECT public_id::text FROM {schema}.accounts_customuser WHERE username = 'mallory'"
        )
        [person] = cursor.fetchone()
    door = f"SELECT * FROM {schema}.activity_erase('{person}', '{{}}', '{{}}', 100)"
    with connect(APP) as server, server.cursor() as cursor:
        # The door opens for nobody of whom the record does not say that they are erased.
        with pytest.raises(psycopg2.errors.RaiseException, match="does not say"):
            cursor.execute(door)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(
                "SELECT set_config('tenantry.door', 'erase', true);"
                f"UPDATE {schema}.activity_activityevent SET reason = ''"
            )

    erased = as_web(
        *("activity", "erase", "--tenant", "acme", "--subject", "mallory"),
        *("--reason", "request 1", "--yes"),
    )

    assert erased.returncode == 0, erased.stderr
    with connect() as server, server.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE e::text ~ 'mallory'),"
            " count(*) FILTER (WHERE action = 'user.erased' AND target_id = %s)"
            f" FROM {schema}.activity_activityevent e",
            [person],
        )
        assert cursor.fetchone() == (0, 1)
    verified = as_web("activity", "verify", "--tenant", "acme")
    assert verified.returncode == 0, verified.stdout


def test_no_type_of_who_serves_people_takes_a_hold_away_unseen(
    as_owner: Manage, schemas: list[str]
) -> None:
    schema = schemas[-1]
    [(person,)] = rows(f"SELECT public_id FROM {schema}.accounts_customuser LIMIT 1")
    held = as_owner(
        *("activity", "hold", "--add", "--tenant", "acme", "--subject", str(person)),
        *("--reason", "case 1"),
    )
    assert held.returncode == 0, held.stderr
    told = f"SELECT xid FROM {schema}.activity_activityevent WHERE action = '{{}}'"
    [(held_by,)] = rows(told.format("record.held"))

    with connect() as server, server.cursor() as cursor:
        cursor.execute(f'GRANT TEMPORARY ON DATABASE "{NAME}" TO "{APP}"')
    with connect(APP) as server, server.cursor() as cursor:
        for statement in FORGED_NUMBERS.format(number=held_by).split(";"):
            cursor.execute(statement)
        cursor.execute("SELECT pg_catalog.pg_current_xact_id()::text::bigint")
        assert cursor.fetchall() == [(held_by,)]
        cursor.execute(f"DELETE FROM {schema}.activity_hold")

    [(released_by,)] = rows(told.format("record.released"))
    assert released_by > held_by


def test_a_migration_takes_away_what_makes_temporary_types(
    as_owner: Manage, schemas: list[str]
) -> None:
    may = f"SELECT has_database_privilege('{APP}', '{NAME}', 'CREATE, TEMPORARY')"
    with connect() as server, server.cursor() as cursor:
        cursor.execute(f'GRANT TEMPORARY ON DATABASE "{NAME}" TO PUBLIC')
        cursor.execute(f'GRANT CREATE ON DATABASE "{NAME}" TO "{APP}"')
    assert rows(may) == [(True,)]

    assert as_owner("migrate", "--verbosity=0").returncode == 0

    assert rows(may) == [(False,)]


def test_the_doctor_sees_who_may_make_temporary_types_and_repairs_it(
    as_owner: Manage, schemas: list[str]
) -> None:
    with connect() as server, server.cursor() as cursor:
        cursor.execute(f'GRANT TEMPORARY ON DATABASE "{NAME}" TO PUBLIC')

    assert "[database-open]" in as_owner("tenant", "doctor").stdout
    assert "repaired  platform: " in as_owner("tenant", "doctor", "--fix").stdout
    assert "[database-open]" not in as_owner("tenant", "doctor").stdout


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
    with connect() as server, server.cursor() as cursor:
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


FAILS_LATE = """
from django.db import transaction
from tenants import provisioning, unmaking
from tenants.requests import TenantRequest

def fail(tenant, change):
    raise RuntimeError("the last step failed")

provisioning.announce = fail
unmaking._LOCK_SECONDS = 1
with transaction.atomic():
    provisioning.create(TenantRequest(slug="late", admin_email="lea@late.example"))
"""


def test_a_tenant_that_fails_within_a_transaction_waits_for_nobody_for_ever(
    as_owner: Manage, schemas: list[str]
) -> None:
    failed = as_owner("shell", "--no-imports", "-c", FAILS_LATE)

    assert "the last step failed" in failed.stderr
    with connect() as server, server.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.tenants_tenant WHERE slug = 'late'")
        assert cursor.fetchone() == (0,)
    # Its schema could not be dropped while the transaction held it. Nobody is in it.
    examined = as_owner("tenant", "doctor", "--fix")
    assert "is nobody's, and empty" in examined.stdout + examined.stderr
    with connect() as server, server.cursor() as cursor:
        cursor.execute("""
            SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'
            EXCEPT SELECT schema_name FROM public.tenants_tenant
            EXCEPT SELECT schema_name FROM public.tenants_spareschema
        """)
        assert cursor.fetchall() == []


def test_the_owner_migrates_the_fleet_and_who_serves_people_uses_the_new_table(
    as_owner: Manage, schemas: list[str], tmp_path: Path
) -> None:
    assert as_owner("tenant", "create", "umbra").returncode == 0
    both = {**os.environ, "DATABASE_URL": url(APP), "DATABASE_OWNER_URL": url(OWNER)}
    fleet = Fleet({**both, "TENANTRY_SPARE_SCHEMAS": "0"}, None, tmp_path)
    fleet.settings = "config.settings.development"
    table = 'migrations.CreateModel("Badge", [("id", models.BigAutoField(primary_key=True))])'
    release = fleet.release(ADDS_A_COLUMN.replace("operations = [", f"operations = [{table}] + ["))

    ran = fleet.run("tenant", "migrate", "--json", release=release)

    assert ran.status == 0, ran.stderr
    assert ran.document["executed"] == 1
    assert ran.document["replayed"] == ran.document["lagging"] - 1 >= 1
    with connect(APP) as server, server.cursor() as cursor:
        cursor.execute("SELECT schema_name FROM public.tenants_tenant WHERE state = 'active'")
        for (schema,) in [("public",), *cursor.fetchall()]:
            cursor.execute(f"INSERT INTO {schema}.accounts_badge DEFAULT VALUES")
            cursor.execute(f"SELECT nickname FROM {schema}.accounts_customuser")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"DROP TABLE {schema}.accounts_badge")
    # The other tests are of this release.
    assert fleet.run("migrate", "accounts", NEWEST, release=release).status == 0
