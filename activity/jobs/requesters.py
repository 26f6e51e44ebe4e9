"""Whoever asks for files: who they are, and whether they still may have them."""

from typing import Any

from django.contrib.auth import get_user_model

from activity.context import Actor, ActorKind
from activity.models import ExportJob
from activity.requests import actor_of
from tenants.errors import TenantryError


class NotAllowed(TenantryError):
    """Whoever asked for a file may not have it, or not any more."""

    code = "not-permitted"
    http_status = 403


def actor(by: Any) -> Actor:
    """Return who asks, given as an actor or as a person with an account."""
    return by if isinstance(by, Actor) else actor_of(by)


def requester(job: ExportJob) -> Actor:
    """Return who asked for a job, under the label they had."""
    return Actor(ActorKind(job.requester_kind), job.requester_id, job.requester_label)


def refuse(who: Actor, permission: str) -> None:
    """Raise ``NotAllowed`` for whom may not, at this moment, read what the file is of.

    A command is run by whoever owns the process, who needs no permission.
    """
    if who.kind == ActorKind.COMMAND:
        return
    if who.kind != ActorKind.PERSON:
        raise NotAllowed("nobody known asked for this file.", "Sign in, and ask again.")
    people: Any = get_user_model()._default_manager
    person = people.filter(public_id=who.id).first()
    if person is None:
        raise NotAllowed(
            "whoever asked for this file has no account here any more.", "Somebody else may ask."
        )
    if not person.is_active:
        raise NotAllowed(
            "the account of whoever asked for this file is deactivated.", "Somebody else may ask."
        )
    if not (person.is_staff and person.has_perm(permission)):
        raise NotAllowed(
            "whoever asked for this file may not read this any more.",
            "An administrator can give them a role that allows it.",
        )
