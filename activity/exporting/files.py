"""A file while it is made: what goes in, what comes out, and what can be said of it afterwards."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import QuerySet

from activity.exporters import Counted, Format
from activity.exporting.cells import safe_cell
from activity.exporting.compressing import Compression
from activity.exporting.copying import Copy
from activity.exporting.moments import Snapshot
from activity.models import ActivityEvent
from activity.recording import record
from activity.reports import Report
from activity.subjects import Subject
from tenants.context import current_scope, current_tenant
from tenants.errors import InvalidInput

MANIFEST_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a file is of: events, or a report that is finished. ``filters`` is how it was chosen."""

    name: str
    title: str
    columns: Sequence[str]
    filters: dict[str, Any]
    rows: QuerySet[ActivityEvent] | Iterable[Sequence[Any]]


def of_events(
    events: QuerySet[ActivityEvent], columns: Sequence[str], filters: dict[str, Any]
) -> Source:
    """Return these columns of these events, oldest first."""
    return Source(name="events", title="events", columns=columns, filters=filters, rows=events)


def of_report(report: Report) -> Source:
    """Return a report."""
    return Source(
        name=report.name,
        title=report.title,
        columns=report.columns,
        filters=report.filters,
        rows=report.rows,
    )


@dataclass(kw_only=True)
class Export:
    """One file. When all its pieces were taken, its figures are final.

    Raises ``InvalidInput`` for a compression of what is compressed already.
    """

    source: Source
    format: Format
    compression: Compression | None = None
    size: int = 0
    _counted: Counted | Copy = field(default_factory=lambda: Counted(()))
    _hash: Any = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        if self.compression and self.format.is_packed:
            raise InvalidInput(
                f"{self.format.name} is compressed already.",
                f"Leave {self.compression.name} out.",
            )

    @property
    def suffix(self) -> str:
        """How the file's name ends."""
        return f".{self.format.name}{self.compression.suffix if self.compression else ''}"

    @property
    def media_type(self) -> str:
        """What the file is."""
        return self.compression.media_type if self.compression else self.format.media_type

    @property
    def rows(self) -> int:
        """How many rows went in so far."""
        return self._counted.count

    @property
    def sha256(self) -> str:
        """The hash of all that came out so far, in hexadecimal digits."""
        digest: str = self._hash.hexdigest()
        return digest

    @contextmanager
    def opened(self) -> Iterator[Iterator[bytes]]:
        """Yield the pieces of the file, in the place and the transaction that one is in.

        Until the block ends, or all were taken, nobody else may use the connection.
        """
        found = self.source.rows
        if isinstance(found, QuerySet):
            with Copy(self.format.ask(found, self.source.columns)) as copy:
                self._counted = copy
                yield self._measured(self.format.copy(self.source.columns, copy))
        else:
            self._counted = Counted(found)
            yield self._measured(self.format.write(self.source.columns, self._counted))

    def _measured(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in self.compression.compressed(pieces) if self.compression else pieces:
            self._hash.update(piece)
            self.size += len(piece)
            yield piece

    def record_finished(
        self, snapshot: Snapshot, *, target: Subject | None = None, **details: Any
    ) -> ActivityEvent:
        """Record that the file is complete, with all that proves which file it was."""
        return record(
            "export.finished",
            target=target or Subject("export", self.source.name, self.source.name),
            details={
                **self.asked,
                "rows": self.rows,
                "bytes": self.size,
                "sha256": self.sha256,
                "snapshot": safe_cell(snapshot.at),
                "checkpoint": snapshot.size,
                **details,
            },
        )

    @property
    def asked(self) -> dict[str, Any]:
        """What form of file was asked for."""
        asked: dict[str, Any] = {"format": self.format.name}
        if self.compression:
            asked["compression"] = self.compression.name
        return asked

    def manifest(self, snapshot: Snapshot, finished: ActivityEvent, file: str) -> dict[str, Any]:
        """Return what lies beside the file: enough to check it, and to ask for it again."""
        tenant = current_tenant()
        return {
            "manifest": MANIFEST_VERSION,
            "file": file,
            "record": current_scope(),
            "tenant": tenant.slug if tenant else None,
            "source": self.source.name,
            "filters": self.source.filters,
            "columns": list(self.source.columns),
            "format": self.format.name,
            "compression": self.compression.name if self.compression else None,
            "rows": self.rows,
            "bytes": self.size,
            "sha256": self.sha256,
            "snapshot": safe_cell(snapshot.at),
            "checkpoint": snapshot.document,
            "event": str(finished.pk),
        }
