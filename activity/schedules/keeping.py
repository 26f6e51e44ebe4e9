"""Making, changing, pausing and deleting schedules, for every door.

``person`` is who asks: somebody has their own, and who oversees schedules can do to others'
whatever makes nothing. ``None`` is an operator at a command, who may all of it.
"""

import uuid
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from activity import presence
from activity.models import Schedule
from activity.periods import zone_name
from activity.schedules import agenda, making, owners, steps, wishes
from activity.schedules.cron import cron_called
from activity.schedules.planning import zone_called
from activity.schedules.wishes import Wish
from tenants.errors import Conflict, NotFound

MOST: Final = 50
"""How many schedules a person may have."""


def visible_to(person: Any) -> QuerySet[Schedule]:
    """Return the schedules that somebody sees: their own, or everybody's, with their owners."""
    found = Schedule.objects.select_related("owner").order_by("name", "id")
    if person is None or owners.may_oversee(person):
        return found
    return found.filter(owner=person)


def create(owner: Any, wish: Wish) -> Schedule:
    """Keep a schedule of somebody's, which runs from now on.

    Raises ``InvalidInput`` for a wish that cannot be kept, ``Conflict`` for one too many, and
    for somebody who is gone.
    """
    fields = wishes.sound(wish)
    refuse(owner, wish.source)
    zone = zone_called(zone_name())
    with transaction.atomic():
        # One after another, so that none passes the bound.
        presence.hold(owner, "schedule")
        if Schedule.objects.filter(owner=owner).count() >= MOST:
            raise Conflict(
                f"{owner} has {MOST} schedules already, which is as many as one may.",
                "Delete one that is no longer needed.",
            )
        schedule = Schedule(owner=owner, zone=zone.key, **fields)
        schedule.next_at = cron_called(schedule.cron).next(timezone.now(), zone)
        schedule.save(force_insert=True)
        agenda.keep()
    return schedule


def change(person: Any, key: uuid.UUID, wish: Wish) -> Schedule:
    """Make one of somebody's own schedules another; a run that is under way stays what it was.

    Raises what ``create`` does: its owner must be somebody who may have what it is of then.
    """
    fields = wishes.sound(wish)
    zone = zone_called(zone_name())
    with transaction.atomic():
        schedule = locked(person, key, own=True)
        refuse(schedule.owner, wish.source)
        for name, value in fields.items():
            setattr(schedule, name, value)
        if schedule.is_active:
            schedule.next_at = cron_called(schedule.cron).next(timezone.now(), zone)
            schedule.zone = zone.key
        schedule.save()
        agenda.keep()
    return schedule


def pause(person: Any, key: uuid.UUID) -> Schedule:
    """Let a schedule run no more until it is resumed; what is under way still ends."""
    with transaction.atomic():
        schedule = locked(person, key)
        if schedule.is_active:
            # Bad news that waits to be told says why of its own.
            waits = schedule.step == Schedule.Step.TELLING
            steps.pause(schedule, schedule.why if waits else steps.BY_HAND)
            schedule.save()
            agenda.keep()
    return schedule


def resume(person: Any, key: uuid.UUID) -> Schedule:
    """Let a schedule run again, from its next time on: what it missed while paused stays missed.

    Raises ``Conflict`` when its owner may not have what it makes, ``InvalidInput`` when it can be
    made no more.
    """
    zone = zone_called(zone_name())
    with transaction.atomic():
        schedule = locked(person, key, own=True)
        if not schedule.is_active:
            wishes.sound(wishes.of(schedule))
            refuse(schedule.owner, schedule.source)
            schedule.is_active, schedule.zone = True, zone.key
            if schedule.step != Schedule.Step.TELLING:
                schedule.why = ""
            schedule.next_at = cron_called(schedule.cron).next(timezone.now(), zone)
            schedule.save()
            agenda.keep()
    return schedule


def delete(person: Any, key: uuid.UUID) -> Schedule:
    """Delete a schedule, and the files that the storage keeps of it. None is sent any more.

    Exports that it asked for stay until they expire. Raises ``StorageUnavailable``.
    """
    with transaction.atomic():
        schedule = locked(person, key)
        Schedule.objects.filter(pk=schedule.pk).delete()
        agenda.keep()
        # Before the commit: nobody would find them any more.
        making.drop_kept_by(schedule)
    return schedule


def found(person: Any, key: uuid.UUID) -> Schedule:
    """Return a schedule that somebody sees; raises ``NotFound``."""
    schedule = visible_to(person).filter(pk=key).first()
    if schedule is None:
        raise missing()
    return schedule


def called(name: str) -> Schedule:
    """Return the schedule with an id or a name, for commands; raises ``NotFound``, ``Conflict``."""
    try:
        return found(None, uuid.UUID(name))
    except ValueError:
        pass
    schedules = list(visible_to(None).filter(name=name)[:6]) if "\0" not in name else []
    if len(schedules) > 1:
        ids = ", ".join(str(one.pk) for one in schedules[:5])
        raise Conflict(f"several schedules are called {name[:60]!r}.", f"Give the id: {ids}.")
    if not schedules:
        raise NotFound(
            f"there is no schedule {name[:60]!r}.", "List them: manage.py activity schedule list"
        )
    return schedules[0]


def locked(person: Any, key: uuid.UUID, *, own: bool = False) -> Schedule:
    """Return a schedule that somebody may change, locked."""
    schedules = Schedule.objects.select_for_update(of=("self",)).select_related("owner")
    if person is not None and (own or not owners.may_oversee(person)):
        schedules = schedules.filter(owner=person)
    schedule = schedules.filter(pk=key).first()
    if schedule is None:
        raise missing()
    return schedule


def missing() -> NotFound:
    """Return the error for one that there is not, or that is not theirs to see."""
    return NotFound(
        "there is no such schedule of yours.", "It may be deleted. Open the list again."
    )


def refuse(owner: Any, source: str) -> None:
    """Raise ``Conflict`` for somebody whom no file can be made for."""
    why = owners.why_not(owner, wishes.permission_for(source))
    if why == steps.LEFT:
        raise Conflict(
            "the owner's account is gone or deactivated.",
            "Let somebody who is here make a schedule like it, and delete this one.",
        )
    if why:
        raise Conflict(
            "the owner may not read what it is of.", "Give them a role that may, and do it again."
        )
