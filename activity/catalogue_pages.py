"""The catalogue for people: a page of the documentation. Programs get it from ``activity.api``."""

from collections.abc import Iterator
from typing import Final

from activity.actions import ABOUT, CATALOGUE, FAMILIES, Action, names
from activity.catalogue import described, fields_of_details
from activity.schemas import Schema, in_words

_HEAD: Final = """# The catalogue of events

Every action that the record can name: what it means, how much attention it asks for, and what
its events hold in `details` and `changes`. `changes` has for each field its value before and after.
Fields with `?` may be missing. Actions are never renamed and never reused; fields are only added.

The same as JSON, with a JSON Schema (draft 2020-12) for each action, is at
`/api/v1/activity/catalogue`, for those who may read the record. This page is made by
`make catalogue`.
"""


def markdown() -> str:
    """Return ``docs/catalogue.md``."""
    return "\n".join([_HEAD, *(line for family in FAMILIES for line in _family(family))])


def _family(family: str) -> Iterator[str]:
    yield f"## {family}\n"
    yield f"{ABOUT[family]}\n"
    for name in names(family):
        yield from _action(CATALOGUE[name])


def _action(action: Action) -> Iterator[str]:
    about = described(action.name)
    yield f"### {action.name}\n"
    yield f"{about.meaning}\n"
    yield f"Severity `{action.severity}`. *{action.sentence}.*"
    if about.folding:
        singles, seconds = about.folding.singles, about.folding.seconds
        yield (
            f"Folded: after {singles} of a kind within {seconds} seconds the rest is counted in one"
            " event."
        )
    yield ""
    fields = [
        *_fields("details", fields_of_details(action.name)),
        *_fields("changes", about.changes),
    ]
    if fields:
        yield from ("| Field | Holds |", "|---|---|", *fields, "")


def _fields(column: str, fields: dict[str, Schema]) -> Iterator[str]:
    for name, schema in fields.items():
        if name == "*":
            yield f"| `{column}` | whichever recorded fields changed |"
        else:
            mark = "?" if name.endswith("?") else ""
            yield f"| `{column}.{name.rstrip('?')}`{mark} | {in_words(schema)} |"
