"""CSV and NDJSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

from activity.exporting.cells import safe_cell
from activity.exporting.copying import Rows

_PIECE: Final = 64 * 1024


def csv_of_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """RFC 4180 with a byte order mark, without which Excel reads UTF-8 as something else."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
        if buffer.tell() >= _PIECE:
            yield _drained(buffer)
    yield _drained(buffer)


def ndjson_of_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """One JSON object a line."""
    buffer = io.StringIO()
    for row in rows:
        document = {name: _json_value(value) for name, value in zip(columns, row, strict=True)}
        buffer.write(json.dumps(document, ensure_ascii=False) + "\n")
        if buffer.tell() >= _PIECE:
            yield _drained(buffer)
    yield _drained(buffer)


def csv_of_copy(columns: Sequence[str], pieces: Iterable[Rows]) -> Iterator[bytes]:
    """The same of rows that ``statements.csv`` asked for."""
    yield b"".join(csv_of_rows(columns, ()))
    for rows in pieces:
        text = b"".join(rows)
        if text.count(b"\n") == len(rows):
            yield text.replace(b"\n", b"\r\n")
        else:
            # Some cell has a line feed of its own, which is no end of a row.
            yield b"".join([row[:-1] + b"\r\n" for row in rows])


def ndjson_of_copy(columns: Sequence[str], pieces: Iterable[Rows]) -> Iterator[bytes]:
    """The same of rows that ``statements.ndjson`` asked for, which are the lines."""
    return (b"".join(rows) for rows in pieces)


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return safe_cell(value)
    if value is None or isinstance(value, bool | int | float | str | dict | list):
        return value
    return str(value)


def _drained(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8", "replace")
