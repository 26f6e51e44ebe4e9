"""Contestants that are web applications: gunicorn serves them, our client loads them."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import load, machine
from benchmarks.entry import Contestant, Sample
from benchmarks.ground import BASE_DOMAIN, BenchmarkError, Ground, Place, python
from benchmarks.worker import fill
from config.processes import session_members

TENANTS = ("acme", "globex")
WORKERS = 2
_READY_SECONDS = 30.0
_COUNTED = 200
_LOGGED = re.compile(rb"\[(\d+)\] LOG:  (?:statement|execute [^:]*): ")


class WebServer:
    """gunicorn with the settings of a place, on a Unix socket."""

    def __init__(self, ground: Ground, place: Place, options: Sequence[str] = ()) -> None:
        self._ground = ground
        self.database = place.database
        settings = place.settings.rpartition(".")[2]
        # The database too: two servers with the same settings are two servers.
        name = f"{settings}-{place.database}" + "".join(options).replace("--", "-")
        self.address = ground.path(f"{name}.sock")
        command = python(
            "gunicorn",
            "benchmarks.web.wsgi:application",
            f"--bind=unix:{self.address}",
            f"--workers={WORKERS}",
            "--no-control-socket",
            "--log-level=warning",
            # As in production, where log lines are written and somebody else reads them.
            "--access-logfile=/dev/null",
            *options,
        )
        environment = ground.environment(place.settings, place.database)
        self._child = ground.start(name, command, environment)
        self._await(name)

    def _await(self, name: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._child.poll() is None:
            try:
                load.fetch(self.address, request("nobody", "/"))
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise BenchmarkError(f"{name} does not answer:\n{self._ground.last_words(name)}")

    def pids(self) -> list[int]:
        """Return the server's processes, and those of PostgreSQL that work for it."""
        return [*session_members(self._child.pid), *self.backends()]

    def backends(self) -> list[int]:
        """Return the processes of PostgreSQL that have the server's database open."""
        rows = self._ground.ask(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s", (self.database,)
        )
        return [pid for (pid,) in rows]

    def backend_mebibytes(self) -> float:
        """Return the memory that each of those processes has to itself, on average, in MiB."""
        sizes = [machine.private_bytes(pid) for pid in self.backends()]
        return sum(sizes) / max(1, len(sizes)) / 2**20


class Visited:
    """A page of a web server, visited by both tenants in turn."""

    def __init__(
        self, ground: Ground, server: WebServer, path: str, count: int, headers: Mapping[str, str]
    ) -> None:
        self._ground = ground
        self._server = server
        self._requests = [request(slug, path, headers.get(slug, "")) for slug in TENANTS]
        self._count = count
        for slug, sent in zip(TENANTS, self._requests, strict=True):
            answer = load.fetch(server.address, sent)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise BenchmarkError(f"{path} of {slug} answers {answer[:2000]!r}")

    def measure(self) -> Sample:
        """Return requests per second, and the CPU time that a request costs the servers.

        The second excludes the client and hardly depends on what else the machine is doing.
        """
        pids = self._server.pids()
        before = machine.cpu_nanoseconds(pids)
        seconds = load.drive(self._server.address, self._requests, count=self._count)
        after = machine.cpu_nanoseconds(pids)
        if before is None or after is None:
            return Sample(self._count / seconds)
        return Sample(self._count / seconds, {"CPU µs": (after - before) / 1000 / self._count})

    def facts(self) -> Mapping[str, float]:
        """Return how many messages with statements PostgreSQL gets per request, by its own log.

        A ``SET`` counts, and so do ``BEGIN`` and ``COMMIT``: each is a round trip. Counted apart
        from the rounds, because logging is slow.
        """
        log = self._ground.embedded.log / "postgresql.log"
        for change in ("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"):
            self._ground.ask(change)
        time.sleep(0.2)
        try:
            start = log.stat().st_size
            load.drive(self._server.address, self._requests, count=_COUNTED)
            time.sleep(0.1)
            return {"statements": self._logged(log, start) / _COUNTED}
        finally:
            for change in ("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()"):
                self._ground.ask(change)

    def _logged(self, log: Path, start: int) -> int:
        ours = set(self._server.backends())
        with log.open("rb") as file:
            file.seek(start)
            return sum(int(pid) in ours for pid in _LOGGED.findall(file.read()))


def request(slug: str, path: str, headers: str = "") -> bytes:
    """Return the bytes of a request for a tenant's page, as a proxy passes them on."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {slug}.{BASE_DOMAIN}\r\n"
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
        f"User-Agent: benchmark\r\nConnection: close\r\n{headers}\r\n"
    ).encode()


def contestant(
    name: str, place: Place, path: str, *, count: int, options: Sequence[str] = ()
) -> Contestant:
    """Return the contestant that answers ``path`` with the settings of ``place``.

    ``options`` are gunicorn's, beside those that all servers have.

    What the place's preparation returns are the headers that each tenant's visitor sends.
    """

    def prepare(ground: Ground) -> Visited:
        headers = fill(ground, place) or {}
        # Pages of one place share its server, which idles while others take their turns.
        server = ground.once(
            ("server", place.settings, *options), lambda: WebServer(ground, place, options)
        )
        return Visited(ground, server, path, count, headers)

    return Contestant(name, prepare)
