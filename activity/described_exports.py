"""What the events of exports mean and hold: a part of ``activity.catalogue``."""

from typing import Final

from activity.describing import FLOOD, Description
from activity.schemas import COUNT, FLAG, HASH, MOMENT, TEXT, TEXTS, Schema, one_of

_FILE: Final[dict[str, Schema]] = {"format": TEXT, "compression?": TEXT, "columns?": TEXTS}
_JOB: Final[dict[str, Schema]] = {"source": TEXT, **_FILE}

EXPORTS: Final[dict[str, Description]] = {
    "export.requested": Description(
        "Somebody asked for a file from the panel, by the API, or by a command in the background;"
        " written before its first byte. With job it is made in the background: its target is the"
        " job, which the events that follow name too.",
        details={
            **_FILE,
            "filters?": TEXT,
            "period?": TEXT,
            "source?": TEXT,
            "background?": FLAG,
            "note?": TEXT,
        },
    ),
    "export.finished": Description(
        "A file was complete, with so many rows and this hash; of a command, before the file is"
        " there. Of a bundle, from and size say which events, and the hash is its manifest's.",
        details={
            **_FILE,
            "source?": TEXT,
            "rows": COUNT,
            "filters?": TEXT,
            "since?": TEXT,
            "until?": TEXT,
            "period?": TEXT,
            "bytes?": COUNT,
            "sha256?": HASH,
            "snapshot?": MOMENT,
            "checkpoint?": COUNT,
            "after?": COUNT,
            "from?": COUNT,
            "size?": COUNT,
            "manifest_sha256?": HASH,
            "time_zone?": TEXT,
            "attempts?": COUNT,
        },
    ),
    "export.failed": Description(
        "A file could not be made in the background, for the reason that is said; nothing of it"
        " was kept. Among the reasons: whoever asked left, or may no longer read the record.",
        details={**_JOB, "why": TEXT, "attempts": COUNT},
    ),
    "export.cancelled": Description(
        "Somebody stopped a file that was waiting or being made; nothing of it was kept.",
        details={**_JOB, "rows": COUNT},
    ),
    "export.downloaded": Description(
        "Somebody took a file that had been made in the background; written before its first byte.",
        details={**_JOB, "sha256": HASH, "rows": COUNT, "by_link": FLAG},
    ),
    "export.refused": Description(
        "Somebody presented a link to a file, or asked for one, and was not given it. A link opens"
        " once, for the person and in the organisation that it was made for.",
        details={
            "why": one_of(
                "used", "expired", "elsewhere", "another person", "not permitted", "no file"
            )
        },
        folding=FLOOD,
    ),
    "export.expired": Description(
        "A file was deleted from the server: its time was over, somebody deleted it, somebody was"
        " erased who might be in it, or it was found to be gone.",
        details={
            **_JOB,
            "why": one_of(
                "its time was over", "somebody deleted it", "somebody was erased", "it was gone"
            ),
        },
    ),
}
