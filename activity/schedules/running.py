"""What a visit to a place does: begins what is due, and carries on what was begun.

PostgreSQL is the queue. Whoever takes a schedule locks its row, and others go past it, so two
beats, two workers or a visit that is repeated change nothing. A run and the time of the next one
are written in one transaction: a killed process has begun a run, or has not.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from activity.context import telling
from activity.models import Schedule
from activity.periods import zone_name
from activity.schedules import (
    agenda,
    delivering,
    keeping,
    making,
    owners,
    planning,
    steps,
    wishes,
)
from activity.schedules.planning import zone_called
from tenants.errors import Conflict, InvalidInput, TenantryError

logger = structlog.get_logger("tenantry.schedules")

Step = Schedule.Step

_MOST: Final = 200
"""What one visit does; the next, a minute later, goes on."""
_LOOK_AGAIN: Final = timedelta(minutes=2)
"""How soon a job is looked at whose end was not told."""


def visit() -> int:
    """Do what is to be done in the place one is in; returns how much that was."""
    now = timezone.now()
    try:
        zone = zone_called(zone_name())
    except InvalidInput:
        done = _pause_all()
    else:
        _move(zone, now)
        done = _repeat(lambda: _begin_next(zone, now))
    done += _repeat(lambda: _look_next(timezone.now()))
    with transaction.atomic():
        agenda.keep()
    return done


def run_now(person: Any, schedule: Schedule) -> Schedule:
    """Begin a run of one's own schedule at once; its times stay what they are.

    Raises ``Conflict`` while a run is under way, and for an owner who may not have the file.
    """
    zone, now = zone_called(zone_name()), timezone.now()
    with transaction.atomic():
        locked = keeping.locked(person, schedule.pk, own=True)
        if locked.step in (Step.MAKING, Step.SENDING):
            raise Conflict("a run of it is under way.", "Wait until that has ended.")
        if why := _why_not(locked):
            raise Conflict(f"it cannot run: {steps.SENTENCES[why]}.", "Make one of your own.")
        _begin(locked, now, 0, zone)
        locked.save()
        agenda.keep()
    return locked


def _repeat(step: Callable[[], bool]) -> int:
    done = 0
    while done < _MOST and step():
        done += 1
    return done


def _free() -> QuerySet[Schedule]:
    """Schedules that nobody else has locked, locked when they are read."""
    return Schedule.objects.select_for_update(skip_locked=True)


def _why_not(schedule: Schedule) -> str:
    """Return why a schedule cannot run any more, "" when it can."""
    if not wishes.is_readable(schedule):
        return steps.UNREADABLE
    permission = wishes.permission_for(schedule.source)
    return owners.why_not(owners.owner_of(schedule), permission)


def _pause_all() -> int:
    """Pause every schedule of a place whose clock nobody knows."""
    with transaction.atomic():
        active = list(_free().filter(is_active=True))
        for schedule in active:
            _pause(schedule, steps.ZONE_GONE)
    return len(active)


def _pause(schedule: Schedule, why: str) -> None:
    steps.pause_and_tell(schedule, why)
    with telling(reason=f"{steps.SENTENCES[why]}."):
        schedule.save()


def _move(zone: ZoneInfo, now: datetime) -> None:
    """Let the next runs be by the clocks of the place's time zone, if that is another now.

    A run that is due already was due by the old one, and is made.
    """
    with transaction.atomic():
        moved = _free().filter(is_active=True, next_at__gt=now).exclude(zone=zone.key)
        for schedule in moved:
            if not wishes.is_readable(schedule):
                _pause(schedule, steps.UNREADABLE)
                continue
            schedule.zone = zone.key
            schedule.next_at = wishes.cron_of(schedule).next(now, zone)
            schedule.save(update_fields=["zone", "next_at"])


def _begin_next(zone: ZoneInfo, now: datetime) -> bool:
    """Begin one run that is due; returns whether there was one."""
    with transaction.atomic():
        # While a run is being made the next one waits: then it is one that was missed.
        due = _free().filter(is_active=True, next_at__lte=now).exclude(step=Step.MAKING)
        schedule = due.order_by("next_at", "id").first()
        if schedule is None:
            return False
        if why := _why_not(schedule):
            _pause(schedule, why)
        else:
            _begin_due(schedule, zone, now)
            schedule.save()
        agenda.keep()
    return True


def _begin_due(schedule: Schedule, zone: ZoneInfo, now: datetime) -> None:
    if schedule.step == Step.SENDING:
        steps.fail(schedule, steps.TOO_LATE)
    assert schedule.next_at is not None
    run = planning.due(wishes.cron_of(schedule), schedule.next_at, now, zone)
    assert run is not None
    schedule.next_at, schedule.zone = run.next_at, zone.key
    _begin(schedule, run.at, run.missed, zone)


def _begin(schedule: Schedule, at: datetime, missed: int, zone: ZoneInfo) -> None:
    """Ask for the file of a run, and note that on the schedule, which the caller saves."""
    schedule.last_at, schedule.missed, schedule.attempts, schedule.job = at, missed, 0, None
    wish = wishes.of(schedule)
    try:
        period = wishes.period_of(wish, at.astimezone(zone).date())
        owner = owners.owner_of(schedule)
        with transaction.atomic():
            schedule.job = making.ask(schedule, wish, period, owner)
    except TenantryError as error:
        steps.fail(schedule, steps.NOT_MADE, error.message)
    except (DatabaseError, InterfaceError):
        # Nothing was begun; the next visit does it.
        raise
    except Exception:
        # An error of ours keeps no other schedule, and ends as a failure too.
        logger.exception("schedule not begun", schedule=str(schedule.pk))
        steps.fail(schedule, steps.NOT_MADE, steps.OURS)
    else:
        schedule.step, schedule.look_at = Step.MAKING, timezone.now() + _LOOK_AGAIN
        schedule.outcome, schedule.why = Schedule.Outcome.UNDER_WAY, ""


def _look_next(now: datetime) -> bool:
    """Carry on one run; returns whether there was one."""
    with transaction.atomic():
        waiting = _free().exclude(step=Step.IDLE).filter(look_at__lte=now)
        schedule = waiting.order_by("look_at", "id").first()
        if schedule is None:
            return False
        found = schedule.step
        if found == Step.MAKING:
            _look_at_job(schedule)
            schedule.save()
        else:
            delivering.take(schedule)
        agenda.keep()
    if found == Step.SENDING:
        delivering.send(schedule)
    elif found == Step.TELLING:
        delivering.tell(schedule)
    return True


def _look_at_job(schedule: Schedule) -> None:
    now = timezone.now()
    try:
        is_ready = making.is_ready(schedule)
    except making.NotReady as error:
        steps.fail(schedule, steps.NOT_MADE, error.message)
        return
    schedule.look_at = now
    if is_ready:
        schedule.step, schedule.attempts = Step.SENDING, 0
    else:
        schedule.look_at += _LOOK_AGAIN
