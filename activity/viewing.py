"""Looking at what is recorded is recorded itself: who looked at what, and how often.

One event for each person, page and quarter of an hour, and a count of the rest
(``activity.floods``), so that leafing through a list does not fill the record that is read. It is
written when the page is ready and before it leaves: what cannot be recorded is not shown.
"""

from typing import Any, Final

from django.db.models import Model
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from activity import denials, outcomes
from activity.actions import CATALOGUE
from activity.models import ActivityEvent
from activity.periods import Period
from activity.reading.lists import PLACES
from activity.recording import record
from activity.reports import Report
from activity.subjects import Subject

_NO_SEARCH: Final = {*PLACES, "cursor", "limit", "export", "e"}
"""Parameters of the list, and of the API's, that say where a page begins and ends, or nothing."""

_VIEWS: Final = ("activity.searched", "activity.viewed", "history.viewed", "report.viewed")
"""What a look at the record itself is recorded as: a page that told one needs no second event."""


def list_viewed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Record that somebody looked through the record, with what they searched for."""
    asked = [
        value if name == "q" else f"{name}={value}"
        for name, values in request.GET.lists()
        if name not in _NO_SEARCH
        for value in values
        if value
    ]
    if response.status_code < 300:
        _searched(asked)
    return response


def events_viewed(search: str, period: Period) -> None:
    """Record that somebody looked at events of a period outside of the list."""
    days = [f"since={period.since}", f"until={period.until}"]
    _searched([search.strip(), *days] if search.strip() else days)


def event_viewed(event: ActivityEvent) -> None:
    """Record that somebody looked at one event.

    By its action and id: its sentence would repeat names that may have to be forgotten.
    """
    label = event.action if event.action in CATALOGUE else "event"
    record("activity.viewed", target=Subject("event", str(event.pk), label))


def history_viewed(row: Model) -> None:
    """Record that somebody looked at what a row was."""
    record("history.viewed", target=row)


def report_viewed(report: Report) -> None:
    """Record that somebody looked at a report."""
    details: dict[str, Any] = {"period": str(report.period)}
    record("report.viewed", target=Subject("report", report.name, report.title), details=details)


def page_viewed(request: HttpRequest, response: HttpResponseBase) -> None:
    """Record that a page was looked at by somebody whose every look is recorded.

    By its name and what it is of, not by what was searched for on it. Not again what it has told
    itself.
    """
    if response.status_code < 300 and not outcomes.keeps(*_VIEWS):
        match = request.resolver_match
        name = (match.url_name if match else None) or ""
        record("support.viewed", target=denials.target_of(request), details={"page": name})


def _searched(asked: list[str]) -> None:
    label = f"the record: {' '.join(asked)}" if asked else "the record"
    record("activity.searched", target=Subject("record", label=label))
