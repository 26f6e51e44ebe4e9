"""The root of every error that a person or a program outside can cause.

Each carries a code that never changes, a sentence that says what is wrong and one that says what
to do. Doors translate it in one place each: ``tenants.commandline`` to an exit status,
``config.errors`` to an HTTP status.
"""

from typing import Any, ClassVar


class TenantryError(Exception):
    """Something that was asked for cannot be done; nothing was changed.

    ``message`` says what is wrong, ``hint`` what to do about it.
    """

    code: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 400

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = {}
        """What ``--json`` prints beside the error: what was done until then."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    @property
    def shown(self) -> str:
        """Both sentences as a page shows them, where the first begins a paragraph."""
        text = str(self)
        return text[:1].upper() + text[1:]


class InvalidInput(TenantryError):
    """A value that was given cannot be used."""

    code = "invalid-input"
    exit_status = 2


class NotFound(TenantryError):
    """What was named does not exist."""

    code = "not-found"
    exit_status = 3
    http_status = 404


class Conflict(TenantryError):
    """What was asked for collides with what is already there."""

    code = "conflict"
    exit_status = 4
    http_status = 409


class TenantUnavailable(TenantryError):
    """The tenant exists and cannot be entered: suspended, half built, deleted, or not its own."""

    code = "tenant-unavailable"
    http_status = 403


class NotInTenant(TenantryError):
    """The code asked the database without having entered a tenant or the platform."""

    code = "not-in-tenant"
    http_status = 500


class TenantMismatch(TenantryError):
    """An object or a query of one place is used in another: an error of the program's, a bug."""

    code = "tenant-mismatch"
    http_status = 500
