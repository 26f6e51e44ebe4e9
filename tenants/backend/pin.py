"""The words that point a message at one schema."""

import re
from functools import lru_cache
from typing import Final

from tenants.errors import InvalidInput

# Lower case alone: a pooler that compares settings ignoring case takes ACME for acme.
_SCHEMA_NAME: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_PREFIX: Final = re.compile(
    r'SET LOCAL search_path = "[a-z0-9_]+"; '
    r"(?:SET LOCAL (?:lock|statement)_timeout = (?:\d+|DEFAULT); )*"
)

UNBOUND: Final = "SET LOCAL lock_timeout = DEFAULT; SET LOCAL statement_timeout = DEFAULT; "
"""Takes from a transaction what ``bounds_for`` gave to it."""


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


@lru_cache(maxsize=64)
def bounds_for(statement: float, lock: float | None) -> str:
    """Return what stands behind the path so that PostgreSQL gives statements up.

    After ``statement`` seconds, and where ``lock`` is given after waiting as many for one lock.
    Both end with the transaction (PostgreSQL docs, 19.11.1: Statement Behavior).
    """
    limits = {"lock_timeout": lock, "statement_timeout": statement}
    return "".join(
        f"SET LOCAL {name} = {max(1, round(seconds * 1000))}; "
        for name, seconds in limits.items()
        if seconds is not None
    )


def without_prefix(sql: str) -> str:
    """Return a message as whoever sent it wrote it."""
    return _PREFIX.sub("", sql, count=1) if sql.startswith("SET LOCAL search_path") else sql
