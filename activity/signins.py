"""Signing in and out, where Django offers nothing but signals.

A success is recorded in the transaction of the request that signs in; if it cannot be recorded,
nobody is signed in. A failure outlives whatever becomes of the request (``activity.outcomes``), and
so does an attempt that a limit kept from being tried. Neither the password nor the name typed for
an unknown account enters the record: a password typed into the wrong field would.
"""

from typing import Any

from django.contrib.auth import get_user_model, signals
from django.dispatch import receiver
from django.http import HttpRequest

from activity.hashes import keyed_hash
from activity.models import Outcome
from activity.recording import record
from activity.requests import actor_of
from activity.subjects import NOTHING, subject_of


@receiver(signals.user_logged_in, dispatch_uid="record_sign_in")
def signed_in(user: Any, **_: Any) -> None:
    """Record that somebody signed in."""
    record("session.started", target=user, actor=actor_of(user))


@receiver(signals.user_logged_out, dispatch_uid="record_sign_out")
def signed_out(user: Any, **_: Any) -> None:
    """Record that somebody signed out; a session that nobody was signed in to ends in silence."""
    if user is not None:
        record("session.ended", target=user, actor=actor_of(user))


@receiver(signals.user_login_failed, dispatch_uid="record_failed_sign_in")
def sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Record that somebody failed to sign in, naming the account only if it exists."""
    _failed(str(credentials.get("username") or credentials.get("email") or ""))


def refused(typed: str) -> None:
    """Record an attempt that was not tried, because there were too many before it."""
    _failed(typed, why="too many attempts")


def _failed(typed: str, **details: str) -> None:
    name = typed.strip().lower()
    user = get_user_model()._default_manager.by_login(name)  # type: ignore[attr-defined]
    if user is None:
        details["identifier_hash"] = keyed_hash("identifier", name)
    record(
        "session.failed",
        target=subject_of(user) if user else NOTHING,
        outcome=Outcome.FAILURE,
        details=details,
    )
