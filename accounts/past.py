"""What roles and permissions were when a version of history came to be, for its page.

A version is of the moment of its change: what the same request did besides, such as giving roles
to somebody whom it added, belongs to it.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from accounts import powers
from accounts.models import Membership
from activity.models import ActivityEvent
from activity.periods import zone
from activity.reading.events import first_id_at
from tenants.errors import InvalidInput

_NOT_KEPT: Final = "Not known: events of that time are not kept any more."


def version_of(row: Any) -> Any:
    """Return the version of history that a row was read from; ``None`` for a row of today."""
    return getattr(row, "_history", None)


def _once(tell: Callable[[Any], str]) -> Callable[[Any], str]:
    """Look once for each version: the theme asks for each field five times."""

    @wraps(tell)
    def told(version: Any) -> str:
        known = vars(version)
        if tell.__name__ not in known:
            known[tell.__name__] = tell(version)
        return str(known[tell.__name__])

    return told


@_once
def roles_then(version: Any) -> str:
    """Return the names that the roles of a person had, by name, in words for a page."""
    if not _is_kept(version):
        return _NOT_KEPT
    member = _newest(Membership.history.model, version).filter(user_id=version.id)
    held = [row.group_id for row in member if row.history_type != "-"]
    role = _newest(Group.history.model, version).filter(id__in=held)  # type: ignore[attr-defined]
    return ", ".join(sorted(row.name for row in role if row.history_type != "-")) or "–"


@_once
def permissions_then(version: Any) -> str:
    """Return what a role allowed, in words for a page."""
    if not _is_kept(version):
        return _NOT_KEPT
    held = {_named(permission) for permission in _permissions().filter(group=version.id)}
    for change in _changed_since(version):
        held = powers.held_before(held, change)
    words = {_named(permission): in_words(permission) for permission in _permissions()}
    return ", ".join(sorted(words.get(name, name) for name in held)) or "–"


def in_words(permission: Permission) -> str:
    """Return what a permission allows, without app and model."""
    return str(permission.name).replace("group", "role")


def _permissions() -> QuerySet[Permission]:
    return Permission.objects.select_related("content_type")


def _named(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def _changed_since(version: Any) -> Iterator[powers.Change]:
    """Yield what was changed of a role's permissions since, newest first."""
    events = ActivityEvent.objects.filter(
        action="group.permissions_changed",
        target_type="group",
        target_id=str(version.id),
        id__gte=first_id_at(version.history_date - powers.MARGIN),
        occurred_at__gt=version.history_date,
    ).exclude(request_id=version.request_id)
    for changes in events.order_by("-id").values_list("changes", flat=True):
        yield (changes or {}).get("permissions") or (None, None)


def _newest(model: Any, version: Any) -> Any:
    """Return the newest row of each that was there then."""
    until = Q(history_date__lte=version.history_date) | Q(request_id=version.request_id)
    return model.objects.filter(until).order_by("id", "-history_id").distinct("id")


def _is_kept(version: Any) -> bool:
    try:
        powers.refuse_forgotten(version.history_date.astimezone(zone()).date())
    except InvalidInput:
        return False
    return True
