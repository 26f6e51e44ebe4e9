"""What the engine has to know of a statement before it may put the search path in front of it.

Django's own statements are told by their first word. Everything else is read here: what ends a
transaction or a savepoint takes the path along, what PostgreSQL runs outside transactions only
cannot share a message with a ``SET LOCAL``.
"""

import re
from enum import Enum, auto
from typing import Final, NamedTuple


class Kind(Enum):
    """How a statement goes to the server."""

    PLAIN = auto()
    """Behind the path, in one message."""

    CONTROL = auto()
    """Begins or ends a savepoint, or ends a transaction: as it is, and the path is set anew."""

    PATHLESS = auto()
    """Refused in transactions, and names nothing that is looked up on the path: as it is."""

    ALONE = auto()
    """Refused in transactions, and names tables: by itself, on a path of the session."""


class Statement(NamedTuple):
    """How to send a message, and whether the path can be relied on afterwards."""

    kind: Kind
    keeps_path: bool
    ends_within: bool
    """It ends a transaction or a savepoint, and then goes on: on whose path nobody knows."""

    outlives: bool
    """It leaves rows or a view of one place on the connection, to be read in the next."""


_GAP: Final = r"(?:\s|--[^\n]*|/\*.*?\*/)*+"
_ENDS: Final = (
    r"(?:ROLLBACK|ABORT|COMMIT|END(?=\s*(?:;|\Z|WORK|TRANSACTION|AND))|PREPARE\s+TRANSACTION)\b"
)
_FLAGS: Final = re.IGNORECASE | re.DOTALL

_CONTROL = re.compile(rf"{_GAP}(?:SAVEPOINT\b|RELEASE\b|{_ENDS})", _FLAGS)
# PostgreSQL's documentation says of each that it cannot run inside a transaction block.
_PATHLESS = re.compile(
    rf"{_GAP}(?:(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE)|ALTER\s+SYSTEM"
    r"|ALTER\s+DATABASE\s+\S+\s+SET\s+TABLESPACE|(?:CREATE|DROP)\s+SUBSCRIPTION"
    r"|REINDEX\s*(?:\([^)]*\)\s*)?(?:SCHEMA|DATABASE|SYSTEM))\b",
    _FLAGS,
)
_ALONE = re.compile(
    rf"{_GAP}(?:VACUUM\b|CLUSTER\s*(?:\([^)]*\)\s*)?(?:VERBOSE\s*)?(?:;|\Z)"
    r"|CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\b|DROP\s+INDEX\s+CONCURRENTLY\b"
    r"|REINDEX\b[^;]*?\bCONCURRENTLY\b"
    r"|ALTER\s+TABLE\b[^;]*?\bDETACH\s+PARTITION\b[^;]*?\bCONCURRENTLY\b)",
    _FLAGS,
)
# What each statement of a message begins with, if it leaves the path alone. Whatever is not listed,
# such as SET, CALL, DO and EXECUTE, may move it by words that are not in the message.
_STAYS = re.compile(
    rf"{_GAP}(?:\(|(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE|CREATE|ALTER|DROP|TRUNCATE"
    r"|COMMENT|GRANT|REVOKE|LOCK|EXPLAIN|ANALYZE|COPY|REFRESH|REINDEX|CLUSTER|SHOW)\b)",
    _FLAGS,
)
# Comments within comments, which PostgreSQL has, are not understood here.
_MOVING: Final = ("search_path", "set_config", "pg_settings")
_NESTED_COMMENT = re.compile(r"/\*(?:(?!\*/).)*/\*", re.DOTALL)
# PostgreSQL looks for them before the path, whose tenant they may not be of.
_OUTLIVES = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:GLOBAL|LOCAL)\s+)?TEMP(?:ORARY)?\s"
    r"(?!\s*TABLE\b[^;]*\bON\s+COMMIT\s+DROP\b)"
    r"|\bWITH\s+HOLD\b",
    _FLAGS,
)

# Strings, names, bodies of functions and comments, in which a semicolon separates nothing.
_QUOTED = re.compile(
    r"\bBEGIN\s+ATOMIC\b.*?;\s*END\b|\$(\w*)\$.*?\$\1\$|\bE'(?:[^'\\]|\\.|'')*+'|'(?:[^']|'')*+'|\"[^\"]*+\""
    r"|--[^\n]*|/\*.*?\*/",
    _FLAGS,
)
_ENDS_LATER = re.compile(rf";\s*{_ENDS}", _FLAGS)
_GOES_ON = re.compile(rf"(?:\A|;)\s*{_ENDS}[^;]*;\s*[^\s;]", _FLAGS)
_SAVEPOINT_GOES_ON = re.compile(r"\A\s*(?:SAVEPOINT|RELEASE)\b[^;]*;\s*[^\s;]", _FLAGS)


def is_ordinary(sql: object) -> bool:
    """Tell at a glance that a statement is one of those that Django makes for models."""
    return (
        type(sql) is str
        # Django quotes the table. One that is not may be pg_settings.
        and sql.startswith(("SELECT ", "INSERT ", 'UPDATE "', "DELETE "))
        and ";" not in sql
        and "set_config" not in sql.lower()
    )


def read(sql: str) -> Statement:
    """Return how a message, of one statement or of several, has to be sent."""
    several = ";" in sql
    bare = _QUOTED.sub(" ", sql) if several else sql
    # Looked for as words first: a blueprint is one message of 25,000 characters.
    words = sql.lower()
    moves_path = any(word in words for word in _MOVING) or (
        "/*" in sql and _NESTED_COMMENT.search(sql) is not None
    )
    may_outlive = "temp" in words or "hold" in words
    ends_later = several and _ENDS_LATER.search(bare) is not None
    kind = Kind.PLAIN
    if _CONTROL.match(sql) and not (several and _SAVEPOINT_GOES_ON.match(bare)):
        kind = Kind.CONTROL
    elif _PATHLESS.match(sql):
        kind = Kind.PATHLESS
    elif _ALONE.match(sql):
        kind = Kind.ALONE
    return Statement(
        kind,
        keeps_path=not (kind is Kind.CONTROL or ends_later or moves_path)
        and all(_STAYS.match(one) for one in bare.split(";") if one.strip()),
        ends_within=several and _GOES_ON.search(bare) is not None,
        outlives=may_outlive
        and _OUTLIVES.search(sql) is not None
        and _OUTLIVES.search(_QUOTED.sub(" ", sql)) is not None,
    )
