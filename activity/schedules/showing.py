"""A schedule in words, for pages, commands and mail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.timezone import localtime

from activity.models import Schedule
from activity.schedules import owners, steps, wishes
from activity.schedules.planning import zone_called
from tenants.errors import InvalidInput

MOST_LISTED: Final = 500


@dataclass(frozen=True)
class Shown:
    """What a page says of a schedule, and what its reader may do with it."""

    schedule: Schedule
    what: str
    when: str
    next: str
    last: str
    why: str
    owner: str
    is_own: bool


def shown(schedule: Schedule, reader: Any) -> Shown:
    """Return a schedule as somebody sees it."""
    return Shown(
        schedule=schedule,
        what=what(schedule),
        when=when(schedule),
        next=next_words(schedule),
        last=last_words(schedule),
        why=steps.SENTENCES.get(schedule.why, ""),
        owner=str(schedule.owner or "nobody"),
        is_own=reader is None or schedule.owner_id == reader.pk,
    )


def what(schedule: Schedule) -> str:
    """Return what a schedule makes, such as ``Sign-ins per day, the week before, as csv``."""
    if not wishes.is_readable(schedule):
        return f"{wishes.titled(schedule.source)}, in a way that means nothing"
    wish = wishes.of(schedule)
    title = wishes.titled(wish.source)
    packed = f", {wish.compression}" if wish.compression else ""
    searched = f" with {wish.search}" if wish.search else ""
    span = wishes.span_of(wish).words if wishes.has_period(wish.source) else "as it is then"
    return f"{title}{searched}, {span}, as {wish.form}{packed}"


def when(schedule: Schedule) -> str:
    """Return when a schedule runs, and by which clock."""
    readable = wishes.is_readable(schedule)
    return f"{wishes.cron_of(schedule).words if readable else schedule.cron}, {schedule.zone}"


def next_words(schedule: Schedule) -> str:
    """Return when a schedule runs next."""
    if schedule.next_at is None:
        return "It is paused."
    return f"It runs next on {local(schedule.next_at, schedule)}."


def last_words(schedule: Schedule) -> str:
    """Return how the last run ended."""
    if schedule.last_at is None:
        return "It has not run yet."
    outcome = Schedule.Outcome(schedule.outcome).label
    missed = f" {missed_words(schedule.missed)}" if schedule.missed else ""
    return f"The run of {local(schedule.last_at, schedule)}: {outcome}.{missed}"


def missed_words(missed: int) -> str:
    """Return how many runs before one never were."""
    if missed == 1:
        return "One run before it was missed."
    return f"{missed:,} runs before it were missed."


def local(at: datetime, schedule: Schedule) -> str:
    """Return a moment by the clock of a schedule; in UTC if nobody knows that clock any more."""
    try:
        there = localtime(at, zone_called(schedule.zone))
    except InvalidInput:
        there = localtime(at, zone_called("UTC"))
    return f"{there:%a} {there.day} {there:%b %Y, %H:%M} {there.tzname()}"


def may_oversee(reader: Any) -> bool:
    """Tell whether somebody sees everybody's schedules; an operator at a command does."""
    return reader is None or owners.may_oversee(reader)


def described(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as JSON documents have it."""
    wish = wishes.legible(schedule)
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "owner": schedule.owner.username if schedule.owner else None,
        "source": wish.source,
        "format": wish.form,
        "compression": wish.compression or None,
        "search": wish.search,
        "columns": list(wish.columns),
        "parameters": wish.parameters,
        "span": wish.span,
        "cron": wish.cron,
        "time_zone": schedule.zone,
        "delivery": wish.delivery,
        "active": schedule.is_active,
        "why": schedule.why or None,
        "next_at": schedule.next_at,
        "last_at": schedule.last_at,
        "outcome": Schedule.Outcome(schedule.outcome).label,
        "missed": schedule.missed,
    }
