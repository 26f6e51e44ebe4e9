"""What of a tenant's schema goes into an archive, asked of PostgreSQL's catalogs.

The apps above say which tables do not move, and what has to happen before an export and after an
import.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tenants.archive.format import Column, Sequence
from tenants.quoting import qualified

_left_out: dict[str, str] = {}
before_export: list[Callable[[], None]] = []
"""Called inside the tenant before its rows are read, in a transaction."""
after_import: list[Callable[[], None]] = []
"""Called inside the tenant when its rows are there, in the transaction that opens it."""
to_do: list[Callable[[], list[str]]] = []
"""Asked inside the tenant that was imported: what its operator still has to do, in sentences."""


def leave_out(table: str, why: str) -> None:
    """Keep the rows of a table out of archives."""
    _left_out[table] = why


def left_out() -> dict[str, str]:
    """Return the tables whose rows do not move, each with the reason."""
    return dict(_left_out)


@dataclass(frozen=True)
class Shape:
    """A table as it is in a schema: its columns in their order, and those of its primary key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


_COLUMNS = """
SELECT relname, attname, format_type(atttypid, atttypmod),
       coalesce(array_position(indkey::int2[], attnum), -1)
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary
WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' AND attgenerated = ''
ORDER BY relname, attnum
"""

_SEQUENCES = """
SELECT owner.relname, attname, sequence.relname,
       coalesce(pg_sequence_last_value(sequence.oid) + seqincrement, seqstart)
FROM pg_class AS sequence
JOIN pg_sequence ON seqrelid = sequence.oid
JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = sequence.oid
    AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
JOIN pg_class AS owner ON owner.oid = refobjid
JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
WHERE sequence.relnamespace = to_regnamespace(%s)
ORDER BY owner.relname, attname
"""


def shapes(cursor: Any, schema_name: str) -> list[Shape]:
    """Return the tables of a schema, by name."""
    cursor.execute(_COLUMNS, [schema_name])
    columns: dict[str, list[Column]] = {}
    keys: dict[str, dict[int, str]] = {}
    for table, name, kind, position in cursor.fetchall():
        columns.setdefault(table, []).append(Column(name=name, type=kind))
        keys.setdefault(table, {})
        if position >= 0:
            keys[table][position] = name
    return [
        Shape(table, tuple(found), tuple(keys[table][at] for at in sorted(keys[table])))
        for table, found in columns.items()
    ]


def sequences(cursor: Any, schema_name: str) -> Iterator[tuple[Sequence, str]]:
    """Yield the sequences of a schema's columns, each with its name."""
    cursor.execute(_SEQUENCES, [schema_name])
    for table, column, name, following in cursor.fetchall():
        yield Sequence(table=table, column=column, next=following), name


def migrations(cursor: Any, schema_name: str) -> list[str]:
    """Return the migrations that a schema has, as ``app.name``."""
    table = qualified(schema_name, "django_migrations")
    cursor.execute(f"SELECT app, name FROM {table}")  # noqa: S608
    return sorted(f"{app}.{name}" for app, name in cursor.fetchall())
