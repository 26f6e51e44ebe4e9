"""Secrets of second factors as the database holds them: it, and whoever reads it, can use none.

The keys are made of the secret key, so a backup without it opens nothing. What is sealed is bound
to the place, the person and the kind: a row that is copied to another tenant or to somebody else
does not open there. Keys that were in use before (``SECRET_KEY_FALLBACKS``) still open.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from accounts.models import CustomUser
from tenants.context import current_scope

_NONCE: Final = 12
"""Bytes; random ones, of which a key may use 2^32 (NIST SP 800-38D, 8.3)."""


class Unreadable(Exception):
    """What is stored was not sealed for this person, here, with a key of ours."""


def seal(person: CustomUser, kind: str, text: str) -> str:
    """Return ``text`` as only the same person's row of the same kind in the same place gives it."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(_key(settings.SECRET_KEY, "seal")).encrypt(
        nonce, text.encode(), _bound_to(person, kind)
    )
    return base64.b64encode(nonce + sealed).decode()


def unseal(person: CustomUser, kind: str, sealed: object) -> str:
    """Return what was sealed; raises ``Unreadable``."""
    try:
        data = base64.b64decode(str(sealed), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable from None
    for key in _secret_keys():
        try:
            cipher = AESGCM(_key(key, "seal"))
            return cipher.decrypt(data[:_NONCE], data[_NONCE:], _bound_to(person, kind)).decode()
        except (InvalidTag, ValueError):
            continue
    raise Unreadable


def digest(person: CustomUser, kind: str, text: str) -> str:
    """Return a keyed hash of a text of many random bits, for one that need not be read again."""
    return next(digests(person, kind, text))


def digests(person: CustomUser, kind: str, text: str) -> Iterator[str]:
    """Yield the hash under the key in use, and under those that were before."""
    message = _bound_to(person, kind) + b"\0" + text.encode()
    for key in _secret_keys():
        yield hmac.digest(_key(key, "digest"), message, "sha256").hex()


def _secret_keys() -> Iterator[str]:
    yield settings.SECRET_KEY
    yield from settings.SECRET_KEY_FALLBACKS


def _key(secret_key: str, purpose: str) -> bytes:
    """Return 32 bytes for one purpose. The secret key is long and random: one step is enough."""
    return hmac.digest(secret_key.encode(), f"accounts.factor.{purpose}".encode(), "sha256")


def _bound_to(person: CustomUser, kind: str) -> bytes:
    return f"{current_scope()}\0{person.public_id}\0{kind}".encode()
