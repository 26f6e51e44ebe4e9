"""The record for programs: events, one event, its proof, the newest checkpoint, the catalogue.

Each view asks who it is for, reads, and answers. All are read-only.
"""

import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from activity import catalogue, viewing
from activity.api import described, limits, parameters
from activity.api.documents import EventPageSerializer, EventSerializer, ProofSerializer
from activity.api.permissions import MayReadRecord
from activity.api.published import FRESH_SECONDS
from activity.models import ActivityEvent, Segment
from activity.reading import paging
from activity.reading.events import narrow
from activity.reading.paging import Cursor
from activity.requests import client_ip
from activity.sealing.proofs import prove
from tenants.errors import NotFound

_NO_EVENT = "There is no event with this id here."


class RecordView(APIView):  # type: ignore[misc]
    """What all doors of the API have in common.

    ``scopes`` are those of which a token needs one; ``changing`` those for whatever is not only
    read, where that needs another.
    """

    permission_classes: ClassVar[Any] = [MayReadRecord]
    renderer_classes: ClassVar[Any] = [JSONRenderer]
    scopes: ClassVar[tuple[str, ...]] = ("record:read",)
    changing: ClassVar[tuple[str, ...]] = ()
    count: limits.Count | None = None

    def perform_authentication(self, request: Any) -> None:
        """Find out who asks, and count it; who guesses tokens is not even looked at any more."""
        address = client_ip(request) or "unknown"
        if "HTTP_AUTHORIZATION" in request.META:
            guesses = limits.seen(limits.FAILURES, address)
            guesses.refuse_excess("Tokens that open nothing can be presented from one address")
        try:
            person = request.user
        except AuthenticationFailed:
            limits.counted(limits.FAILURES, address)
            raise
        if person.is_authenticated:
            who = f"token:{request.auth.pk}" if request.auth else f"person:{person.pk}"
            self.count = limits.counted(limits.REQUESTS, who)
            self.count.refuse_excess("One token, or one person, may ask")

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Say how much may still be asked, and that nothing of this may be kept."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "no-store")
        for name, value in (self.count.headers if self.count else {}).items():
            response[name] = value
        return response

    @extend_schema(exclude=True)
    def options(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say which methods there are; ``/api/v1/schema`` says the rest."""
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})


class EventList(RecordView):
    """The events, newest first."""

    @described.events
    def get(self, request: Any) -> Response:
        """Return one page of the events that the parameters ask for."""
        asked = parameters.read(request.query_params)
        found = narrow(ActivityEvent.objects.all(), asked.query)
        page = paging.page(found, asked.query, asked.cursor, size=asked.limit)
        older, newer = _beside(page, asked.cursor)
        stop = page.stopped_at
        document = {
            "events": page.events,
            "next": _link(request, older),
            "previous": _link(request, newer),
            "looked_back_to": datetime.fromtimestamp((stop.int >> 80) / 1_000, UTC)
            if stop
            else None,
        }
        response = Response(EventPageSerializer(document).data)
        viewing.list_viewed(request, response)
        return response


class EventDetail(RecordView):
    """One event."""

    @described.event
    def get(self, request: Any, event_id: uuid.UUID) -> Response:
        """Return an event with what changed, before and after."""
        event = ActivityEvent.objects.filter(pk=event_id).first()
        if event is None:
            raise NotFound(_NO_EVENT)
        viewing.event_viewed(event)
        return Response(EventSerializer(event).data)


class EventProof(RecordView):
    """That one event is in the sealed record."""

    scopes = ("record:read", "record:verify")

    @described.proof
    def get(self, request: Any, event_id: uuid.UUID) -> Response:
        """Return leaf, path and checkpoint: all that is needed to check it elsewhere."""
        try:
            proof = prove(str(event_id))
        except NotFound:
            # Its hint is for operators.
            raise NotFound(_NO_EVENT) from None
        return Response(ProofSerializer(proof).data)


class NoteRenderer(BaseRenderer):  # type: ignore[misc]
    """A signed note, which is text."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Return the note's bytes."""
        return str(data).encode()


class Checkpoint(RecordView):
    """How much of the record is sealed, with which root."""

    scopes = ("record:read", "record:verify")
    renderer_classes: ClassVar[Any] = [NoteRenderer]

    @described.checkpoint
    def get(self, request: Any) -> Response:
        """Return the newest checkpoint, a signed note."""
        newest = Segment.objects.order_by("-number").first()
        if newest is None:
            raise NotFound("Nothing is sealed yet.", "Ask again in some seconds.")
        return Response(newest.note)


class Catalogue(RecordView):
    """Every action that the record can name, and what its events hold."""

    scopes = ("record:read", "record:verify")

    @described.catalogue
    def get(self, request: Any) -> HttpResponse:
        """Return the catalogue, with a JSON Schema for each action.

        It is the same for everybody until the next version, so a reader may keep it for a while
        and then ask whether it changed.
        """
        tag = catalogue.fingerprint()
        response = get_conditional_response(request._request, etag=tag) or HttpResponse(
            catalogue.document(), content_type="application/json"
        )
        response["ETag"] = tag
        response["Cache-Control"] = f"private, max-age={FRESH_SECONDS}"
        patch_vary_headers(response, ("Cookie", "Authorization"))
        return response


def _beside(page: paging.Page, cursor: Cursor) -> tuple[Cursor | None, Cursor | None]:
    """Return where the older and the newer events are.

    Newer ones may come at any time, so there is nearly always a way to ask for them.
    """
    older = Cursor(before=page.older) if page.older else None
    newest = page.newer or (page.events[0].pk if page.events else cursor.after)
    return older, Cursor(after=newest) if newest else None


def _link(request: Any, cursor: Cursor | None) -> str | None:
    """Return the same question with another cursor, on the host that was asked."""
    if cursor is None:
        return None
    same = [(name, value) for name, value in request.query_params.items() if name != "cursor"]
    query = urlencode([*same, ("cursor", parameters.written(cursor))])
    return str(request.build_absolute_uri(f"{request.path}?{query}"))
