"""What the events of schedules mean and hold: a part of ``activity.catalogue``."""

from typing import Final

from activity.describing import Description
from activity.schemas import COUNT, FLAG, MOMENT, ROW, TEXT, Schema, one_of

_RUN: Final[dict[str, Schema]] = {"run?": MOMENT, "missed?": COUNT, "job?": TEXT}

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
    "schedule.delivered": Description(
        "The file of a run reached its owner: a mail server took the link or the attachment, or it"
        " lies in the storage. Run is the moment for which it was due, missed how many runs"
        " before it never were, job the export.",
        details={
            "delivery": one_of("link", "attachment", "storage"),
            "file?": TEXT,
            **_RUN,
        },
    ),
    "schedule.failed": Description(
        "A run brought its owner nothing, for the reason that is said. They are told by mail.",
        details={
            "why": one_of(
                "not-made",
                "not-sent",
                "too-late",
                "owner-left",
                "not-permitted",
                "zone-gone",
                "unreadable",
            ),
            "error?": TEXT,
            **_RUN,
        },
    ),
}
