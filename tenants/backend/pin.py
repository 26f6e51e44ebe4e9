"""The words that point a message at one schema."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from tenants.errors import InvalidInput

# Lower case alone: a pooler that compares settings ignoring case takes ACME for acme.
_SCHEMA_NAME: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_PREFIX: Final = re.compile(
    r'SET LOCAL search_path = "[a-z0-9_]+"; '
    r"(?:SET LOCAL (?:lock|statement)_timeout = (?:\d+|DEFAULT); )*"
)


class Limits(NamedTuple):
    """Seconds after which PostgreSQL gives a statement up; ``None`` is for the server to say.

    ``lock`` is how long it may wait for one lock.
    """

    statement: float | None = None
    lock: float | None = None


UNLIMITED: Final = Limits()


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
def bounds_for(limits: Limits, *, amidst: bool = False) -> str:
    """Return what stands behind the path so that PostgreSQL gives statements up.

    It ends with the transaction (PostgreSQL docs, 19.11.1: Statement Behavior). ``amidst`` one that
    was told other limits, those that there are no more are taken back.
    """
    named = {"lock_timeout": limits.lock, "statement_timeout": limits.statement}
    return "".join(
        f"SET LOCAL {name} = {'DEFAULT' if seconds is None else max(1, round(seconds * 1000))}; "
        for name, seconds in named.items()
        if amidst or seconds is not None
    )


def without_prefix(sql: str) -> str:
    """Return a message as whoever sent it wrote it."""
    return _PREFIX.sub("", sql, count=1) if sql.startswith("SET LOCAL search_path") else sql
