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
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from activity.api import described_exports as described
from activity.api.bodies import body_of, named_texts, text, texts
from activity.api.export_documents import ExportPageSerializer, ExportSerializer
from activity.api.parameters import page_asked
from activity.api.views import RecordView
from activity.jobs import asking, links, listing, serving, sources, steps
from activity.jobs.asked import Asked, asked_of
from activity.jobs.links import LinkRefused
from activity.jobs.requesters import actor
from activity.models import ExportJob
from tenants.errors import InvalidInput, NotFound

PAGE: Final = 50
MOST: Final = 200
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
        before, limit = page_asked(request.query_params, PAGE, MOST, "an export")
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
        body = body_of(request, MEMBERS)
        if "source" not in body:
            raise InvalidInput("source is missing.", f"Send such as {sources.EVENTS!r}.")
        source = text(body["source"], "source")
        forms = sources.source_called(source).forms()
        if not request.user.has_perm(sources.source_called(source).permission):
            raise PermissionDenied
        job = asking.request(
            source,
            named_texts(body.get("filters", {}), "filters", '{"q": "actor:ann"}'),
            text(body.get("format", forms[0]), "format"),
            text(body.get("compression") or "", "compression"),
            texts(body.get("columns", []), "columns", '["id", "action"]'),
            by=request.user,
            note=text(body.get("note", ""), "note"),
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
