"""A platform in a database of its own, where serving people and owning schemas are two roles.

Each side is a process that has started Django with the URLs it has in a deployment, and forks for
every command: a command line takes a tenth of a second instead of two.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from django.conf import settings

from config.environment import CHECKOUT
from tests.databases import drop_database

# Each process that runs tests has roles of its own: they belong to the whole server.
NAME = f"{settings.DATABASES['default']['NAME']}_roles{os.environ.get('PYTEST_XDIST_WORKER', '')}"
OWNER, APP = f"{NAME}_owner", f"{NAME}_app"
SECRET = "0f5c9d1e7a3b"

Manage = Callable[..., "subprocess.CompletedProcess[str]"]

_FORKING = """
import json, os, sys, tempfile

import django

django.setup()

from config.commands import execute_on_platform


def run(argv):
    try:
        execute_on_platform(["manage.py", *argv])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


for line in sys.stdin:
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        status = 70
        try:
            status = run(json.loads(line))
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            try:
                sys.stdout and sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
    _, status = os.waitpid(pid, 0)
    said = []
    for file in (out, err):
        file.seek(0)
        said.append(file.read().decode())
    print(json.dumps([os.waitstatus_to_exitcode(status), *said]), flush=True)
"""


def connect(role: str | None = None, database: str = NAME) -> Any:
    """A connection as one of the two roles, or as whoever made them; each statement commits."""
    place = settings.DATABASES["default"]
    who = {"user": role, "password": SECRET} if role else {"user": place["USER"]}
    if role is None and place["PASSWORD"]:
        who["password"] = place["PASSWORD"]
    connection = psycopg2.connect(
        host=place["HOST"], port=place["PORT"] or 5432, dbname=database, **who
    )
    connection.autocommit = True
    return closing(connection)


def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a statement finds, asked as nobody of the platform."""
    with connect() as server, server.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def url(role: str) -> str:
    """The URL by which a process is that role."""
    place = settings.DATABASES["default"]
    port = f":{place['PORT']}" if place["PORT"] else ""
    return f"postgresql://{role}:{SECRET}@{quote(place['HOST'], safe='')}{port}/{NAME}"


def _drop(cursor: Any) -> None:
    drop_database(cursor, NAME)
    for role in (OWNER, APP):
        cursor.execute(f'DROP ROLE IF EXISTS "{role}"')


@contextmanager
def _process(variables: Mapping[str, str]) -> Iterator[Manage]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"DJANGO_SETTINGS_MODULE": "config.settings.development", **variables}
    environment |= {"REDIS_URL": settings.REDIS_URL, "TENANTRY_SPARE_SCHEMAS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", _FORKING],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
            stdin.write(json.dumps(arguments) + "\n")
            stdin.flush()
            status, out, err = json.loads(stdout.readline())
            return subprocess.CompletedProcess(arguments, status, out, err)

        try:
            yield run
        finally:
            stdin.close()


@pytest.fixture(scope="session")
def roles(django_db_setup: None) -> Iterator[tuple[Manage, Manage]]:
    """Yield what runs ``manage.py`` with both URLs, and with that of who serves people alone."""
    with connect(database="postgres") as server, server.cursor() as cursor:
        _drop(cursor)
        for role in (OWNER, APP):
            cursor.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{SECRET}'")
            # Who is no superuser gives databases only to roles that they could be.
            cursor.execute(f'GRANT "{role}" TO CURRENT_USER WITH SET TRUE')
        cursor.execute(f'CREATE DATABASE "{NAME}" OWNER "{OWNER}"')
        try:
            with ExitStack() as both:
                served = {"DATABASE_URL": url(APP)}
                owner = both.enter_context(_process({**served, "DATABASE_OWNER_URL": url(OWNER)}))
                web = both.enter_context(_process(served))
                migrated = owner("migrate", "--verbosity=0")
                assert migrated.returncode == 0, migrated.stderr
                yield owner, web
        finally:
            _drop(cursor)


@pytest.fixture(scope="session")
def as_owner(roles: tuple[Manage, Manage]) -> Manage:
    """What runs ``manage.py`` as migrations and workers do: with both URLs."""
    return roles[0]


@pytest.fixture(scope="session")
def as_web(roles: tuple[Manage, Manage]) -> Manage:
    """What runs ``manage.py`` as a process that serves people: with one URL."""
    return roles[1]
