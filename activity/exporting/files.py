"""Files of rows: events as ``COPY`` gives them, and reports that are finished."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from activity.exporters import Counted, Format
from activity.exporting.compressing import Compression
from activity.exporting.copying import Copy
from activity.exporting.making import Label, Made
from activity.models import ActivityEvent
from activity.reports import Report
from tenants.errors import InvalidInput


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
class Export(Made):
    """A file of rows.

    Raises ``InvalidInput`` for a compression of what is compressed already.
    """

    source: Source
    format: Format
    compression: Compression | None = None

    def __post_init__(self) -> None:
        packed = self.compression
        if packed and self.format.is_packed:
            raise InvalidInput(
                f"{self.format.name} is compressed already.", f"Leave {packed.name} out."
            )
        label = Label(
            source=self.source.name,
            form=self.format.name,
            filters=self.source.filters,
            columns=self.source.columns,
            compression=packed.name if packed else "",
        )
        super().__init__(
            label,
            media_type=packed.media_type if packed else self.format.media_type,
            suffix=f".{self.format.name}{packed.suffix if packed else ''}",
        )
        self._counted: Counted | Copy = Counted(())

    @property
    def rows(self) -> int:
        """How many rows went in so far."""
        return self._counted.count

    @property
    def events(self) -> QuerySet[ActivityEvent] | None:
        """The events that it is of; a report is of none."""
        return self.source.rows if isinstance(self.source.rows, QuerySet) else None

    @property
    def extent(self) -> str:
        """How many rows they are, in words."""
        return f"{self.rows} rows"

    @contextmanager
    def opened(self) -> Iterator[Iterator[bytes]]:
        """Yield the pieces of the file, in the place and the transaction that one is in.

        Until the block ends, or all were taken, nobody else may use the connection.
        """
        found, columns = self.source.rows, self.source.columns
        if isinstance(found, QuerySet):
            with Copy(self.format.ask(found, columns)) as copy:
                self._counted = copy
                yield self._packed(self.format.copy(columns, copy))
        else:
            self._counted = Counted(found)
            yield self._packed(self.format.write(columns, self._counted))

    def _packed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        return self.measured(self.compression.compressed(pieces) if self.compression else pieces)
