"""Telling the database who makes a change, in the message that makes it.

Triggers read it from the setting ``tenantry.context``, which lasts as long as the transaction.
What it says comes from above, where people and requests are known; here it is only carried. It
goes with statements that may change a recorded table, once in a transaction and again when it
is another: reading costs nothing more.
"""

import json
import re
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol


class Circumstances(Hashable, Protocol):
    """What is told: equal ones are written out once."""

    def told(self) -> Mapping[str, Any]:
        """Return it as JSON can hold it, its texts valid and bounded."""


recorded: Final[set[str]] = set()
"""Tables that have triggers which read what is told. Apps above add theirs."""

_sources: list[Callable[[], Circumstances]] = []

_READS: Final = ('SELECT "', "SELECT COUNT(", "SELECT 1 AS", 'SELECT DISTINCT "', "SELECT (")
_TABLE: Final = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "([^"]+)"')
_SETTING: Final = re.compile(r"SET LOCAL tenantry\.context = E'[^']*'; ")


def tell(source: Callable[[], Circumstances]) -> None:
    """Ask ``source`` from now on, whenever a statement may change a recorded table."""
    _sources[:] = [source]


def may_change(sql: str) -> bool:
    """Tell whether a statement as Django makes them may change a recorded table.

    Models are read by statements that name their columns; what else is selected may be a function
    that changes something.
    """
    if sql.startswith("SELECT "):
        return not sql.startswith(_READS)
    named = _TABLE.match(sql)
    return named is None or named[1] in recorded


def setting() -> str:
    """Return what goes before such a statement; empty when nobody above has anything to tell."""
    return _setting(_sources[0]()) if _sources else ""


@lru_cache(maxsize=256)
def _setting(circumstances: Circumstances) -> str:
    # ASCII, and without what the driver (%) or the server (') would read as its own.
    text = json.dumps(circumstances.told(), separators=(",", ":"))
    text = text.replace("'", r"\u0027").replace("%", r"\u0025").replace("\\", r"\\")
    return f"SET LOCAL tenantry.context = E'{text}'; "


def without_setting(sql: str) -> str:
    """Return a statement without what was told before it."""
    return _SETTING.sub("", sql, count=1) if sql.startswith("SET LOCAL tenantry") else sql
