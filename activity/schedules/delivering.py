"""Bringing what a run made to its owner, and telling whom it concerns when that fails.

Mail goes out after the end of the job is committed, and outside any transaction: a mail server
that is slow keeps nobody waiting. Whoever sends has taken the schedule for five minutes. A process
that is killed between the server's yes and its own commit is followed by another, so a mail comes
at least once, and in that case twice.
"""

from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPException
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from activity.jobs.keeping import StorageUnavailable
from activity.models import Schedule
from activity.schedules import agenda, letters, making, owners, steps, wishes

logger = structlog.get_logger("tenantry.schedules")

LEASE: Final = timedelta(minutes=5)
"""For how long nobody else sends what somebody is sending."""
_PAUSES: Final = (1, 2, 4, 8, 15, 30, 60)
"""Minutes between two attempts, the last of them for all that follow."""
_MOST_SENDINGS: Final = 8
_MOST_TELLINGS: Final = 24 * 7
"""Attempts after which it is given up: after two hours for a file, a week for bad news."""

_ERRORS: Final = (OSError, SMTPException, StorageUnavailable)


def take(schedule: Schedule) -> None:
    """Keep others from a schedule while one sends; in the transaction that has it locked."""
    schedule.attempts += 1
    schedule.look_at = timezone.now() + LEASE
    schedule.save(update_fields=["attempts", "look_at"])


def send(schedule: Schedule) -> None:
    """Bring a file that is ready to the owner, who is asked for once more what they may have."""
    owner = owners.owner_of(schedule)
    # Of what was made: the schedule may be changed since.
    if why := owners.why_not(owner, wishes.permission_for(making.source_of(schedule))):
        goes_on = not owners.why_not(owner, wishes.permission_for(schedule.source))
        end = steps.fail if goes_on else steps.pause_and_tell
        _settle(schedule, lambda row: end(row, why))
        return
    try:
        how, file = _deliver(schedule, owner)
    except making.NotReady as error:
        said = error.message
        _settle(schedule, lambda row: steps.fail(row, steps.NOT_SENT, said))
    except _ERRORS as error:
        logger.warning("schedule not delivered", schedule=str(schedule.pk), error=str(error))
        said = str(error) or type(error).__name__
        _settle(schedule, lambda row: _postpone(row, said))
    except Exception:
        # An error of ours keeps no other schedule, and ends as a failure too.
        logger.exception("schedule not delivered", schedule=str(schedule.pk))
        _settle(schedule, lambda row: _postpone(row, steps.OURS))
    else:
        _settle(schedule, lambda row: steps.deliver(row, how, file))
        if file and not Schedule.objects.filter(pk=schedule.pk).exists():
            # Deleted meanwhile, and what it kept with it.
            making.drop_kept_by(schedule)


def _deliver(schedule: Schedule, owner: Any) -> tuple[str, str]:
    """Bring the file; return how, and where it is kept."""
    made = making.file_of(schedule)
    if schedule.delivery == Schedule.Delivery.STORAGE:
        return "storage", making.keep(schedule, made)
    if not settings.TENANTRY_SENDS_MAIL:
        raise making.NotReady("This platform sends no mail any more.")
    return letters.send_file(schedule, owner, made), ""


def tell(schedule: Schedule) -> None:
    """Mail that a run failed, or that the schedule is paused, to its owner or who is left."""
    if not settings.TENANTRY_SENDS_MAIL:
        # The page shows it.
        _settle(schedule, steps.rest)
        return
    owner = owners.owner_of(schedule)
    whom = [owner] if not owners.why_not(owner) else owners.administrators()
    try:
        letters.send_failure(schedule, owner, whom)
    except Exception as error:
        is_ours = not isinstance(error, _ERRORS)
        logger.warning("failure not told", schedule=str(schedule.pk), exc_info=is_ours)
        _settle(schedule, _tell_later)
    else:
        _settle(schedule, _told)


def _settle(schedule: Schedule, change: Callable[[Schedule], None]) -> None:
    """Change the schedule as it is now, unless it is at something else by now, or gone."""
    with transaction.atomic():
        same = Schedule.objects.filter(pk=schedule.pk, job=schedule.job, step=schedule.step)
        row = same.select_for_update().first()
        if row is not None:
            change(row)
            row.save()
            agenda.keep()


def _postpone(row: Schedule, error: str) -> None:
    if row.attempts >= _MOST_SENDINGS:
        steps.fail(row, steps.NOT_SENT, error)
    else:
        row.look_at = timezone.now() + _pause(row)


def _told(row: Schedule) -> None:
    steps.rest(row)
    row.is_untold = False


def _tell_later(row: Schedule) -> None:
    if row.attempts >= _MOST_TELLINGS:
        # The page goes on showing it.
        steps.rest(row)
    else:
        row.look_at = timezone.now() + _pause(row)


def _pause(row: Schedule) -> timedelta:
    return timedelta(minutes=_PAUSES[min(row.attempts, len(_PAUSES)) - 1])
