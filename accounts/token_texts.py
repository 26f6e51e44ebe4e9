"""What an API token looks like, and what can be told of one without asking the database.

A token is ``tnt_`` and 53 characters of base32 in small letters: 32 at random (160 bits; ASVS 5.0
asks for 128), two marks of 7, and 7 of a CRC-32 over all that stands before. So a scanner for
secrets knows a token when it sees one, and a wrong character is found without a query.

The marks are made with the secret key, as those of session keys are (``accounts.sessions``): one
says that this platform made the token, the other for which tenant. A genuine one that was made for
another tenant is worth an event; an invented one is not.
"""

import base64
import hmac
import re
import secrets
import zlib
from enum import Enum
from typing import Final

from django.conf import settings

from tenants.context import current_scope

PREFIX: Final = "tnt_"
SHOWN: Final = 10
"""How many characters may be shown to tell tokens apart: 30 of 160 random bits."""

_RANDOM: Final = 32
_MARK: Final = 7
LENGTH: Final = len(PREFIX) + _RANDOM + 3 * _MARK
_TOKEN: Final = re.compile(f"{PREFIX}[a-z2-7]{{{LENGTH - len(PREFIX)}}}")


class Origin(Enum):
    """Where a text that was presented as a token is from."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    """Genuine, and made for another place."""
    INVENTED = "invented"


def new_text() -> str:
    """Return a new token for the place one is in."""
    random = _base32(secrets.token_bytes(20))
    text = PREFIX + random + _mark(random, "any") + _mark(random, current_scope())
    return text + _checksum(text)


def origin_of(text: str) -> Origin:
    """Tell where a token is from. Tokens made under another secret key count as invented."""
    if not _TOKEN.fullmatch(text) or text[-_MARK:] != _checksum(text[:-_MARK]):
        return Origin.INVENTED
    random = text[len(PREFIX) :][:_RANDOM]
    ours, here = text[-3 * _MARK : -2 * _MARK], text[-2 * _MARK : -_MARK]
    if not hmac.compare_digest(ours, _mark(random, "any")):
        return Origin.INVENTED
    is_here = hmac.compare_digest(here, _mark(random, current_scope()))
    return Origin.HERE if is_here else Origin.ELSEWHERE


def digest_of(text: str) -> str:
    """Return what is stored of a token, 64 hex digits: bound to the secret key and the place."""
    return hmac.digest(_key("digest"), f"{current_scope()}\0{text}".encode(), "sha256").hex()


def _mark(random: str, scope: str) -> str:
    return _base32(hmac.digest(_key("mark"), f"{scope}\0{random}".encode(), "sha256"))[:_MARK]


def _checksum(text: str) -> str:
    return _base32(zlib.crc32(text.encode()).to_bytes(4, "big"))


def _key(purpose: str) -> bytes:
    return f"accounts.api_tokens.{purpose}\0{settings.SECRET_KEY}".encode()


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
