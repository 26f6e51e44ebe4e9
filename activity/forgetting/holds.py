"""Legal holds: of whom they cover nothing is cut or erased until they are released."""

import uuid

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from activity import context
from activity.forgetting import mentions
from activity.forgetting.people import Person, people
from activity.models import ActivityEvent, Hold
from activity.models.rules import EVERYBODY
from activity.recording import record
from activity.subjects import Subject
from tenants.errors import Conflict, InvalidInput

LONGEST_REASON = 300


def covers(person_id: str) -> bool:
    """Tell whether a hold is on a person, or on the whole record."""
    return Hold.objects.filter(subject__in=[person_id, EVERYBODY]).exists()


def exist() -> bool:
    """Tell whether there is a hold at all."""
    return Hold.objects.exists()


def covers_everybody() -> bool:
    """Tell whether the whole record is held."""
    return Hold.objects.filter(subject=EVERYBODY).exists()


def refuse(person: Person) -> None:
    """Raise ``Conflict`` when something of somebody must be kept."""
    if covers(person.id):
        raise Conflict(
            "a legal hold covers this person.", "It wins: release it first, activity hold."
        )
    held = [str(one) for one in Hold.objects.values_list("subject", flat=True)]
    if not held:
        return
    theirs = Q(actor_id=person.id) | Q(on_behalf_of_id=person.id) | Q(target_id=person.id)
    others = Q(actor_id__in=held) | Q(on_behalf_of_id__in=held) | Q(target_id__in=held)
    shared = ActivityEvent.objects.filter(theirs & others).count()
    if shared:
        raise Conflict(
            f"{shared} events of this person are also of somebody under a legal hold.",
            "It wins: release it first, activity hold.",
        )


def place(subject: uuid.UUID, reason: str, *, dry_run: bool = False) -> bool:
    """Place a hold on a person, or on ``EVERYBODY``; returns whether there was none before.

    Raises ``InvalidInput`` for an unusable reason.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidInput(
            f"a hold needs a reason of at most {LONGEST_REASON} characters.",
            "It goes into the record: a case number will do.",
        )
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
    if subject != EVERYBODY and mentions.names(people().find(str(subject)), reason):
        raise InvalidInput(
            "the reason names the person, and reasons are kept.", "A case number will do."
        )


def _target(subject: uuid.UUID) -> Subject:
    """By id alone: these events are kept whatever happens."""
    if subject == EVERYBODY:
        return Subject("record", str(EVERYBODY), "the whole record")
    return Subject("user", str(subject), f"person {str(subject)[-8:]}")
