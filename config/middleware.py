"""What surrounds every request: health checks before it, errors after it."""

from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from config import health
from tenants.errors import TenantryError

Handler = Callable[[HttpRequest], HttpResponse]

logger = structlog.get_logger("tenantry.errors")


class HealthMiddleware:
    """Answers ``/healthz`` and ``/readyz`` on any host, before hosts and tenants are looked at."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == health.ALIVE_PATH:
            return health.alive(request)
        if request.path == health.READY_PATH:
            return health.ready(request)
        return self.get_response(request)


class ErrorMiddleware:
    """A database that does not answer is a 503 that says so.

    The connection is closed, so that the next request opens one to the server that is back.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        except (OperationalError, InterfaceError) as error:
            return unavailable(error)


def unavailable(error: Exception) -> HttpResponse:
    """Return the 503 page, and log why."""
    logger.error("database unavailable", error=" ".join(str(error).split()))
    connection.close()
    page = render_to_string("unavailable.html")
    return HttpResponse(page, status=503, headers={"Retry-After": "5"})


class DomainErrorMiddleware:
    """Where errors of the domain become pages: the one place that maps them to HTTP."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an error of the domain with its page; the view's transaction is rolled back."""
        if isinstance(error, OperationalError | InterfaceError):
            return unavailable(error)
        if not isinstance(error, TenantryError):
            return None
        page = render_to_string("error.html", {"error": error}, request=request)
        return HttpResponse(page, status=error.http_status)
