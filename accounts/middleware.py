"""What becomes known when a request asks who it is from."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from structlog.contextvars import bind_contextvars

from accounts.api_tokens import Refusal, note_refused
from accounts.devices import note_device, support_of
from accounts.models import CustomUser
from accounts.sessions import SessionStore
from accounts.signins import note_foreign_session, note_seen
from accounts.support import serving


class PersonMiddleware:
    """Names the person in the log, notes that they were seen, and shows times in their zone.

    Also notes who came with another tenant's session, or with a token that opens nothing.

    Runs after Django's ``AuthenticationMiddleware`` and, like it, only if ``request.user`` is
    used: pages that ask for nobody cost no query.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(lambda: _person(request))  # type: ignore[assignment]
        try:
            response = self.get_response(request)
        finally:
            timezone.deactivate()
        # Not where it is noticed: that may be in a transaction which is rolled back.
        assert isinstance(request.session, SessionStore)
        if request.session.foreign_key:
            note_foreign_session(request.session.foreign_key)
        if isinstance(refusal := getattr(request, "refused_token", None), Refusal):
            note_refused(refusal)
        return response


def _person(request: HttpRequest) -> Any:
    if hasattr(request, "_cached_user"):
        return request._cached_user
    # Before Django looks: it empties the session of somebody who has another password.
    held = support_of(request.session)
    user = request._cached_user = get_user(request)  # type: ignore[attr-defined]
    if held:
        return _supported(request, user, held)
    if user.is_authenticated:
        assert isinstance(user, CustomUser)
        bind_contextvars(actor=str(user.public_id))
        timezone.activate(user.zone)
        note_seen(user)
        assert isinstance(request.session, SessionStore)
        note_device(request.session)
    return user


def _supported(request: HttpRequest, user: Any, held: dict[str, str]) -> Any:
    """Return whom an operator acts as; nothing is noted of the person, who is not here."""
    person = serving.checked(request, user, held)
    in_force = getattr(request, "support", None)
    if in_force is not None:
        bind_contextvars(actor=str(in_force.access.operator_id), on_behalf_of=str(person.public_id))
        timezone.activate(person.zone)
    return person
