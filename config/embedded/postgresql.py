"""The embedded PostgreSQL: its cluster, its settings, and how to tell that it is ready."""

import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from config.embedded.errors import EmbeddedError, explained
from config.embedded.locations import Embedded, postgresql_program
from config.embedded.server import Server, end_leftover, last_words, own_directory, spawn
from config.embedded.server_user import ServerUser

_NEEDED_SPACE = 200_000_000
# Fast shutdown; then immediate shutdown, which the next start has to recover from.
_STOP_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
_UNFINISHED = "postgresql.unfinished-"

# For development on a laptop: durable (fsync stays on, kill -9 loses nothing), small in memory.
# They are given at each start instead of written into the cluster, so old clusters get them too.
_SETTINGS = {
    "listen_addresses": "",  # The Unix socket is the only way in.
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_locks_per_transaction": "256",  # A schema per tenant means many locks.
    "io_method": "sync",  # The default keeps three more processes for reading.
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
    "autovacuum_worker_slots": "3",
    "autovacuum_max_workers": "2",
    "max_wal_size": "256MB",
    "effective_cache_size": "512MB",
    "random_page_cost": "1.1",  # Laptops have solid-state disks.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "logging_collector": "off",  # The guardian writes and bounds the log.
}

# The application's role is no superuser, as in production: what needs more fails here first.
_FIRST_STATEMENTS = b"""\
CREATE ROLE tenantry LOGIN CREATEDB CREATEROLE;
CREATE DATABASE tenantry OWNER tenantry;
"""


def server(embedded: Embedded, user: ServerUser) -> Server:
    """Describe the PostgreSQL of `embedded`, to be run as `user`.

    Raises EmbeddedError when its programs are not installed.
    """
    # A setting that is a list of names: quoted, because spaces and commas would split it.
    settings = _SETTINGS | {"unix_socket_directories": f'"{embedded.sockets}"'}
    command = [str(postgresql_program("postgres")), "-D", str(embedded.postgresql)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return Server(
        name="PostgreSQL",
        command=command,
        directory=embedded.postgresql,
        log=embedded.log / "postgresql.log",
        user=user,
        stop_signals=_STOP_SIGNALS,
        prepare=lambda: _prepare(embedded, user),
        is_ready=lambda: is_ready(embedded),
    )


def is_ready(embedded: Embedded) -> bool:
    """Say whether PostgreSQL accepts connections now.

    The socket alone does not tell: it listens during recovery already.
    """
    try:
        lines = _pid_file(embedded).read_text().splitlines()
    except OSError:
        return False
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(embedded.postgresql_socket))
        except OSError:
            return False
    return True


def _pid_file(embedded: Embedded) -> Path:
    return embedded.postgresql / "postmaster.pid"


def _prepare(embedded: Embedded, user: ServerUser) -> None:
    for unfinished in embedded.data.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if not embedded.postgresql.exists() or not any(embedded.postgresql.iterdir()):
        _initialise(embedded, user)
    _check_cluster(embedded, user)
    end_leftover(_pid_file(embedded), f"-D {embedded.postgresql} ", _STOP_SIGNALS)
    # Nobody else starts servers here, so what is left now is stale. PostgreSQL removes it too,
    # but not when the pid has passed to another process of the same user.
    with explained("remove the stale", _pid_file(embedded)):
        _pid_file(embedded).unlink(missing_ok=True)
        for stale in (embedded.postgresql_socket, _socket_lock(embedded)):
            stale.unlink(missing_ok=True)


def _socket_lock(embedded: Embedded) -> Path:
    return embedded.postgresql_socket.with_name(f"{embedded.postgresql_socket.name}.lock")


def _check_cluster(embedded: Embedded, user: ServerUser) -> None:
    directory = embedded.postgresql
    with explained("read", directory):
        owner = directory.stat().st_uid
        try:
            found = (directory / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedError(
                f"{directory} is not empty and holds no PostgreSQL cluster.",
                "Move it away, or set TENANTRY_DATA to another directory.",
            ) from None
    if owner != user.uid:
        raise EmbeddedError(
            f"{directory} belongs to user {owner}, but PostgreSQL would run as user {user.uid}.",
            "Run as the user who made it, or set TENANTRY_DATA to another directory.",
        )
    ours = _major_version()
    if found != ours:
        raise EmbeddedError(
            f"{directory} was made by PostgreSQL {found}, but PostgreSQL {ours} is installed.",
            f"Move it away to start afresh, or take the data along with pg_dump of {found}.",
        )


def _major_version() -> str:
    program = str(postgresql_program("postgres"))
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedError(
            f"{program} does not run on this machine: {error}",
            "Set DATABASE_URL to a PostgreSQL 18 that you run.",
        ) from error
    return shown.stdout.split()[-1].partition(".")[0]


def _initialise(embedded: Embedded, user: ServerUser) -> None:
    """Make the cluster, with role and database, beside its place; the rename makes it real.

    Killed at any point, it leaves only a directory that the next start removes.
    """
    free = shutil.disk_usage(embedded.data).free
    if free < _NEEDED_SPACE:
        raise EmbeddedError(
            f"Only {free // 1_000_000} MB are free on the disk of {embedded.data}; "
            f"a new database needs {_NEEDED_SPACE // 1_000_000} MB.",
            "Free some space, or set TENANTRY_DATA to a directory on another disk.",
        )
    with explained("make a database in", embedded.data):
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=embedded.data))
        try:
            own_directory(unfinished, user)
            _fill(unfinished, user)
            unfinished.rename(embedded.postgresql)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _fill(cluster: Path, user: ServerUser) -> None:
    # Trust: whoever can open the socket is the owner of its directory (0700) or root, and both
    # could read the files of the cluster anyway.
    # Builtin locale: the same on every machine, whatever locales the system has.
    initialise = [
        str(postgresql_program("initdb")),
        f"--pgdata={cluster}",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    single_user = [str(postgresql_program("postgres")), "--single", "-D", str(cluster), "postgres"]
    for command, statements in ((initialise, b""), (single_user, _FIRST_STATEMENTS)):
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(statements)
            given.seek(0)
            status = spawn(command, user, signal.SIGKILL, output=said, statements=given).wait()
            said.seek(0)
            output = said.read()
        # Single-user mode goes on after an error and then reports success.
        if status != 0 or b"ERROR:" in output:
            raise EmbeddedError(
                f"PostgreSQL cannot make its database: {last_words(output) or status}.",
                "Check the free space and the permissions of the data directory.",
            )
