"""The ground a run stands on: servers, databases and child processes that exist for it alone."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)

from config.children import kill_session
from config.embedded import join, leave
from config.embedded.locations import CHECKOUT, Embedded
from config.environment import Environment
from config.processes import command_line, follow_parent

BASE_DOMAIN = "bench.example"
_STOP_SECONDS = 5.0

T = TypeVar("T")


class BenchmarkError(Exception):
    """A benchmark cannot be taken. The message is for people."""


@dataclass(frozen=True)
class Place:
    """Settings and a database that ``prepare`` (``module:function``) fills, once a run."""

    settings: str
    database: str
    prepare: str


class Ground:
    """Starts what contestants need when they ask for it, and ends all of it.

    A child leads a session of its own, so Ctrl-C reaches only us; the kernel ends the children
    when we are killed, and the servers end with their last user.
    """

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="tenantry-bench-", dir="/tmp"))
        self._data = self._root / "data"
        self._children: list[subprocess.Popen[Any]] = []
        self._databases: set[str] = set()
        self._made: dict[tuple[object, ...], Any] = {}
        self._embedded: Embedded | None = None
        self._administrator: Connection | None = None

    def __enter__(self) -> Self:
        # The servers of root run as another user, who has to get through.
        self._root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        try:
            self._embedded = join(self._data)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """End all children and servers and remove their files. An interrupt has to wait."""
        waiting = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        handlers = [signal.signal(number, signal.SIG_IGN) for number in waiting]
        try:
            for child in self._children:
                child.terminate()
            for child in self._children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_STOP_SECONDS)
                kill_session(child)
            if self._administrator is not None:
                self._administrator.close()
            leave(self._data)
            shutil.rmtree(self._root, ignore_errors=True)
        finally:
            for number, handler in zip(waiting, handlers, strict=True):
                signal.signal(number, handler)

    @property
    def embedded(self) -> Embedded:
        """The servers, which run."""
        assert self._embedded is not None, "not entered"
        return self._embedded

    def processes(self) -> list[int]:
        """Return the pids from which everything of this run descends."""
        mark = f"config.embedded.guardian {self.embedded.data} "
        guardian = self.once(("guardian",), lambda: _find(mark))
        return [os.getpid(), *guardian]

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what ``make`` returned for ``key``, now or earlier in this run."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def path(self, name: str) -> Path:
        """Return a path for a file of this run."""
        return self._root / name

    def administrator(self) -> Connection:
        """Return a superuser's connection, for asking and telling the server itself."""
        if self._administrator is None:
            self._administrator = psycopg2.connect(
                host=str(self.embedded.sockets), user="postgres", dbname="postgres"
            )
            self._administrator.autocommit = True
        return self._administrator

    def ask(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that the server answers to its administrator."""
        with self.administrator().cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def environment(self, settings: str, database: str) -> dict[str, str]:
        """Return the environment of a child; makes the database if there is none.

        Nothing that the developer has set for Tenantry reaches it: figures must not depend on it.
        """
        if database not in self._databases:
            self.ask(f"CREATE DATABASE {database} OWNER tenantry")
            self._databases.add(database)
        # An empty value counts as none, and keeps .env from giving one.
        unset = dict.fromkeys(Environment.model_fields, "")
        kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
        return (
            unset
            | {name: os.environ[name] for name in kept if name in os.environ}
            | {
                "DJANGO_SETTINGS_MODULE": settings,
                "DATABASE_URL": self.embedded.database_url.rpartition("/")[0] + f"/{database}",
                "REDIS_URL": self.embedded.redis_url,
                "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                # Invented, and trusted by nobody.
                "TENANTRY_SEAL_KEY": (
                    "PRIVATE+KEY+benchmarks.invalid+1e3fc75a+"
                    "AWZvciBiZW5jaG1hcmtzLCBub3QgYSBzZWNyZXQuICAg"
                ),
                "TENANTRY_DATA": str(self._data),
                "TENANTRY_BASE_DOMAIN": BASE_DOMAIN,
                "TENANTRY_TRUSTED_PROXIES": "1",
                "TENANTRY_HOST_CACHE_SECONDS": "5",
                "TENANTRY_LOG_FORMAT": "json",
                "TENANTRY_LOG_LEVEL": "INFO",
            }
        )

    def start(
        self, name: str, command: list[str], environment: Mapping[str, str], **options: Any
    ) -> "subprocess.Popen[Any]":
        """Start a child that ends with this run; what it has to complain goes to a log."""
        us = os.getpid()
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=environment,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: follow_parent(us, signal.SIGTERM),  # noqa: PLW1509 (one thread)
                **options,
            )
        self._children.append(child)
        return child

    def log(self, name: str) -> Path:
        """Return where the child of that name complains."""
        return self.path(f"{name}.log")

    def last_words(self, name: str) -> str:
        """Return the end of a child's log."""
        log = self.log(name)
        return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else ""


def _find(mark: str) -> list[int]:
    numbers = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [number for number in numbers if mark in command_line(number)]


def python(module: str, *arguments: str) -> list[str]:
    """Return a command that runs a module with the Python that runs this."""
    return [sys.executable, "-m", module, *arguments]


def dumps(value: object) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, separators=(",", ":"))
