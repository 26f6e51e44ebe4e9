"""The one place that turns errors into pages, and below ``/api/`` into documents."""

import sys
from http import HTTPStatus

import structlog
from django.contrib.auth import SESSION_KEY
from django.db import IntegrityError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from activity import unavailable
from activity.presence import AccountGone
from tenants.errors import Conflict, InvalidInput, TenantryError
from tenants.problems import is_api, problem

logger = structlog.get_logger("tenantry.errors")


def page_for(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return the page for an error that was expected, ``None`` for one that is our fault."""
    if error is not None and unavailable.concerns_the_record(error):
        unavailable.log(error)
        error = unavailable.RecordUnavailable()
    if isinstance(error, unavailable.RecordUnavailable):
        return unavailable.answer(request)
    if isinstance(error, AccountGone):
        _end_session(request, error)
    if isinstance(error, IntegrityError) and _refers_to_nothing(error):
        error = Conflict(
            "something that this is about was deleted meanwhile.",
            "Nothing was changed. Open the page again.",
        )
    if isinstance(error, TenantryError) and (
        error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR or _is_for_now(error)
    ):
        headers = {"Retry-After": str(unavailable.RETRY_SECONDS)} if _is_for_now(error) else {}
        if is_api(request):
            return problem(
                error.code, error.message, error.hint, status=error.http_status, headers=headers
            )
        page = render_to_string("error.html", {"error": error}, request=request)
        return HttpResponse(page, status=error.http_status, headers=headers)
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database unavailable", error=" ".join(str(error).split()))
        # The next request opens a connection to the server that is back.
        connection.close()
        if is_api(request):
            return problem("unavailable", headers={"Retry-After": "5"})
        page = render_to_string("unavailable.html")
        return HttpResponse(page, status=503, headers={"Retry-After": "5"})
    return None


def _is_for_now(error: TenantryError) -> bool:
    return error.http_status == HTTPStatus.SERVICE_UNAVAILABLE


def _refers_to_nothing(error: IntegrityError) -> bool:
    """Tell whether a row refers to one that is gone, as when a transaction ends after an erasure.

    By the code (``foreign_key_violation``) and not by a name, which another node may have changed.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    if getattr(diagnosis, "sqlstate", None) != "23503":
        return False
    logger.warning("refers to what is gone", constraint=getattr(diagnosis, "constraint_name", ""))
    return True


def _end_session(request: HttpRequest, error: AccountGone) -> None:
    """Keep no session of somebody who was erased while they signed in, or were at work."""
    if request.session.get(SESSION_KEY) == str(error.key):
        request.session.flush()


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer whatever no layer has caught: Django's ``handler500``, called while it is handled."""
    expected = page_for(request, sys.exc_info()[1])
    if expected is None and is_api(request):
        return problem("error")
    return expected or HttpResponse(render_to_string("500.html"), status=500)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be read: Django's ``handler400``.

    Django's own looks into the form for a CSRF token, and fails once more on one it cannot read.
    """
    if is_api(request):
        return problem("bad-request")
    page = page_for(request, InvalidInput("the request cannot be read.", "Go back and try again."))
    assert page is not None
    return page


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what may not be done: Django's ``handler403``."""
    return (
        problem("not-permitted")
        if is_api(request)
        else defaults.permission_denied(request, exception)
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is not there: Django's ``handler404``."""
    return problem("not-found") if is_api(request) else defaults.page_not_found(request, exception)
