"""Data that left the house, and what operators did here."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db.models import Q

from activity.actions import names
from activity.context import Channel
from activity.events import sentence
from activity.reports.reading import newest, who, whom
from activity.reports.registry import Asked, Column, Definition, Kind, Row, Source, register

_TAKEN: Final = (*names("export"), "user.exported", "tenant.exported")

_LIFE: Final = (*names("tenant"), *names("operation"), *names("support"))
"""What operators do to a tenant, which its own record has too, and when they looked into it."""


def _exports(asked: Asked) -> Iterable[Row]:
    for event in newest(asked, Q(action__in=_TAKEN)):
        about = event.details or {}
        yield (
            event.occurred_at,
            event.action,
            whom(event),
            _text(about.get("format")),
            _number(about.get("rows")),
            _number(about.get("bytes")),
            who(event),
            event.channel,
            event.ip or "",
            str(event.pk),
        )


# Operators have no account here: they come by the shell, by the database, on somebody's behalf, or
# do to the tenant what only they can.
_OPERATORS: Final = (
    Q(channel__in=(Channel.COMMAND, Channel.DATABASE))
    | Q(on_behalf_of_id__gt="")
    | Q(action__in=_LIFE)
)


def _support(asked: Asked) -> Iterable[Row]:
    for event in newest(asked, _OPERATORS):
        yield (
            event.occurred_at,
            who(event),
            event.on_behalf_of_label,
            sentence(event),
            _moment((event.details or {}).get("ends_at")),
            _number((event.details or {}).get("acts")),
            event.channel,
            event.reason,
            str(event.pk),
        )


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


_WHEN: Final = Column("at", "When", Kind.MOMENT)
_BY: Final = Column("by", "By")
_DOOR: Final = Column("channel", "Door")
_EVENT: Final = Column("event", "Event")

register(
    Definition(
        name="exports",
        title="Exports and downloads",
        about="Data",
        sentence=(
            "Every file of the record, of a report or of all kept on a person: asked for and"
            " finished, newest first, by whom, how large, and in which format."
        ),
        columns=(
            _WHEN,
            Column("action", "What happened"),
            Column("what", "What was taken"),
            Column("format", "Format"),
            Column("rows", "Rows", Kind.COUNT, "rows"),
            Column("bytes", "Size", Kind.COUNT, "bytes"),
            _BY,
            _DOOR,
            Column("ip", "Address"),
            _EVENT,
        ),
        rows=_exports,
        reads=Source.EVENTS,
    ),
    Definition(
        name="support-access",
        title="What operators did here",
        about="Power",
        sentence=(
            "What those who run the platform did in this record, newest first: by command, in the"
            " database, on behalf of somebody under support access, or to the organisation as a"
            " whole."
        ),
        columns=(
            _WHEN,
            _BY,
            Column("on_behalf_of", "On behalf of"),
            Column("what", "What happened"),
            Column("until", "Access until", Kind.MOMENT),
            Column("acts", "Events of the access", Kind.COUNT, "events"),
            _DOOR,
            Column("reason", "Reason"),
            _EVENT,
        ),
        rows=_support,
        reads=Source.EVENTS,
    ),
)
