"""What PostgreSQL is asked for: events whose values it has made cells of, so that Python need not.

Made for speed. A text cell costs two comparisons: what begins with a letter or a digit, as almost
everything does, cannot be a formula, and only the rest is looked at closely.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from django.db import connection, models
from django.db.models import QuerySet

from activity.events import COLUMNS
from activity.exporting.cells import FORMULA
from activity.models import ActivityEvent
from tenants.errors import InvalidInput

_MOST_IN_CELL: Final = 32_767
"""Characters that a cell of a workbook holds (ECMA-376; a character beyond U+FFFF is two)."""

_Field: TypeAlias = "models.Field[Any, Any]"


@dataclass(frozen=True, slots=True)
class Statement:
    """A ``COPY``, and the columns that it gives."""

    columns: tuple[str, ...]
    sql: str
    parameters: tuple[Any, ...]


def columns_called(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of these names, all for none.

    Raises ``InvalidInput`` for one that there is not, or that is named twice.
    """
    for position, name in enumerate(names):
        if name not in COLUMNS:
            raise InvalidInput(
                f"events have no column {name[:60]!r}.", f"Choose of {', '.join(COLUMNS)}."
            )
        if name in names[:position]:
            raise InvalidInput(f"the column {name} is named twice.", "Name each once.")
    return tuple(names) or COLUMNS


def csv(events: QuerySet[ActivityEvent], columns: Sequence[str]) -> Statement:
    """Cells that no spreadsheet computes; ``COPY`` quotes them."""
    return _copy(events, columns, _each(_cell), "FORMAT csv")


def ndjson(events: QuerySet[ActivityEvent], columns: Sequence[str]) -> Statement:
    """One object a line. JSON escapes control characters, so nothing is quoted with these."""
    return _copy(events, columns, _object, r"FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'")


def sheet(events: QuerySet[ActivityEvent], columns: Sequence[str]) -> Statement:
    """Cells of a workbook between tabs; times are its days since 1899-12-30."""
    return _copy(events, columns, _each(_of_sheet), "FORMAT text, NULL ''")


def typed(events: QuerySet[ActivityEvent], columns: Sequence[str]) -> Statement:
    """Values as they are, for a reader that knows their types: times in UTC, without a zone."""
    return _copy(events, columns, _each(_plain), "FORMAT csv")


def kind_of(column: str) -> type[_Field]:
    """Return the sort of field that a column is."""
    return type(_field(column))


def _copy(
    events: QuerySet[ActivityEvent],
    columns: Sequence[str],
    selected: Callable[[Sequence[str]], str],
    options: str,
) -> Statement:
    # Ordered outside: a subquery with an order of its own is not made one with what is around it.
    inner = events.order_by().values_list("id", *(name for name in columns if name != "id"))
    # Here, too, a query set is good only where it was made (tenants.provenance).
    # Filters that leave nothing are a file, too.
    compiler = inner.query.get_compiler(connection=connection, elide_empty=False)
    sql, parameters = compiler.as_sql()
    return Statement(
        tuple(columns),
        # The columns are ours, and what the query set says comes with parameters.
        f"COPY (SELECT {selected(columns)} FROM ({sql}) event ORDER BY event.id)"  # noqa: S608
        f" TO STDOUT WITH ({options})",
        tuple(parameters),
    )


def _field(column: str) -> _Field:
    field: _Field = ActivityEvent._meta.get_field(column)  # type: ignore[assignment]
    return field


def _each(expression: Callable[[_Field, str], str]) -> Callable[[Sequence[str]], str]:
    return lambda columns: ", ".join(expression(_field(name), f"event.{name}") for name in columns)


def _cell(field: _Field, value: str) -> str:
    match field:
        case models.DateTimeField():
            return _moment(value)
        case models.CharField():
            return (
                # In the order in which they are likely.
                f"CASE WHEN ascii({value}) BETWEEN 65 AND 122 THEN {value}"
                f" WHEN {value} = '' THEN NULL"
                f" WHEN ascii({value}) BETWEEN 48 AND 57 THEN {value}"
                f" WHEN {value} ~ '{FORMULA}' THEN '''' || {value} ELSE {value} END"
            )
    return _plain(field, value)


def _moment(value: str) -> str:
    """As Python writes it: with microseconds where there are any (RFC 3339)."""
    form = 'YYYY-MM-DD"T"HH24:MI:SS'
    return (
        f"CASE WHEN date_trunc('second', {value}) = {value}"
        f" THEN to_char({value} AT TIME ZONE 'UTC', '{form}\"Z\"')"
        f" ELSE to_char({value} AT TIME ZONE 'UTC', '{form}.US\"Z\"') END"
    )


def _plain(field: _Field, value: str) -> str:
    match field:
        case models.DateTimeField():
            return f"{value} AT TIME ZONE 'UTC'"
        case models.GenericIPAddressField():
            return f"host({value})"
    return value


def _of_sheet(field: _Field, value: str) -> str:
    match field:
        case models.DateTimeField():
            return f"date_part('epoch', {value}) / 86400 + 25569"
        case models.JSONField():
            return (
                f"CASE WHEN octet_length({value}::text) <= {_MOST_IN_CELL} THEN {value}::text"
                f" ELSE left({value}::text, {_MOST_IN_CELL // 2}) || '…' END"
            )
    return _plain(field, value)


def _object(columns: Sequence[str]) -> str:
    parts = []
    for position, name in enumerate(columns):
        opening = ", " if position else "{"
        parts += [f"""'{opening}"{name}": '""", _json(_field(name), f"event.{name}")]
    return f"concat({', '.join(parts)}, '}}')"


def _json(field: _Field, value: str) -> str:
    match field:
        case models.CharField():
            return f"to_json({value})"
        case models.DateTimeField():
            text = f"""'"' || {_moment(value)} || '"'"""
        case models.UUIDField():
            text = f"""'"' || {value} || '"'"""
        case models.GenericIPAddressField():
            text = f"""'"' || host({value}) || '"'"""
        case _:
            return value
    return f"coalesce({text}, 'null')" if field.null else text
