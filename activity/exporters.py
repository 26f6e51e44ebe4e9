"""Turning rows into files. Exporters iterate rows and know nothing of where they come from."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from tenants.errors import InvalidInput

_CHUNK_CHARACTERS: Final = 64 * 1024

# What spreadsheets take for the beginning of a formula (OWASP, CSV injection), also full-width.
_FORMULA: Final = tuple("=+-@\t\r\n\0＝＋－＠")


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file: its name in commands and links, its media type, and how rows become text."""

    name: str
    media_type: str
    write: Callable[[Sequence[str], Iterable[Sequence[Any]]], Iterator[str]]


class Counted:
    """Iterates rows and knows how many there were."""

    def __init__(self, found: Iterable[Any]) -> None:
        self.found = found
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self.found:
            self.count += 1
            yield row


def safe_cell(value: Any) -> Any:
    """Return ``value`` as a CSV cell that no spreadsheet computes.

    Numbers stay numbers. Text that could begin a formula, also behind spaces, gets a leading
    apostrophe, which spreadsheets show as text; NDJSON is exact.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = str(value).replace("\0", "")
    dangerous = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if dangerous else text


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """RFC 4180 with a byte order mark, without which Excel reads UTF-8 as something else."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
        if buffer.tell() >= _CHUNK_CHARACTERS:
            yield _drain(buffer)
    yield _drain(buffer)


def _ndjson(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """One JSON object a line."""
    buffer = io.StringIO()
    for row in rows:
        document = {name: _json_value(value) for name, value in zip(columns, row, strict=True)}
        buffer.write(json.dumps(document, ensure_ascii=False) + "\n")
        if buffer.tell() >= _CHUNK_CHARACTERS:
            yield _drain(buffer)
    yield _drain(buffer)


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return safe_cell(value)
    if value is None or isinstance(value, bool | int | float | str | dict | list):
        return value
    return str(value)


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


FORMATS: Final = {
    "csv": Format(name="csv", media_type="text/csv; charset=utf-8", write=_csv),
    "ndjson": Format(name="ndjson", media_type="application/x-ndjson", write=_ndjson),
}


def format_called(name: str) -> Format:
    """Return the format called ``name``; raises ``InvalidInput`` listing those there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise InvalidInput(
            f"there is no format {name[:60]!r}.", f"Choose one of {', '.join(FORMATS)}."
        ) from None
