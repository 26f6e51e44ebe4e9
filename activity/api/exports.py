"""Exports for programs: ask for a file, see how far it is, take it, or cancel it.

Whoever reads the record sees which exports there are; a file is taken by who asked for it.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.core.exceptions import PermissionDenied
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from activity.api import described_exports as described
from activity.api.export_documents import ExportPageSerializer, ExportSerializer
from activity.api.views import RecordView
from activity.jobs import asking, links, listing, serving, sources, steps
from activity.jobs.asked import Asked, asked_of
from activity.jobs.links import LinkRefused
from activity.jobs.requesters import actor
from activity.models import ExportJob
from tenants.errors import InvalidInput, NotFound

PAGE: Final = 50
MOST: Final = 200
LONGEST_BODY: Final = 64 * 1024
MEMBERS: Final = ("source", "filters", "format", "compression", "columns", "note")
_NO_EXPORT: Final = "There is no export with this id here."


@dataclass(frozen=True)
class Document:
    """An export as answers have it."""

    job: ExportJob
    asked: Asked
    is_mine: bool

    @property
    def columns(self) -> list[str]:
        return list(self.asked.columns)

    @property
    def download(self) -> str | None:
        if not (self.is_mine and self.job.is_ready):
            return None
        return reverse("api-export-download", args=[self.job.pk])

    @property
    def rows_per_second(self) -> int | None:
        return round(self.job.rate) if self.job.rate else None

    @property
    def seconds_left(self) -> int | None:
        left = self.job.left if self.job.is_open else None
        return left // timedelta(seconds=1) if left is not None else None


class ExportView(RecordView):
    """What the doors of exports have in common."""

    parser_classes: ClassVar[Any] = [JSONParser]

    def document(self, job: ExportJob) -> Any:
        """Return an export as this person sees it."""
        is_mine = job.requester_id == actor(self.request.user).id
        return ExportSerializer(Document(job, asked_of(job), is_mine)).data

    @staticmethod
    def found(key: uuid.UUID) -> ExportJob:
        """Return an export; raises ``NotFound``."""
        job = ExportJob.objects.filter(pk=key).first()
        if job is None:
            raise NotFound(_NO_EXPORT)
        return job


class ExportList(ExportView):
    """The exports of the place."""

    @described.exports
    def get(self, request: Any) -> Response:
        """Return the newest exports, or those asked for before one."""
        before, limit = _page(request.query_params)
        jobs = ExportJob.objects.order_by("-id")
        found = list((jobs.filter(pk__lt=before) if before else jobs)[: limit + 1])
        shown = found[:limit]
        more = {"before": str(shown[-1].pk), "limit": str(limit)} if len(found) > limit else None
        next_ = request.build_absolute_uri(f"{request.path}?{urlencode(more)}") if more else None
        documents = [self.document(job) for job in shown]
        return Response(ExportPageSerializer({"exports": documents, "next": next_}).data)

    @described.ask
    def post(self, request: Any) -> Response:
        """Have a file made. The same ``Idempotency-Key`` within a day is the same export."""
        body = _body(request)
        if "source" not in body:
            raise InvalidInput("source is missing.", f"Send such as {sources.EVENTS!r}.")
        source = _text(body["source"], "source")
        forms = sources.source_called(source).forms()
        if not request.user.has_perm(sources.source_called(source).permission):
            raise PermissionDenied
        job = asking.request(
            source,
            _filters(body.get("filters", {})),
            _text(body.get("format", forms[0]), "format"),
            _text(body.get("compression") or "", "compression"),
            _columns(body.get("columns", [])),
            by=request.user,
            note=_text(body.get("note", ""), "note"),
            key=request.headers.get("Idempotency-Key", ""),
        )
        headers = {"Location": reverse("api-export", args=[job.pk])}
        job.refresh_from_db()
        return Response(self.document(job), status=202, headers=headers)


class ExportDetail(ExportView):
    """One export."""

    @described.export
    def get(self, request: Any, export_id: uuid.UUID) -> Response:
        """Return how far it is."""
        return Response(self.document(self.found(export_id)))


class ExportCancel(ExportView):
    """Stopping an export."""

    @described.cancel
    def post(self, request: Any, export_id: uuid.UUID) -> Response:
        """Cancel it, if it waits or is being made."""
        job = self.found(export_id)
        is_mine = job.requester_id == actor(request.user).id
        if not is_mine and not request.user.has_perm(listing.OVERSEE):
            raise PermissionDenied
        steps.cancel(job)
        return Response(self.document(self.found(export_id)))


class ExportDownload(ExportView):
    """The file of an export."""

    def perform_content_negotiation(self, request: Any, force: bool = False) -> Any:
        """A file is what it is, whatever is accepted."""
        return JSONRenderer(), JSONRenderer.media_type

    @described.download
    def get(self, request: Any, export_id: uuid.UUID) -> HttpResponseBase:
        """Return the file, to who asked for it."""
        job = _own(request, self.found(export_id))
        answer = serving.answer(job)
        if answer is None:
            return _gone()
        links.note_downloaded(job, by_link=False)
        return answer


class ExportManifest(ExportView):
    """What lies beside the file of an export."""

    @described.manifest
    def get(self, request: Any, export_id: uuid.UUID) -> HttpResponseBase:
        """Return what proves the file, to who asked for it."""
        return serving.manifest(_own(request, self.found(export_id))) or _gone()


def _own(request: Any, job: ExportJob) -> ExportJob:
    try:
        return links.permit(job, request.user)
    except LinkRefused as refused:
        links.note_refused(refused)
        raise


def _gone() -> HttpResponseBase:
    """Answer without an error, so that what was found out is kept."""
    from tenants.problems import problem

    return problem("not-found", "The file is not there any more.", "Ask for the export again.")


def _body(request: Any) -> dict[str, Any]:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > LONGEST_BODY:
        raise InvalidInput("the body is too long.", f"Send at most {LONGEST_BODY} bytes.")
    try:
        body = request.data
    except (ParseError, UnsupportedMediaType):
        body = None
    if not isinstance(body, dict):
        raise InvalidInput(
            "the body is no JSON object.", 'Send one, with "Content-Type: application/json".'
        )
    for name in body:
        if name not in MEMBERS:
            raise InvalidInput(
                f"there is no member {name[:40]!r}.", f"Use of {', '.join(MEMBERS)}."
            )
    return body


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise InvalidInput(f"{name} is no text.", "Send a JSON string.")
    return value


def _filters(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidInput("filters is no object.", 'Send such as {"q": "actor:ann"}.')
    return {name: _text(one, name[:40]) for name, one in value.items()}


def _columns(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise InvalidInput("columns is no list.", 'Send such as ["id", "action"].')
    return [_text(one, "a column") for one in value]


def _page(given: Any) -> tuple[uuid.UUID | None, int]:
    for name in given:
        if name not in ("before", "limit"):
            raise InvalidInput(f"there is no parameter {name[:40]!r}.", "Use before and limit.")
    limit = given.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= MOST):
        raise InvalidInput(f"limit is no number from 1 to {MOST}.", f"Leave it out for {PAGE}.")
    try:
        return (uuid.UUID(given["before"]) if given.get("before") else None), int(limit)
    except ValueError:
        raise InvalidInput("before is no id of an export.", "Take the link next.") from None
