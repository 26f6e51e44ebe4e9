"""The paths and templates of declarations, and values of fields, as SQL over a row."""

from typing import Any, Final

from django.db import models

from activity.recording import MOST_TEXT
from activity.subjects import declaration_of, pieces
from tenants.quoting import literal
from tenants.triggers import HERE

UNSAFE: Final = r"[\x01-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
"""What ``activity.text`` escapes, as a regular expression of PostgreSQL's, which has no NUL."""


def table(model: type[models.Model]) -> str:
    """Return the name of a model's table in the schema that the function is made in."""
    return f'{HERE}."{model._meta.db_table}"'


def label(model: type[models.Model], row: str, depth: int = 0) -> str:
    """Return SQL for what the record calls a row of a declared model."""
    return template(model, declaration_of(model).label, row, depth)


def template(
    model: type[models.Model], templates: tuple[str, ...], row: str, depth: int = 0
) -> str:
    """Return SQL for the first of some templates whose fields all say something."""
    *tried, last = templates
    sql = _filled(model, last, row, depth)
    for one in reversed(tried):
        paths = [path for _, path in pieces(one) if path]
        says_all = " AND ".join(f"{value(model, path, row, depth)} <> ''" for path in paths)
        sql = f"CASE WHEN {says_all} THEN {_filled(model, one, row, depth)} ELSE {sql} END"
    return sql


def _filled(model: type[models.Model], one: str, row: str, depth: int) -> str:
    parts = []
    for text, path in pieces(one):
        if text:
            parts.append(literal(text))
        if path:
            parts.append(value(model, path, row, depth))
    return " || ".join(parts)


def value(model: type[models.Model], path: str, row: str, depth: int = 0) -> str:
    """Return SQL for the text at the end of a path, ``row`` being the name of a row of the model.

    What a foreign key refers to may be gone, since keys are checked when a transaction ends: then
    its history is asked.
    """
    first, _, rest = path.partition(".")
    field: Any = model._meta.get_field(first)
    if not field.is_relation or first == field.attname:
        column = f'{row}."{field.column}"'
        is_text = isinstance(field, models.CharField | models.TextField)
        return column if is_text else f"{column}::text"
    target, there = field.related_model, f"x{depth}"
    key = f'{row}."{field.column}"'

    def looked_up(source: str, order: str = "") -> str:
        what = value(target, rest, there, depth + 1) if rest else label(target, there, depth + 1)
        column = target._meta.pk.column
        return f'(SELECT {what} FROM {source} {there} WHERE {there}."{column}" = {key}{order})'

    found = looked_up(table(target))
    history: Any = getattr(target, "history", None)
    if history is None:
        return f"coalesce({found}, '')"
    before = looked_up(table(history.model), f" ORDER BY {there}.history_id DESC LIMIT 1")
    return f"coalesce({found}, {before}, '')"


def as_json(field: Any, row: str) -> str:
    """Return SQL for a field's value as ``changes`` hold it: bounded, on one line, exact if small.

    Numbers and truth values stay what they are, everything else is text.
    """
    column = f'{row}."{field.column}"'
    concrete = field.target_field if field.is_relation else field
    if isinstance(concrete, models.BooleanField | models.IntegerField):
        return column
    if isinstance(concrete, models.UUIDField):
        return f"{column}::text"
    if isinstance(concrete, models.DateTimeField):
        moment = """'YYYY-MM-DD HH24:MI:SS.US"+00:00"'"""
        return f"pg_catalog.to_char({column} AT TIME ZONE 'UTC', {moment})"
    if isinstance(concrete, models.CharField) and (concrete.max_length or 0) <= MOST_TEXT:
        return safe(column, MOST_TEXT, is_short=True)
    return safe(f"{column}::text", MOST_TEXT)


def safe(text: str, limit: int, *, is_short: bool = False) -> str:
    """Return SQL for a text on one line, cut to ``limit`` characters; most are so already."""
    long = "" if is_short else f" OR pg_catalog.length({text}) > {limit}"
    return (
        f"CASE WHEN {text} ~ '{UNSAFE}'{long}"
        f" THEN {HERE}.capture_line({text}, {limit}) ELSE {text} END"
    )
