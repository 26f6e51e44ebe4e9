"""How schedules appear in the record: what somebody asked for, and not how far a run is."""

from activity.capture.triggers import record_model
from activity.models import Schedule
from activity.subjects import Declaration, Flip


def declare_models() -> None:
    """Make schedules known to the record. Called once at start-up."""
    record_model(
        Schedule,
        Declaration(
            noun="schedule",
            id="id",
            label=("{name}",),
            created="schedule.created",
            deleted="schedule.deleted",
            actions={"is_active": Flip(on="schedule.resumed", off="schedule.paused")},
            # What became of a run is told by events of its own. The next one follows from the rest.
            ignored=frozenset(
                {
                    *("zone", "next_at", "last_at", "missed", "outcome", "why", "is_untold"),
                    *("step", "job", "look_at", "attempts"),
                }
            ),
        ),
    )
