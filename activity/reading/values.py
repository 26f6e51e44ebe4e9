"""What may be asked for by name in a search, and what each name may be given."""

import difflib
import ipaddress
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from django.utils import timezone

from activity.actions import CATALOGUE, FAMILIES, Severity, names
from activity.context import ActorKind, Channel
from activity.models import Outcome
from activity.subjects import kinds

Value = (
    str
    | uuid.UUID
    | datetime
    | ipaddress.IPv4Network
    | ipaddress.IPv6Network
    | tuple[str, str]
    | list[str]
)


class Unfit(Exception):
    """A value is not of its filter's type: what is wrong, and what to write instead."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


def _text(value: str) -> str:
    return value


def _who(value: str) -> str | uuid.UUID:
    """Return an id, which finds exactly one, or text that the label contains."""
    return uuid_or_none(value) or value


def _what(value: str) -> str | uuid.UUID | tuple[str, str]:
    """Return the same, or a kind and an id, for what has no UUID: ``group/7``.

    A path is neither: ``admin/accounts`` is part of the name of a page.
    """
    kind, slash, id_ = value.partition("/")
    return (kind, id_) if slash and id_ and kind in kinds() else _who(value)


def _actor(value: str) -> str | uuid.UUID | tuple[str, str]:
    """Return the same, or a kind and an id, for who has no UUID: ``command/root@host``."""
    kind, slash, id_ = value.partition("/")
    return (kind, id_) if slash and id_ and kind in [*ActorKind] else _who(value)


def uuid_or_none(value: str) -> uuid.UUID | None:
    """Return the UUID that ``value`` is, if it is one as people copy it."""
    try:
        return uuid.UUID(value) if len(value) == 36 else None
    except ValueError:
        return None


def _request(value: str) -> uuid.UUID:
    found = uuid_or_none(value)
    if found is None:
        raise Unfit(
            f"{value[:40]!r} is no request id.",
            "Write the id of an event's page, or of the X-Request-ID header.",
        )
    return found


def _actions(value: str) -> list[str]:
    found: dict[str, None] = {}
    for wanted in value.split(","):
        fitting = [name for name in CATALOGUE if name == wanted]
        if wanted.endswith("*"):
            fitting = [name for name in CATALOGUE if name.startswith(wanted[:-1])]
        if not fitting:
            near = difflib.get_close_matches(wanted, CATALOGUE, 1)
            raise Unfit(
                f"There is no action {wanted[:40]!r}.",
                f"Did you mean {near[0]}?"
                if near
                else "Write one such as user.created, or user.*.",
            )
        found |= dict.fromkeys(fitting)
    return [*found]


def _one_of(choices: list[str]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise Unfit(f"{value[:40]!r} is none of them.", f"Write one of {', '.join(choices)}.")
        return value

    return read


def _family(value: str) -> list[str]:
    return names(_one_of([*FAMILIES])(value))


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        # Python reads an address with its zone (fe80::1%eth0); PostgreSQL does not.
        return ipaddress.ip_network(value if "%" not in value else "", strict=False)
    except ValueError:
        raise Unfit(
            f"{value[:45]!r} is no address and no network.", "Write 10.0.0.7 or 10.0.0.0/8."
        ) from None


def _moment(value: str, *, is_end: bool) -> datetime:
    """Return the first moment that a day or a moment names, or the first after a whole day."""
    wrong = Unfit(
        f"{value[:40]!r} is no day and no moment.", "Write 2026-11-01 or 2026-11-01T14:30."
    )
    try:
        moment = datetime.fromisoformat(value)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            # After the last day of 9999 there is none, and what is out of range is said below.
            days = timedelta(is_end and moment.year < 9999)
            moment = datetime.combine(moment + days, time.min)
        elif not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", value):
            raise wrong
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.get_current_timezone())
    except (ValueError, OverflowError):
        raise wrong from None
    if not 1971 <= moment.year <= 9990:
        raise Unfit(f"{value[:40]!r} is out of range.", "Use years from 1971 to 9990.")
    return moment


@dataclass(frozen=True, slots=True)
class Filter:
    """One name: what it may be given, an example of that, and what it finds."""

    read: Callable[[str], Value]
    example: str
    finds: str


FILTERS: Final = {
    "actor": Filter(_actor, "actor:ann", "what somebody did: a part of the name, or an ID"),
    "behalf": Filter(_who, "behalf:ann", "what was done on behalf of somebody"),
    "target": Filter(
        _what,
        "target:bob",
        "what was done to somebody or something: a part of the name, an ID, or group/7",
    ),
    "action": Filter(
        _actions, "action:user.*", "one action, several with commas, or all that begin alike"
    ),
    "family": Filter(_family, "family:group", "all actions of a family"),
    "outcome": Filter(
        _one_of([*Outcome.values]), "outcome:denied", "how it ended: success, failure or denied"
    ),
    "severity": Filter(
        _one_of([*Severity]),
        "severity:warning",
        "how much attention it asks for: info, notice or warning",
    ),
    "channel": Filter(
        _one_of([*Channel]), "channel:api", "by which door: page, api, command, task or database"
    ),
    "ip": Filter(_network, "ip:10.0.0.0/8", "from an address or a network"),
    "request": Filter(
        _request, "request:0190163d-8694-739b-aea5-966c26f8ad91", "all that one request did"
    ),
    "field": Filter(_text, "field:is_superuser", "what changed a field"),
    "since": Filter(
        lambda value: _moment(value, is_end=False),
        "since:2026-11-01",
        "from the beginning of a day, or from a moment (2026-11-01T14:30)",
    ),
    "until": Filter(
        lambda value: _moment(value, is_end=True),
        "until:2026-11-30",
        "up to the end of a day, or before a moment",
    ),
}
"""Everything that may be asked for by name. ``docs/activity.md`` has the same table."""
