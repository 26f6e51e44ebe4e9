"""Gives each request its id and its circumstances, and writes one log line when it is answered."""

import time
from collections.abc import Callable
from functools import partial

import structlog
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import unbind_contextvars

from activity import denials, outcomes, unavailable
from activity.context import ANONYMOUS, acting
from activity.outcomes import Kept
from activity.requests import circumstances
from tenants.uuid7 import uuid7

logger = structlog.get_logger("tenantry.requests")


class ActivityMiddleware:
    """Everything recorded while a request runs carries its id, its person and its address.

    The id is made here and answered in ``X-Request-ID``; one that a client sends is not believed,
    since it would let them file their acts under somebody else's request.

    What failed or was refused is written here, when the view's transaction is over.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid7()
        started = time.perf_counter()
        source = partial(circumstances, request, request_id)
        with (
            acting(source, request_id, logged_as=ANONYMOUS.kind),
            outcomes.keeping() as kept,
        ):
            response = _settled(request, self.get_response(request), kept)
            logger.info(
                "request",
                method=request.method,
                path=denials.path_of(request),
                status=response.status_code,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
        # Whoever is bound on the way stays bound to the thread, which answers the next request too.
        unbind_contextvars("on_behalf_of")
        response["X-Request-ID"] = str(request_id)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        """Look at what a view raised, and leave it to others."""
        denials.note_exception(request, error)


def _settled(request: HttpRequest, response: HttpResponse, kept: Kept) -> HttpResponse:
    """Record how it ended; what cannot be recorded is not answered."""
    try:
        denials.note(request, response, kept)
        outcomes.write(kept)
    except unavailable.RecordUnavailable:
        # The other is not closed: that would end the request a second time.
        return unavailable.answer(request)
    return response
