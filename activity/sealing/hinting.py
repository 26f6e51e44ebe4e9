"""Tells the sweep, through Redis, in whose tenant a request may have changed something."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from activity.requests import SAFE_METHODS
from activity.sealing import unsealed
from tenants.context import PLATFORM, current_scope


class HintingMiddleware:
    """After a request that may have changed something its record is asked at the next sweep.

    Wherever else events come from, PostgreSQL's counters tell.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and then tell: by now the request's transaction is committed."""
        response = self.get_response(request)
        # The platform's record is asked at every sweep.
        if request.method not in SAFE_METHODS and (scope := current_scope()) != PLATFORM:
            unsealed.hint(scope)
        return response
