"""The circumstances of an HTTP request."""

import ipaddress
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from activity.context import ANONYMOUS, Actor, ActorKind, Channel, Context
from activity.hashes import keyed_hash
from activity.subjects import subject_of
from tenants.errors import NotInTenant
from tenants.problems import is_api

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Who really acts where somebody else is signed in, and why they may."""

    actor: Actor
    reason: str


def client_ip(request: HttpRequest) -> str | None:
    """Return the address of the client, past as many proxies as the deployment trusts.

    Each proxy appends the address it was called from to ``X-Forwarded-For``, so the n-th from the
    right was written by the outermost of n trusted ones; what stands before it anybody can write.
    """
    address = request.META.get("REMOTE_ADDR", "")
    trusted = settings.TENANTRY_TRUSTED_PROXIES
    if trusted:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").strip()
        chain = forwarded.split(",") if forwarded else []
        if len(chain) >= trusted:
            address = chain[-trusted]
    try:
        # PostgreSQL takes no scope, as in fe80::1%eth0, which names an interface of the proxy's.
        return str(ipaddress.ip_address(address.strip().partition("%")[0]))
    except ValueError:
        return None


def actor_of(user: Any) -> Actor:
    """Return a signed-in user as an actor, and anybody else as unknown."""
    if user is None or not user.is_authenticated:
        return ANONYMOUS
    person = subject_of(user)
    return Actor(ActorKind.PERSON, person.id, person.label)


def circumstances(request: HttpRequest, request_id: uuid.UUID) -> Context:
    """Return who acts in ``request`` and from where, as of now.

    Who came by other credentials than a session has left their ``session_ref`` on the request, and
    who acts in the place of the person that is signed in, a ``stand_in``.
    """
    session_ref = getattr(request, "session_ref", "")
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    if session_key and not session_ref:
        # In a schema that is no place, such as the blueprint's while an operator creates a tenant,
        # nothing is recorded that stays.
        with suppress(NotInTenant):
            session_ref = keyed_hash("session", session_key)
    # Who is signed in is worked out now, and says on the way whether somebody stands in for them.
    actor = actor_of(getattr(request, "user", None))
    stand_in: StandIn | None = getattr(request, "stand_in", None)
    return Context(
        actor=stand_in.actor if stand_in else actor,
        on_behalf_of=actor if stand_in else None,
        reason=stand_in.reason if stand_in else "",
        channel=Channel.API if is_api(request) else Channel.PAGE,
        request_id=request_id,
        ip=client_ip(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:1000],
        session_ref=session_ref,
    )
