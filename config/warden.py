"""The process that ends our children's children when we are killed with SIGKILL.

The kernel tells each child of a dead parent to stop, but not the children's children, and it does
not insist. The warden insists: it is forked early, knows the sessions we lead, and notices our
death because a pipe from us closes.
"""

import contextlib
import os
import signal
import time
from typing import NoReturn

from config.processes import INTERRUPTS, interruptible, session_members, uninterrupted


class Warden:
    """Outlives us by as long as it takes to end the sessions it was told about."""

    def __init__(self, patience: float) -> None:
        """Fork the warden; after our death it waits `patience` seconds before it kills."""
        listening, self._telling = os.pipe()
        with uninterrupted():
            self._pid = os.fork()
            if self._pid == 0:
                os.close(self._telling)
                _watch(listening, patience)
        os.close(listening)

    def began(self, leader: int) -> None:
        """Entrust the session that process `leader` leads."""
        self._tell(leader)

    def ended(self, leader: int) -> None:
        """Withdraw a session: its pid may soon belong to a stranger."""
        self._tell(-leader)

    def dismiss(self) -> None:
        """End the warden, with whatever it was still entrusted with."""
        os.close(self._telling)
        os.waitpid(self._pid, 0)

    def _tell(self, number: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # Somebody killed it: we go on without it.
            os.write(self._telling, f"{number}\n".encode())


def _watch(listening: int, patience: float) -> NoReturn:
    os.setsid()  # Ctrl-C is for the runner alone.
    for signum in INTERRUPTS:
        signal.signal(signum, signal.SIG_IGN)
    interruptible()
    leaders: set[int] = set()
    with os.fdopen(listening) as told:
        for line in told:
            number = int(line)
            if number > 0:
                leaders.add(number)
            else:
                leaders.discard(-number)
    deadline = time.monotonic() + patience
    _signal_all(leaders, signal.SIGTERM)
    while leaders and _signal_all(leaders, None) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal_all(leaders, signal.SIGKILL)
    os._exit(0)


def _signal_all(leaders: set[int], signum: signal.Signals | None) -> bool:
    """Signal all members of the sessions; with None only say whether a leader is left."""
    anybody = False
    for leader in leaders:
        for pid in session_members(leader) if signum else [leader]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum or 0)
                anybody = True
    return anybody
