"""What surrounds every request: headers and health checks before it, errors after it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware

from config import health
from config.errors import page_for

Handler = Callable[[HttpRequest], HttpResponse]


class HeadersMiddleware(SecurityMiddleware):
    """Puts Django's security headers on every answer, also where nobody is served.

    Django's own middleware stays behind the one of tenants, where it redirects to https: for that
    it asks for the host. It leaves headers alone that are there.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Let all requests in."""


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
    """Answers a view's expected errors with their page; its transaction is rolled back."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the page, or ``None`` to leave the error to ``config.errors.server_error``."""
        return page_for(request, error)
