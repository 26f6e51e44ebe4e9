"""Files from the panel: rows as they are read, never all in memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from activity import context
from activity.bundles import writing
from activity.events import COLUMNS, rows
from activity.exporters import Counted, Format, format_called
from activity.models import ActivityEvent
from activity.recording import record
from activity.reports import Report
from activity.subjects import Subject
from tenants.context import current_tenant, enter_platform, enter_tenant


def events(
    listed: QuerySet[ActivityEvent], form: str, filters: dict[str, Any]
) -> StreamingHttpResponse:
    """Answer with a file of exactly these events, and record that it was taken.

    Raises ``InvalidInput`` for a format that there is not.
    """
    format_ = format_called(form)
    record(
        "export.requested",
        target=Subject("export", "events", "events"),
        details={"format": form, "filters": str(filters)},
    )
    return _answer("events", format_, COLUMNS, lambda: rows(listed))


def report(finished: Report, form: str) -> StreamingHttpResponse:
    """Answer with a file of a report, and record that it was taken.

    Raises ``InvalidInput`` for a format that there is not.
    """
    format_ = format_called(form)
    record(
        "export.requested",
        target=Subject("export", finished.name, finished.title),
        details={"format": form, "period": str(finished.period)},
    )
    return _answer(finished.name, format_, finished.columns, lambda: finished.rows)


def bundle() -> StreamingHttpResponse:
    """Answer with the sealed record as a file for auditors, and record that it was taken."""
    record("export.requested", target=writing.SUBJECT, details={"format": "bundle"})
    tenant, asked = current_tenant(), context.current()

    def pieces() -> Iterator[bytes]:
        entered = enter_tenant(tenant) if tenant else enter_platform()
        with context.acting_as(asked), entered, writing.one_moment():
            made = writing.Bundle(writing.Asked())
            yield from made.pieces()
            made.record()

    return StreamingHttpResponse(
        pieces(), content_type="application/zip", headers=_headers("record", "zip")
    )


def _answer(
    name: str,
    format_: Format,
    columns: Sequence[str],
    read: Callable[[], Iterable[Sequence[Any]]],
) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _inside(current_tenant(), format_, columns, read, name),
        content_type=format_.media_type,
        headers=_headers(name, format_.name),
    )


def _headers(name: str, ending: str) -> dict[str, str]:
    tenant = current_tenant()
    place = tenant.slug if tenant else "platform"
    day = timezone.localdate().isoformat()
    return {
        "Content-Disposition": f'attachment; filename="{place}-{name}-{day}.{ending}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _inside(
    tenant: Any,
    format_: Format,
    columns: Sequence[str],
    read: Callable[[], Iterable[Sequence[Any]]],
    name: str,
) -> Iterator[str]:
    """Yield the file from inside the tenant.

    The server asks for the chunks when the request, and with it the stay in the tenant, is over;
    so they enter it again, and carry on as whoever asked.
    """
    asked = context.current()

    def chunks() -> Iterator[str]:
        entered = enter_tenant(tenant) if tenant else enter_platform()
        with context.acting_as(asked), entered, transaction.atomic():
            counted = Counted(read())
            yield from format_.write(columns, counted)
            record(
                "export.finished",
                target=Subject("export", name, name),
                details={"format": format_.name, "rows": counted.count},
            )

    return chunks()
