"""Reading events: as sentences for people and as rows for files."""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import QuerySet

from activity.actions import CATALOGUE
from activity.models import ActivityEvent
from activity.periods import Period

COLUMNS: Final = (
    "id",
    "occurred_at",
    "action",
    "outcome",
    "severity",
    "actor_kind",
    "actor_id",
    "actor_label",
    "on_behalf_of_id",
    "on_behalf_of_label",
    "target_type",
    "target_id",
    "target_label",
    "changes",
    "details",
    "ip",
    "user_agent",
    "channel",
    "request_id",
    "session_ref",
    "reason",
    "schema_version",
)
"""What leaves the house: every column but the salt and the database's own stamps."""

_CHUNK: Final = 2_000


def sentence(event: ActivityEvent) -> str:
    """Return an event as one sentence, with the labels as they were."""
    known = CATALOGUE.get(event.action)
    if known is None:
        # Written by a newer version: better its name than no line.
        return event.action
    target = event.target_label or "an unknown account"
    if event.target_salt is None:
        target = erased(event.target_id) if event.target_type == "user" else "something erased"
    actor = event.actor_label or event.actor_kind
    if event.actor_salt is None:
        actor = erased(event.actor_id) if event.actor_id else f"{event.actor_kind}, erased"
    said = known.sentence.format(actor=actor, target=target)
    times = event.details.get("count") if event.details else None
    return f"{said}, {times:,} more times" if times else said


def erased(person_id: str) -> str:
    """Return what stands for somebody who is forgotten."""
    return f"erased person {person_id[-8:]}"


def between(period: Period | None) -> QuerySet[ActivityEvent]:
    """Return the events of a period, or all, oldest first."""
    events = ActivityEvent.objects.order_by("id")
    if period is not None:
        events = events.filter(occurred_at__gte=period.start, occurred_at__lt=period.end)
    return events


def rows(events: QuerySet[ActivityEvent]) -> Iterator[tuple[Any, ...]]:
    """Yield each event as values in the order of ``COLUMNS``, a few thousand in memory at a time.

    Runs inside a transaction: all rows are of one moment.
    """
    return iter(events.values_list(*COLUMNS).iterator(chunk_size=_CHUNK))
