"""The blueprint: what it makes is what the migrations make, in one message, or it is refused."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from config.embedded.locations import CHECKOUT, postgresql_program
from tenants import blueprint as module
from tenants import fingerprint, script
from tenants.blueprint import UnusableBlueprint, blueprint, replay, replayed
from tenants.catalog import SCHEMA, Catalog, describe, differences
from tenants.context import enter_platform
from tenants.errors import InvalidInput
from tenants.fingerprint import current_fingerprint
from tenants.models import Blueprint, Tenant
from tenants.names import new_schema_name
from tenants.owner import owner_in
from tenants.schemas import migrate


@pytest.fixture
def platform(db: None) -> Iterator[None]:
    """Run the whole test on the platform."""
    with enter_platform():
        yield


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(r"SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 't\_%'")
        return {name for (name,) in cursor.fetchall()}


def migrated() -> str:
    """Make a schema the long way; return its name."""
    name = new_schema_name()
    execute(f"CREATE SCHEMA {name}")
    with owner_in(name):
        migrate(lambda *_: None)
    return name


def replicated() -> str:
    """Make a schema from the blueprint; return its name."""
    name = new_schema_name()
    replay(blueprint(), name, "tenantry:nobody")
    return name


class TestBothWays:
    def test_they_give_identical_catalogs(self, platform: None) -> None:
        long_way, short_way = describe(connection, migrated()), describe(connection, replicated())
        assert differences(short_way, long_way) == []
        assert short_way == long_way
        # The comparison compares something.
        assert len(long_way) > 400
        assert {key.kind for key in long_way} >= {
            *("schema", "table", "column", "constraint", "index", "trigger", "function"),
            *("sequence", "row"),
        }

    def test_a_tenant_that_migrated_is_like_one_from_the_blueprint(
        self, platform: None, acme: Tenant
    ) -> None:
        assert differences(describe(connection, acme.schema_name), replayed(blueprint())) == []

    def test_rows_have_the_same_keys_and_the_sequences_go_on_from_there(
        self, platform: None
    ) -> None:
        def rows(schema: str) -> list[Any]:
            found = []
            for table, columns in {
                "django_migrations": "id, app, name",
                "django_content_type": "id, app_label, model",
                "auth_permission": "id, name, content_type_id, codename",
            }.items():
                with connection.cursor() as cursor:
                    cursor.execute(f"SELECT {columns} FROM {schema}.{table} ORDER BY id")
                    found.append(cursor.fetchall())
                    cursor.execute(f"SELECT nextval('{schema}.{table}_id_seq')")
                    found.append(cursor.fetchone())
            return found

        assert rows(replicated()) == rows(migrated())

    def test_pg_dump_writes_the_same_text(
        self, django_db_setup: None, django_db_blocker: Any
    ) -> None:
        with django_db_blocker.unblock(), enter_platform():
            names: list[str] = []
            try:
                with transaction.atomic():
                    names = [migrated(), replicated()]
                    execute(f"COMMENT ON SCHEMA {names[0]} IS 'tenantry:nobody'")
                long_way, short_way = (dumped(name) for name in names)
            finally:
                with transaction.atomic():
                    execute(*(f"DROP SCHEMA IF EXISTS {name} CASCADE" for name in names))
                    Blueprint.objects.all().delete()
                connection.close()
        assert "CREATE TABLE s.accounts_customuser (" in long_way
        assert short_way == long_way


def dumped(schema: str) -> list[str]:
    """What pg_dump writes about a schema, but for its name and the time of migrations."""
    place = connection.settings_dict
    found = shutil.which("pg_dump")
    program = str(postgresql_program("pg_dump")) if django_settings.EMBEDDED_POSTGRESQL else found
    assert program, "there is no pg_dump on this machine"
    target = [f"--host={place['HOST']}", f"--username={place['USER']}", f"--schema={schema}"]
    if place["PORT"]:
        target.append(f"--port={place['PORT']}")
    text = subprocess.run(
        [program, *target, place["NAME"]],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
        env={"PGPASSWORD": place["PASSWORD"] or ""},
    ).stdout
    text = re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00", "TIME", text)
    return text.replace(schema, "s").splitlines()


class TestReplay:
    def test_it_is_one_message(self, platform: None) -> None:
        made_from = blueprint()
        with CaptureQueriesContext(connection) as queries:
            replay(made_from, new_schema_name(), "tenantry:x")
        sent = [query["sql"] for query in queries]
        assert len([sql for sql in sent if not sql.startswith("SET search_path")]) == 1

    def test_the_comment_is_on_the_schema_letter_by_letter(self, platform: None) -> None:
        name = new_schema_name()
        replay(blueprint(), name, "it's \\ 100 % 'so'")
        with connection.cursor() as cursor:
            cursor.execute("SELECT obj_description(%s::regnamespace, 'pg_namespace')", [name])
            assert cursor.fetchone() == ("it's \\ 100 % 'so'",)

    def test_it_is_undone_with_the_callers_transaction(self, platform: None) -> None:
        before = schemas()
        with transaction.atomic():
            replicated()
            assert len(schemas()) == len(before) + 1
            transaction.set_rollback(True)
        assert schemas() == before

    def test_outside_a_transaction_it_happens_wholly_or_not_at_all(
        self, elsewhere: Callable[..., Any], platform: None
    ) -> None:
        half = Blueprint(
            fingerprint=current_fingerprint(),
            statements=[f"CREATE TABLE {SCHEMA}.one (id int)", "SELECT 1/0"],
        )
        name = new_schema_name()

        def on_own_connection() -> None:
            with enter_platform():
                replay(half, name, "")

        with pytest.raises(DataError, match="division by zero"):
            elsewhere(on_own_connection)
        assert name not in schemas()

    def test_a_blueprint_of_another_release_is_refused(self, platform: None) -> None:
        stale = Blueprint(fingerprint="0" * 64, statements=blueprint().statements)
        before = schemas()
        with pytest.raises(UnusableBlueprint, match="not of this release"):
            replay(stale, new_schema_name(), "")
        assert schemas() == before

    @pytest.mark.parametrize("name", ["public", "t_x; DROP SCHEMA public", "t_", "", "acme"])
    def test_a_name_that_is_not_ours_is_refused(self, platform: None, name: str) -> None:
        with pytest.raises(InvalidInput):
            replay(blueprint(), name, "")


class TestBuilding:
    def test_it_is_built_once_and_leaves_no_schema(
        self, platform: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Blueprint.objects.all().delete()
        before = schemas()
        built = blueprint()
        assert schemas() == before
        assert built.fingerprint == current_fingerprint()
        monkeypatch.setattr(module, "_statements", lambda: pytest.fail("built again"))
        assert blueprint() == built

    def test_a_stale_one_is_replaced_and_only_the_last_is_kept_beside_it(
        self, platform: None
    ) -> None:
        Blueprint.objects.all().delete()
        for year in (2020, 2021, 2022):
            Blueprint.objects.create(
                fingerprint=str(year), statements=[], built_at=f"{year}-01-01T00:00Z"
            )
        fresh = blueprint()
        assert set(Blueprint.objects.values_list("pk", flat=True)) == {fresh.pk, "2022"}

    def test_two_who_need_it_at_once_build_it_once(
        self, django_db_setup: None, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        built: list[int] = []
        original = module._statements
        monkeypatch.setattr(module, "_statements", lambda: built.append(1) or original())
        start = Barrier(3)

        def on_own_connection() -> Blueprint:
            try:
                with enter_platform():
                    start.wait(timeout=30)
                    return blueprint()
            finally:
                connection.close()

        with django_db_blocker.unblock():
            with ThreadPoolExecutor(3) as pool:
                futures = [pool.submit(on_own_connection) for _ in range(3)]
                found = {future.result(timeout=60).pk for future in futures}
            with enter_platform():
                Blueprint.objects.all().delete()
            connection.close()
        assert len(found) == 1
        assert built == [1]

    def migrating_also(self, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
        """Let migrations do one thing more."""
        original = module.migrate

        def migrate_and_more(*arguments: Any, **options: Any) -> None:
            original(*arguments, **options)
            execute(statement)

        monkeypatch.setattr(module, "migrate", migrate_and_more)

    def test_rows_of_people_are_never_copied(
        self, platform: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Blueprint.objects.all().delete()
        self.migrating_also(monkeypatch, "INSERT INTO auth_group (name) VALUES ('Staff')")
        with pytest.raises(UnusableBlueprint, match=r"rows into .*auth_group"):
            blueprint()
        assert not Blueprint.objects.exists()

    def test_what_it_could_not_make_again_is_refused(
        self, platform: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Blueprint.objects.all().delete()
        self.migrating_also(monkeypatch, "CREATE VIEW names AS SELECT name FROM auth_group")
        with pytest.raises(UnusableBlueprint, match="view names is missing"):
            blueprint()
        assert not Blueprint.objects.exists()


class TestFingerprint:
    @pytest.fixture(autouse=True)
    def _forgotten(self) -> Iterator[None]:
        fingerprint._fingerprint.cache_clear()
        yield
        fingerprint._fingerprint.cache_clear()

    def with_copy(self, folder: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> str:
        """The fingerprint when auth's migrations are those in ``folder``."""
        monkeypatch.syspath_prepend(str(folder.parent))
        settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, "auth": folder.name}
        fingerprint._fingerprint.cache_clear()
        return fingerprint._fingerprint(18)

    def test_one_byte_of_one_migration_changes_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        before = fingerprint._fingerprint(18)
        copy = tmp_path / "copied_migrations"
        shutil.copytree(CHECKOUT / "config/contrib_migrations/auth", copy)
        assert self.with_copy(copy, monkeypatch, settings) == before
        with (copy / "0001_initial.py").open("a") as file:
            file.write("#")
        assert self.with_copy(copy, monkeypatch, settings) != before

    def test_a_further_migration_and_another_postgresql_change_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        before = fingerprint._fingerprint(18)
        assert fingerprint._fingerprint(19) != before
        copy = tmp_path / "longer_migrations"
        shutil.copytree(CHECKOUT / "config/contrib_migrations/auth", copy)
        (copy / "0002_more.py").write_text("")
        assert self.with_copy(copy, monkeypatch, settings) != before

    def test_it_imports_no_migration(self) -> None:
        program = (
            "import django, sys; django.setup(); from tenants.fingerprint import _fingerprint;"
            "_fingerprint(18); print([m for m in sys.modules if '.migrations.0' in m])"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert ran.stdout.strip() == "[]"


ODDITIES = f"""
CREATE SEQUENCE {SCHEMA}.tickets AS integer START 7 INCREMENT 2 CACHE 5 CYCLE
CREATE FUNCTION {SCHEMA}.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$
CREATE TABLE {SCHEMA}.parent (id bigint GENERATED ALWAYS AS IDENTITY (START 100) PRIMARY KEY,
    child_id bigint, "Order" text COLLATE "C" NOT NULL, size int CONSTRAINT sized NOT NULL,
    twice int GENERATED ALWAYS AS (size * 2) STORED, thrice int GENERATED ALWAYS AS (size * 3))
CREATE TABLE {SCHEMA}.a_child (id serial PRIMARY KEY, parent_id bigint, data jsonb STORAGE EXTERNAL,
    CONSTRAINT a_child_parent FOREIGN KEY (parent_id) REFERENCES {SCHEMA}.parent ON DELETE CASCADE,
    CONSTRAINT itself UNIQUE NULLS NOT DISTINCT (parent_id), CHECK (parent_id > 0) NO INHERIT)
    WITH (fillfactor=70)
ALTER TABLE {SCHEMA}.parent ADD CONSTRAINT circle FOREIGN KEY (child_id)
    REFERENCES {SCHEMA}.a_child DEFERRABLE INITIALLY DEFERRED
CREATE TABLE {SCHEMA}.{"a" * 60} (a_rather_long_column_name bigint GENERATED BY DEFAULT AS IDENTITY)
CREATE INDEX partial ON {SCHEMA}.a_child (parent_id DESC, lower(data ->> 'it''s')) WHERE id > 3
CREATE INDEX by_data ON {SCHEMA}.a_child USING gin (data jsonb_path_ops)
CREATE UNIQUE INDEX covering ON {SCHEMA}.parent (size) INCLUDE ("Order")
CREATE TRIGGER asleep BEFORE UPDATE ON {SCHEMA}.parent FOR EACH ROW
    EXECUTE FUNCTION {SCHEMA}.touch()
ALTER TABLE {SCHEMA}.parent DISABLE TRIGGER asleep
CREATE TRIGGER awake BEFORE INSERT ON {SCHEMA}.a_child FOR EACH ROW WHEN (NEW.id > 1)
    EXECUTE FUNCTION {SCHEMA}.touch()
ALTER TABLE {SCHEMA}.a_child ENABLE ALWAYS TRIGGER awake
CREATE FUNCTION {SCHEMA}.parents(above int DEFAULT 0) RETURNS bigint LANGUAGE sql STABLE
    RETURN (SELECT count(*) FROM {SCHEMA}.parent WHERE size > above)
COMMENT ON TABLE {SCHEMA}.parent IS 'it''s \\ a "comment"'
COMMENT ON COLUMN {SCHEMA}.parent."Order" IS 'column'
COMMENT ON CONSTRAINT circle ON {SCHEMA}.parent IS 'constraint'
COMMENT ON INDEX {SCHEMA}.partial IS 'index'
COMMENT ON FUNCTION {SCHEMA}.parents IS 'function'
COMMENT ON SEQUENCE {SCHEMA}.tickets IS 'sequence'
GRANT SELECT, INSERT ON {SCHEMA}.parent, {SCHEMA}.a_child TO PUBLIC
GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC
GRANT USAGE ON SEQUENCE {SCHEMA}.tickets TO PUBLIC
REVOKE EXECUTE ON FUNCTION {SCHEMA}.touch FROM PUBLIC
"""


def test_a_script_makes_again_what_todays_schema_does_not_have(platform: None) -> None:
    """Circles, serials, generated columns, odd names, sleeping triggers, privileges."""
    first = new_schema_name()
    execute(f"CREATE SCHEMA {first}")
    for statement in re.split(r"\n(?=[A-Z])", ODDITIES.strip()):
        execute(statement.replace(SCHEMA, first))
    wanted = describe(connection, first)

    def made(statements: list[str]) -> Catalog:
        again = new_schema_name()
        execute(f"CREATE SCHEMA {again}", *(line.replace(SCHEMA, again) for line in statements))
        return describe(connection, again)

    statements = script.structure(wanted) + script.rules(wanted)
    grants = script.privileges(differences(made(statements), wanted))
    assert differences(made(statements + grants), wanted) == []


def test_each_statement_of_the_blueprint_is_one_and_names_its_schema(platform: None) -> None:
    """Citus takes one a message, and none that depends on the search path."""
    for statement in blueprint().statements:
        assert SCHEMA in statement
        quoted = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
        outside = quoted.sub("", statement)
        assert ";" not in outside
        assert not outside.startswith("DO ")
