"""Whom the record can forget, and what is kept of them beside it: known to the app above."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from activity.subjects import Subject

NOBODY: Final = "erased-"


@dataclass(frozen=True)
class Person:
    """Somebody whom the record knows, whether they still have an account or not.

    ``names`` are all user names, addresses and names they had, as far as it is still known: what a
    text that is about them may hold. ``distinctive`` are those that nobody else has.
    """

    id: str
    """The public id, which is never reused and stays."""
    label: str
    has_account: bool
    names: frozenset[str] = field(default=frozenset())
    distinctive: frozenset[str] = field(default=frozenset())

    @property
    def subject(self) -> Subject:
        """How the erasure itself names them: without a name."""
        return Subject("user", self.id, pseudonym(self.id))


@dataclass(frozen=True, kw_only=True)
class People:
    """What the app that has the accounts can do for this one."""

    find: Callable[[str], Person]
    """By user name, address or public id; raises ``NotFound`` or ``Conflict``."""
    distinctive: Callable[[Person], frozenset[str]]
    """Those of somebody's names that nobody else has or had in the place one is in."""
    refuse: Callable[[Person], None]
    """Raises ``Conflict`` for whom the place cannot do without."""
    close: Callable[[Person], dict[str, int]]
    """Ends the account with all that belongs to it; returns how many rows, by table."""
    forget: Callable[[Person], dict[str, int]]
    """Empties what is left of them in rows about them that stay; returns how many, by table."""
    rows: Callable[[Person], Iterable[tuple[str, Iterator[dict[str, Any]]]]]
    """What is kept of them, as named lists of documents."""


_registered: list[People] = []


def register(people: People) -> None:
    """Make the accounts known. The last registration holds."""
    _registered[:] = [people]


def people() -> People:
    """Return what was registered."""
    return _registered[0]


def pseudonym(person_id: str) -> str:
    """Return what an erased person is called: random digits of their id."""
    return f"{NOBODY}{person_id[-8:]}"
