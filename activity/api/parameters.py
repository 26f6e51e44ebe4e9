"""What may stand behind the question mark: an allow list, and everything wrong is said at once."""

import base64
import difflib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import QueryDict

from activity.api.errors import InvalidParameters
from activity.numbers import whole_number
from activity.reading.paging import SIZE, Cursor
from activity.reading.query import FILTERS, InvalidQuery, Query, Term, parse, quoted, together

MOST: Final = 500
"""Events of one page."""

MOST_ERRORS: Final = 40
"""Names that are looked at: more than twice as many as there are."""

NAMES: Final = ("q", *FILTERS, "cursor", "limit")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: which events, from where on, and how many."""

    query: Query
    cursor: Cursor
    limit: int


@dataclass(slots=True)
class _Reader:
    """Reads parameters one by one, and remembers what was wrong with which."""

    given: QueryDict
    names: tuple[str, ...] = NAMES
    errors: list[dict[str, Any]] = field(default_factory=list)

    def wrong(self, name: str, code: str, detail: str, hint: str, **more: Any) -> None:
        self.errors.append(
            {"parameter": name, "code": code, "detail": detail, "hint": hint, **more}
        )

    def check_names(self) -> None:
        for name in list(self.given)[:MOST_ERRORS]:
            shown, times = name[:40], len(self.given.getlist(name))
            if name not in self.names:
                near = difflib.get_close_matches(shown, self.names, 1)
                use = f"Use one of {', '.join(self.names)}."
                hint = f"Did you mean {near[0]}?" if near else use
                self.wrong(shown, "unknown-parameter", f"There is no parameter {shown!r}.", hint)
            elif times > 1:
                detail = f"{shown} is given {times} times."
                self.wrong(shown, "repeated-parameter", detail, "Give it once.")

    def read(self, name: str, how: Callable[[str], Any], default: Any) -> Any:
        if name not in self.given or any(e["parameter"] == name for e in self.errors):
            return default
        try:
            return how(str(self.given[name]))
        except InvalidQuery as error:
            # Where in the text is of use only where the text is the client's own.
            place = {"position": error.position, "pointed": error.pointed} if name == "q" else {}
            self.wrong(name, error.code, error.problem, error.hint, **place)
        except ValueError as error:
            self.wrong(name, "invalid-value", *error.args)
        return default

    def refuse_wrong(self) -> None:
        if self.errors:
            raise InvalidParameters(self.errors)


def read(given: QueryDict) -> Asked:
    """Return what the parameters ask for; raises ``InvalidParameters`` with all that is wrong.

    Days begin and end in the current time zone, which is the reader's.
    """
    reader = _Reader(given)
    reader.check_names()
    terms = list(reader.read("q", parse, Query()).terms)
    for name in FILTERS:
        term = reader.read(name, _term_of(name), None)
        terms += [term] if term else []
    cursor = reader.read("cursor", cursor_from, Cursor())
    limit = reader.read("limit", _limit_of(MOST, SIZE), SIZE)
    reader.refuse_wrong()
    return Asked(together(terms), cursor, limit)


def page_asked(given: QueryDict, usual: int, most: int, what: str) -> tuple[uuid.UUID | None, int]:
    """Return before which id of ``what``, and how many, a page of a list of ids is to be.

    Raises ``InvalidParameters`` with all that is wrong.
    """
    reader = _Reader(given, ("before", "limit"))
    reader.check_names()
    before = reader.read("before", _id_of(what), None)
    limit = reader.read("limit", _limit_of(most, usual), usual)
    reader.refuse_wrong()
    return before, limit


def written(cursor: Cursor) -> str:
    """Return a cursor as links carry it. What is in it is nobody's business but ours."""
    way, key = ("a", cursor.after) if cursor.after else ("b", cursor.before)
    assert key is not None
    return base64.urlsafe_b64encode(way.encode() + key.bytes).decode().rstrip("=")


def cursor_from(text: str) -> Cursor:
    """Return the cursor that ``written`` wrote; raises ``ValueError`` for any other text."""
    try:
        data = base64.b64decode(f"{text}=", altchars=b"-_", validate=True)
        way, key = data[:1], uuid.UUID(bytes=data[1:])
        cursor = {b"b": Cursor(before=key), b"a": Cursor(after=key)}[way]
    except (ValueError, KeyError):
        cursor = Cursor()
    if cursor == Cursor() or written(cursor) != text:
        raise ValueError("This is no cursor of ours.", "Take next or previous of an answer.")
    return cursor


def _term_of(name: str) -> Callable[[str], Term]:
    def term(value: str) -> Term:
        return parse(f"{name}:{quoted(value)}").terms[0]

    return term


def _id_of(what: str) -> Callable[[str], uuid.UUID | None]:
    def id_(value: str) -> uuid.UUID | None:
        try:
            return uuid.UUID(value) if value else None
        except ValueError:
            raise ValueError(f"before is no id of {what}.", "Take the link next.") from None

    return id_


def _limit_of(most: int, usual: int) -> Callable[[str], int]:
    def limit(text: str) -> int:
        found = whole_number(text, most)
        if found is None:
            raise ValueError(f"limit is a number from 1 to {most}.", f"Leave it out for {usual}.")
        return found

    return limit
