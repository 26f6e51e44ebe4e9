"""The long-running processes of `make up`: started, shown, restarted and stopped together."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.processes import (
    Restarts,
    follow_parent,
    interruptible,
    session_members,
    uninterrupted,
)
from config.warden import Warden

STOP_SECONDS = 10.0
_DYING_SECONDS = 5.0
_COLOURS = (36, 33, 35, 32, 34)


@dataclass(frozen=True)
class Child:
    """A process that `make up` runs: the name before its log lines, and its command.

    It inherits the `descriptors`, under their numbers.
    """

    name: str
    command: Sequence[str]
    descriptors: Sequence[int] = ()


class ChildKeepsDyingError(Exception):
    """A child died again and again; running on without it would mislead."""


@dataclass
class _Running:
    child: Child
    colour: int
    restarts: Restarts = field(default_factory=Restarts)
    process: "subprocess.Popen[bytes] | None" = None
    start_at: float | None = 0.0
    unfinished: bytes = b""


class Children:
    """Runs children until told to stop.

    Call `tick` in a loop from the main thread, then `stop`. Each child leads a session of its
    own: Ctrl-C in the terminal reaches only us, and all descendants can be ended at once.
    """

    def __init__(
        self, table: Sequence[Child], *, directory: Path, environment: Mapping[str, str]
    ) -> None:
        self._directory = directory
        self._environment = environment
        self._running = [
            _Running(child, _COLOURS[number % len(_COLOURS)]) for number, child in enumerate(table)
        ]
        self._width = max(6, *(len(child.name) for child in table))
        self._outputs = selectors.DefaultSelector()
        self._warden = Warden(STOP_SECONDS)
        self._colourful = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def tick(self, seconds: float = 0.2) -> None:
        """Start what is due, pass on what children say for up to `seconds`, notice deaths.

        Raises ChildKeepsDyingError when restarting a child does not help.
        """
        for running in self._running:
            if running.start_at is not None and time.monotonic() >= running.start_at:
                self._start(running)
        self._pass_on_output(seconds)
        for running in self._running:
            if running.process is not None and _has_ended(running.process):
                self._mourn(running, running.process)

    def stop(self) -> None:
        """End all children, with everything they started, and return when they have ended.

        They get STOP_SECONDS to end by themselves. An interrupt while waiting ends them at once.
        """
        deadline = time.monotonic() + STOP_SECONDS
        try:
            for running in self._running:
                if running.process is not None:
                    with contextlib.suppress(ProcessLookupError):
                        running.process.send_signal(signal.SIGTERM)
            while time.monotonic() < deadline and any(map(_is_alive, self._running)):
                self._pass_on_output(0.05)
        finally:
            for running in self._running:
                if running.process is not None:
                    kill_session(running.process)
                    self._warden.ended(running.process.pid)
                    running.process = None
            self._warden.dismiss()
            self._pass_on_output(0)

    def _start(self, running: _Running) -> None:
        output, said = os.pipe()
        self._outputs.register(output, selectors.EVENT_READ, running)
        running.start_at = None
        try:
            with uninterrupted():
                running.process = spawn(
                    running.child.command,
                    directory=self._directory,
                    environment=self._environment,
                    output=said,
                    inherited=running.child.descriptors,
                )
                self._warden.began(running.process.pid)
        finally:
            os.close(said)

    def _mourn(self, running: _Running, process: "subprocess.Popen[bytes]") -> None:
        kill_session(process)  # Its orphans would hold the port or take the tasks.
        self._warden.ended(process.pid)
        self._pass_on_output(0)
        running.process = None
        how = _describe_end(process.returncode)
        pause = running.restarts.pause()
        if pause is None:
            raise ChildKeepsDyingError(
                f"{running.child.name} ended {Restarts.LIMIT} times within a minute, "
                f"the last time {how}: its lines above say why."
            )
        self._show(running, f"ended ({how}); starting it again in {pause:.1f} s".encode())
        running.start_at = time.monotonic() + pause

    def _pass_on_output(self, seconds: float) -> None:
        """Wait up to `seconds` for something to be said, then show all that has been said."""
        if not self._outputs.get_map():
            time.sleep(seconds)
        while ready := self._outputs.select(seconds):
            for key, _ in ready:
                self._read(key.data, key.fd)
            seconds = 0

    def _read(self, running: _Running, output: int) -> None:
        chunk = os.read(output, 65536)
        *lines, running.unfinished = (running.unfinished + chunk).split(b"\n")
        for line in lines:
            self._show(running, line)
        if not chunk:
            if running.unfinished:
                self._show(running, running.unfinished)
                running.unfinished = b""
            self._outputs.unregister(output)
            os.close(output)

    def _show(self, running: _Running, line: bytes) -> None:
        prefix = f"{running.child.name:<{self._width}} | "
        if self._colourful:
            prefix = f"\x1b[{running.colour}m{prefix}\x1b[0m"
        sys.stdout.write(prefix + line.decode(errors="replace").rstrip("\r") + "\n")
        sys.stdout.flush()


def _is_alive(running: _Running) -> bool:
    return running.process is not None and not _has_ended(running.process)


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Say whether the process has ended, leaving it unreaped so that its pid stays taken."""
    if process.returncode is not None:
        return True
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def spawn(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    output: int,
    errors: int = subprocess.STDOUT,
    inherited: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a program as leader of a session of its own that is told to stop when we die.

    What it says goes to the descriptor `output`, its errors too unless they have one of their own.
    Of all others it has those that are `inherited`.
    Call it from the main thread, which is the one whose death the kernel watches, and within
    `uninterrupted`.
    """
    us = os.getpid()

    def begin() -> None:
        interruptible()
        follow_parent(us, signal.SIGTERM)

    return subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
        pass_fds=inherited,
        preexec_fn=begin,  # noqa: PLW1509 (one thread)
    )


def kill_session(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that leads a session, with all that it started, and reap it.

    Returns when they have let go of their ports, but for who cannot die for seconds.
    """
    for pid in session_members(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _DYING_SECONDS
    # Before it is reaped: as long as it is not, its pid is nobody else's.
    while len(session_members(process.pid)) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.wait()


def _describe_end(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal.Signals(-status).name}"
