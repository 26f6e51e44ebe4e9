"""The language in which people search the record: ``actor:ann action:user.* -outcome:success``.

Terms stand side by side and all must hold. A term is ``name:value``, or free words that the labels
or the action contain; ``-`` before a term means that it must not hold; quotes hold a value with
spaces together. Names are an allow list, and every value has a type, so nothing that is typed
reaches the database but as a parameter.
"""

import difflib
import ipaddress
import re
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final

from django.utils import timezone

from activity.actions import CATALOGUE, FAMILIES, Severity, names
from activity.context import Channel
from activity.models import Outcome
from tenants.errors import InvalidInput

LONGEST: Final = 1_000
"""Characters of a query. A URL carries it, and nobody reads a longer one."""

MOST_TERMS: Final = 20
_SHOWN: Final = 70

_NAME: Final = re.compile(r"([A-Za-z_]+):")
_BARE: Final = re.compile(r'[^\s"]+')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ID_OF: Final = re.compile(r"([a-z]+)/(.+)")

Value = (
    str
    | uuid.UUID
    | datetime
    | ipaddress.IPv4Network
    | ipaddress.IPv6Network
    | tuple[str, str]
    | list[str]
)


class InvalidQuery(InvalidInput):
    """A query that cannot be read. The message has the query, with a caret under the place."""

    code = "invalid-query"

    def __init__(self, problem: str, hint: str, text: str, position: int) -> None:
        self.problem = problem
        self.pointed = _pointed(text, position)
        super().__init__(f"{problem}\n{self.pointed}\n", hint)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: ``name`` is one of ``FILTERS`` or ``words``, ``value`` has its type."""

    name: str
    value: Any
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that must hold of an event."""

    terms: tuple[Term, ...] = ()


class _Unfit(Exception):
    """A value is not of its filter's type: what is wrong, and what to write instead."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


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
    return Query(tuple(terms))


def quoted(value: str) -> str:
    """Return ``value`` as a query has it, in quotes if it needs them."""
    if value and not re.search(r'[\s"\\]', value):
        return value
    return '"' + value.replace("\\", r"\\").replace('"', r"\"") + '"'


def about(kind: str, id_: str) -> str:
    """Return the query for everything that was done to one object.

    A UUID is enough, and finds a person's roles too. Other ids are those of their kind alone.
    """
    return f"target:{quoted(id_ if _uuid_or_none(id_) else f'{kind}/{id_}')}"


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
    if not named:
        return Term(name, value, negated), end
    try:
        return Term(name, FILTERS[name].read(value), negated), end
    except _Unfit as unfit:
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


# The types of values


def _text(value: str) -> str:
    return value


def _who(value: str) -> str | uuid.UUID:
    """Return an id, which finds exactly one, or text that the label contains."""
    return _uuid_or_none(value) or value


def _what(value: str) -> str | uuid.UUID | tuple[str, str]:
    """Return the same, or a kind and an id, for what has no UUID: ``group/7``."""
    kind = _ID_OF.fullmatch(value)
    return (kind[1], kind[2]) if kind else _who(value)


def _uuid_or_none(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if len(value) == 36 else None
    except ValueError:
        return None


def _request(value: str) -> uuid.UUID:
    found = _uuid_or_none(value)
    if found is None:
        raise _Unfit(
            f"{value[:40]!r} is no request id.",
            "Write the id of an event's page, or of the X-Request-ID header.",
        )
    return found


def _actions(value: str) -> list[str]:
    found = [name for name in CATALOGUE if name == value]
    if value.endswith("*"):
        found = [name for name in CATALOGUE if name.startswith(value[:-1])]
    if not found:
        near = difflib.get_close_matches(value, CATALOGUE, 1)
        raise _Unfit(
            f"There is no action {value[:40]!r}.",
            f"Did you mean {near[0]}?" if near else "Write one such as user.created, or user.*.",
        )
    return found


def _one_of(choices: list[str]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise _Unfit(f"{value[:40]!r} is none of them.", f"Write one of {', '.join(choices)}.")
        return value

    return read


def _family(value: str) -> list[str]:
    return names(_one_of([*FAMILIES])(value))


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        # Python reads an address with its zone (fe80::1%eth0); PostgreSQL does not.
        return ipaddress.ip_network(value if "%" not in value else "", strict=False)
    except ValueError:
        raise _Unfit(
            f"{value[:45]!r} is no address and no network.", "Write 10.0.0.7 or 10.0.0.0/8."
        ) from None


def _moment(value: str, *, is_end: bool) -> datetime:
    """Return the first moment that a day or a moment names, or the first after a whole day."""
    wrong = _Unfit(
        f"{value[:40]!r} is no day and no moment.", "Write 2026-11-01 or 2026-11-01T14:30."
    )
    try:
        moment = datetime.fromisoformat(value)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            moment = datetime.combine(moment + timedelta(is_end), time.min)
        elif not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", value):
            raise wrong
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.get_current_timezone())
    except (ValueError, OverflowError):
        raise wrong from None
    if not 1971 <= moment.year <= 9990:
        raise _Unfit(f"{value[:40]!r} is out of range.", "Use years from 1971 to 9990.")
    return moment


@dataclass(frozen=True, slots=True)
class Filter:
    """One name: what it may be given, and an example of that."""

    read: Callable[[str], Value]
    example: str


FILTERS: Final = {
    "actor": Filter(_who, "actor:ann"),
    "behalf": Filter(_who, "behalf:ann"),
    "target": Filter(_what, "target:bob"),
    "action": Filter(_actions, "action:user.*"),
    "family": Filter(_family, "family:group"),
    "outcome": Filter(_one_of([*Outcome.values]), "outcome:denied"),
    "severity": Filter(_one_of([*Severity]), "severity:warning"),
    "channel": Filter(_one_of([*Channel]), "channel:api"),
    "ip": Filter(_network, "ip:10.0.0.0/8"),
    "request": Filter(_request, "request:0190163d-8694-739b-aea5-966c26f8ad91"),
    "field": Filter(_text, "field:is_superuser"),
    "since": Filter(lambda value: _moment(value, is_end=False), "since:2026-11-01"),
    "until": Filter(lambda value: _moment(value, is_end=True), "until:2026-11-30"),
}
"""Everything that may be asked for by name. ``docs/activity.md`` has the same table."""
