"""The one error of the embedded servers, and how refusals of the system become it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HINTS = {
    errno.ENOSPC: "Free some space, then try again.",
    errno.EDQUOT: "Your disk quota is used up: free some space, then try again.",
    errno.EACCES: "Run as the user who owns it, or set TENANTRY_DATA to a directory of yours.",
    errno.EPERM: "Run as the user who owns it, or set TENANTRY_DATA to a directory of yours.",
    errno.EROFS: "Set TENANTRY_DATA to a directory on a writable disk.",
    errno.ENOTDIR: "Set TENANTRY_DATA to a directory, not a file.",
    errno.EEXIST: "Set TENANTRY_DATA to a directory, not a file.",
}


class EmbeddedError(Exception):
    """PostgreSQL or Redis cannot run here.

    `message` is one sentence about what is wrong, `hint` one about what to do.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn an OSError raised inside into an EmbeddedError saying that `action` on `path` failed."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        hint = _HINTS.get(error.errno or 0, "Set TENANTRY_DATA to another directory.")
        raise EmbeddedError(f"Cannot {action} {path}: {reason}.", hint) from error
