"""What the description of the API shows for schedules."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

_ASKED: Final[dict[str, Any]] = {
    "name": "Refusals of the week",
    "source": "events",
    "format": "csv",
    "compression": None,
    "search": "outcome:denied",
    "columns": ["occurred_at", "action", "actor_label"],
    "parameters": {},
    "span": "week",
    "cron": "0 7 * * 1",
    "delivery": "link",
}

_EXPORT: Final = "019dbb70-6a1c-7d35-8c5b-2d1b9e4f0a77"

_SCHEDULE: Final[dict[str, Any]] = {
    "id": "019dbb72-11c0-7e58-8b7a-5c0d1f2e3a44",
    "owner": "ann",
    "is_mine": True,
    **_ASKED,
    "when": "at 07:00 on Monday, Europe/Berlin",
    "time_zone": "Europe/Berlin",
    "active": True,
    "why": None,
    "next_at": "2026-11-30T06:00:00Z",
    "last_at": "2026-11-23T06:00:00Z",
    "outcome": "delivered",
    "missed": 0,
}

ASKED: Final = OpenApiExample(
    "What was refused, each Monday", value={**_ASKED, "compression": "gzip"}, request_only=True
)
CHANGED: Final = OpenApiExample(
    "Each day, of the day before", value={"cron": "daily", "span": "day"}, request_only=True
)
SCHEDULE: Final = OpenApiExample("One that runs", value=_SCHEDULE, response_only=True)
SCHEDULES: Final = OpenApiExample(
    "One schedule", value={"schedules": [_SCHEDULE], "next": None}, response_only=True
)
RUNS: Final = OpenApiExample(
    "One run",
    value={
        "runs": [
            {
                "id": "019dbb74-0b5d-7a1f-9d0e-77aa01b2c3d4",
                "due_at": "2026-11-23T06:00:00Z",
                "missed": 0,
                "outcome": "delivered",
                "ended_at": "2026-11-23T06:00:02.114321Z",
                "delivery": "link",
                "file": "",
                "why": "",
                "error": "",
                "export": _EXPORT,
            }
        ],
        "next": None,
    },
    response_only=True,
)
PREVIEW: Final = OpenApiExample(
    "Of a week",
    value={
        "runs": ["2026-11-30T07:00:00+01:00", "2026-12-07T07:00:00+01:00"],
        "time_zone": "Europe/Berlin",
        "since": "2026-11-16",
        "until": "2026-11-22",
        "columns": ["occurred_at", "action", "actor_label"],
        "rows": 1,
        "has_more": False,
        "first": [
            {
                "occurred_at": "2026-11-17T09:14:07.312045+00:00",
                "action": "access.denied",
                "actor_label": "Bob Ray (bob)",
            }
        ],
    },
    response_only=True,
)
