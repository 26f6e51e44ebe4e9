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


PLAIN: Final = Statement(Kind.PLAIN, keeps_path=True, ends_within=False)

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
_MOVES_PATH = re.compile(rf"search_path|set_config|(?:\A|;){_GAP}(?:RESET|DISCARD)\b", _FLAGS)

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
        and sql.startswith(("SELECT ", "INSERT ", "UPDATE ", "DELETE "))
        and ";" not in sql
        and "search_path" not in sql
        and "set_config" not in sql
    )


def read(sql: str) -> Statement:
    """Return how a message, of one statement or of several, has to be sent."""
    several = ";" in sql
    bare = _QUOTED.sub(" ", sql) if several else sql
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
        keeps_path=not (kind is Kind.CONTROL or ends_later or _MOVES_PATH.search(sql)),
        ends_within=several and _GOES_ON.search(bare) is not None,
    )
