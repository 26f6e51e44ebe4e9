"""What happens when the record cannot be written: the act that it would tell of does not happen.

A missing table, a full disk, a right that was taken away: whoever acts gets a page (503), whoever
types a command a sentence, and everything of the act is rolled back (ASVS 5.0 16.5.3).
"""

from typing import ClassVar, Final

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from activity.text import one_line
from tenants.errors import TenantryError
from tenants.problems import is_api, problem

logger = structlog.get_logger("tenantry.errors")

RETRY_SECONDS: Final = 30

_TABLE: Final = "activity_activityevent"


class RecordUnavailable(TenantryError):
    """The record cannot be written, so what was asked for was not done."""

    code = "record-unavailable"
    http_status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__(
            "the record cannot be written, so nothing was done.",
            "Try again later; the log says what the database answered.",
        )


def concerns_the_record(error: BaseException) -> bool:
    """Tell whether a statement failed for the record, such as one whose trigger writes into it.

    PostgreSQL names the table in its message or in the trigger's context.
    """
    if not isinstance(error, DatabaseError):
        return False
    diagnosis = getattr(error.__cause__, "diag", None)
    said = (
        getattr(diagnosis, name, None) or ""
        for name in ("message_primary", "context", "internal_query", "table_name")
    )
    return any(_TABLE in text for text in said)


def log(error: BaseException) -> None:
    """Write into the log what the database answered.

    Its first line only: the second repeats the row, with the salts that nobody may keep.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or type(error).__name__
    logger.error("record unavailable", error=one_line(said, 500))


def answer(request: HttpRequest) -> HttpResponse:
    """Return the page that says so, to programs a document. It asks the database nothing."""
    headers = {"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"}
    if is_api(request):
        return problem(RecordUnavailable.code, headers=headers)
    return HttpResponse(
        render_to_string("activity/unavailable.html"),
        status=RecordUnavailable.http_status,
        headers=headers,
    )
