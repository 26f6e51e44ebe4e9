"""Files that are no lists of rows: a function makes them whole, of filters and a format."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from activity.exporting.cells import safe_cell
from activity.exporting.files import MANIFEST_VERSION
from activity.exporting.moments import Snapshot
from activity.jobs.asked import Asked
from activity.models import ActivityEvent
from activity.recording import record
from activity.subjects import Subject
from tenants.context import current_scope, current_tenant


class MeasuredFile:
    """Pieces that are counted and hashed while they are taken."""

    suffix = ""
    rows = 0

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of all that came out so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def measured(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the same pieces."""
        for piece in pieces:
            self._hash.update(piece)
            self.size += len(piece)
            yield piece


class DocumentFile(MeasuredFile):
    """A document that ``make`` makes of filters and a format."""

    def __init__(
        self, asked: Asked, make: Callable[[dict[str, str], str], Iterable[bytes]], media_type: str
    ) -> None:
        super().__init__()
        self.asked = asked
        self.media_type = media_type
        self.suffix = f".{asked.form}"
        self._make = make

    @contextmanager
    def opened(self) -> Iterator[Iterator[bytes]]:
        """Yield the pieces."""
        yield self.measured(self._make(self.asked.filters, self.asked.form))

    def record_finished(
        self, snapshot: Snapshot, *, target: Subject | None = None, **details: Any
    ) -> ActivityEvent:
        """Record that it is complete."""
        return record(
            "export.finished",
            target=target or Subject("export", self.asked.source, self.asked.source),
            details={
                "format": self.asked.form,
                "rows": self.rows,
                "bytes": self.size,
                "sha256": self.sha256,
                "snapshot": safe_cell(snapshot.at),
                "checkpoint": snapshot.size,
                **details,
            },
        )

    def manifest(self, snapshot: Snapshot, finished: ActivityEvent, file: str) -> dict[str, Any]:
        """Return what lies beside it."""
        tenant = current_tenant()
        return {
            "manifest": MANIFEST_VERSION,
            "file": file,
            "record": current_scope(),
            "tenant": tenant.slug if tenant else None,
            "source": self.asked.source,
            "filters": self.asked.filters,
            "columns": [],
            "format": self.asked.form,
            "compression": None,
            "rows": self.rows,
            "bytes": self.size,
            "sha256": self.sha256,
            "snapshot": safe_cell(snapshot.at),
            "checkpoint": snapshot.document,
            "event": str(finished.pk),
        }
