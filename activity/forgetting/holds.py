"""Legal holds: of whom they cover nothing is cut or erased until they are released."""

import uuid
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from activity import context
from activity.forgetting import mentions, parts
from activity.forgetting.people import Person, people
from activity.models import ActivityEvent, Hold
from activity.models.rules import EVERYBODY
from activity.recording import record
from activity.subjects import Subject
from tenants import reasons
from tenants.errors import Conflict

LONGEST_REASON: Final = reasons.LONGEST
_RELEASE: Final = "It wins: release it first, on the page Retention or with activity hold."


def covers(person_id: str) -> bool:
    """Tell whether a hold is on a person, or on the whole record."""
    return Hold.objects.filter(subject__in=[person_id, EVERYBODY]).exists()


def exist() -> bool:
    """Tell whether there is a hold at all."""
    return Hold.objects.exists()


def covers_everybody() -> bool:
    """Tell whether the whole record is held."""
    return Hold.objects.filter(subject=EVERYBODY).exists()


def concerned() -> Q:
    """Return which events concern somebody who is held, as the database asks before it empties."""
    held = _held()
    return Q(actor_id__in=held) | Q(on_behalf_of_id__in=held) | Q(target_id__in=held)


def refuse(person: Person) -> None:
    """Raise ``Conflict`` when something of somebody must be kept."""
    if covers(person.id):
        raise Conflict("a legal hold covers this person.", _RELEASE)
    kept = ActivityEvent.objects.filter(parts.whole(person.id) & concerned()).count()
    if kept:
        raise Conflict(
            f"{kept} events of this person are also of somebody under a legal hold.", _RELEASE
        )


def refuse_acting() -> None:
    """Raise ``Conflict`` when who acts is held.

    What they do is kept with whom it is done to: the end of an account, with all that it says.
    """
    now = context.current()
    if {now.actor.id, now.on_behalf_of.id if now.on_behalf_of else ""} & set(_held()):
        raise Conflict(
            "a legal hold covers who asks, and keeps what they do, with the person's name.",
            "Have somebody else erase the person.",
        )


def _held() -> list[str]:
    return [str(one) for one in Hold.objects.values_list("subject", flat=True)]


def place(subject: uuid.UUID, reason: str, *, dry_run: bool = False) -> bool:
    """Place a hold on a person, or on ``EVERYBODY``; returns whether there was none before.

    Raises ``InvalidInput`` for an unusable reason.
    """
    reason = reasons.sound(reason, "it goes into the record, a case number will do")
    _refuse_name(subject, reason)
    if dry_run:
        return not Hold.objects.filter(subject=subject).exists()
    with transaction.atomic():
        actor = context.current().actor
        _, placed = Hold.objects.get_or_create(
            subject=subject,
            defaults={"placed_by": actor.id, "placed_at": timezone.now(), "reason": reason},
        )
        if placed:
            record("record.held", target=_target(subject), reason=reason)
    return placed


def release(subject: uuid.UUID, reason: str, *, dry_run: bool = False) -> bool:
    """Release a hold; returns whether there was one."""
    _refuse_name(subject, reason)
    if dry_run:
        return Hold.objects.filter(subject=subject).exists()
    with transaction.atomic():
        deleted, _ = Hold.objects.filter(subject=subject).delete()
        if deleted:
            record("record.released", target=_target(subject), reason=reason)
    return bool(deleted)


def _refuse_name(subject: uuid.UUID, reason: str) -> None:
    if subject != EVERYBODY:
        mentions.refuse_naming(people().find(str(subject)), reason)


def _target(subject: uuid.UUID) -> Subject:
    """By id alone: these events are kept whatever happens."""
    if subject == EVERYBODY:
        return Subject("record", str(EVERYBODY), "the whole record")
    return Subject("user", str(subject), f"person {str(subject)[-8:]}")
