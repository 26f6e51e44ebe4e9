"""Every change of what somebody may do, and who made it."""

from collections.abc import Iterable
from typing import Any, Final

from django.db.models import Q

from activity.reports.reading import newest, who, whom
from activity.reports.registry import Asked, Column, Definition, Kind, Row, Source, register

_ALWAYS: Final = (
    "user.privileges_changed",
    "group.permissions_changed",
    "group.member_added",
    "group.member_removed",
)
_FLAGS: Final = {"is_superuser": "administrator", "is_staff": "may open the panel"}

# Most who are added or removed have no power, which is no change of any.
_HAD_POWER: Final = Q(changes__contains={"is_superuser": [True]}) | Q(
    changes__contains={"is_staff": [True]}
)
CONDITION: Final = Q(action__in=_ALWAYS) | Q(
    Q(action__in=("user.created", "user.deleted")), _HAD_POWER
)

_READ: Final = (
    *("id", "occurred_at", "action", "actor_kind", "actor_id", "actor_label", "actor_salt"),
    *("target_type", "target_id", "target_label", "target_salt", "changes", "channel", "reason"),
)


def _changes(asked: Asked) -> Iterable[Row]:
    for event in newest(asked, CONDITION).only(*_READ):
        gained, lost = moved(event.action, event.changes)
        yield (
            event.occurred_at,
            whom(event),
            ", ".join(gained),
            ", ".join(lost),
            who(event),
            event.channel,
            event.reason,
            str(event.pk),
        )


def moved(action: str, changes: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return what an event says was gained, and what was lost, in words."""
    if action == "group.member_added":
        return ["the role"], []
    if action == "group.member_removed":
        return [], ["the role"]
    gained, lost = [], []
    for field, word in _FLAGS.items():
        before, after = changes.get(field, (None, None))
        if after:
            gained.append(word)
        if before:
            lost.append(word)
    taken, given = changes.get("permissions", (None, None))
    return [*gained, *(given or [])], [*lost, *(taken or [])]


register(
    Definition(
        name="privilege-changes",
        title="Changes of privilege",
        about="Power",
        sentence=(
            "Every time somebody gained or lost a power, newest first, and who gave or took it: the"
            " administrator's, the panel, a role, a permission, also of a whole role."
        ),
        columns=(
            Column("at", "When", Kind.MOMENT),
            Column("whom", "Who, or which role"),
            Column("gained", "Gained"),
            Column("lost", "Lost"),
            Column("by", "By"),
            Column("channel", "Door"),
            Column("reason", "Reason"),
            Column("event", "Event"),
        ),
        rows=_changes,
        reads=Source.EVENTS,
    )
)
