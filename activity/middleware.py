"""Gives each request its id and its circumstances, and writes one log line when it is answered."""

import time
from collections.abc import Callable
from functools import partial

import structlog
from django.http import HttpRequest, HttpResponse

from activity.context import ANONYMOUS, acting
from activity.requests import circumstances
from activity.text import one_line
from tenants.uuid7 import uuid7

logger = structlog.get_logger("tenantry.requests")


class ActivityMiddleware:
    """Everything recorded while a request runs carries its id, its person and its address.

    The id is made here and answered in ``X-Request-ID``; one that a client sends is not believed,
    since it would let them file their acts under somebody else's request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid7()
        started = time.perf_counter()
        source = partial(circumstances, request, request_id)
        with acting(source, request_id, logged_as=ANONYMOUS.kind):
            response = self.get_response(request)
            logger.info(
                "request",
                method=request.method,
                path=one_line(_path(request), 300),
                status=response.status_code,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
        response["X-Request-ID"] = str(request_id)
        return response


def _path(request: HttpRequest) -> str:
    """Return the path without the key of a one-time link: whoever reads the log could use it."""
    key = request.resolver_match.kwargs.get("key") if request.resolver_match else None
    return request.path.replace(key, "…") if key else request.path
