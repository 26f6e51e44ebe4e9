"""Tokens with which programs act as a person: making, revoking and recognising them.

A token is good in the place it was made in, until it expires, is revoked, or its person is
deactivated. What it may do is looked at with every request: never more than its person may.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ApiToken, CustomUser
from accounts.token_texts import SHOWN, Origin, digest_of, new_text, origin_of
from activity import presence
from activity.context import current
from activity.models import Outcome
from activity.recording import keyed_hash, record
from activity.subjects import Subject, subject_of
from tenants.errors import Conflict, InvalidInput

SCOPES: Final = {
    "record:read": "Read the events of the record",
    "record:verify": "Read checkpoints and proofs, without names and details",
    "schedules:write": "Make, change, run and delete schedules",
}
"""What a token may be made for, and what that allows."""

DAYS: Final = (7, 30, 90, 365)
USUAL_DAYS: Final = 90
MOST_TOKENS: Final = 20
"""Good tokens of one person: more than anybody keeps an eye on."""

USED_RESOLUTION: Final = timedelta(minutes=5)
"""``last_used_at`` is at most this old while a token is used: so few are writes."""

REFUSAL_SECONDS: Final = 60
"""One address makes at most one event in this time by presenting one token that is not good."""


@dataclass
class Refusal(Exception):
    """A text that was presented as a token opens nothing.

    ``why`` is ``invented``, ``elsewhere``, ``unknown``, ``revoked``, ``expired`` or
    ``deactivated``; ``token`` the row, if there is one.
    """

    why: str
    text: str
    token: ApiToken | None = None

    @property
    def is_genuine(self) -> bool:
        """Whether this platform made the token, for whatever place."""
        return self.why != "invented"


def make(user: CustomUser, name: str, scopes: list[str], days: int) -> tuple[ApiToken, str]:
    """Make a token for a person; returns its row, and its text, which nothing keeps.

    Raises ``InvalidInput`` for a scope or a time that there is not, ``Conflict`` for one too many,
    and for somebody who is gone.
    """
    if not scopes or not set(scopes) <= SCOPES.keys():
        raise InvalidInput("a token needs a scope.", f"Choose of {', '.join(SCOPES)}.")
    if days not in DAYS:
        raise InvalidInput("a token cannot last so long.", f"Choose of {DAYS} days.")
    text = new_text()
    now = timezone.now()
    with transaction.atomic():
        # Two requests at once count one after the other.
        presence.hold(user, "token")
        if good_tokens(user, now).count() >= MOST_TOKENS:
            raise Conflict(f"somebody has at most {MOST_TOKENS} tokens.", "Revoke one first.")
        token = ApiToken.objects.create(
            user=user,
            name=name,
            beginning=text[:SHOWN],
            digest=digest_of(text),
            scopes=" ".join(name for name in SCOPES if name in scopes),
            expires_at=now + timedelta(days=days),
        )
    return token, text


def good_tokens(user: CustomUser, now: datetime) -> QuerySet[ApiToken]:
    """Return the tokens of a person that are neither revoked nor expired."""
    return user.api_tokens.filter(revoked_at=None, expires_at__gt=now)


def revoke(token: ApiToken) -> bool:
    """End a token at once; returns whether it was not revoked before."""
    ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
    return bool(ended.update(revoked_at=timezone.now()))


def token_ref(token: ApiToken) -> str:
    """Return what joins all that was done with a token, in the place of a session's."""
    return keyed_hash("token", str(token.pk))


def recognise(text: str) -> ApiToken:
    """Return the token, with its person, that a text is.

    Raises ``Refusal``. One statement; none for a text that was not made here.
    """
    origin = origin_of(text)
    if origin is not Origin.HERE:
        raise Refusal(origin.value, text)
    token = ApiToken.objects.select_related("user").filter(digest=digest_of(text)).first()
    if token is None:
        raise Refusal("unknown", text)
    if token.state != "good":
        raise Refusal(token.state, text, token)
    if not token.user.is_active:
        raise Refusal("deactivated", text, token)
    return token


def note_used(token: ApiToken) -> None:
    """Keep the time of the last use, to the resolution of ``USED_RESOLUTION``."""
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at >= USED_RESOLUTION:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


def note_refused(refusal: Refusal) -> None:
    """Record that a token was presented that was once good, or is so elsewhere; not where.

    At most once a minute for each token and address. Without Redis each time is recorded.
    """
    if not refusal.is_genuine:
        return
    presented = keyed_hash("token", refusal.text)
    if not cache.add(f"token-refused:{presented}:{current().ip}", 1, timeout=REFUSAL_SECONDS):
        return
    record(
        "token.refused",
        target=_presented(refusal),
        outcome=Outcome.DENIED,
        details={"why": refusal.why, "presented_token_ref": presented},
    )


def _presented(refusal: Refusal) -> Subject:
    if refusal.token is not None:
        named = subject_of(refusal.token)
        return Subject(named.type, named.id, f"the API token {named.label}")
    whose = "of another organisation" if refusal.why == "elsewhere" else "of somebody removed"
    return Subject("token", "", f"an API token {whose}")
