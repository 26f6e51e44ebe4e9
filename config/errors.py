"""The one place that turns errors into pages."""

import sys
from http import HTTPStatus

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from activity import unavailable
from tenants.errors import InvalidInput, TenantryError

logger = structlog.get_logger("tenantry.errors")


def page_for(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return the page for an error that was expected, ``None`` for one that is our fault."""
    if isinstance(error, unavailable.RecordUnavailable):
        return unavailable.page()
    if error is not None and unavailable.concerns_the_record(error):
        unavailable.log(error)
        return unavailable.page()
    if isinstance(error, TenantryError) and error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
        page = render_to_string("error.html", {"error": error}, request=request)
        return HttpResponse(page, status=error.http_status)
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database unavailable", error=" ".join(str(error).split()))
        # The next request opens a connection to the server that is back.
        connection.close()
        page = render_to_string("unavailable.html")
        return HttpResponse(page, status=503, headers={"Retry-After": "5"})
    return None


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer whatever no layer has caught: Django's ``handler500``, called while it is handled."""
    expected = page_for(request, sys.exc_info()[1])
    return expected or HttpResponse(render_to_string("500.html"), status=500)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be read: Django's ``handler400``.

    Django's own looks into the form for a CSRF token, and fails once more on one it cannot read.
    """
    page = page_for(request, InvalidInput("the request cannot be read.", "Go back and try again."))
    assert page is not None
    return page
