"""Programs that say who they act as: ``Authorization: Bearer tnt_…`` (RFC 6750)."""

from typing import Any, Final

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from structlog.contextvars import bind_contextvars

from accounts.api_tokens import Refusal, note_used, recognise, token_ref
from accounts.models import ApiToken, CustomUser

REALM: Final = "tenantry"
_LONGEST: Final = 200
"""Characters of a header that are looked at: ours has 64."""

_SAID: Final = {
    "expired": "The token has expired.",
    "revoked": "The token was revoked.",
}
"""What may be told to whoever holds a genuine token. All else is "not good here"."""


class TokenAuthentication(BaseAuthentication):  # type: ignore[misc]
    """Who presents a token is its person, whatever session they also bring.

    A token that is not good is refused, even beside a session that is: whoever sends one means it.
    """

    def authenticate(self, request: Any) -> tuple[CustomUser, ApiToken] | None:
        """Return the person and their token, or ``None`` when no credentials are presented."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, text = header[:_LONGEST].partition(" ")
        if scheme.lower() != "bearer" or len(header) > _LONGEST:
            raise AuthenticationFailed("The Authorization header is not: Bearer and a token.")
        try:
            token = recognise(text.strip())
        except Refusal as refusal:
            # Recorded by the middleware: this transaction is rolled back.
            request._request.refused_token = refusal
            raise AuthenticationFailed(
                _SAID.get(refusal.why, "The token is not good here.")
            ) from None
        note_used(token)
        request._request.session_ref = token_ref(token)
        bind_contextvars(actor=str(token.user.public_id))
        timezone.activate(token.user.zone)
        return token.user, token

    def authenticate_header(self, request: Any) -> str:
        """Return what a 401 asks for."""
        return f'Bearer realm="{REALM}"'
