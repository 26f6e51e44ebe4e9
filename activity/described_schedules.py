"""What the events of schedules mean and hold: a part of ``activity.catalogue``."""

from typing import Final

from activity.describing import Description
from activity.schemas import FLAG, ROW

SCHEDULES: Final[dict[str, Description]] = {
    "schedule.created": Description(
        "Somebody has an export made again and again: what, when, and how it reaches them.",
        changes=ROW,
    ),
    "schedule.changed": Description(
        "What a schedule makes, when, for whom or how it is delivered was changed.", changes=ROW
    ),
    "schedule.paused": Description(
        "A schedule does not run until somebody resumes it. The reason says why it was paused by"
        " itself: its owner left or may not read the record any more, or the time zone is gone.",
        changes={"is_active": FLAG},
    ),
    "schedule.resumed": Description(
        "A schedule runs again, from its next time on.", changes={"is_active": FLAG}
    ),
    "schedule.deleted": Description(
        "A schedule was deleted; these were the last values.", changes=ROW
    ),
}
