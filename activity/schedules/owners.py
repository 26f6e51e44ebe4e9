"""Whose a schedule is, and whether they may still have what it makes."""

from typing import Any, Final

from django.contrib.auth import get_user_model

from activity.models import Schedule
from activity.schedules import steps
from activity.schedules.wishes import READ

OVERSEE: Final = "activity.oversee_schedules"


def why_not(owner: Any, permission: str = READ) -> str:
    """Return why somebody may not have files that need a permission, "" when they may.

    Asked when a run begins and again when its file is sent: much may have changed between.
    """
    if owner is None or not owner.is_active:
        return steps.LEFT
    return "" if owner.is_staff and owner.has_perm(permission) else steps.NOT_PERMITTED


def owner_of(schedule: Schedule) -> Any:
    """Return the owner as they are now, ``None`` when their account is gone."""
    if schedule.owner_id is None:
        return None
    return _people().filter(pk=schedule.owner_id).first()


def person_with(public_id: str) -> Any:
    """Return the account with a public id, ``None`` when it is gone."""
    return _people().filter(public_id=public_id).first()


def administrators() -> list[Any]:
    """Return who is told what an owner cannot be told any more, by name."""
    chiefs = _people().filter(is_active=True, is_staff=True, is_superuser=True)
    return list(chiefs.order_by("username")[:20])


def may_oversee(person: Any) -> bool:
    """Tell whether somebody sees, pauses and deletes everybody's schedules."""
    return bool(person.has_perm(OVERSEE))


def _people() -> Any:
    return get_user_model()._default_manager
