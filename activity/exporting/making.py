"""What every file has while it is made: how large it is so far, its hash, and what it is called.

When it is complete, the record says so, and what lies beside it proves which file it was.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import QuerySet

from activity.exporting.cells import safe_cell
from activity.exporting.moments import Snapshot
from activity.models import ActivityEvent
from activity.recording import record
from activity.subjects import Subject
from tenants.context import current_scope, current_tenant

MANIFEST_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a file is of, how that was chosen, and in which form it is."""

    source: str
    form: str
    filters: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[str] = ()
    compression: str = ""


class Made(ABC):
    """A file that is being made. When all its pieces were taken, its figures are final."""

    def __init__(self, label: Label, *, media_type: str, suffix: str = "") -> None:
        self.label = label
        self.media_type = media_type
        self.suffix = suffix or f".{label.form}"
        """How the file's name ends."""
        self.size = 0
        """How many bytes came out so far."""
        self._hash = hashlib.sha256()

    @abstractmethod
    def opened(self) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the pieces of the file, in the place and the transaction that one is in."""

    @property
    def rows(self) -> int:
        """How many rows went in so far."""
        return 0

    @property
    def events(self) -> QuerySet[ActivityEvent] | None:
        """The events that it is of, where it is of events."""
        return None

    @property
    def extent(self) -> str:
        """How much came out so far, in the words of people."""
        return f"{self.size:,} bytes"

    @property
    def sha256(self) -> str:
        """The hash of all that came out so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def asked(self) -> dict[str, Any]:
        """What form of file was asked for."""
        asked: dict[str, Any] = {"format": self.label.form}
        if self.label.compression:
            asked["compression"] = self.label.compression
        return asked

    def measured(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the same pieces, each counted and hashed as it is taken."""
        for piece in pieces:
            self._hash.update(piece)
            self.size += len(piece)
            yield piece

    def record_finished(
        self, snapshot: Snapshot, *, target: Subject | None = None, **details: Any
    ) -> ActivityEvent:
        """Record that the file is complete, with all that proves which file it was."""
        return record(
            "export.finished",
            target=target or Subject("export", self.label.source, self.label.source),
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

    def manifest(self, snapshot: Snapshot, finished: ActivityEvent, file: str) -> dict[str, Any]:
        """Return what lies beside the file: enough to check it, and to ask for it again."""
        tenant = current_tenant()
        return {
            "manifest": MANIFEST_VERSION,
            "file": file,
            "record": current_scope(),
            "tenant": tenant.slug if tenant else None,
            "source": self.label.source,
            "filters": dict(self.label.filters),
            "columns": list(self.label.columns),
            "format": self.label.form,
            "compression": self.label.compression or None,
            "rows": self.rows,
            "bytes": self.size,
            "sha256": self.sha256,
            "snapshot": safe_cell(snapshot.at),
            "checkpoint": snapshot.document,
            "event": str(finished.pk),
        }
