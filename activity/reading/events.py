"""The conditions of a query, as the database can answer them from an index."""

import ipaddress
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import CharField, F, Lookup, Q, QuerySet, Value

from activity.context import Channel
from activity.models import ActivityEvent, Outcome
from activity.reading.query import Query, Term

BEFORE_A_REQUEST: Final = timedelta(minutes=1)
"""How far the database's clock may be behind that of the process that named a request."""

AFTER_A_REQUEST: Final = timedelta(days=1)
"""For how long after its beginning a request, task or command is taken to write events.

What carries on with it later, such as an operation that is retried, has its id all the same: with
``until:`` beside it, that says up to when.
"""


class Within(Lookup):
    """``ip <<= network``: an address is one of a network's, or the same."""

    lookup_name = "within"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the operator between both sides, the right one a parameter."""
        left, left_parameters = self.process_lhs(compiler, connection)
        right, right_parameters = self.process_rhs(compiler, connection)
        return f"{left} <<= {right}::inet", (*left_parameters, *right_parameters)


def first_id_at(moment: datetime) -> uuid.UUID:
    """Return the lowest id that an event of ``moment`` or later can have (RFC 9562, 5.7)."""
    return _lowest(int(moment.timestamp() * 1_000))


def narrow(events: QuerySet[ActivityEvent], query: Query) -> QuerySet[ActivityEvent]:
    """Return those of ``events`` of which every term of ``query`` holds."""
    for term in query.terms:
        events = events.filter(condition(term))
    return events


def condition(term: Term) -> Q:
    """Return one term as a condition. Negated, it holds wherever the term does not."""
    if term.is_open:
        return Q(request_id=term.value) & beginning(term)
    if not term.negated:
        return _CONDITIONS[term.name](term.value)
    if term.name == "ip":
        return Q(ip__isnull=True) | ~_ip(term.value)
    if term.name == "request":
        return ~Q(request_id=term.value)
    return ~_CONDITIONS[term.name](term.value)


def beginning(term: Term) -> Q:
    """Return where the events of a term begin, where that is known and their end is not."""
    if not term.is_open or term.value.version != 7:
        return Q()
    return Q(id__gte=_id_near(term.value, -BEFORE_A_REQUEST))


def of_request(event: ActivityEvent) -> str:
    """Return the query for everything that the request of an event did; it finds the event."""
    request = event.request_id
    if request.version != 7 or event.pk < _id_near(request, AFTER_A_REQUEST):
        return f"request:{request}"
    end = event.occurred_at.astimezone(UTC) + timedelta(minutes=1)
    return f"request:{request} until:{end:%Y-%m-%dT%H:%MZ}"


def is_keyed(term: Term) -> bool:
    """Tell whether an index holds the term's events in their order, so a page reads just them."""
    test = _KEYED.get(term.name)
    return test is not None and not term.negated and test(term.value)


def is_bound(term: Term) -> bool:
    """Tell whether the term is a range of ids, which the primary key and every index serve.

    A request is one, since its id tells its moment, unless its end is told by another term.
    """
    is_request = term.name == "request" and not term.negated and term.value.version == 7
    return (is_request and not term.is_open) or term.name in ("since", "until")


def _words(value: str) -> Q:
    return (
        Q(actor_label__icontains=value)
        | Q(target_label__icontains=value)
        | Q(action__icontains=value)
    )


def _who(column: str) -> Any:
    def of(value: str | uuid.UUID) -> Q:
        if isinstance(value, uuid.UUID):
            return Q(**{f"{column}_id": str(value)})
        return Q(**{f"{column}_id": value}) | Q(**{f"{column}_label__icontains": value})

    return of


def _actor(value: str | uuid.UUID | tuple[str, str]) -> Q:
    if isinstance(value, tuple):
        return Q(actor_kind=value[0], actor_id=value[1])
    return Q(_who("actor")(value))


def _target(value: str | uuid.UUID | tuple[str, str]) -> Q:
    if isinstance(value, tuple):
        return Q(target_type=value[0], target_id=value[1])
    return Q(_who("target")(value))


def _actions(value: list[str]) -> Q:
    return Q(action=value[0]) if len(value) == 1 else Q(action__in=value)


def _ip(value: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Q:
    if value.num_addresses == 1:
        return Q(ip=str(value.network_address))
    return Q(Within(F("ip"), Value(str(value), output_field=CharField())))


def _request(value: uuid.UUID) -> Q:
    if value.version != 7:
        return Q(request_id=value)
    first, last = _id_near(value, -BEFORE_A_REQUEST), _id_near(value, AFTER_A_REQUEST)
    return Q(request_id=value, id__gte=first, id__lt=last)


def _id_near(request: uuid.UUID, shift: timedelta) -> uuid.UUID:
    """Return the lowest id that an event can have so long after a request's id was made."""
    return _lowest((request.int >> 80) + shift // timedelta(milliseconds=1))


def _lowest(milliseconds: int) -> uuid.UUID:
    """Return the lowest id so many milliseconds after 1970 began, or the nearest there can be."""
    return uuid.UUID(int=max(0, min(milliseconds, (1 << 48) - 1)) << 80)


_CONDITIONS: Final[dict[str, Callable[[Any], Q]]] = {
    "words": _words,
    "actor": _actor,
    "behalf": _who("on_behalf_of"),
    "target": _target,
    "action": _actions,
    "family": _actions,
    "outcome": lambda value: Q(outcome=value),
    "severity": lambda value: Q(severity=value),
    "channel": lambda value: Q(channel=value),
    "ip": _ip,
    "request": _request,
    "field": lambda value: Q(changes__has_key=value),
    "since": lambda value: Q(id__gte=first_id_at(value)),
    "until": lambda value: Q(id__lt=first_id_at(value)),
}

_KEYED: Final[dict[str, Callable[[Any], bool]]] = {
    "actor": lambda value: not isinstance(value, str),
    "behalf": lambda value: isinstance(value, uuid.UUID),
    "target": lambda value: not isinstance(value, str),
    "action": lambda value: len(value) == 1,
    "family": lambda value: len(value) == 1,
    # The indexes leave out what is common, which the primary key finds as fast.
    "outcome": lambda value: bool(value != Outcome.SUCCESS),
    "channel": lambda value: bool(value != Channel.PAGE),
    "ip": lambda value: bool(value.num_addresses == 1),
}
