"""What became of a schedule's runs, as the record tells it: each with its outcome."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from activity.models import ActivityEvent, Schedule

ENDS = ("schedule.delivered", "schedule.failed")
"""The events that end a run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. ``id`` is that of the event that tells its end, ``None`` while it is under way."""

    id: uuid.UUID | None
    due_at: datetime | None
    missed: int
    outcome: str
    ended_at: datetime | None = None
    delivery: str = ""
    file: str = ""
    why: str = ""
    error: str = ""
    export: uuid.UUID | None = None


def runs_of(schedule: Schedule, most: int, before: uuid.UUID | None = None) -> list[Run]:
    """Return the runs of a schedule, newest first: the one under way, and those that ended.

    ``before`` is the id of one: older ones only.
    """
    events = ActivityEvent.objects.filter(
        target_id=str(schedule.pk), target_type="schedule", action__in=ENDS
    )
    if before:
        events = events.filter(pk__lt=before)
    ended = [_ended(event) for event in events.order_by("-id")[:most]]
    is_first = before is None and schedule.outcome == Schedule.Outcome.UNDER_WAY
    return [_under_way(schedule), *ended][:most] if is_first else ended


def _under_way(schedule: Schedule) -> Run:
    return Run(
        id=None,
        due_at=schedule.last_at,
        missed=schedule.missed,
        outcome=str(Schedule.Outcome.UNDER_WAY.label),
        export=schedule.job,
    )


def _ended(event: ActivityEvent) -> Run:
    """Return what an event tells; of one that was emptied for somebody's sake, what is left."""
    told: dict[str, Any] = event.details
    outcome = Schedule.Outcome.DELIVERED if event.action == ENDS[0] else Schedule.Outcome.FAILED
    return Run(
        id=event.pk,
        due_at=datetime.fromisoformat(told["run"]) if "run" in told else None,
        missed=told.get("missed", 0),
        outcome=str(outcome.label),
        ended_at=event.occurred_at,
        delivery=told.get("delivery", ""),
        file=told.get("file", ""),
        why=told.get("why", ""),
        error=told.get("error", ""),
        export=uuid.UUID(told["job"]) if "job" in told else None,
    )
