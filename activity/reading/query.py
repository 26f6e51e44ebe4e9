"""The language in which people search the record: ``actor:ann action:user.* -outcome:success``.

Terms stand side by side and all must hold. A term is ``name:value``, or free words that the labels
or the action contain; ``-`` before a term means that it must not hold; quotes hold a value with
spaces together. Names are an allow list, and every value has a type, so nothing that is typed
reaches the database but as a parameter.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from activity.reading.values import FILTERS, Unfit, uuid_or_none
from tenants.errors import InvalidInput

__all__ = ["FILTERS", "InvalidQuery", "Query", "Term", "about", "by", "parse", "quoted", "together"]

LONGEST: Final = 1_000
"""Characters of a query. A URL carries it, and nobody reads a longer one."""

MOST_TERMS: Final = 20
_SHOWN: Final = 70

_NAME: Final = re.compile(r"([A-Za-z_]+):")
_BARE: Final = re.compile(r'[^\s"]+')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


class InvalidQuery(InvalidInput):
    """A query that cannot be read. The message has the query, with a caret under the place.

    ``position`` is that of the character in the query, from 0.
    """

    code = "invalid-query"

    def __init__(self, problem: str, hint: str, text: str, position: int) -> None:
        self.problem = problem
        self.position = position
        self.pointed = _pointed(text, position)
        super().__init__(f"{problem}\n{self.pointed}\n", hint)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: ``name`` is one of ``FILTERS`` or ``words``, ``value`` has its type.

    ``written`` is the value as it was written, without its quotes, and ``text`` the whole term. An
    ``is_open`` request is looked for up to the ``until:`` beside it, and not for a day.
    """

    name: str
    value: Any
    negated: bool = False
    written: str = field(default="", compare=False)
    text: str = field(default="", compare=False)
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that must hold of an event."""

    terms: tuple[Term, ...] = ()


def parse(text: str) -> Query:
    """Return the conditions that ``text`` names; none for nothing but spaces.

    Days begin and end in the current time zone, which is the reader's. Raises ``InvalidQuery``.
    """
    if len(text) > LONGEST:
        raise InvalidQuery(
            f"A search has at most {LONGEST:,} characters.", "Ask for less.", text, LONGEST
        )
    for position, character in enumerate(text):
        if unicodedata.category(character) in ("Cc", "Cs") and not character.isspace():
            raise InvalidQuery(
                "This character cannot be searched for.", "Leave it out.", text, position
            )
    terms: list[Term] = []
    position = _after_spaces(text, 0)
    while position < len(text):
        if len(terms) == MOST_TERMS:
            raise InvalidQuery(
                f"A search has at most {MOST_TERMS} terms.", "Ask for less.", text, position
            )
        term, position = _term(text, position)
        terms.append(term)
        position = _after_spaces(text, position)
    return together(terms)


def together(terms: Iterable[Term]) -> Query:
    """Return the query of which all terms hold. Beside ``until:``, a request has no other end."""
    terms = tuple(terms)
    if any(term.name == "until" for term in terms):
        terms = tuple(
            replace(term, is_open=term.name == "request" and not term.negated) for term in terms
        )
    return Query(terms)


def quoted(value: str) -> str:
    """Return ``value`` as a query has it, in quotes if it needs them."""
    if value and not re.search(r'[\s"\\]', value):
        return value
    return '"' + value.replace("\\", r"\\").replace('"', r"\"") + '"'


def by(kind: str, id_: str) -> str:
    """Return the query for everything that one actor did."""
    return f"actor:{quoted(id_ if uuid_or_none(id_) else f'{kind}/{id_}')}"


def about(kind: str, id_: str) -> str:
    """Return the query for everything that was done to one object.

    A UUID is enough, and finds a person's roles too. Other ids are those of their kind alone.
    """
    return f"target:{quoted(id_ if uuid_or_none(id_) else f'{kind}/{id_}')}"


def _term(text: str, start: int) -> tuple[Term, int]:
    position = start
    negated = text[position] == "-"
    position += negated
    name = "words"
    if named := _NAME.match(text, position):
        name = named[1].lower()
        if name not in FILTERS:
            near = difflib.get_close_matches(name, FILTERS, 1)
            raise InvalidQuery(
                f"There is no filter {name[:40]!r}.",
                f"Did you mean {near[0]}:?"
                if near
                else f"Use one of {', '.join(FILTERS)}, or put the words into quotes.",
                text,
                position,
            )
        position = named.end()
    if negated and name in ("since", "until"):
        raise InvalidQuery(
            "A moment cannot be negated.", "Use until: for before, since: for after.", text, start
        )
    value, end = _value(text, position)
    if not value.strip():
        what = "After the colon" if named else "Here" if not negated else "After the minus"
        wanted = FILTERS[name].example if named else "a word"
        raise InvalidQuery(f"{what} a value is missing.", f"Write {wanted}.", text, position)
    written = text[start:end]
    if not named:
        return Term(name, value, negated, value, written), end
    try:
        return Term(name, FILTERS[name].read(value), negated, value, written), end
    except Unfit as unfit:
        raise InvalidQuery(unfit.problem, unfit.hint, text, position) from None


def _value(text: str, start: int) -> tuple[str, int]:
    """Return a value, without its quotes, and where it ends."""
    if text[start : start + 1] == '"':
        closed = _QUOTED.match(text, start)
        if closed is None:
            raise InvalidQuery(
                "This quote is never closed.", 'Write a second " after the value.', text, start
            )
        value, end = re.sub(r"\\(.)", r"\1", closed[1]), closed.end()
        if end < len(text) and not text[end].isspace():
            raise InvalidQuery(
                "After a closing quote there must be a space.",
                'Put the whole value into quotes, and \\" for a quote inside.',
                text,
                end,
            )
        return value, end
    bare = _BARE.match(text, start)
    end = bare.end() if bare else start
    if text[end : end + 1] == '"':
        raise InvalidQuery(
            "A quote stands inside a word.",
            'Put the whole value into quotes, and \\" for a quote inside.',
            text,
            end,
        )
    return bare[0] if bare else "", end


def _after_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _pointed(text: str, position: int) -> str:
    """Return the part of ``text`` around ``position``, and below it a caret in its column."""
    first = max(0, position - _SHOWN // 2)
    shown = "".join(
        " " if c.isspace() else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for c in text[first : first + _SHOWN]
    )
    before, after = "…" * (first > 0), "…" * (first + _SHOWN < len(text))
    column = len(before) + sum(map(_width, shown[: position - first]))
    return f"{before}{shown}{after}\n{' ' * column}^"


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
