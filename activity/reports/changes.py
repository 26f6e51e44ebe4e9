"""What was changed: by whom, to what, and how much happened in all."""

from collections.abc import Iterable
from typing import Final

from activity.reports.registry import (
    Asked,
    Chart,
    Column,
    Definition,
    Draw,
    Kind,
    Row,
    register,
)
from activity.reports.signins import per_day
from activity.rollups import counting, reading

ADMIN_ACTIONS: Final = counting.ADMIN_ACTIONS
MOST_OBJECTS: Final = 100
ERASED: Final = "something erased"


def _admin_changes(asked: Asked) -> Iterable[Row]:
    return reading.admin_changes(asked.period)


def _most_changed(asked: Asked) -> Iterable[Row]:
    for one in reading.tallies("object", asked.period, MOST_OBJECTS, "changes"):
        kind, _, key = one.subject.partition(":")
        yield one.label or ERASED, kind, key, one.changes, one.last_at


def _volume(asked: Asked) -> Iterable[Row]:
    return per_day(asked.period, ((row.day, row.events) for row in reading.daily(asked.period)))


_DAY: Final = Column("day", "Day", Kind.DAY)
_CHANGES: Final = Column("changes", "Changes", Kind.COUNT, "changes")

register(
    Definition(
        name="admin-changes",
        title="Changes to people and roles",
        about="Changes",
        sentence="Who changed accounts, roles and memberships, and how often.",
        columns=(_DAY, Column("by", "By"), Column("action", "Action"), _CHANGES),
        rows=_admin_changes,
    ),
    Definition(
        name="most-changed",
        title="What was changed most",
        about="Changes",
        sentence=(
            f"Which people, roles and other objects were changed most often, the first"
            f" {MOST_OBJECTS}. When it was last is said of the months that the period touches."
        ),
        columns=(
            Column("object", "What"),
            Column("kind", "Kind"),
            Column("id", "ID"),
            _CHANGES,
            Column("last_at", "Last", Kind.MOMENT),
        ),
        rows=_most_changed,
        chart=Chart(Draw.RANKS, "object", ("changes",)),
    ),
    Definition(
        name="record-volume",
        title="Events per day",
        about="The record",
        sentence="How many events the record got.",
        columns=(_DAY, Column("events", "Events", Kind.COUNT, "events")),
        rows=_volume,
        chart=Chart(Draw.TIME, "day", ("events",)),
    ),
)
