"""One server process as its guardian sees it: start it, ask whether it is ready, stop it."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO

from config.embedded.errors import EmbeddedError, explained
from config.embedded.server_user import ServerUser
from config.processes import Restarts, command_line, follow_parent

_READY_TIMEOUT = 60.0  # Recovery after a crash replays at most max_wal_size.
_PAUSE = 0.01
_LOG_LIMIT = 5_000_000
_FULL = 1_000_000

StopSignals = tuple[tuple[signal.Signals, float], ...]


@dataclass
class Server:
    """A server program run in the foreground as our child.

    `prepare` makes its directories and clears what a dead predecessor left; it raises
    EmbeddedError when the server must not start. `stop_signals` are sent one after the other, each
    with the seconds it gets before the next, at last SIGKILL. The first one is also sent by the
    kernel when the guardian dies.
    """

    name: str
    command: list[str]
    directory: Path
    log: Path
    user: ServerUser
    stop_signals: StopSignals
    prepare: Callable[[], None]
    is_ready: Callable[[], bool]
    restarts: Restarts = field(default_factory=Restarts)
    _process: "subprocess.Popen[bytes] | None" = None
    _asked: bool = False

    def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises EmbeddedError, with the server's own last words, when it does not become ready.
        """
        self.prepare()
        with explained("write the log", self.log):
            log = self.log.open("ab")
        with log:
            spoken = log.tell()
            self._asked = False
            self._process = spawn(self.command, self.user, self.stop_signals[0][0], output=log)
        deadline = time.monotonic() + _READY_TIMEOUT
        while not self.is_ready():
            if not self.is_running():
                raise self._refusal("refuses to start", spoken)
            if time.monotonic() >= deadline:
                self.stop()
                raise self._refusal(f"was not ready within {_READY_TIMEOUT:.0f} seconds", spoken)
            time.sleep(_PAUSE)

    def is_running(self) -> bool:
        """Say whether the server has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        """Send the first stop signal and return at once, so that servers can stop side by side."""
        if self._process is not None and self.is_running() and not self._asked:
            self._process.send_signal(self.stop_signals[0][0])
            self._asked = True

    def stop(self) -> None:
        """End the server, more and more firmly, and return when it has ended."""
        if self._process is None:
            return
        self.ask_to_stop()
        for (_, seconds), (next_signal, _) in pairwise((*self.stop_signals, (signal.SIGKILL, 0))):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return
            self._process.send_signal(next_signal)

    def kill(self) -> None:
        """End the server without asking it, for when there is nothing left to save to."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def bound_log(self) -> None:
        """Keep the log small: past the limit, the log moves aside to one older copy.

        It is copied and emptied, not renamed, because the server keeps the file open.
        """
        try:
            if self.log.stat().st_size > _LOG_LIMIT:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)
        except OSError:
            pass  # A log that cannot be rotated (disk full) is no reason to stop a server.

    def _refusal(self, what: str, spoken: int) -> EmbeddedError:
        if shutil.disk_usage(self.directory).free < _FULL:
            return EmbeddedError(
                f"{self.name} {what}: the disk of {self.directory} is full.",
                "Free some space, then try again.",
            )
        with explained("read", self.log), self.log.open("rb") as log:
            log.seek(spoken)
            words = last_words(log.read()) or "it says nothing"
        return EmbeddedError(f"{self.name} {what}: {words}.", f"The whole log is {self.log}.")


def spawn(
    command: list[str],
    user: ServerUser,
    on_our_death: signal.Signals,
    *,
    output: IO[bytes],
    statements: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a program as `user` that gets `on_our_death` when this process dies.

    `output` takes what it says, `statements` is what it reads. The environment is minimal,
    because PG variables and locales of whoever runs us must not change the servers.

    Raises EmbeddedError when the program cannot be executed.
    """
    us = os.getpid()

    def become_server() -> None:
        user.become()
        follow_parent(us, on_our_death)

    kept = ("PATH", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    try:
        return subprocess.Popen(
            command,
            stdin=statements or subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment | {"LC_ALL": "C"},
            umask=0o077,
            preexec_fn=become_server,  # noqa: PLW1509 (the guardian has one thread)
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(
            f"Cannot start {command[0]} as user {user.uid}: {error}.",
            "Run as an ordinary user, or set DATABASE_URL and REDIS_URL to servers you run.",
        ) from error


def end_leftover(pid_file: Path, mark: str, stop_signals: StopSignals) -> None:
    """End a server that outlived its guardian, and return when it has ended.

    `pid_file` tells its pid. A process counts as ours only when `mark` stands in its command
    line: the pid may have passed to somebody else, whom we neither wait for nor signal.

    Raises EmbeddedError when it does not even end by SIGKILL.
    """
    for signum, seconds in (*stop_signals, (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        told = False
        while time.monotonic() < deadline:
            try:
                pid = int(pid_file.read_text().split()[0])
            except (OSError, ValueError, IndexError):
                return
            if pid <= 1 or mark not in command_line(pid):
                return
            if not told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
                told = True
            time.sleep(_PAUSE)
    raise EmbeddedError(
        f"A server of an earlier run does not end: its pid is in {pid_file}.",
        "Restart the machine.",
    )


def own_directory(directory: Path, user: ServerUser) -> None:
    """Make `directory` if need be, owned by the servers' user and closed to everybody else.

    Raises EmbeddedError when it belongs to somebody else, or is a link or a file.
    """
    with explained("use the directory", directory):
        if not directory.is_symlink():
            directory.mkdir(mode=0o700, exist_ok=True)
        # By descriptor: in a shared temporary directory a name may be exchanged between two looks.
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            owner = os.fstat(descriptor).st_uid
            if owner not in {user.uid, os.geteuid()}:
                raise EmbeddedError(
                    f"{directory} belongs to user {owner}, not to the servers' user {user.uid}.",
                    "Run as the user who made it, or set TENANTRY_DATA to another directory.",
                )
            if owner != user.uid:
                os.fchown(descriptor, user.uid, user.gid)
            os.fchmod(descriptor, 0o700)
        finally:
            os.close(descriptor)


def last_words(output: bytes) -> str:
    """Return the last few lines of what a server said, as one line."""
    lines = [line.strip() for line in output.decode(errors="replace").split("\n")]
    return " / ".join([line for line in lines if line][-3:])
