"""What only the API refuses."""

from typing import Any, ClassVar

from tenants.errors import TenantryError


class InsufficientScope(TenantryError):
    """The token was not made for this. ``scopes`` are those of which it lacks all."""

    code = "insufficient-scope"
    http_status = 403

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.scopes = scopes
        super().__init__(f"the token has not the scope {' or '.join(scopes)}.")


class TooManyRequests(TenantryError):
    """Somebody asks too often. ``seconds`` says for how long they should wait."""

    code = "too-many-requests"
    http_status = 429

    def __init__(self, message: str, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(message)


class InvalidParameters(TenantryError):
    """Parameters of the address cannot be used. ``errors`` has each, with what is wrong."""

    code: ClassVar[str] = "invalid-parameters"

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        super().__init__(errors[0]["detail"], errors[0]["hint"])
