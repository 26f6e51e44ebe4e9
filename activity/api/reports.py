"""The reports for programs: which there are, and one with its rows.

The same permission as in the panel, the same parameters, and recorded in the same way.
"""

from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import QueryDict
from rest_framework.response import Response

from activity import viewing
from activity.api import described
from activity.api.documents import ReportListSerializer, ReportSerializer
from activity.api.errors import InvalidParameters
from activity.api.parameters import MOST_ERRORS
from activity.api.views import RecordView
from activity.numbers import whole_number
from activity.reports import Definition, Report, build, definition_of, period_for
from activity.reports.listing import by_subject
from tenants.errors import InvalidInput, NotFound

ROWS: Final = 1_000
MOST_ROWS: Final = 10_000
"""Rows of one answer; an export has them all."""


class ReportList(RecordView):
    """The reports that there are."""

    @described.reports
    def get(self, request: Any) -> Response:
        """Return each report that whoever asks may read, with what may be asked of it."""
        allowed = [one for one in by_subject() if request.user.has_perm(one.permission)]
        return Response(ReportListSerializer({"reports": allowed}).data)


class ReportDetail(RecordView):
    """One report."""

    @described.report
    def get(self, request: Any, name: str) -> Response:
        """Return a report of the period and with the parameters that are asked for."""
        try:
            definition = definition_of(name)
        except InvalidInput as error:
            raise NotFound(error.message, error.hint) from None
        if not request.user.has_perm(definition.permission):
            raise PermissionDenied
        report = read(definition, request.query_params)
        viewing.report_viewed(report)
        return Response(ReportSerializer(report).data)


def read(definition: Definition, given: QueryDict) -> Report:
    """Return the report that the parameters ask for; raises ``InvalidParameters``."""
    names = [*(("since", "until") if definition.has_period else ()), "limit"]
    names += [one.name for one in definition.parameters]
    wrong = [
        error for name in list(given)[:MOST_ERRORS] if (error := _misnamed(name, given, names))
    ]
    if wrong:
        raise InvalidParameters(wrong)
    asked = {name: str(value) for name, value in given.items()}
    limit = asked.pop("limit", "")
    try:
        period = period_for(definition.name, asked.pop("since", ""), asked.pop("until", ""))
        return build(definition.name, period, asked, most=_limit(limit))
    except InvalidInput as error:
        raise InvalidParameters([_error(_named_in(error, names), "invalid-value", error)]) from None


def _misnamed(name: str, given: QueryDict, names: list[str]) -> dict[str, Any] | None:
    shown, times = name[:40], len(given.getlist(name))
    if name not in names:
        error = InvalidInput(f"There is no parameter {shown!r}.", f"Use one of {', '.join(names)}.")
        return _error(shown, "unknown-parameter", error)
    if times > 1:
        error = InvalidInput(f"{shown} is given {times} times.", "Give it once.")
        return _error(shown, "repeated-parameter", error)
    return None


def _error(name: str, code: str, error: InvalidInput) -> dict[str, Any]:
    return {"parameter": name, "code": code, "detail": error.message, "hint": error.hint}


def _named_in(error: InvalidInput, names: list[str]) -> str:
    """Return which parameter a sentence is about: its first word, or the first of a period."""
    first = error.message.partition(" ")[0]
    return first if first in names else "since"


def _limit(text: str) -> int:
    if not text:
        return ROWS
    limit = whole_number(text, MOST_ROWS)
    if limit is None:
        raise InvalidInput(f"limit is a number from 1 to {MOST_ROWS}.", f"Leave it out for {ROWS}.")
    return limit
