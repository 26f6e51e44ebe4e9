"""Turning rows into files: the formats there are. They know nothing of where rows come from.

Each makes a file of any rows, as reports have them, and one of events that ``COPY`` has formatted
(``activity.exporting``), which is many times as fast.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from activity.exporting import parquet, statements, text, workbook
from activity.exporting.cells import safe_cell as safe_cell
from activity.exporting.copying import Rows
from activity.exporting.statements import Statement
from activity.models import ActivityEvent
from tenants.errors import InvalidInput, TenantryError


class NotInstalled(TenantryError):
    """A format was asked for whose library, an extra, is not there."""

    code = "not-installed"


def _always() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file: its name in commands, links and file names, and its media type.

    ``write`` makes a file of columns and rows. ``ask`` says what to ask PostgreSQL for, and
    ``copy`` makes a file of the answer. ``is_installed`` tells whether it can be written here.
    """

    name: str
    media_type: str
    write: Callable[[Sequence[str], Iterable[Sequence[Any]]], Iterator[bytes]]
    ask: Callable[[QuerySet[ActivityEvent], Sequence[str]], Statement]
    copy: Callable[[Sequence[str], Iterable[Rows]], Iterator[bytes]]
    is_packed: bool = False
    """Whether it is compressed by itself, and is no text."""
    is_installed: Callable[[], bool] = _always


class Counted:
    """Iterates rows and knows how many there were."""

    def __init__(self, found: Iterable[Any]) -> None:
        self.found = found
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self.found:
            self.count += 1
            yield row


_ALL: Final = (
    Format(
        name="csv",
        media_type="text/csv; charset=utf-8",
        write=text.csv_of_rows,
        ask=statements.csv,
        copy=text.csv_of_copy,
    ),
    Format(
        name="ndjson",
        media_type="application/x-ndjson",
        write=text.ndjson_of_rows,
        ask=statements.ndjson,
        copy=text.ndjson_of_copy,
    ),
    Format(
        name="xlsx",
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        write=workbook.of_rows,
        ask=statements.sheet,
        copy=workbook.of_copy,
        is_packed=True,
    ),
    Format(
        name="parquet",
        media_type="application/vnd.apache.parquet",
        write=parquet.of_rows,
        ask=statements.typed,
        copy=parquet.of_copy,
        is_packed=True,
        is_installed=parquet.is_installed,
    ),
)

FORMATS: Final = {format_.name: format_ for format_ in _ALL}


def offered() -> list[str]:
    """Return the names of the formats that can be written here, for links."""
    return [name for name, format_ in FORMATS.items() if format_.is_installed()]


def format_called(name: str) -> Format:
    """Return the format called ``name``.

    Raises ``InvalidInput`` listing those there are, ``NotInstalled`` for one that needs an extra.
    """
    try:
        found = FORMATS[name]
    except KeyError:
        raise InvalidInput(
            f"there is no format {name[:60]!r}.", f"Choose one of {', '.join(FORMATS)}."
        ) from None
    if not found.is_installed():
        raise NotInstalled(
            f"{name} cannot be written here.",
            f"Choose another format, or install requirements/{name}.txt.",
        )
    return found
