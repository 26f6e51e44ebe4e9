"""Parquet: typed columns in groups of rows, written while they are read.

It needs ``pyarrow``, which weighs more than all else together: installed by whoever wants it
(``requirements/parquet.txt``), and imported by the first export that uses it.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final

from django.db import models

from activity.exporting.copying import Rows
from activity.exporting.sinks import Sink
from activity.exporting.statements import kind_of

_GROUP_BYTES: Final = 6 << 20
"""Of rows in a group, as text: what is in memory at once."""


def is_installed() -> bool:
    """Tell whether Parquet can be written here."""
    return find_spec("pyarrow") is not None


def of_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield a file of values; a report fits into memory, and its values say their types."""
    import pyarrow

    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    table = pyarrow.table(
        {
            name: pyarrow.array(column) if column else pyarrow.array([], pyarrow.string())
            for name, column in zip(columns, values, strict=True)
        }
    )
    yield from _written(table.schema, [table])


def of_copy(columns: Sequence[str], pieces: Iterable[Rows]) -> Iterator[bytes]:
    """Yield a file of rows that ``statements.typed`` asked for."""
    import pyarrow

    schema = pyarrow.schema([(name, _type(name)) for name in columns])
    yield from _written(schema, (_table(text, schema) for text in _grouped(pieces)))


def _grouped(pieces: Iterable[Rows]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for rows in pieces:
        waiting.append(b"".join(rows))
        size += len(waiting[-1])
        if size >= _GROUP_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)


def _type(column: str) -> Any:
    import pyarrow

    kinds = {
        models.DateTimeField: pyarrow.timestamp("us", "UTC"),
        models.PositiveSmallIntegerField: pyarrow.int16(),
    }
    return kinds.get(kind_of(column), pyarrow.string())


def _table(text: bytes, schema: Any) -> Any:
    """Return the rows of a CSV of ``COPY``: an empty cell is null, an empty text has quotes."""
    import pyarrow
    from pyarrow import csv

    # A moment without a zone is read as such; that it is one of UTC is then said, not reckoned.
    types = {
        field.name: pyarrow.timestamp("us")
        if pyarrow.types.is_timestamp(field.type)
        else field.type
        for field in schema
    }
    table = csv.read_csv(
        pyarrow.BufferReader(text),
        csv.ReadOptions(column_names=schema.names, use_threads=False, block_size=max(len(text), 1)),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            timestamp_parsers=[csv.ISO8601],
        ),
    )
    return table.cast(schema)


def _written(schema: Any, tables: Iterable[Any]) -> Iterator[bytes]:
    from pyarrow import parquet

    sink = Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd", compression_level=1) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(len(table), 1))
            yield sink.taken()
    yield sink.taken()
