"""I14: a pooler that gives a server to each transaction, the oldest that Debian has.

PgBouncer stands between eight threads and PostgreSQL, with three servers for twelve tenants. What
one thread sets, another one's statement may find. Each table says whose it is, so that every row
that is read or written in the wrong place is counted: none on our engine, many on the library's.
"""

import io
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, NotSupportedError, connections, transaction
from django_tenants.postgresql_backend.base import DatabaseWrapper as StockWrapper

from config.embedded.server_user import server_user
from tenants.backend.base import DatabaseWrapper

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
PORT = 6432
THREADS, SERVERS, OPERATIONS = 8, 3, 170
TENANTS = [f"pooled_{number:02}" for number in range(12)]
WRITES = 3  # rows that each writing operation leaves

CONFIGURATION = """
[databases]
* = {server}

[pgbouncer]
unix_socket_dir = {directory}
unix_socket_mode = 0700
listen_addr =
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 50
logfile = {directory}/pgbouncer.log
ignore_startup_parameters = extra_float_digits
"""


@pytest.fixture
def pooler(django_db_setup: None) -> Iterator[dict[str, Any]]:
    """Yield a place in the settings' form behind which PgBouncer stands."""
    if PGBOUNCER is None:
        message = "no PgBouncer is installed (Debian: apt-get install pgbouncer)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    place = connections.settings["default"]
    directory = Path(tempfile.mkdtemp(prefix="tenantry-pooler-", dir="/tmp"))
    above = [Path(place["HOST"]).parent] if place["HOST"].startswith("/") else []
    user = server_user([*above, Path(PGBOUNCER)])
    configuration = directory / "pgbouncer.ini"
    server = {
        "host": place["HOST"],
        "port": place["PORT"] or 5432,
        "user": place["USER"],
        "password": place["PASSWORD"],
    }
    configuration.write_text(
        CONFIGURATION.format(
            server=" ".join(f"{name}='{value}'" for name, value in server.items() if value),
            directory=directory,
            port=PORT,
            servers=SERVERS,
        )
    )
    for path in (configuration, directory):
        os.chown(path, user.uid, user.gid)
    process = subprocess.Popen(
        [PGBOUNCER, "--quiet", str(configuration)],
        preexec_fn=user.become,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    behind = {**place, "HOST": str(directory), "PORT": str(PORT)}
    try:
        wait_until_it_answers(behind, process, directory / "pgbouncer.log")
        yield behind
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(directory, ignore_errors=True)


def wait_until_it_answers(
    place: dict[str, Any], process: "subprocess.Popen[bytes]", log: Path
) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(psycopg2.OperationalError):
            raw(place).close()
            return
        time.sleep(0.05)
    pytest.fail(log.read_text() if log.exists() else "PgBouncer does not answer")


def raw(place: dict[str, Any]) -> Any:
    own = psycopg2.connect(
        host=place["HOST"],
        port=place["PORT"] or None,
        user=place["USER"],
        password=place["PASSWORD"],
        dbname=place["NAME"],
    )
    own.autocommit = True
    return own


@pytest.fixture
def tenants(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """Make twelve schemas whose rows say whose they are; yield a cursor past the pooler."""
    with (
        django_db_blocker.unblock(),
        closing(raw(connections.settings["default"])) as own,
        own.cursor() as cursor,
    ):
        drop = "".join(f"DROP SCHEMA IF EXISTS {name} CASCADE;" for name in TENANTS)
        cursor.execute(drop)
        for name in TENANTS:
            cursor.execute(
                f"CREATE SCHEMA {name}; CREATE TABLE {name}.note (owner text, writer text);"
                f"INSERT INTO {name}.note SELECT '{name}', NULL FROM generate_series(1, 20)"
            )
        yield cursor
        cursor.execute(drop)


class Client:
    """One of the threads: visits tenants at random and counts what it finds there."""

    def __init__(self, engine: type[Any], place: dict[str, Any], number: int) -> None:
        self.alias = f"pooled{number}"
        self.connection = engine({**place}, self.alias)
        connections[self.alias] = self.connection
        self.random = random.Random(number)
        self.seen: Counter[str] = Counter()
        self.written: Counter[str] = Counter()

    def run(self, start: threading.Barrier) -> tuple[Counter[str], Counter[str]]:
        start.wait(20)
        try:
            for _ in range(OPERATIONS):
                self.tenant = self.random.choice(TENANTS)
                self.connection.set_schema(self.tenant)
                operation = self.random.choice(self.operations())
                try:
                    operation()
                except (DatabaseError, psycopg2.Error):
                    self.seen["errors"] += 1
                self.seen[operation.__name__] += 1
        finally:
            self.connection.close()
        return self.seen, self.written

    def operations(self) -> list[Callable[[], None]]:
        return [
            self.read,
            self.write,
            self.read_in_a_transaction,
            self.roll_back_to_a_savepoint,
            self.stumble,
            self.stumble_in_a_transaction,
            self.stream,
            self.copy_out,
            self.copy_in,
            self.copy_in_a_transaction,
            self.visit_two,
        ]

    def atomic(self) -> Any:
        return transaction.atomic(using=self.alias)

    def _count(self, owners: list[str], tenant: str | None = None) -> None:
        right = owners.count(tenant or self.tenant)
        self.seen["right"] += right
        self.seen["wrong"] += len(owners) - right

    def read(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT owner FROM note LIMIT 5")
            self._count([owner for (owner,) in cursor.fetchall()])

    def write(self) -> None:
        """Write down where one believes to be; who reads it later knows better."""
        with self.connection.cursor() as cursor:
            for _ in range(WRITES):
                cursor.execute("INSERT INTO note VALUES (%s, %s)", [self.tenant, self.alias])
                self.written[self.tenant] += 1

    def read_in_a_transaction(self) -> None:
        with self.atomic():
            self.read()
            time.sleep(self.random.random() / 1000)
            self.read()

    def roll_back_to_a_savepoint(self) -> None:
        with self.atomic():
            with suppress(DatabaseError), self.atomic(), self.connection.cursor() as cursor:
                cursor.execute("INSERT INTO note VALUES ('nobody', 'nobody')")
                cursor.execute("SELECT 1/0")
            self.read()

    def stumble(self) -> None:
        with suppress(DatabaseError), self.connection.cursor() as cursor:
            cursor.execute("SELECT owner::int FROM note")
        self.read()

    def stumble_in_a_transaction(self) -> None:
        with suppress(DatabaseError), self.atomic(), self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO note VALUES ('nobody', 'nobody')")
            cursor.execute("SELECT 1/0")
        self.read()

    def stream(self) -> None:
        with self.atomic(), self.connection.chunked_cursor() as cursor:
            cursor.execute("SELECT owner FROM note")
            while found := cursor.fetchmany(7):
                self._count([owner for (owner,) in found])

    def copy_out(self) -> None:
        out = io.StringIO()
        with self.connection.cursor() as cursor:
            cursor.copy_expert("COPY (SELECT owner FROM note LIMIT 5) TO STDOUT", out)
        self._count(out.getvalue().split())

    def copy_in(self) -> None:
        rows = io.StringIO(f"{self.tenant}\t{self.alias}\n" * WRITES)
        with self.connection.cursor() as cursor:
            cursor.copy_expert("COPY note FROM STDIN", rows)
        self.written[self.tenant] += WRITES

    def copy_in_a_transaction(self) -> None:
        with self.atomic():
            self.copy_in()
            self.copy_out()

    def visit_two(self) -> None:
        with self.atomic():
            self.read()
            other = self.random.choice(TENANTS)
            self.connection.set_schema(other)
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT owner FROM note LIMIT 5")
                self._count([owner for (owner,) in cursor.fetchall()], other)


def storm(engine: type[Any], place: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """Let all threads loose; return what they saw and what they wrote, tenant by tenant."""
    start = threading.Barrier(THREADS)
    seen: Counter[str] = Counter()
    written: Counter[str] = Counter()

    def run(number: int) -> tuple[Counter[str], Counter[str]]:
        return Client(engine, place, number).run(start)

    with ThreadPoolExecutor(THREADS) as pool:
        for saw, wrote in pool.map(run, range(THREADS)):
            seen += saw
            written += wrote
    return seen, written


def rows_in_the_wrong_place(past_the_pooler: Any) -> int:
    wrong = 0
    for name in TENANTS:
        past_the_pooler.execute(f"SELECT count(*) FROM {name}.note WHERE owner <> '{name}'")
        wrong += past_the_pooler.fetchone()[0]
    return wrong


def test_i14_behind_a_pooler_nobody_reads_or_writes_anothers_rows(
    pooler: dict[str, Any], tenants: Any
) -> None:
    seen, written = storm(DatabaseWrapper, pooler)

    kinds = [operation.__name__ for operation in Client.operations(Client)]  # type: ignore[arg-type]
    assert sum(seen[kind] for kind in kinds) == THREADS * OPERATIONS >= 1_200
    assert all(seen[kind] for kind in kinds)
    assert seen["wrong"] == 0
    assert seen["right"] > 5_000
    assert seen["errors"] == 0
    assert rows_in_the_wrong_place(tenants) == 0
    for name in TENANTS:
        tenants.execute(f"SELECT count(*) FROM {name}.note WHERE writer IS NOT NULL")
        assert tenants.fetchone() == (written[name],)


def test_i14_with_the_library_the_same_threads_read_and_write_anothers_rows(
    pooler: dict[str, Any], tenants: Any
) -> None:
    seen, _ = storm(StockWrapper, pooler)

    assert seen["wrong"] > 0
    assert rows_in_the_wrong_place(tenants) > 0


def paths_of_the_servers(place: dict[str, Any]) -> list[str]:
    """What each server looks on by itself: as many transactions as servers, all open at once."""
    clients = [raw(place) for _ in range(SERVERS)]
    try:
        found = []
        for client in clients:
            client.autocommit = False
            with client.cursor() as cursor:
                cursor.execute("SHOW search_path")
                found.append(str(cursor.fetchone()[0]))
        return found
    finally:
        for client in clients:
            client.close()


def test_i14_nothing_is_left_on_the_servers_of_a_pooler(
    pooler: dict[str, Any], tenants: Any
) -> None:
    storm(DatabaseWrapper, pooler)

    assert paths_of_the_servers(pooler) == ['""'] * SERVERS


def test_i14_the_library_leaves_a_tenant_on_each(pooler: dict[str, Any], tenants: Any) -> None:
    storm(StockWrapper, pooler)

    assert all(path.startswith("pooled_") for path in paths_of_the_servers(pooler))


@contextmanager
def inside(place: dict[str, Any]) -> Iterator[Any]:
    own = DatabaseWrapper({**place}, "pooled")
    own.set_schema(TENANTS[0])
    try:
        with own.cursor() as cursor:
            yield cursor
    finally:
        own.close()


def test_what_cannot_run_in_a_transaction_asks_for_a_direct_connection(
    pooler: dict[str, Any], tenants: Any
) -> None:
    index = "CREATE INDEX CONCURRENTLY note_writer ON note (writer)"

    with inside(pooler) as cursor, pytest.raises(NotSupportedError, match="direct connection"):
        cursor.execute(index)
    with inside(connections.settings["default"]) as cursor:
        cursor.execute(index)

    tenants.execute(f"SELECT to_regclass('{TENANTS[0]}.note_writer') IS NOT NULL")
    assert tenants.fetchone() == (True,)
