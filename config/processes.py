"""What the operating system knows about processes, and what we ask of it.

Shared by the embedded servers and by the runner; standard library only, so both stay small.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_DEAD = ("Z", "X")

# Loaded once, here: between fork and exec a child must not start loading libraries.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What tells us to stop."""


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let interrupts wait until the block ends: put every fork of ours into one.

    Python runs functions of its library around a fork, such as that of logging which gives its lock
    back, and what is raised in them it only reports. An interrupt there would be lost, and the lock
    kept. A child begins with the mask of its parent, and takes it off with `interruptible`.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        interruptible()


def interruptible() -> None:
    """Let interrupts through, also those that have waited."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)


def follow_parent(parent: int, signum: int) -> None:
    """Ask the kernel to send `signum` to this process when its parent dies, even by kill -9.

    Call it in a child between fork and exec, after any change of user (a change clears it).
    `parent` is the pid of the process that forked; when it is already gone the child ends here.
    The kernel watches the parent *thread*: fork from one that lives as long as its process.
    Where the system has no such request (anything but Linux) this does nothing.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signum))
    if os.getppid() != parent:
        os._exit(0)


def command_line(pid: int) -> str:
    """Return the command line of process `pid`, or "" when there is no such process.

    A zombie has no command line any more and counts as gone.
    """
    try:
        if sys.platform == "linux":
            # World-readable, unlike /proc/PID/cwd and exe, which containers often deny to root.
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return os.fsdecode(b" ".join(arguments)).strip()
        shown = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607 (its place differs)
            capture_output=True,
            check=False,
        )
        return os.fsdecode(shown.stdout).strip()
    except OSError:
        return ""


def session_members(leader: int) -> list[int]:
    """Return the pids of the session that `leader` leads, the leader first.

    Those that are dead and only wait to be reaped are left out, but for the leader.
    Without /proc only the leader's own process group can be told; it is returned as one negative
    number, which `os.kill` understands.
    """
    if not Path("/proc/self/stat").exists():
        return [-leader]
    members = [leader]
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the session is the fourth word after it.
            state, _, _, session = entry.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue  # It has ended since.
        pid = int(entry.parent.name)
        if int(session) == leader and pid != leader and state not in _DEAD:
            members.append(pid)
    return members


def listener(port: int) -> str:
    """Name the process that listens on TCP `port` as "command (pid 123)", or "" if unknown.

    Only Linux tells, and only about processes whose files we may see.
    """
    sockets = set(_listening_sockets(port))
    for descriptors in Path("/proc").glob("[0-9]*/fd") if sockets else ():
        if sockets.intersection(_targets(descriptors)):
            pid = int(descriptors.parent.name)
            return f"{command_line(pid)[:80]} (pid {pid})"
    return ""


def _targets(descriptors: Path) -> Iterator[str]:
    """List what the links in /proc/PID/fd point at, as far as we may see them."""
    with contextlib.suppress(OSError):  # Another user's process, or one that has just ended.
        for descriptor in descriptors.iterdir():
            with contextlib.suppress(FileNotFoundError):  # Closed since it was listed.
                yield os.readlink(descriptor)  # noqa: PTH115 (these are no paths)


def _listening_sockets(port: int) -> Iterator[str]:
    """List the sockets that listen on `port`, as /proc/PID/fd names them."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                yield f"socket:[{inode}]"


class Restarts:
    """Decides whether a process that died by itself is started again, and how soon."""

    LIMIT = 5
    WINDOW = 60.0
    LONGEST_PAUSE = 5.0

    def __init__(self) -> None:
        self._deaths: list[float] = []

    def pause(self) -> float | None:
        """Note a death; return the seconds to wait before the restart, None to give up.

        It gives up at the LIMIT-th death within WINDOW seconds; pauses double up to LONGEST_PAUSE.
        """
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < self.WINDOW]
        self._deaths.append(now)
        if len(self._deaths) >= self.LIMIT:
            return None
        return min(0.2 * 2.0 ** (len(self._deaths) - 1), self.LONGEST_PAUSE)
