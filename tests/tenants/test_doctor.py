"""The doctor: every kind of drift is found and named, and repaired where nothing can be lost."""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.db import connection

from accounts.models import CustomUser
from tenants import deletion, doctor, findings, premises, spares
from tenants.blueprint import blueprint, replay
from tenants.catalog import Catalog
from tenants.context import enter_platform, enter_tenant
from tenants.models import Blueprint, Domain, Operation, SpareSchema, Tenant
from tenants.names import new_schema_name
from tenants.operations import lock_of
from tests.tenants.conftest import Run


@pytest.fixture
def platform(db: None) -> Iterator[None]:
    """Run the whole test on the platform."""
    with enter_platform():
        yield


@pytest.fixture
def wanted(platform: None) -> Catalog:
    """What a schema of this release consists of."""
    return doctor.expected()


def execute(schema: str, *statements: str) -> None:
    """Run statements in which ``s.`` stands for the schema."""
    with connection.cursor() as cursor:
        for statement in statements:
            # With rows pending at deferred constraints, tables cannot be altered.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(re.sub(r"\bs\.", f"{schema}.", statement))


def another_connection() -> Any:
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    place = connection.settings_dict
    dsn = {key: place[name] or None for key, name in names.items()}
    return psycopg2.connect(dbname=place["NAME"], **dsn)


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(r"SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 't\_%'")
        return {name for (name,) in cursor.fetchall()}


def test_what_was_just_made_is_healthy(acme: Tenant, globex: Tenant, wanted: Catalog) -> None:
    for tenant in (acme, globex):
        assert doctor.examine(tenant, wanted).left == []


def test_looking_stores_nothing_and_leaves_no_schema(platform: None) -> None:
    Blueprint.objects.all().delete()
    before = schemas()
    doctor.expected()
    assert schemas() == before
    assert not Blueprint.objects.exists()


USERS, EVENTS = "s.accounts_customuser", "s.activity_activityevent"
TRIGGER = "pgtrigger_append_only_83980"

REPAIRABLE = {
    "dropped index": (
        "DROP INDEX s.event_by_xid",
        "index-missing",
        "table activity_activityevent: index event_by_xid is missing",
    ),
    "disabled trigger": (
        f"ALTER TABLE {EVENTS} DISABLE TRIGGER {TRIGGER}",
        "trigger-disabled",
        f"table activity_activityevent: trigger {TRIGGER}: enabled is D, should be O",
    ),
    "dropped trigger": (
        f"DROP TRIGGER {TRIGGER} ON {EVENTS}",
        "trigger-missing",
        f"table activity_activityevent: trigger {TRIGGER} is missing",
    ),
    "another trigger of that name": (
        (
            f"DROP TRIGGER {TRIGGER} ON {EVENTS}; CREATE TRIGGER {TRIGGER} BEFORE DELETE"
            f" ON {EVENTS} FOR EACH ROW EXECUTE FUNCTION s.{TRIGGER}()"
        ),
        "trigger-changed",
        f"table activity_activityevent: trigger {TRIGGER}: definition is CREATE TRIGGER",
    ),
    "changed comment": (
        f"COMMENT ON TRIGGER {TRIGGER} ON {EVENTS} IS 'other'",
        "trigger-changed",
        f"table activity_activityevent: trigger {TRIGGER}: comment is other, should be",
    ),
    "a comment too many": (
        f"COMMENT ON COLUMN {USERS}.email IS 'where to write to'",
        "column-changed",
        "table accounts_customuser: column email: comment is where to write to, should not be set",
    ),
    "changed function": (
        (
            f"CREATE OR REPLACE FUNCTION s.{TRIGGER}() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NEW;END'"
        ),
        "function-changed",
        f"function {TRIGGER}(): definition is CREATE OR REPLACE FUNCTION",
    ),
    "dropped function": (
        f"DROP FUNCTION s.{TRIGGER}() CASCADE",
        "function-missing",
        f"function {TRIGGER}() is missing",
    ),
    "dropped constraint": (
        f"ALTER TABLE {USERS} DROP CONSTRAINT user_has_email",
        "constraint-missing",
        "table accounts_customuser: constraint user_has_email is missing",
    ),
    "dropped unique constraint": (
        "ALTER TABLE s.auth_group DROP CONSTRAINT auth_group_name_key",
        "constraint-missing",
        "table auth_group: constraint auth_group_name_key is missing",
    ),
    "column that may be empty": (
        f"ALTER TABLE {USERS} ALTER date_joined DROP NOT NULL",
        "column-changed",
        "table accounts_customuser: column date_joined: required is not set, should be true",
    ),
    "missing permission": (
        "DELETE FROM s.auth_permission WHERE codename = 'add_activityevent'",
        "permission-missing",
        "table auth_permission: row activity.activityevent.add_activityevent is missing",
    ),
    "renamed permission": (
        "UPDATE s.auth_permission SET name = 'X' WHERE codename = 'add_group'",
        "permission-changed",
        "table auth_permission: row auth.group.add_group: label is X, should be Can add group",
    ),
    "missing content type": (
        (
            "DELETE FROM s.auth_permission WHERE content_type_id = (SELECT id FROM"
            " s.django_content_type WHERE model = 'session'); DELETE FROM s.django_content_type"
            " WHERE model = 'session'"
        ),
        "content-type-missing",
        "table django_content_type: row sessions.session is missing",
    ),
    "sequence behind": (
        "SELECT setval('s.accounts_customuser_id_seq', 1)",
        "sequence-behind",
        "sequence accounts_customuser_id_seq is at 1, but accounts_customuser.id goes up to 3",
    ),
    "privilege given": (
        f"GRANT SELECT ON {USERS} TO PUBLIC",
        "privileges-changed",
        "table accounts_customuser: privileges is",
    ),
}


@pytest.mark.parametrize("kind", REPAIRABLE)
def test_drift_is_found_named_and_repaired(kind: str, acme: Tenant, wanted: Catalog) -> None:
    statement, code, sentence = REPAIRABLE[kind]
    execute(acme.schema_name, *statement.split("; "))
    found = doctor.examine(acme, wanted).left
    assert [one.code for one in found if one.sentence.startswith(sentence)] == [code], found
    assert all(one.is_repairable for one in found)

    examined = doctor.examine(acme, wanted, fix=True)
    assert examined.left == []
    assert examined.repaired == found
    assert doctor.examine(acme, wanted).left == []


def test_an_index_that_was_left_half_built_is_found_and_rebuilt(lab: Tenant) -> None:
    """As CREATE INDEX CONCURRENTLY leaves one when it is interrupted: nobody may read it."""
    table, index = f"{lab.schema_name}.activity_activityevent", "event_by_xid"
    with closing(another_connection()) as builder, closing(another_connection()) as writer:
        builder.autocommit = True
        builds = builder.cursor()
        builds.execute(f"DROP INDEX {lab.schema_name}.{index}")
        writer.cursor().execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        builds.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg2.errors.QueryCanceled):
            builds.execute(f"CREATE INDEX CONCURRENTLY {index} ON {table} (xid, id)")
    with enter_platform():
        wanted = doctor.expected()
        [found] = doctor.examine(lab, wanted).left
        assert found.code == "index-invalid"
        assert found.sentence == (
            f"table activity_activityevent: index {index}: state is not valid, should be valid"
        )
        assert doctor.examine(lab, wanted, fix=True).left == []


UNREPAIRABLE = {
    "altered column": (
        f"ALTER TABLE {USERS} ALTER display_name TYPE varchar(10) USING left(display_name, 10)",
        "column-changed",
        (
            "table accounts_customuser: column display_name: type is character varying(10),"
            " should be character varying(150)"
        ),
    ),
    "dropped default": (
        f"ALTER TABLE {USERS} ALTER public_id DROP DEFAULT",
        "column-changed",
        "table accounts_customuser: column public_id: default is not set, should be uuidv7()",
    ),
    "dropped column": (
        f"ALTER TABLE {USERS} DROP COLUMN last_seen",
        "column-missing",
        "table accounts_customuser: column last_seen is missing",
    ),
    "added column": (
        f"ALTER TABLE {USERS} ADD COLUMN shoe_size int",
        "column-extra",
        "table accounts_customuser: column shoe_size should not be there",
    ),
    "added table": (
        "CREATE TABLE s.notes (id int)",
        "table-extra",
        "table notes should not be there",
    ),
    "dropped table": (
        "DROP TABLE s.django_session",
        "table-missing",
        "table django_session is missing",
    ),
    "added index": (
        f"CREATE INDEX mine ON {USERS} (last_seen)",
        "index-extra",
        "table accounts_customuser: index mine should not be there",
    ),
    "added trigger": (
        (
            f"CREATE TRIGGER mine BEFORE INSERT ON {USERS} FOR EACH ROW EXECUTE FUNCTION"
            " pg_catalog.suppress_redundant_updates_trigger()"
        ),
        "trigger-extra",
        "table accounts_customuser: trigger mine should not be there",
    ),
    "added view": ("CREATE VIEW s.v AS SELECT 1 AS one", "view-extra", "view v should not"),
    "another increment": (
        "ALTER SEQUENCE s.auth_group_id_seq INCREMENT 2",
        "sequence-changed",
        "sequence auth_group_id_seq: options is",
    ),
    "migration that did not run": (
        "DELETE FROM s.django_migrations WHERE app = 'sessions'",
        "migrations-missing",
        "it lacks 1 migration: sessions.0001_initial",
    ),
    "migration of a later release": (
        "INSERT INTO s.django_migrations (app, name, applied) VALUES ('auth', '0099_x', now())",
        "migration-unknown",
        "it has the migration auth.0099_x, which this code has not",
    ),
    "dropped schema": ("DROP SCHEMA s.", "schema-missing", "its schema t_"),
    "another's marker": (
        f"COMMENT ON SCHEMA s. IS 'tenantry:{uuid.UUID(int=7)}'",
        "marker-foreign",
        f'its schema carries the marker "tenantry:{uuid.UUID(int=7)}", which is not its own',
    ),
}


@pytest.mark.parametrize("kind", UNREPAIRABLE)
def test_what_may_hold_data_is_named_and_left_alone(
    kind: str, acme: Tenant, wanted: Catalog
) -> None:
    statement, code, sentence = UNREPAIRABLE[kind]
    if kind in ("dropped schema", "another's marker"):
        statement = re.sub(r"\bs\.", acme.schema_name, statement)
        statement += " CASCADE" if kind == "dropped schema" else ""
        execute("", statement)
    else:
        execute(acme.schema_name, statement)
    found = doctor.examine(acme, wanted).left
    matching = [one for one in found if one.sentence.startswith(sentence)]
    assert [one.code for one in matching] == [code], found
    assert not matching[0].is_repairable
    assert matching[0] in doctor.examine(acme, wanted, fix=True).left


def test_a_constraint_that_rows_do_not_fulfil_stays_a_finding(
    acme: Tenant, wanted: Catalog
) -> None:
    execute(
        acme.schema_name,
        f"ALTER TABLE {USERS} DROP CONSTRAINT user_has_email",
        f"UPDATE {USERS} SET email = '' WHERE username = 'cleo'",
    )
    examined = doctor.examine(acme, wanted, fix=True)
    assert [one.code for one in examined.left] == ["constraint-missing"]
    assert examined.repaired == []


class TestMarker:
    def test_a_missing_one_is_restored_when_the_schema_is_whole(
        self, acme: Tenant, wanted: Catalog
    ) -> None:
        execute("", f"COMMENT ON SCHEMA {acme.schema_name} IS NULL")
        execute(acme.schema_name, "DROP INDEX s.event_by_xid")
        assert {one.code for one in doctor.examine(acme, wanted).left} == {
            "index-missing",
            "marker-missing",
        }
        assert doctor.examine(acme, wanted, fix=True).left == []

    def test_it_is_not_when_another_schema_carries_it(self, acme: Tenant, wanted: Catalog) -> None:
        execute("", f"COMMENT ON SCHEMA {acme.schema_name} IS NULL")
        copy = new_schema_name()
        replay(blueprint(), copy, f"tenantry:{acme.pk}")
        [finding] = doctor.examine(acme, wanted, fix=True).left
        assert finding.code == "marker-missing"
        assert copy in finding.sentence

    def test_it_is_not_when_the_schema_is_half_there(self, acme: Tenant, wanted: Catalog) -> None:
        execute("", f"COMMENT ON SCHEMA {acme.schema_name} IS NULL")
        execute(acme.schema_name, "DROP TABLE s.django_session")
        left = doctor.examine(acme, wanted, fix=True).left
        assert {one.code for one in left} == {"table-missing", "marker-missing"}


def test_nothing_is_repaired_while_somebody_works_on_the_tenant(
    acme: Tenant, wanted: Catalog
) -> None:
    execute(acme.schema_name, "DROP INDEX s.event_by_xid")
    with closing(another_connection()) as worker:
        worker.cursor().execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock_of(acme.pk)]
        )
        examined = doctor.examine(acme, wanted, fix=True)
        assert [one.code for one in examined.left] == ["index-missing"]
        assert examined.repaired == []
    # Closing takes the server a moment.
    deadline = time.monotonic() + 60
    while doctor.examine(acme, wanted, fix=True).left:
        assert time.monotonic() < deadline


def test_a_table_that_somebody_uses_is_left_and_keeps_nobody_waiting(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "_LOCK_SECONDS", 0.1)
    with enter_platform():
        wanted = doctor.expected()
        execute("", f"DROP INDEX {lab.schema_name}.event_by_xid")
        with closing(another_connection()) as user:
            # Without a limit it would be repaired when this transaction is ended.
            user.cursor().execute("SET idle_in_transaction_session_timeout = '60s'")
            user.cursor().execute(
                f"LOCK TABLE {lab.schema_name}.activity_activityevent IN ROW EXCLUSIVE MODE"
            )
            examined = doctor.examine(lab, wanted, fix=True)
        assert [one.code for one in examined.left] == ["index-missing"]
        assert examined.repaired == []


def test_a_tenant_that_nobody_works_on_is_stuck(acme: Tenant, wanted: Catalog) -> None:
    acme.state = Tenant.State.PROVISIONING
    acme.save()
    assert [one.code for one in doctor.examine(acme, wanted).left] == ["stuck"]
    Operation.objects.create(kind=Operation.Kind.CREATE, tenant=acme)
    assert doctor.examine(acme, wanted).left == []


def test_a_tenant_that_ended_while_others_were_looked_at_is_no_finding(
    acme: Tenant, globex: Tenant, wanted: Catalog
) -> None:
    purged = Tenant.objects.get(pk=acme.pk)
    deletion.schedule(purged, reason="contract ended", grace_days=0)
    deletion.purge(purged)
    assert doctor.examine(acme, wanted, fix=True).left == []
    Tenant.objects.filter(pk=globex.pk).delete()
    assert doctor.examine(globex, wanted).left == []


def test_a_tenant_without_a_primary_domain_is_found(acme: Tenant, wanted: Catalog) -> None:
    Domain.objects.filter(tenant=acme).delete()
    assert [one.code for one in doctor.examine(acme, wanted).left] == ["domain-missing"]


class TestPlatform:
    @pytest.fixture(autouse=True)
    def _blueprint(self, platform: None) -> None:
        blueprint()

    def codes(self, wanted: Catalog) -> list[str]:
        return [one.code for one in doctor.examine_platform(wanted).left]

    def fixed(self, wanted: Catalog) -> list[str]:
        """What is left after a repair."""
        return [one.code for one in doctor.examine_platform(wanted, fix=True).left]

    def test_it_is_healthy(self, wanted: Catalog) -> None:
        assert self.codes(wanted) == []

    def test_a_missing_blueprint_is_found_and_built(self, wanted: Catalog) -> None:
        Blueprint.objects.all().delete()
        assert self.codes(wanted) == ["blueprint-missing"]
        assert self.fixed(wanted) == []
        assert Blueprint.objects.exists()

    def test_an_empty_schema_that_nobody_owns_is_dropped(self, wanted: Catalog) -> None:
        name = new_schema_name()
        replay(blueprint(), name, f"tenantry:{uuid.uuid4()}")
        assert self.codes(wanted) == ["schema-orphaned"]
        assert self.fixed(wanted) == []
        assert name not in schemas()

    def test_one_with_a_person_in_it_is_never_dropped(self, wanted: Catalog) -> None:
        name = new_schema_name()
        replay(blueprint(), name, "")
        execute(name, "INSERT INTO s.auth_group (name) VALUES ('Staff')")
        assert self.fixed(wanted) == ["schema-orphaned"]
        assert name in schemas()

    def test_one_that_is_marked_as_a_tenants_is_not_dropped(
        self, acme: Tenant, wanted: Catalog
    ) -> None:
        name = new_schema_name()
        replay(blueprint(), name, f"tenantry:{acme.pk}")
        assert self.fixed(wanted) == ["schema-orphaned"]
        assert name in schemas()

    def test_none_is_dropped_while_a_tenant_is_being_made(
        self, acme: Tenant, wanted: Catalog
    ) -> None:
        name = new_schema_name()
        replay(blueprint(), name, "")
        Operation.objects.create(kind=Operation.Kind.CREATE, tenant=acme)
        assert self.fixed(wanted) == ["schema-orphaned"]
        assert name in schemas()

    def test_schemas_of_others_in_the_database_are_none_of_ours(self, wanted: Catalog) -> None:
        execute("", "CREATE SCHEMA t_reports", "CREATE SCHEMA warehouse")
        assert self.codes(wanted) == []

    @pytest.mark.parametrize(
        ("spoil", "code"),
        [
            ("DROP SCHEMA {0} CASCADE", "spare-gone"),
            ("COMMENT ON SCHEMA {0} IS 'tenantry:x'", "spare-foreign"),
            ("DROP INDEX {0}.event_by_xid", "spare-damaged"),
            ("UPDATE public.tenants_spareschema SET fingerprint = repeat('0', 64)", "spare-stale"),
        ],
    )
    def test_a_spare_that_cannot_be_used_is_found_and_dropped(
        self, wanted: Catalog, spoil: str, code: str
    ) -> None:
        spares.fill(1)
        assert self.codes(wanted) == []
        name = SpareSchema.objects.get().pk
        execute("", spoil.format(name))
        assert self.codes(wanted) == [code]
        assert self.fixed(wanted) == []
        assert name not in schemas()

    def test_a_platform_that_lacks_a_migration_is_found(self, wanted: Catalog) -> None:
        execute("public", "DELETE FROM s.django_migrations WHERE app = 'sessions'")
        assert self.codes(wanted) == ["migrations-missing"]

    def test_catalogs_without_statistics_are_found_and_analyzed(
        self, wanted: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(premises, "_MANY_RELATIONS", 10)
        monkeypatch.setattr(premises, "_CATALOGS", ("pg_ts_parser",))
        assert self.codes(wanted) == ["catalogs-not-analyzed"]


class TestCommand:
    def test_all_are_healthy_with_status_0(self, run: Run, acme: Tenant, globex: Tenant) -> None:
        with enter_platform():
            blueprint()
        ran = run("doctor", "--json")
        assert (ran.status, ran.document) == (
            0,
            {"healthy": True, "examined": 2, "findings": [], "repaired": []},
        )

    def test_what_is_found_is_said_with_status_1_and_repaired_with_fix(
        self, run: Run, acme: Tenant
    ) -> None:
        execute(acme.schema_name, "DROP INDEX s.event_by_xid")
        said = "table activity_activityevent: index event_by_xid is missing"
        ran = run("doctor", "acme")
        assert ran.status == 1
        assert ran.stdout.splitlines() == [
            f"found     acme: {said} [index-missing]",
            "1 tenant examined: 1 left to look at, 1 of them can be repaired: --fix.",
        ]
        ran = run("doctor", "acme", "--fix")
        assert ran.status == 0
        assert ran.stdout.splitlines() == [
            f"repaired  acme: {said}",
            "1 tenant examined: all is as it should be.",
        ]

    def test_a_document_names_each_finding(self, run: Run, acme: Tenant) -> None:
        execute(acme.schema_name, f"DROP TABLE {USERS} CASCADE")
        ran = run("doctor", "acme", "globex", "--json")
        assert ran.status == 1
        assert ran.document["examined"] == 2
        assert {
            "tenant": "acme",
            "code": "table-missing",
            "finding": "table accounts_customuser is missing",
            "repairable": False,
        } in ran.document["findings"]

    def test_a_tenant_that_is_not_there_is_said_so(self, run: Run, acme: Tenant) -> None:
        assert run("doctor", "acmee").status == 3


def test_people_stay_when_all_is_repaired(acme: Tenant, wanted: Catalog) -> None:
    with enter_tenant(acme):
        before = list(CustomUser.objects.order_by("pk").values())
    execute(acme.schema_name, f"ALTER TABLE {USERS} DROP CONSTRAINT user_has_email")
    assert doctor.examine(acme, wanted, fix=True).left == []
    with enter_tenant(acme):
        assert list(CustomUser.objects.order_by("pk").values()) == before
