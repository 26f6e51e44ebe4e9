"""Tokens with which programs act as a person: making, revoking and recognising them.

A token is good in the place it was made in, until it expires, is revoked, or its person is
deactivated. What it may do is looked at with every request: never more than its person may.
"""

import uuid
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.mails import send
from accounts.models import ApiToken, CustomUser
from accounts.token_texts import SHOWN, Origin, digest_of, new_text, origin_of
from activity import presence
from activity.context import current, telling
from activity.models import Outcome
from activity.recording import keyed_hash, record
from activity.subjects import Subject, subject_of
from tenants import reasons
from tenants.errors import Conflict, InvalidInput, NotFound

SCOPES: Final = {
    "record:read": "Read the record and its reports, and have exports of them made",
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

    Raises ``InvalidInput`` for a name, a scope or a time that there is not, ``Conflict`` for one
    too many, and for somebody who is gone.
    """
    check_making(name, scopes, days)
    text = new_text()
    now = timezone.now()
    with transaction.atomic():
        # Two requests at once count one after the other.
        presence.hold(user, "token")
        _refuse_too_many(user, now)
        token = ApiToken.objects.create(
            user=user,
            name=name,
            beginning=text[:SHOWN],
            digest=digest_of(text),
            scopes=" ".join(name for name in SCOPES if name in scopes),
            expires_at=now + timedelta(days=days),
        )
    return token, text


def check_making(name: str, scopes: list[str], days: int) -> None:
    """Refuse what no token can be; change nothing."""
    try:
        ApiToken(name=name).clean_fields(
            exclude=[field.name for field in ApiToken._meta.fields if field.name != "name"]
        )
    except ValidationError as error:
        raise InvalidInput(
            f"the name cannot be used: {' '.join(error.messages)}", "Say what it is for, shortly."
        ) from None
    strange = next((scope for scope in scopes if scope not in SCOPES), None)
    if strange is not None or not scopes:
        but = f" that there is, which {strange[:60]!r} is not" if strange is not None else ""
        raise InvalidInput(f"a token needs a scope{but}.", f"Choose of {', '.join(SCOPES)}.")
    if days not in DAYS:
        *others, last = map(str, DAYS)
        raise InvalidInput(
            "a token cannot last so long.", f"Choose {', '.join(others)} or {last} days."
        )


def make_for(
    user: CustomUser, name: str, scopes: list[str], days: int, reason: str
) -> tuple[ApiToken, str]:
    """Make a token of somebody else's, as who runs their services does; they are mailed.

    Raises what ``make`` raises, ``InvalidInput`` without a reason, ``Conflict`` for a person who is
    deactivated.
    """
    check_making_for(user, name, scopes, days, reason)
    with transaction.atomic(), telling(reason=reasons.sound(reason)):
        token, text = make(user, name, scopes, days)
    # No link and no token: whoever reads their mail can do nothing with it.
    send(user, "token", "An API token of yours at {place}", token=token)
    return token, text


def check_making_for(
    user: CustomUser, name: str, scopes: list[str], days: int, reason: str
) -> None:
    """Refuse what ``make_for`` refuses; change nothing."""
    reasons.sound(reason)
    check_making(name, scopes, days)
    if not user.is_active:
        raise Conflict("the person is deactivated.", "A token of theirs would open nothing.")
    _refuse_too_many(user, timezone.now())


def _refuse_too_many(user: CustomUser, now: datetime) -> None:
    if good_tokens(user, now).count() >= MOST_TOKENS:
        raise Conflict(f"somebody has at most {MOST_TOKENS} tokens.", "Revoke one first.")


def good_tokens(user: CustomUser, now: datetime) -> QuerySet[ApiToken]:
    """Return the tokens of a person that are neither revoked nor expired."""
    return user.api_tokens.filter(revoked_at=None, expires_at__gt=now)


def found(name: str) -> ApiToken:
    """Return the token with an id or a beginning; raises ``NotFound``, ``Conflict`` for several."""
    tokens = ApiToken.objects.select_related("user")
    try:
        named = tokens.filter(pk=uuid.UUID(name))
    except ValueError:
        named = tokens.filter(beginning=name[:SHOWN]) if "\0" not in name else tokens.none()
    several = list(named[:6])
    if len(several) > 1:
        ids = ", ".join(str(one.pk) for one in several[:5])
        raise Conflict(f"several tokens begin with {name[:SHOWN]!r}.", f"Give the id: {ids}.")
    if not several:
        raise NotFound(
            f"there is no token {name[:SHOWN]!r}.", "List them: manage.py account token list --all"
        )
    return several[0]


def revoke(token: ApiToken, reason: str = "") -> bool:
    """End a token at once; returns whether it was good until now."""
    now = timezone.now()
    good = good_tokens(token.user, now).filter(pk=token.pk)
    with telling(reason=reason) if reason else nullcontext():
        return bool(good.update(revoked_at=now))


def revoke_all(user: CustomUser, reason: str = "") -> int:
    """End every good token of somebody; returns how many that were. One statement."""
    with telling(reason=reason) if reason else nullcontext():
        return good_tokens(user, timezone.now()).update(revoked_at=timezone.now())


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
