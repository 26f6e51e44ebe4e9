"""How a schedule goes from one state to another: each function changes a locked row in memory.

The caller saves it, in the same transaction. Pausing is an event by itself, since ``is_active`` is
recorded; what became of a run is told here.
"""

from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone

from activity.models import Outcome, Schedule
from activity.recording import record
from activity.subjects import subject_of

BY_HAND: Final = "by-hand"
LEFT: Final = "owner-left"
NOT_PERMITTED: Final = "not-permitted"
ZONE_GONE: Final = "zone-gone"
UNREADABLE: Final = "unreadable"
NOT_MADE: Final = "not-made"
NOT_SENT: Final = "not-sent"
TOO_LATE: Final = "too-late"

OURS: Final = "It failed here. The log of the platform says why."
"""What somebody is told of an error of ours."""

SENTENCES: Final = {
    BY_HAND: "it was paused by hand",
    LEFT: "its owner has no account here any more, or a deactivated one",
    NOT_PERMITTED: "its owner may not read the record any more",
    ZONE_GONE: "the organisation's time zone is not known any more",
    UNREADABLE: "it does not say any more what to make, or when",
    NOT_MADE: "the file could not be made",
    NOT_SENT: "the file could not be delivered",
    TOO_LATE: "the file could not be delivered before the next one was due",
}
"""Why a schedule is paused or its last run failed: what ``why`` stands for."""


OF_RUNS: Final = (NOT_MADE, NOT_SENT, TOO_LATE)
"""Why a run failed. The schedule is paused for none of them."""


def pause(schedule: Schedule, why: str) -> None:
    """Let it run no more."""
    schedule.is_active, schedule.next_at, schedule.why = False, None, why


def pause_and_tell(schedule: Schedule, why: str) -> None:
    """Pause it although nobody asked, and have told whom it concerns."""
    if schedule.step in (Schedule.Step.MAKING, Schedule.Step.SENDING):
        fail(schedule, why)
    pause(schedule, why)
    schedule.is_untold = True
    _to_tell(schedule)


def fail(schedule: Schedule, why: str, error: str = "") -> None:
    """Note that the last run brought its owner nothing, and have that told."""
    schedule.outcome, schedule.why, schedule.is_untold = Schedule.Outcome.FAILED, why, True
    told = {"why": why, **_of_run(schedule)}
    record(
        "schedule.failed",
        target=subject_of(schedule),
        outcome=Outcome.FAILURE,
        details=told | ({"error": error} if error else {}),
    )
    _to_tell(schedule)


def deliver(schedule: Schedule, how: str, file: str = "") -> None:
    """Note that the last run brought its owner the file: ``how``, and where to if it is kept."""
    schedule.outcome, schedule.why, schedule.is_untold = Schedule.Outcome.DELIVERED, "", False
    told = {"delivery": how, **_of_run(schedule)}
    record(
        "schedule.delivered",
        target=subject_of(schedule),
        details=told | ({"file": file} if file else {}),
    )
    rest(schedule)


def rest(schedule: Schedule) -> None:
    """Leave nothing to be done until the next run."""
    if not schedule.is_active and schedule.why in OF_RUNS:
        # What is told by now: what remains is that somebody has paused it.
        schedule.why = BY_HAND
    schedule.step, schedule.look_at, schedule.attempts = Schedule.Step.IDLE, None, 0


def moment(at: datetime) -> str:
    """Return a moment as events and files have it, in UTC to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _to_tell(schedule: Schedule) -> None:
    schedule.step, schedule.look_at, schedule.attempts = (
        Schedule.Step.TELLING,
        timezone.now(),
        0,
    )


def _of_run(schedule: Schedule) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if schedule.last_at:
        about["run"] = moment(schedule.last_at)
    if schedule.missed:
        about["missed"] = schedule.missed
    if schedule.job:
        about["job"] = str(schedule.job)
    return about
