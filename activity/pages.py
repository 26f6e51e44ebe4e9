"""The reports' pages in the panel."""

from typing import Any, Final

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import urlencode

from activity import downloads, overview, viewing
from activity.exporters import offered
from activity.periods import last_days
from activity.reports import build, definition_of, period_for
from activity.reports.listing import by_subject
from tenants.errors import InvalidInput, NotFound
from tenants.sites import tenant_site

MOST_ROWS: Final = 1_000
"""A page shows no more rows of a report than a browser can bear; a file has all."""

_OF_THE_PAGE: Final = {"since", "until", "export", "compress"}
"""What stands in the address beside the parameters of a report."""

may_read = permission_required("activity.view_activityevent", raise_exception=True)


@may_read
def reports(request: HttpRequest) -> HttpResponse:
    """List the reports."""
    may = request.user.has_perm  # type: ignore[union-attr]
    allowed = [definition for definition in by_subject() if may(definition.permission)]
    return _render(request, "panel/reports.html", {"title": "Reports", "reports": allowed})


@may_read
def report(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show a report of the period asked for, or answer with it as a file."""
    try:
        definition = definition_of(name)
    except InvalidInput as error:
        raise NotFound(error.message, error.hint) from None
    if not request.user.has_perm(definition.permission):  # type: ignore[union-attr]
        raise PermissionDenied
    wrong: InvalidInput | None = None
    is_file = "export" in request.GET
    try:
        period = period_for(name, request.GET.get("since", ""), request.GET.get("until", ""))
        given = {n: str(value) for n, value in request.GET.items() if n not in _OF_THE_PAGE}
        finished = build(name, period, given, most=None if is_file else MOST_ROWS)
    except InvalidInput as error:
        if is_file:
            raise
        wrong, period = error, last_days(30)
        finished = build(name, period, most=MOST_ROWS)
    if is_file:
        compress = request.GET.get("compress", "")
        return downloads.report(finished, request.GET["export"], compress=compress)
    context = {
        "title": definition.title,
        "definition": definition,
        "report": finished,
        "rows": finished.rows,
        "headings": [column.title for column in finished.described],
        "parameters": [
            (one, finished.given.get(one.name, one.default)) for one in definition.parameters
        ],
        "link": urlencode(finished.filters),
        "bars": overview.bars(finished, period) if definition.daily else [],
        "formats": offered(),
        "error": wrong,
        "period": period,
    }
    viewing.report_viewed(finished)
    return _render(request, "panel/report.html", context, 400 if wrong else 200)


def _render(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return render(
        request, template, {**tenant_site.each_context(request), **context}, status=status
    )
