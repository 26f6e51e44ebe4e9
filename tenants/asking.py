"""One question to the schemas of many tenants: few statements, and none that is too long.

Entering each would be a statement for each. One for all would take PostgreSQL longer to plan, not
less; above some 200 schemas it compiles the statement (JIT), which takes longer than running it;
and it would hold locks on tables of every tenant at once.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from django_tenants.utils import quote_schema_name

from tenants.quoting import literal

AT_ONCE: Final = 100
"""Schemas that one statement asks."""


def ask_each(
    cursor: Any, question: str, places: Iterable[tuple[str, str]], *, before: str = "", **more: Any
) -> list[tuple[Any, ...]]:
    """Return the rows that a question has in each schema, in any order.

    ``places`` are names of records and of their schemas. ``question`` is a ``SELECT`` in which
    ``{record}`` is the name as a constant, ``{schema}`` the schema, and the others are ``more``,
    as they are: numbers. ``before`` comes before the whole, as ``WITH`` does.
    """
    found: list[tuple[Any, ...]] = []
    waiting = iter(places)
    while some := list(islice(waiting, AT_ONCE)):
        asked = (
            question.format(record=literal(record), schema=quote_schema_name(schema), **more)
            for record, schema in some
        )
        cursor.execute(before + " UNION ALL ".join(asked))
        found += cursor.fetchall()
    return found
