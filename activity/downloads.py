"""Files from the panel: rows as they are read, never all in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from activity import context
from activity.bundles import writing
from activity.events import COLUMNS
from activity.exporters import format_called
from activity.exporting.compressing import compression_called
from activity.exporting.files import Export, Source, of_events, of_report
from activity.exporting.making import Made
from activity.exporting.moments import one_moment
from activity.exporting.statements import columns_called
from activity.jobs.asked import Asked
from activity.jobs.documents import DocumentFile
from activity.models import ActivityEvent
from activity.overview import summary
from activity.periods import Period
from activity.recording import record
from activity.reports import Report
from activity.subjects import Subject
from tenants.context import current_tenant, enter_platform, enter_tenant


def events(
    listed: QuerySet[ActivityEvent],
    form: str,
    filters: dict[str, Any],
    *,
    compress: str = "",
    columns: Sequence[str] = (),
) -> StreamingHttpResponse:
    """Answer with a file of exactly these events, and record that it was taken.

    Raises ``InvalidInput`` for a format, a compression or a column that there is not.
    """
    source = of_events(listed, columns_called(columns), filters)
    asked: dict[str, Any] = {"filters": str(filters)}
    if source.columns != COLUMNS:
        asked["columns"] = list(source.columns)
    return _answer(_export(source, form, compress), source.title, asked)


def report(finished: Report, form: str, *, compress: str = "") -> StreamingHttpResponse:
    """Answer with a file of a report, and record that it was taken.

    Raises ``InvalidInput`` for a format or a compression that there is not.
    """
    source = of_report(finished)
    return _answer(_export(source, form, compress), source.title, {"period": str(finished.period)})


def overview(period: Period) -> StreamingHttpResponse:
    """Answer with the overview of a period as a PDF, and record that it was taken."""
    asked = Asked(source=summary.NAME, filters=summary.filters_of(period), form="pdf")
    file = DocumentFile(asked, summary.pieces, summary.MEDIA_TYPES["pdf"])
    return _answer(file, summary.TITLE, {"period": str(period)})


def bundle() -> StreamingHttpResponse:
    """Answer with the sealed record as a file for auditors, and record that it was taken.

    Raises ``TenantryError`` for what is known before: then there is a sentence, and no half file.
    """
    writing.Bundle(writing.Asked()).check()
    record("export.requested", target=writing.SUBJECT, details={"format": "bundle"})
    tenant, asked = current_tenant(), context.current()

    def pieces() -> Iterator[bytes]:
        entered = enter_tenant(tenant) if tenant else enter_platform()
        with context.acting_as(asked), entered, writing.one_moment():
            made = writing.Bundle(writing.Asked())
            yield from made.pieces()
            made.record()

    return StreamingHttpResponse(
        pieces(), content_type="application/zip", headers=_headers("record", ".zip")
    )


def is_large(listed: QuerySet[ActivityEvent]) -> bool:
    """Tell whether a list is so long that its file is better made in the background."""
    most = settings.TENANTRY_EXPORT_BACKGROUND_ROWS
    return listed.order_by().values("pk")[: most + 1].count() > most


def _export(source: Source, form: str, compress: str) -> Export:
    return Export(
        source=source, format=format_called(form), compression=compression_called(compress)
    )


def _answer(file: Made, title: str, asked: dict[str, Any]) -> StreamingHttpResponse:
    name = file.label.source
    record(
        "export.requested",
        target=Subject("export", name, title),
        details={**file.asked, **asked},
    )
    return StreamingHttpResponse(
        _inside(current_tenant(), file),
        content_type=file.media_type,
        headers=_headers(name, file.suffix),
    )


def _headers(name: str, suffix: str) -> dict[str, str]:
    tenant = current_tenant()
    place = tenant.slug if tenant else "platform"
    day = timezone.localdate().isoformat()
    return {
        "Content-Disposition": f'attachment; filename="{place}-{name}-{day}{suffix}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _inside(tenant: Any, file: Made) -> Iterator[bytes]:
    """Yield the file from inside the tenant.

    The server asks for the chunks when the request, and with it the stay in the tenant, is over;
    so they enter it again, and carry on as whoever asked.
    """
    asked = context.current()

    def chunks() -> Iterator[bytes]:
        entered = enter_tenant(tenant) if tenant else enter_platform()
        with (
            context.acting_as(asked),
            entered,
            one_moment() as snapshot,
            file.opened() as pieces,
        ):
            yield from pieces
            file.record_finished(snapshot)

    return chunks()
