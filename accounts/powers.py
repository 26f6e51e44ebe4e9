"""Who had which power at a moment, from the history of people and roles and from the record.

People, roles and who has which role have a history, which names who gave it. Permissions have none:
those of today are taken back, change by change, to what they were, as the record tells them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import CustomUser
from activity.events import erased
from activity.models import Retention
from activity.periods import zone
from activity.reading.events import first_id_at
from activity.subjects import label_of
from tenants.errors import InvalidInput

Past: Any = CustomUser.history.model

ADMINISTRATOR: Final = "administrator"
PANEL: Final = "may open the panel"
EVERYTHING: Final = "everything"

_FLAGS: Final = {"is_superuser": ADMINISTRATOR, "is_staff": PANEL}
MARGIN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Power:
    """Something that somebody could do: through what, which permissions, since when, by whom."""

    through: str
    permissions: tuple[str, ...]
    since: datetime | None
    by: str


@dataclass(slots=True)
class Holder:
    """Somebody as they were at a moment, and what they could do."""

    id: int
    public_id: str
    label: str
    username: str
    is_active: bool
    powers: list[Power] = field(default_factory=list)


def refuse_forgotten(day: date) -> None:
    """Refuse a day of which too little is kept: what was changed since is taken back from today."""
    kept = Retention.objects.filter(family__in=("user", "group")).order_by("days").first()
    if kept is None:
        return
    first = timezone.now().astimezone(zone()).date() - timedelta(kept.days - 1)
    if day < first:
        raise InvalidInput(
            f"day {day} is longer ago than events of the family {kept.family} are kept"
            f" ({kept.days} days).",
            f"Use {first} or later.",
        )


def holders(moment: datetime, *, everybody: bool = False) -> list[Holder]:
    """Return who was there just before ``moment``, by user name, with all that they could do.

    Those who had no power are left out, unless ``everybody`` is asked for.
    """
    of_roles, of_people = permissions_at(moment)
    roles = _roles_at(moment, of_roles)
    found = {}
    for holder in _people_at(moment, list(roles), [*of_people], everybody=everybody):
        holder.powers += roles.get(holder.id, [])
        holder.powers += _own(of_people.get(holder.public_id, {}))
        if holder.powers or everybody:
            found[holder.id] = holder
    return sorted(found.values(), key=lambda one: (one.username, one.id))


def administrators() -> list[Holder]:
    """Return who is an administrator now, by user name, each with that power alone."""
    now = CustomUser.objects.administrators().values("id")
    found = list(_in_turn(Past.objects.filter(id__in=now)))
    for holder in found:
        holder.powers = [power for power in holder.powers if power.through == ADMINISTRATOR]
    return sorted((one for one in found if one.powers), key=lambda one: (one.username, one.id))


# People


def _people_at(
    moment: datetime, members: list[int], granted: list[str], *, everybody: bool
) -> Iterator[Holder]:
    """Yield people as they were, with the powers of their flags."""
    past: QuerySet[Any] = Past.objects.filter(history_date__lt=moment)
    if not everybody:
        flagged = past.filter(Q(is_superuser=True) | Q(is_staff=True))
        given = past.filter(public_id__in=granted)
        ids = [*flagged.union(given).values_list("id", flat=True), *members]
        past = past.filter(id__in=set(ids))
    yield from _in_turn(past)


def _in_turn(past: QuerySet[Any]) -> Iterator[Holder]:
    """Yield people of whom these are the rows, one after the other."""
    rows: list[Any] = []
    for row in past.order_by("id", "history_id"):
        if rows and rows[-1].id != row.id:
            yield from _as_they_were(rows)
            rows = []
        rows.append(row)
    if rows:
        yield from _as_they_were(rows)


def _as_they_were(rows: list[Any]) -> Iterator[Holder]:
    """Yield somebody of whom these are all rows, oldest first; nobody if they were gone."""
    last = rows[-1]
    if last.history_type == "-":
        return
    holder = Holder(last.id, str(last.public_id), label_of(last), last.username, last.is_active)
    for name, through in _FLAGS.items():
        if getattr(last, name):
            first = _since(rows, name)
            permissions = (EVERYTHING,) if through == ADMINISTRATOR else ()
            since = (first.history_date, giver(first)) if first else (None, "")
            holder.powers.append(Power(through, permissions, *since))
    yield holder


def _since(rows: list[Any], flag: str) -> Any:
    """Return the row with which a flag was set that has been set ever since.

    ``None`` when that row was cut: the oldest that is left tells of another change.
    """
    first = rows[-1]
    for row in reversed(rows):
        if not getattr(row, flag):
            return first
        first = row
    return first if first.history_type == "+" else None


def giver(row: Any) -> str:
    """Return who wrote a row of history, as the record calls them now."""
    if row.actor_label or not row.history_user_id:
        return str(row.actor_label)
    return erased(row.history_user_id)


# Roles

# The newest row of each before the moment; a role whose name is not known is told by its number.
_MEMBERS: Final = """
WITH member AS (
    SELECT DISTINCT ON (id) * FROM accounts_historicalmembership
    WHERE history_date < %(moment)s ORDER BY id, history_id DESC
), role AS (
    SELECT DISTINCT ON (id) * FROM accounts_historicalgroup
    WHERE history_date < %(moment)s ORDER BY id, history_id DESC
)
SELECT member.user_id, member.group_id, coalesce(role.name, '#' || member.group_id),
       member.history_date, member.actor_label, member.history_user_id
FROM member LEFT JOIN role ON role.id = member.group_id
WHERE member.history_type <> '-' AND role.history_type IS DISTINCT FROM '-'
ORDER BY member.user_id, role.name, member.group_id
"""


def _roles_at(moment: datetime, permissions: dict[str, set[str]]) -> dict[int, list[Power]]:
    found: dict[int, list[Power]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS, {"moment": moment})
        for user, group, name, since, label, giver_id in cursor.fetchall():
            by = label or (erased(giver_id) if giver_id else "")
            allowed = tuple(sorted(permissions.get(str(group), ())))
            found[user].append(Power(f"role {name}", allowed, since, by))
    return found


# Permissions

_NOW: Final = """
SELECT 'group', held.group_id::text, kind.app_label || '.' || permission.codename
FROM auth_group_permissions held
JOIN auth_permission permission ON permission.id = held.permission_id
JOIN django_content_type kind ON kind.id = permission.content_type_id
UNION ALL
SELECT 'user', person.public_id::text, kind.app_label || '.' || permission.codename
FROM accounts_customuser_user_permissions held
JOIN accounts_customuser person ON person.id = held.customuser_id
JOIN auth_permission permission ON permission.id = held.permission_id
JOIN django_content_type kind ON kind.id = permission.content_type_id
"""

# Those of people from the beginning: they tell who gave what is still there.
_CHANGED: Final = """
SELECT event.target_type, event.target_id, event.changes ->> 'permissions',
       event.occurred_at >= %(moment)s,
       event.occurred_at, event.actor_label, event.actor_id, event.actor_salt IS NULL
FROM activity_activityevent event
WHERE event.changes ? 'permissions' AND (
    event.action = 'user.privileges_changed'
    OR event.action = 'group.permissions_changed' AND event.id >= %(since)s)
ORDER BY event.id DESC
"""

Given = tuple[datetime, str]
Change = tuple[list[str] | None, list[str] | None]
"""The permissions that were taken, and those that were added, as events have them."""


def permissions_at(
    moment: datetime,
) -> tuple[dict[str, set[str]], dict[str, dict[str, Given | None]]]:
    """Return the permissions that roles had, by id, and those that people had past their roles.

    Of the latter also when they were given and by whom, where the record tells.
    """
    held: dict[tuple[str, str], set[str]] = defaultdict(set)
    given: dict[tuple[str, str], Given] = {}
    with connection.cursor() as cursor:
        cursor.execute(_NOW)
        for kind, key, name in cursor.fetchall():
            held[kind, key].add(name)
        cursor.execute(_CHANGED, {"moment": moment, "since": first_id_at(moment - MARGIN)})
        for kind, key, changed, is_later, *circumstances in cursor.fetchall():
            change = json.loads(changed)
            if is_later:
                held[kind, key] = held_before(held[kind, key], change)
            elif kind == "user":
                for name in change[1] or ():
                    given.setdefault((key, name), _given(*circumstances))
    people = {
        key: {name: given.get((key, name)) for name in names}
        for (kind, key), names in held.items()
        if kind == "user" and names
    }
    return {key: names for (kind, key), names in held.items() if kind == "group"}, people


def held_before(held: set[str], change: Change) -> set[str]:
    """Return the permissions that were held before a change, of those that were held after it."""
    taken, added = change
    return (held - {*(added or ())}) | {*(taken or ())}


def _given(at: datetime, label: str, actor_id: str, is_erased: bool) -> Given:
    return at, erased(actor_id) if is_erased and actor_id else label


def _own(permissions: dict[str, Given | None]) -> list[Power]:
    return [
        Power("permission", (name,), *(given or (None, "")))
        for name, given in sorted(permissions.items())
    ]
