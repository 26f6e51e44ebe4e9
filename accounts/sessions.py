"""Sessions: rows of the tenant's own schema, whose keys say of themselves where they were made.

A cookie of one tenant that is presented at another finds no row there, so whoever brings it is
nobody. So far it is like a cookie that has expired or was invented. But it is worth an event: no
browser does that by itself. So a key is a random part and two marks, made with the secret key:

- that this platform made it, which every tenant can check;
- that it was made for this very tenant, which only this one can.

Genuine and not ours is another tenant's. To somebody without the secret key all of it is random,
and two keys of one tenant have nothing in common. The marks are looked at only when there is no
row, so nothing is paid where the session is found.

A row says of itself whose it is: before the signed data stands a keyed hash of the person, so that
somebody's sessions are found without reading everybody's (``accounts.devices``).
"""

import base64
import hmac
import re
import secrets
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet

from accounts.timeouts import is_over
from tenants.context import current_scope

# 26 + 7 + 7 characters of base32, as many as the column holds. OWASP asks for 64 random bits, ASVS
# 5.0 7.2.3 for 128; here are 130. A mark is 35 bits: a forged one gains an event, nothing else.
_RANDOM: Final = 26
_MARK: Final = 7
_KEY: Final = re.compile(f"[a-z2-7]{{{_RANDOM + 2 * _MARK}}}")


def new_key() -> str:
    """Return a new session key for the place one is in."""
    random = _base32(secrets.token_bytes(17))[:_RANDOM]
    return random + _mark(random, "any") + _mark(random, current_scope())


def is_foreign(key: str) -> bool:
    """Tell whether this platform made ``key``, and for another place than the one one is in.

    ``False`` for what was made here, for what is invented, and for keys under another secret key.
    """
    if not _KEY.fullmatch(key):
        return False
    random, ours, here = key[:_RANDOM], key[_RANDOM:-_MARK], key[-_MARK:]
    return hmac.compare_digest(ours, _mark(random, "any")) and not hmac.compare_digest(
        here, _mark(random, current_scope())
    )


def mark_of(person_key: Any) -> str:
    """Return what the rows of a person's sessions begin with; another in each place."""
    return _mark_under(settings.SECRET_KEY, person_key)


def rows_of(person_keys: Iterable[Any]) -> QuerySet[Session]:
    """Return the rows of people's sessions, by their keys.

    Those too that were begun under a secret key that was in use before: they still open.
    """
    secrets_used = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    begins = [
        Q(session_data__startswith=_mark_under(secret, key))
        for key in person_keys
        for secret in secrets_used
    ]
    return Session.objects.filter(reduce(or_, begins)) if begins else Session.objects.none()


def _mark_under(secret: str, person_key: Any) -> str:
    key = f"accounts.sessions.person\0{secret}".encode()
    return hmac.digest(key, f"{current_scope()}\0{person_key}".encode(), "sha256").hex()[:32] + "/"


def _mark(random: str, scope: str) -> str:
    key = f"accounts.sessions\0{settings.SECRET_KEY}".encode()
    return _base32(hmac.digest(key, f"{scope}\0{random}".encode(), "sha256"))[:_MARK]


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().lower()


class SessionStore(db.SessionStore):
    """Django's sessions in the database, which notice that a session is another tenant's.

    ``foreign_key`` is the key that was presented when it was, else ``None``. ``stored`` is what the
    row held when it was read.
    """

    foreign_key: str | None = None
    stored: str = ""

    @property
    def key_salt(self) -> str:
        """What signs the session's data: a row that is copied to another schema cannot be read."""
        return f"{super().key_salt}/{current_scope()}"

    def _get_new_session_key(self) -> str:
        while True:
            key = new_key()
            if not self.exists(key):
                return key

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Return the row's text: the mark of who is signed in, if somebody is, and signed data."""
        person = session_dict.get(SESSION_KEY)
        signed = super().encode(session_dict)
        return f"{mark_of(person)}{signed}" if person else signed

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Return what the signed part holds; the mark is only for finding."""
        return super().decode(str(session_data).rpartition("/")[2])

    def _get_session_from_db(self) -> Any:
        row = super()._get_session_from_db()  # type: ignore[misc]
        self.stored = row.session_data if row else ""
        return row

    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing if there is none."""
        presented = self.session_key
        data: dict[str, Any] = super().load()
        if is_over(data):
            # For good: a later setting that is longer brings nothing back.
            self.delete(presented)
            self._session_key = None
            return {}
        if self.session_key is None and presented and is_foreign(presented):
            self.foreign_key = presented
        return data
