"""Where things are made: which schema an alias stands for, in this thread, now.

These functions run whenever a query is made and whenever an instance is, so each microsecond here
is one of every statement.
"""

import sys
from asyncio import _get_running_loop
from functools import lru_cache
from importlib import _bootstrap
from threading import local
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections


class Place(str):
    """A database alias that knows the schema it stands for: what ``_state.db`` holds here."""

    __slots__ = ("schema",)
    schema: str

    def __reduce__(self) -> Any:
        return place, (str(self), self.schema)


@lru_cache(maxsize=10_000)
def place(alias: str, schema: str) -> Place:
    """Return the one ``Place`` of an alias and a schema."""
    made = Place(alias)
    made.schema = schema
    return made


# connections[…] takes 0.7 µs, of which 0.6 are spent on finding the thread-local that holds them.
_of_thread: Final = getattr(connections._connections, "_storage", None)  # type: ignore[attr-defined]
_is_direct: Final = isinstance(_of_thread, local) and DEFAULT_DB_ALIAS == "default"
# Not empty while any thread imports a module, and only then.
_imports_under_way: Final = getattr(_bootstrap, "_module_locks", (True,))


def here(alias: str | None = None) -> str:
    """Return the schema that statements of this thread go to, or "" where there is none."""
    if alias is None or alias == "default":
        try:
            if _is_direct and _get_running_loop() is None:
                return _of_thread.default.schema_name or ""  # type: ignore[union-attr]
        except AttributeError:
            pass  # This thread has not asked for its connection yet.
        alias = DEFAULT_DB_ALIAS
    return getattr(connections[alias], "schema_name", None) or ""


def made_here() -> str:
    """Return the schema to which what is made now belongs, or "" for nobody's."""
    if _imports_under_way and _is_importing():
        return ""
    try:
        if _is_direct and _get_running_loop() is None:
            return _of_thread.default.schema_name or ""  # type: ignore[union-attr]
    except AttributeError:
        pass  # This thread has not asked for its connection yet.
    return here()


def _is_importing() -> bool:
    """Tell whether this is run by the import of a module, which may happen inside any request."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            specification = frame.f_globals.get("__spec__")
            if getattr(specification, "_initializing", False):
                return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
