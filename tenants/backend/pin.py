"""The words that point a message at one schema."""

import re
from functools import lru_cache
from typing import Final

from tenants.errors import InvalidInput

# Lower case alone: a pooler that compares settings ignoring case takes ACME for acme.
_SCHEMA_NAME: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_PREFIX: Final = re.compile(r'SET LOCAL search_path = "[a-z0-9_]+"; ')


@lru_cache(maxsize=4096)
def prefix_for(schema_name: str) -> str:
    """Return what stands before a statement that is to find one schema's tables and no others.

    Raises ``InvalidInput`` for a name that is no schema's of ours.
    """
    if not _SCHEMA_NAME.fullmatch(schema_name):
        raise InvalidInput(
            f"{schema_name[:80]!r} is not the name of a schema that can be entered.",
            "Use lower-case letters, digits and _, at most 63 of them.",
        )
    return f'SET LOCAL search_path = "{schema_name}"; '


def without_prefix(sql: str) -> str:
    """Return a message as whoever sent it wrote it."""
    return _PREFIX.sub("", sql, count=1) if sql.startswith("SET LOCAL search_path") else sql
