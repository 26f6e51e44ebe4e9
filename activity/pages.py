"""The reports' pages in the panel."""

from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import urlencode

from activity import downloads, report_pages, viewing
from activity.exporters import offered
from activity.numbers import whole_number
from activity.overview.choosing import MOST_DAYS, SPANS, Chosen, choose, in_words
from activity.overview.choosing import USUAL as USUAL_OVERVIEW
from activity.reports import Definition, Report, build, definition_of, period_for
from activity.reports.listing import by_subject
from activity.schedules import filling
from tenants.context import current_tenant
from tenants.errors import InvalidInput, NotFound
from tenants.sites import platform_site, tenant_site

MOST_ROWS: Final = 1_000
"""A page shows no more rows of a report than a browser can bear; a file has all."""

MOST_PAGES: Final = 1_000

USUAL: Final = "30"
"""How many days a report shows when nobody chose."""

_OF_THE_PAGE: Final = {"since", "until", "days", "export", "compress", "page"}
"""What stands in the address beside the parameters of a report."""

may_read = permission_required("activity.view_activityevent", raise_exception=True)


@may_read
def reports(request: HttpRequest) -> HttpResponse:
    """List the reports that the reader may see, family by family."""
    may = request.user.has_perm  # type: ignore[union-attr]
    shown = [one for one in by_subject() if may(one.permission)]
    families = [(about, list(ones)) for about, ones in groupby(shown, lambda one: one.about)]
    return _render(request, "panel/reports.html", {"title": "Reports", "families": families})


@may_read
def summary(request: HttpRequest) -> HttpResponseBase:
    """Answer with the overview as a PDF."""
    chosen = choose(request.GET, USUAL_OVERVIEW, MOST_DAYS)
    if chosen.error:
        raise chosen.error
    return downloads.overview(chosen.period)


@may_read
def report(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show a report of the period asked for, or answer with it as a file."""
    try:
        definition = definition_of(name)
    except InvalidInput as error:
        raise NotFound(error.message, error.hint) from None
    if not request.user.has_perm(definition.permission):  # type: ignore[union-attr]
        raise PermissionDenied
    chosen = _chosen(request, definition)
    given = {n: str(value) for n, value in request.GET.items() if n not in _OF_THE_PAGE}
    if "export" in request.GET:
        return _file(request, definition, chosen, given)
    wrong: InvalidInput | None = None
    page = _page(request.GET.get("page", "1"))
    try:
        finished = build(name, chosen.period, given, most=page * MOST_ROWS)
    except InvalidInput as error:
        wrong = error
        finished = build(name, chosen.period, most=page * MOST_ROWS)
    context = _context(definition, finished, chosen, given, wrong) | _of_page(finished, page)
    viewing.report_viewed(finished)
    return _render(request, "panel/report.html", context, 400 if wrong or chosen.error else 200)


def _page(text: str) -> int:
    page = whole_number(text, MOST_PAGES)
    if page is None:
        raise _no_page()
    return page


def _no_page() -> InvalidInput:
    return InvalidInput("the report has no such page.", "Open its first page.")


def _of_page(finished: Report, page: int) -> dict[str, Any]:
    """Return the rows of one page, and the numbers of those before and after it."""
    first = (page - 1) * MOST_ROWS
    if first and first >= len(finished.rows):
        raise _no_page()
    shown = replace(finished, rows=finished.rows[first:])
    return {
        "rows": report_pages.cells(shown),
        "first_row": first + 1,
        "last_row": len(finished.rows),
        "page_before": page - 1,
        "page_after": page + 1 if finished.is_cut else 0,
    }


def _chosen(request: HttpRequest, definition: Definition) -> Chosen:
    """Return the period asked for. A report of one moment has none, and says so when asked."""
    if definition.has_period:
        return choose(request.GET, USUAL)
    now = choose({}, "1")
    try:
        period_for(definition.name, request.GET.get("since", ""), request.GET.get("until", ""))
    except InvalidInput as error:
        return replace(now, error=error)
    return now


def _file(
    request: HttpRequest, definition: Definition, chosen: Chosen, given: dict[str, str]
) -> HttpResponseBase:
    if chosen.error:
        raise chosen.error
    finished = build(definition.name, chosen.period, given)
    compress = request.GET.get("compress", "")
    return downloads.report(finished, request.GET["export"], compress=compress)


def _context(
    definition: Definition,
    finished: Report,
    chosen: Chosen,
    given: dict[str, str],
    wrong: InvalidInput | None,
) -> dict[str, Any]:
    fields = report_pages.fields(definition, given, wrong)
    beside = any(field.error for field in fields)
    elsewhere = chosen.error if not definition.has_period else None
    return {
        "title": definition.title,
        "definition": definition,
        "report": finished,
        "charts": report_pages.charts(definition, finished),
        "ranks": report_pages.ranks(definition, finished),
        "fields": fields,
        "error": elsewhere or (None if beside else wrong),
        "link": urlencode(finished.filters),
        "schedule": filling.link_to(finished.name, finished.filters),
        "kept": urlencode(finished.given),
        "formats": offered(),
        "chosen": chosen,
        "spans": SPANS,
        "period_in_words": in_words(chosen.period),
    }


def _render(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    site = tenant_site if current_tenant() else platform_site
    return render(request, template, {**site.each_context(request), **context}, status=status)
