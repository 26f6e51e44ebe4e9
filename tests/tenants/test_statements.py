"""What the engine reads out of a message before it puts the path in front of it."""

import pytest

from tenants.backend.statements import Kind, Statement, is_ordinary, read


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", Kind.PLAIN),
        ("CREATE TABLE x (id int); CREATE INDEX y ON x (id)", Kind.PLAIN),
        ("CREATE INDEX y ON x (id)", Kind.PLAIN),
        ("DROP INDEX y", Kind.PLAIN),
        ("ALTER DATABASE x SET search_path = ''", Kind.PLAIN),
        ("BEGIN", Kind.PLAIN),
        ("CALL p()", Kind.PLAIN),
        ("REINDEX TABLE x", Kind.PLAIN),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY x", Kind.PLAIN),
        ("savepoint a", Kind.CONTROL),
        ("RELEASE SAVEPOINT a", Kind.CONTROL),
        ("ROLLBACK TO SAVEPOINT a", Kind.CONTROL),
        ("  -- why\n /* and\nwhere */ rollback", Kind.CONTROL),
        ("COMMIT", Kind.CONTROL),
        ("END;", Kind.CONTROL),
        ("ABORT", Kind.CONTROL),
        ("COMMIT PREPARED 'x'", Kind.CONTROL),
        ("CREATE DATABASE x", Kind.PATHLESS),
        ("drop database if exists x", Kind.PATHLESS),
        ("ALTER SYSTEM SET work_mem = '1MB'", Kind.PATHLESS),
        ("CREATE TABLESPACE x LOCATION '/x'", Kind.PATHLESS),
        ("REINDEX (VERBOSE) DATABASE x", Kind.PATHLESS),
        ("VACUUM", Kind.ALONE),
        ("vacuum (analyze) x", Kind.ALONE),
        ("CREATE INDEX CONCURRENTLY y ON x (id)", Kind.ALONE),
        ("CREATE UNIQUE INDEX CONCURRENTLY y ON x (id)", Kind.ALONE),
        ("DROP INDEX CONCURRENTLY IF EXISTS y", Kind.ALONE),
        ("REINDEX INDEX CONCURRENTLY y", Kind.ALONE),
        ("REINDEX (CONCURRENTLY) TABLE x", Kind.ALONE),
        ("ALTER TABLE x DETACH PARTITION y CONCURRENTLY", Kind.ALONE),
        ("CLUSTER", Kind.ALONE),
        ("CLUSTER x USING y", Kind.PLAIN),
    ],
)
def test_how_a_statement_is_sent(sql: str, kind: Kind) -> None:
    assert read(sql).kind is kind
    assert not is_ordinary(sql) or kind is Kind.PLAIN


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path = x",
        "set SEARCH_PATH to x",
        "SELECT set_config('search_path', 'x', true)",
        "SELECT set_config(%s, %s, true)",
        "SELECT SET_CONFIG('SEARCH_PATH', 'x', true)",
        "UPDATE pg_settings SET setting = %s WHERE name = %s",
        "SET SCHEMA 'x'",
        "SELECT 1; SET LOCAL SCHEMA 'x'",
        "/* a /* nested */ comment */ SET LOCAL SCHEMA 'x'",
        "EXECUTE prepared",
        "CALL p()",
        "DO $$ BEGIN EXECUTE what_is_in(a_table); END $$",
        "RESET ALL",
        "SELECT 1; RESET ALL",
        "DISCARD ALL",
        "ROLLBACK TO SAVEPOINT a",
        "SELECT set_config('x.y', 'z', true); ROLLBACK TO a",
        "SELECT 1; COMMIT",
    ],
)
def test_after_what_could_have_moved_it_the_path_is_sent_again(sql: str) -> None:
    assert not read(sql).keeps_path
    assert not is_ordinary(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN NEW.x = 1; END; $$ LANGUAGE plpgsql",
        "SELECT ';ROLLBACK;', \";COMMIT;\" FROM x; SELECT 1",
        "SELECT E'\\';ROLLBACK;'; SELECT 1",
        "SELECT 1 -- ;ROLLBACK;\n; SELECT 1",
    ],
)
def test_what_only_looks_like_the_end_of_a_transaction_is_none(sql: str) -> None:
    statement = read(sql)

    assert statement == read("SELECT 1")


def test_a_block_that_ends_a_transaction_within_itself_is_no_end_of_the_message() -> None:
    statement = read("DO $body$ BEGIN PERFORM 1; ROLLBACK; END; $body$; SELECT 1")

    assert statement == Statement(Kind.PLAIN, keeps_path=False, ends_within=False, outlives=False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "(SELECT 1) UNION (SELECT 2)",
        "  -- why\n WITH x AS (SELECT 1) SELECT * FROM x",
        "INSERT INTO x VALUES (';'); UPDATE x SET y = 1",
        "CREATE TABLE x (id int); COMMENT ON TABLE x IS 'SET SCHEMA'",
    ],
)
def test_after_what_cannot_have_moved_it_the_path_is_not_sent_again(sql: str) -> None:
    assert read(sql).keeps_path


@pytest.mark.parametrize(
    ("sql", "outlives"),
    [
        ("CREATE TEMP TABLE x (id int)", True),
        ("create temporary table x as select 1", True),
        ("/* */ CREATE LOCAL TEMPORARY TABLE x (id int) ON COMMIT DELETE ROWS", True),
        ("CREATE OR REPLACE TEMP VIEW x AS SELECT 1", True),
        ("CREATE TEMP SEQUENCE x", True),
        ("SELECT 1; CREATE TEMP TABLE x (id int); SELECT 'ON COMMIT DROP'", True),
        ("DECLARE x CURSOR WITH HOLD FOR SELECT 1", True),
        ("CREATE TEMP TABLE x (id int) ON COMMIT DROP", False),
        ("CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1", False),
        ("CREATE TABLE temp (id int)", False),
        ("CREATE INDEX x ON y (z); COMMENT ON INDEX x IS 'CREATE TEMP TABLE '", False),
    ],
)
def test_what_stays_on_the_connection_is_told(sql: str, outlives: bool) -> None:
    assert read(sql).outlives is outlives


@pytest.mark.parametrize(
    "sql",
    [
        "ROLLBACK; SELECT * FROM x",
        "ROLLBACK TO a; SELECT * FROM x",
        "SELECT 1; COMMIT; SELECT * FROM x",
        "SELECT 1; /* over */ END; SELECT 2",
        "BEGIN; INSERT INTO x VALUES (1); COMMIT; BEGIN; SELECT 1; COMMIT",
    ],
)
def test_what_ends_a_transaction_and_goes_on_is_told(sql: str) -> None:
    assert read(sql).ends_within


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN; INSERT INTO x VALUES (1); COMMIT;",
        "SELECT 1; ROLLBACK TO SAVEPOINT a ;  ",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 1",
        "SAVEPOINT a; SELECT 1",
    ],
)
def test_what_ends_with_it_or_does_not_end_one_may_be_sent(sql: str) -> None:
    assert not read(sql).ends_within
