"""What the engine sends and leaves, in and outside transactions, by every kind of cursor."""

import io
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from django.core.management import call_command
from django.db import (
    DatabaseError,
    NotSupportedError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from django.test.utils import CaptureQueriesContext
from psycopg2.sql import SQL, Identifier

from accounts.models import CustomUser
from activity.exporters import FORMATS
from tenants.backend.defaults import close_default_path
from tenants.backend.pin import prefix_for
from tenants.context import enter_platform, enter_tenant
from tenants.errors import InvalidInput, NotInTenant
from tenants.models import Tenant

Elsewhere = Callable[..., Any]
NAMES = "SELECT username FROM accounts_customuser ORDER BY 1"
OF_ACME = ["ann", "bob", "cleo"]
OF_GLOBEX = ["sam", "tess", "uwe"]


def column(sql: Any, params: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [row[0] for row in cursor.fetchall()]


def path_that_is_left() -> str:
    """What the connection itself would look on, past the engine."""
    with connection.connection.cursor() as raw:
        raw.execute("SHOW search_path")
        return str(raw.fetchone()[0])


@pytest.fixture
def inside(acme: Tenant, elsewhere: Elsewhere) -> Callable[..., Any]:
    """Return what runs a function in Acme, on a connection without an open transaction."""

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        def enter() -> Any:
            with enter_tenant(acme):
                answer = function(*arguments)
                if connection.connection is not None and not connection.connection.closed:
                    assert path_that_is_left() == '""'
                return answer

        return elsewhere(enter)

    return run


@pytest.fixture
def scrap(lab_schema: str) -> str:
    return lab_schema


@pytest.fixture
def lab_schema(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Yield the name of a schema with a table ``scrap``, which is gone afterwards."""
    name = "backend_scrap"
    with django_db_blocker.unblock(), closing(raw_connection()) as own, own.cursor() as cursor:
        own.autocommit = True
        cursor.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")
        cursor.execute(f"CREATE TABLE {name}.scrap (id int, note text)")
        yield name
        cursor.execute(f"DROP SCHEMA {name} CASCADE")


def raw_connection() -> Any:
    return psycopg2.connect(**connection.get_connection_params())


@pytest.fixture
def in_scrap(scrap: str, elsewhere: Elsewhere) -> Callable[..., Any]:
    """Return what runs a function in that schema, on a connection without an open transaction."""

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        def enter() -> Any:
            connection.set_schema(scrap)
            answer = function(*arguments)
            assert path_that_is_left() == '""'
            return answer

        return elsewhere(enter)

    return run


# Messages


@pytest.mark.parametrize(
    ("sql", "params", "answer"),
    [
        (NAMES, None, OF_ACME),
        (NAMES.encode(), None, OF_ACME),
        (
            SQL("SELECT username FROM {} ORDER BY 1").format(Identifier("accounts_customuser")),
            None,
            OF_ACME,
        ),
        ("SELECT username FROM accounts_customuser WHERE username LIKE 'a%'", None, ["ann"]),
        ("SELECT username FROM accounts_customuser WHERE username LIKE 'a%%'", [], ["ann"]),
        ("SELECT username FROM accounts_customuser WHERE username = %s", ["bob"], ["bob"]),
        (b"SELECT username FROM accounts_customuser WHERE username = %(n)s", {"n": "bob"}, ["bob"]),
        (f"SELECT 1; {NAMES}", None, OF_ACME),
        (f"-- who\n{NAMES}", None, OF_ACME),
        (f"WITH x AS ({NAMES}) SELECT * FROM x", None, OF_ACME),
    ],
)
@pytest.mark.parametrize("atomic", [False, True])
def test_every_form_of_a_statement_finds_the_tenants_tables(
    inside: Any, sql: Any, params: Any, answer: list[str], atomic: bool
) -> None:
    def ask() -> list[list[str]]:
        if not atomic:
            return [column(sql, params), column(sql, params)]
        with transaction.atomic():
            return [column(sql, params), column(sql, params)]

    assert inside(ask) == [answer, answer]


@pytest.mark.parametrize("atomic", [False, True])
def test_many_parameters_are_written_where_one_is(in_scrap: Any, atomic: bool) -> None:
    def write() -> list[int]:
        insert = "INSERT INTO scrap (id) VALUES (%s)"
        with transaction.atomic() if atomic else connection.cursor(), connection.cursor() as cursor:
            cursor.executemany(insert, [])
            cursor.executemany(insert, [[1], [2]])
            cursor.executemany(insert.encode(), iter([[3]]))
            assert cursor.rowcount == 1
        return column("SELECT id FROM scrap ORDER BY 1")

    assert in_scrap(write) == [1, 2, 3]


def test_an_empty_statement_is_still_an_error(inside: Any) -> None:
    def ask() -> None:
        with pytest.raises(ProgrammingError, match="empty"):
            column("  ")

    inside(ask)


class Counting(psycopg2.extensions.cursor):
    """The driver's cursor, noting every message."""

    sent: list[str] = []

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        super().execute(query, vars)
        Counting.sent.append(self.query.decode())


def test_no_message_is_sent_for_the_path_alone(acme: Tenant, elsewhere: Elsewhere) -> None:
    def ask() -> None:
        connection.settings_dict = {
            **connection.settings_dict,
            "OPTIONS": {**connection.settings_dict["OPTIONS"], "cursor_factory": Counting},
        }
        with enter_tenant(acme):
            connection.ensure_connection()
            Counting.sent = []
            CustomUser.objects.count()
            CustomUser.objects.count()
            with transaction.atomic():
                CustomUser.objects.count()
                CustomUser.objects.count()

    elsewhere(ask)

    pinned = [sql.startswith(prefix_for(acme.schema_name)) for sql in Counting.sent]
    assert pinned == [True, True, True, False]


def test_a_log_of_queries_shows_them_as_they_were_written(in_acme: Tenant) -> None:
    seen = []

    def watch(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with CaptureQueriesContext(connection) as captured, connection.execute_wrapper(watch):
        column(NAMES)
        with connection.cursor() as cursor:
            cursor.executemany("SELECT %s", [[1]])

    assert [query["sql"] for query in captured.captured_queries] == [NAMES, "1 times: SELECT %s"]
    assert seen == [NAMES, "SELECT %s"]


@pytest.mark.parametrize("name", ["ACME", "a%s", 'a"b', "pg_temp", "", "a" * 64, "a\n", "$user"])
def test_a_schema_that_could_be_misread_is_never_entered(acme: Tenant, name: str) -> None:
    with enter_tenant(acme):
        with pytest.raises(InvalidInput, match="not the name of a schema"):
            connection.set_schema(name)

        assert column(NAMES) == OF_ACME


# Where the path could have moved


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path = public",
        "SET LOCAL search_path = public",
        "SELECT set_config('search_path', 'public', true)",
        "RESET search_path",
        "RESET ALL",
    ],
)
@pytest.mark.parametrize("atomic", [False, True])
def test_raw_sql_that_moves_the_path_moves_nothing_else(
    acme: Tenant, elsewhere: Elsewhere, sql: str, atomic: bool
) -> None:
    def ask() -> list[str]:
        with enter_tenant(acme):
            if atomic:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(sql)
                    return column(NAMES)
            with connection.cursor() as cursor:
                cursor.execute(sql)
            return column(NAMES)

    assert elsewhere(ask) == OF_ACME


def test_a_raw_rollback_to_a_savepoint_brings_back_no_other_tenant(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere
) -> None:
    def ask() -> list[list[str]]:
        with transaction.atomic(), connection.cursor() as cursor:
            with enter_tenant(acme):
                column(NAMES)
                cursor.execute("SAVEPOINT here")
            with enter_tenant(globex):
                column(NAMES)
                cursor.execute("ROLLBACK TO SAVEPOINT here")
                first = column(NAMES)
                cursor.execute("SELECT 1; ROLLBACK TO SAVEPOINT here")
                return [first, column(NAMES)]

    assert elsewhere(ask) == [OF_GLOBEX, OF_GLOBEX]


def test_a_transaction_that_the_driver_ended_took_the_path_along(inside: Any) -> None:
    def ask() -> list[list[str]]:
        connection.set_autocommit(False)
        try:
            first = column(NAMES)
            connection.connection.rollback()
            return [first, column(NAMES)]
        finally:
            connection.rollback()
            connection.set_autocommit(True)

    assert inside(ask) == [OF_ACME, OF_ACME]


def test_a_transaction_by_hand_is_read_in_the_tenant(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere
) -> None:
    def ask() -> list[list[str]]:
        with connection.cursor() as cursor, enter_tenant(acme):
            cursor.execute("BEGIN")
            first = column(NAMES)
            with enter_tenant(globex):
                second = column(NAMES)
            cursor.execute("ROLLBACK")
            return [first, second, column(NAMES)]

    assert elsewhere(ask) == [OF_ACME, OF_GLOBEX, OF_ACME]


def test_what_would_be_read_past_the_end_of_a_transaction_is_refused(inside: Any) -> None:
    def ask() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            with pytest.raises(NotSupportedError, match="by itself"):
                cursor.execute(f"ROLLBACK; {NAMES}")
            cursor.execute(NAMES)

    inside(ask)


# COPY and functions


@pytest.mark.parametrize("atomic", [False, True])
def test_copy_goes_both_ways_in_the_place_one_is_in(in_scrap: Any, atomic: bool) -> None:
    def copy() -> tuple[str, str]:
        out, again = io.StringIO(), io.StringIO()
        with connection.cursor() as cursor:
            cursor.copy_expert("COPY scrap FROM STDIN", io.StringIO("1\tone\n"))
            cursor.copy_from(io.StringIO("2\ttwo\n"), "scrap")
            cursor.copy_expert("COPY (SELECT * FROM scrap ORDER BY id) TO STDOUT", out)
            cursor.copy_to(again, "scrap", columns=["note"])
        return out.getvalue(), again.getvalue()

    def copy_atomically() -> tuple[str, str]:
        with transaction.atomic():
            return copy()

    assert in_scrap(copy_atomically if atomic else copy) == ("1\tone\n2\ttwo\n", "one\ntwo\n")


class Torn:
    """A file that breaks in the middle."""

    def __init__(self) -> None:
        self.parts = iter(["1\tone\n"])

    def read(self, size: int) -> str:
        try:
            return next(self.parts)
        except StopIteration:
            raise OSError("torn") from None


def test_a_copy_that_breaks_leaves_nothing_and_no_transaction(in_scrap: Any) -> None:
    def copy() -> list[int]:
        with connection.cursor() as cursor, pytest.raises((OSError, DatabaseError)):
            cursor.copy_expert("COPY scrap FROM STDIN", Torn())
        assert connection.is_between_transactions()
        with connection.cursor() as cursor, pytest.raises(DatabaseError):
            cursor.copy_expert("COPY scrap FROM STDIN", io.StringIO("not a number\tx\n"))
        assert connection.is_between_transactions()
        return column("SELECT id FROM scrap")

    assert in_scrap(copy) == []


@pytest.mark.parametrize("atomic", [False, True])
def test_a_function_of_the_place_is_called(in_scrap: Any, atomic: bool) -> None:
    def call() -> int:
        with connection.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE FUNCTION twice(int) RETURNS int RETURN $1 * 2")
            cursor.callproc("twice", [21])
            return int(cursor.fetchone()[0])

    def call_atomically() -> int:
        with transaction.atomic():
            return call()

    assert in_scrap(call_atomically if atomic else call) == 42


def test_nothing_is_copied_nowhere(elsewhere: Elsewhere) -> None:
    def copy() -> None:
        with connection.cursor() as cursor:
            with pytest.raises(NotInTenant):
                cursor.copy_expert("COPY accounts_customuser TO STDOUT", io.StringIO())
            with pytest.raises(NotInTenant):
                cursor.callproc("now")
            with pytest.raises(NotInTenant):
                cursor.executemany("SELECT %s", [[1]])
            with pytest.raises(NotInTenant):
                cursor.execute("VACUUM")
            with pytest.raises(NotInTenant):
                cursor.execute("ALTER SYSTEM SET work_mem = '1MB'")

    elsewhere(copy)


# Streams


def server_side_cursors() -> int:
    return int(column("SELECT count(*) FROM pg_cursors WHERE name LIKE '%%django_curs%%'", [])[0])


def test_in_a_transaction_rows_are_streamed_by_the_server(inside: Any) -> None:
    def stream() -> int:
        with transaction.atomic():
            people = CustomUser.objects.values_list("username", flat=True).iterator(chunk_size=1)
            assert next(people) in OF_ACME
            open_now = server_side_cursors()
            assert len(list(people)) == 2
            return open_now

    assert inside(stream) == 1


def test_outside_one_no_cursor_is_left_on_the_server(inside: Any) -> None:
    def stream() -> int:
        people = CustomUser.objects.values_list("username", flat=True).iterator(chunk_size=1)
        assert next(people) in OF_ACME
        return server_side_cursors()

    assert inside(stream) == 0


def test_a_stream_stays_in_its_tenant_when_one_leaves(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere
) -> None:
    def stream() -> list[str]:
        with transaction.atomic():
            with enter_tenant(acme):
                names = CustomUser.objects.order_by("username").values_list("username", flat=True)
                people = names.iterator(chunk_size=1)
                first = next(people)
            with enter_tenant(globex):
                assert column(NAMES) == OF_GLOBEX
                return [first, *people]

    assert elsewhere(stream) == OF_ACME


def test_the_command_streams_too(lab: Tenant, monkeypatch: Any) -> None:
    seen = []

    def write(columns: Any, found: Any) -> Iterator[str]:
        found = iter(found)
        next(found)
        seen.append(server_side_cursors())
        deque(found)
        yield b""

    monkeypatch.setitem(FORMATS, "ndjson", replace(FORMATS["ndjson"], write=write))
    call_command("activity", "events", "--tenant", lab.slug, "--json", stdout=io.StringIO())

    assert seen == [1]


# What cannot run in a transaction


def indexes() -> list[str]:
    return column("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")


def test_what_refuses_transactions_runs_in_the_place_one_is_in(in_scrap: Any) -> None:
    def build() -> list[list[str]]:
        with connection.cursor() as cursor:
            cursor.execute("CREATE INDEX CONCURRENTLY scrap_id ON scrap (id)")
            made = indexes()
            cursor.execute("REINDEX INDEX CONCURRENTLY scrap_id")
            cursor.execute("VACUUM (ANALYZE) scrap")
            assert path_that_is_left() == '""'
            cursor.execute("DROP INDEX CONCURRENTLY scrap_id")
            with pytest.raises(DatabaseError):
                cursor.execute("CREATE INDEX CONCURRENTLY scrap_x ON scrap (missing)")
        return [made, indexes()]

    assert in_scrap(build) == [["scrap_id"], []]


def test_in_a_transaction_postgresql_refuses_it_as_ever(in_scrap: Any) -> None:
    def build() -> None:
        with pytest.raises(DatabaseError, match="transaction block"), transaction.atomic():
            column("CREATE INDEX CONCURRENTLY scrap_id ON scrap (id)")

    in_scrap(build)


def test_databases_can_be_made_without_being_in_one(elsewhere: Elsewhere) -> None:
    def ask() -> list[Any]:
        with connection._nodb_cursor() as cursor:
            cursor.execute("SELECT current_database()")
            return [cursor.fetchone()[0], connection.schema_name]

    assert elsewhere(ask) == ["postgres", None]


# The default of the database


def test_a_connection_that_bypasses_the_engine_finds_no_table(db: None) -> None:
    with (
        closing(raw_connection()) as own,
        own.cursor() as cursor,
        pytest.raises(psycopg2.errors.UndefinedTable),
    ):
        cursor.execute(NAMES)


def test_the_default_path_is_closed_once_and_only_by_the_owner(db: None) -> None:
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    assert close_default_path(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} RESET search_path")
        with CaptureQueriesContext(connection) as sent:
            assert close_default_path(connection)
            assert close_default_path(connection)
        assert sum("ALTER DATABASE" in query["sql"] for query in sent.captured_queries) == 1

        cursor.execute(f"ALTER DATABASE {name} RESET search_path")
        cursor.execute("CREATE ROLE tenantry_stranger")
        cursor.execute("GRANT tenantry_stranger TO CURRENT_USER WITH SET TRUE")
        cursor.execute("SET LOCAL ROLE tenantry_stranger")
        assert not close_default_path(connection)
        cursor.execute("RESET ROLE")


def test_migrating_closes_it(scratch_platform: dict[str, str]) -> None:
    from tests.conftest import _dsn

    place = {**connections.settings["default"]}
    name = scratch_platform["DATABASE_URL"].rpartition("/")[2]
    with closing(psycopg2.connect(**_dsn(place, name))) as own, own.cursor() as cursor:
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ('""',)


def test_a_command_called_from_anywhere_migrates_the_platform(elsewhere: Elsewhere) -> None:
    def migrate() -> bool:
        out = io.StringIO()
        call_command("migrate", check_unapplied=True, verbosity=0, stdout=out)
        with enter_platform():
            return column("SELECT 1") == [1]

    assert elsewhere(migrate)


# What could lead elsewhere


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SET_CONFIG('SEARCH_PATH', 'public', true)",
        "SET LOCAL SCHEMA 'public'",
        "DO $$ BEGIN EXECUTE 'SET LOCAL search' || '_path TO public'; END $$",
    ],
)
def test_what_moves_the_path_moves_nobody(inside: Callable[..., Any], sql: str) -> None:
    def ask() -> list[Any]:
        with transaction.atomic():
            column(NAMES)
            with connection.cursor() as cursor:
                cursor.execute(sql)
            return column(NAMES)

    assert inside(ask) == OF_ACME


def test_what_moves_the_path_when_it_is_executed_moves_nobody(inside: Callable[..., Any]) -> None:
    def ask() -> list[Any]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("PREPARE move AS SELECT set_config('search_path', 'public', true)")
            column(NAMES)
            cursor.execute("EXECUTE move")
            cursor.execute("DEALLOCATE move")
            return column(NAMES)

    assert inside(ask) == OF_ACME


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMP TABLE kept AS SELECT username FROM accounts_customuser",
        "CREATE TEMPORARY VIEW kept AS SELECT username FROM accounts_customuser",
        "DECLARE kept CURSOR WITH HOLD FOR SELECT username FROM accounts_customuser",
    ],
)
def test_nothing_temporary_is_left_for_the_next_tenant(
    inside: Callable[..., Any], sql: str
) -> None:
    with pytest.raises(NotSupportedError, match="ON COMMIT DROP"):
        inside(column, sql)


def test_what_is_temporary_can_last_as_long_as_a_transaction(inside: Callable[..., Any]) -> None:
    def ask() -> list[Any]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE short ON COMMIT DROP AS SELECT 1 AS one")
            return column("SELECT one FROM short")

    assert inside(ask) == [1]
