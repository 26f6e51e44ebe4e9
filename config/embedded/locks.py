"""Locks that the kernel drops when their holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from config.embedded.errors import explained
from config.embedded.locations import Embedded

_PAUSE = 0.01


class FileLock:
    """A lock on a file, shared by many or exclusive to one process.

    Forked children share it with their parent; programs they execute do not get it. It is
    released by closing, never by unlocking, so a forked child cannot take it from its parent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self, *, shared: bool = False, timeout: float = 0) -> bool:
        """Take the lock, waiting up to `timeout` seconds; return whether it was taken.

        Raises EmbeddedError when the file cannot be opened or locked.
        """
        deadline = time.monotonic() + timeout
        while not self._try(fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def release(self) -> None:
        """Give the lock back. Harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_current(self) -> bool:
        """Say whether the lock is held on the file that now bears the name.

        It is not after somebody removed the file: newcomers would lock another one.
        """
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except OSError:
            return False

    def note(self, text: str) -> None:
        """Write `text` into the locked file for whoever finds it locked."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)

    def read_note(self) -> str:
        """Return what the holder noted, or "" when there is nothing to read."""
        try:
            return self.path.read_text()
        except OSError:
            return ""

    def _try(self, kind: int) -> bool:
        with explained("lock", self.path):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                return False
            except OSError:
                self.release()
                raise
        if self.is_current():
            return True
        self.release()
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def users_lock(embedded: Embedded) -> FileLock:
    """Return the lock that users share; whoever has it exclusively knows there are none."""
    return FileLock(embedded.run / "users.lock")


def guardian_lock(embedded: Embedded) -> FileLock:
    """Return the lock that a guardian holds from its first act to its last."""
    return FileLock(embedded.run / "guardian.lock")


def start_lock(embedded: Embedded) -> FileLock:
    """Return the lock that a user holds while it starts a guardian or waits for its servers."""
    return FileLock(embedded.run / "start.lock")


def has_guardian(embedded: Embedded) -> bool:
    """Say whether a guardian takes care of the servers."""
    with guardian_lock(embedded) as probe:
        return not probe.take(shared=True)
