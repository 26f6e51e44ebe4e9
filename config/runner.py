"""`make up`: everything Tenantry needs, in the foreground, until Ctrl-C.

It does what honcho does for a Procfile, and what honcho does not: a child that dies is started
again, and no process outlives us even when we are killed with SIGKILL.
"""

import contextlib
import errno
import http.client
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from config.children import STOP_SECONDS, Child, ChildKeepsDyingError, Children, kill_session, spawn
from config.embedded import EmbeddedError, join, leave, locate
from config.embedded.locations import CHECKOUT, make_directories
from config.embedded.locks import FileLock, has_guardian
from config.processes import INTERRUPTS, listener, uninterrupted

HEALTHY_WITHIN = 60.0
_GUARDIAN_CHECK = 2.0


class CannotRunError(Exception):
    """Tenantry cannot be brought up: a sentence that says why, and one that says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())


@dataclass(frozen=True)
class Options:
    """What the environment asks of us."""

    port: int
    data: Path
    embedded: bool

    @property
    def url(self) -> str:
        """Where the platform answers."""
        return f"http://localhost:{self.port}"


def read_options(variables: Mapping[str, str]) -> Options:
    """Read our own few variables; the settings check all the others.

    Raises CannotRunError when PORT is not a port.
    """
    port = variables.get("PORT", "").strip() or "8000"
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise CannotRunError(
            f"PORT is {port!r}, which is not a port.",
            "Give a number from 1 to 65535, for example: make up PORT=8001",
        )
    return Options(
        port=int(port),
        data=(CHECKOUT / (variables.get("TENANTRY_DATA", "").strip() or ".data")).resolve(),
        embedded=not (variables.get("DATABASE_URL") and variables.get("REDIS_URL")),
    )


@dataclass(frozen=True)
class Preparation:
    """A command that must succeed before children start; what it prints can be kept for the end."""

    done: str
    command: Sequence[str]
    is_shown: bool = False


_MANAGE = [sys.executable, str(CHECKOUT / "manage.py")]
PREPARATIONS = (
    Preparation("Database schema is current", [*_MANAGE, "migrate", "--noinput"]),
    Preparation("Demo tenants are there", [*_MANAGE, "demo"], is_shown=True),
)


def children(options: Options, listening: Sequence[socket.socket]) -> list[Child]:
    """List what runs, web on what is `listening`. A line here is all that a new process needs."""
    python = [sys.executable, "-m"]
    # Root is usual in containers for development, and nothing here unpickles what it is sent.
    no_warning = "ignore:You're running the worker with superuser privileges"
    celery = [sys.executable, "-W", no_warning, "-m", "celery", "--app", "config", "--quiet"]
    binds = [f"--bind=fd://{one.fileno()}" for one in listening]
    schedule = locate(options.data).run / "beat-schedule"
    return [
        Child(
            "web",
            [
                *[*python, "gunicorn", "config.wsgi:application", *binds, "--workers=2"],
                *["--worker-class=gthread", "--threads=4", "--preload"],
                # As in the Dockerfile: a search that is too long is refused by us.
                *["--limit-request-line=8190", "--no-control-socket", "--log-level=warning"],
            ],
            [one.fileno() for one in listening],
        ),
        Child("worker", [*celery, "worker", "--pool=prefork", "--concurrency=2"]),
        # Without a pid file, which would keep a killed beat from starting again.
        Child("beat", [*celery, "beat", f"--schedule={schedule}", "--pidfile="]),
    ]


@contextlib.contextmanager
def listening_on(port: int) -> Iterator[list[socket.socket]]:
    """Yield sockets that listen on the loopback addresses, IPv6 only where the machine has it.

    They are ours until the end, and the web server inherits them: another checkout finds the port
    taken, and who answers there is our own. Raises CannotRunError when the port is not to be had.
    """
    with contextlib.ExitStack() as ours:
        listening = []
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                one = ours.enter_context(socket.socket(family))
                # Connections of an earlier run may still linger.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((host, port))
                one.listen()
            except PermissionError:
                raise CannotRunError(
                    f"Port {port} is reserved for root.", "Choose another: make up PORT=8001"
                ) from None
            except OSError as error:
                if family == socket.AF_INET6 and error.errno != errno.EADDRINUSE:
                    continue
                by = listener(port)
                raise CannotRunError(
                    f"Port {port} is taken{' by ' + by if by else ''}.",
                    f"Choose another: make up PORT={port + 1 if port < 65535 else 8000}",
                ) from None
            listening.append(one)
        yield listening


def run(
    options: Options,
    *,
    preparations: Sequence[Preparation] = PREPARATIONS,
    table: Callable[[Options, Sequence[socket.socket]], Sequence[Child]] = children,
) -> None:
    """Bring Tenantry up and keep it up until KeyboardInterrupt.

    Raises CannotRunError, EmbeddedError or ChildKeepsDyingError when that is impossible;
    everything that was started has ended by then.
    """
    embedded = locate(options.data)
    make_directories(embedded)
    with FileLock(embedded.run / "up.lock") as only_one:
        if not only_one.take():
            pid, _, url = only_one.read_note().partition(" ")
            raise CannotRunError(
                f"Tenantry is up already at {url} (pid {pid}, data in {options.data}).",
                "Stop it first, or give this one its own PORT and TENANTRY_DATA.",
            )
        only_one.note(f"{os.getpid()} {options.url}")
        with listening_on(options.port) as listening:
            _run(options, preparations, table(options, listening))


def _run(options: Options, preparations: Sequence[Preparation], table: Sequence[Child]) -> None:
    variables = _environment_of_children(options)
    processes = Children(table, directory=CHECKOUT, environment=variables)
    try:
        if options.embedded:
            started = time.monotonic()
            join(options.data, on_start=_say)
            _say(f"PostgreSQL and Redis are ready ({time.monotonic() - started:.1f} s)")
        shown = "".join(_prepare(preparation, options) for preparation in preparations)
        _await_health(processes, options)
        _say(f"\nTenantry is up: {options.url}  (Ctrl-C stops it)\n{shown}")
        _keep_up(processes, options)
    finally:
        processes.stop()
        leave(options.data)


def _environment_of_children(options: Options) -> dict[str, str]:
    # No URL of the embedded servers: each process joins them itself and so keeps them until it
    # has ended, even when we are killed first.
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "PYTHONUNBUFFERED": "1",
        **os.environ,
        "PORT": str(options.port),
        "TENANTRY_DATA": str(options.data),
    }


def _prepare(preparation: Preparation, options: Options) -> str:
    """Run a preparation quietly; return what it printed if that is to be shown.

    Raises CannotRunError, with everything it said, when it fails.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complained:
        process = None
        try:
            with uninterrupted():
                process = spawn(
                    preparation.command,
                    directory=CHECKOUT,
                    environment=_environment_of_children(options),
                    output=printed.fileno(),
                    errors=complained.fileno(),
                )
            status = process.wait()
        except KeyboardInterrupt:
            if process is not None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
            raise
        finally:
            if process is not None:
                kill_session(process)
        printed.seek(0)
        complained.seek(0)
        said = printed.read().decode(errors="replace")
        if status != 0:
            said += complained.read().decode(errors="replace")
            command = shlex.join(preparation.command)
            raise CannotRunError(f"{command} failed (exit status {status}):\n{said}")
    _say(f"{preparation.done} ({time.monotonic() - started:.1f} s)")
    return said if preparation.is_shown else ""


def _await_health(processes: Children, options: Options) -> None:
    started = time.monotonic()
    processes.tick(0.1)  # Before that nobody accepts.
    while (answer := _ask_health(options.port)) != "200":
        if time.monotonic() - started > HEALTHY_WITHIN:
            raise CannotRunError(
                f"The web process does not answer {options.url}/healthz with 200 within "
                f"{HEALTHY_WITHIN:.0f} seconds, but: {answer}.",
                "Its lines above say why.",
            )
        processes.tick(0.1)
    _say(f"Web, worker and timetable are running ({time.monotonic() - started:.1f} s)")


def _ask_health(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def _keep_up(processes: Children, options: Options) -> None:
    embedded = locate(options.data)
    checked = time.monotonic()
    while True:
        processes.tick()
        if options.embedded and time.monotonic() - checked > _GUARDIAN_CHECK:
            # It restarts its servers itself; somebody has to restart it.
            if not has_guardian(embedded):
                join(options.data, on_start=_say)
            checked = time.monotonic()


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _interrupt(signum: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(signum).name)


def main() -> int:
    """Run until told to stop; return the exit status: 0 when told, 1 after an error."""
    for signum in INTERRUPTS:
        signal.signal(signum, _interrupt)
    try:
        given = {**dotenv_values(CHECKOUT / ".env"), **os.environ}
        run(read_options({name: value for name, value in given.items() if value is not None}))
    except KeyboardInterrupt:
        _say("Tenantry is stopped.")
        return 0
    except (CannotRunError, EmbeddedError, ChildKeepsDyingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0  # pragma: no cover (run ends by an exception only)


if __name__ == "__main__":
    sys.exit(main())
