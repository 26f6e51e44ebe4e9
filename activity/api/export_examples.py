"""What the description of the API shows for exports."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

_ASKED: Final[dict[str, Any]] = {
    "source": "events",
    "filters": {"q": "action:user.*", "since": "2026-01-01"},
    "format": "csv",
    "compression": "gzip",
    "columns": ["occurred_at", "action", "actor_label", "target_label"],
    "note": "for the audit of March",
}

_ID: Final = "019dbb70-6a1c-7d35-8c5b-2d1b9e4f0a77"

_EXPORT: Final[dict[str, Any]] = {
    "id": _ID,
    **_ASKED,
    "state": "ready",
    "error": "",
    "requested_by": "Ann Lee (ann)",
    "is_mine": True,
    "rows": 48211,
    "rows_expected": 48211,
    "rows_per_second": 310000,
    "seconds_left": None,
    "bytes": 1840211,
    "sha256": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "attempts": 1,
    "asked_at": "2026-11-23T09:14:07.312045Z",
    "started_at": "2026-11-23T09:14:07.401221Z",
    "finished_at": "2026-11-23T09:14:07.610032Z",
    "expires_at": "2026-11-30T09:14:07.610032Z",
    "downloaded_at": None,
    "download": f"/api/v1/activity/exports/{_ID}/download",
}

ASKED: Final = OpenApiExample("A year of changes to people", value=_ASKED, request_only=True)
EXPORT: Final = OpenApiExample("One that is ready", value=_EXPORT, response_only=True)
EXPORTS: Final = OpenApiExample(
    "One export", value={"exports": [_EXPORT], "next": None}, response_only=True
)
MANIFEST: Final = OpenApiExample(
    "Of a file",
    value={
        "manifest": 1,
        "file": "events-2026-11-23.csv.gz",
        "source": "events",
        "rows": 48211,
        "bytes": 1840211,
        "sha256": _EXPORT["sha256"],
    },
    response_only=True,
)
