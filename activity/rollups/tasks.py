"""Background work of roll-ups. Tasks load, call one function and return."""

from typing import Any, Final

import structlog
from celery import shared_task
from django.utils import timezone

from activity.rollups import folding, health, rebuilding, sweeping
from activity.rollups.folding import Folded
from tenants.context import PLATFORM, current_scope
from tenants.tasks import KeepingTask, PlatformTask

logger = structlog.get_logger("tenantry.tasks")

_ROUNDS: Final = 4
"""Transactions of one task, a second or two. What is left goes to the end of the queue, behind all
who wait: a tenant with millions of new events keeps no other waiting."""
_LATE_SECONDS: Final = 300
"""A message that is older than this is dropped: a sweep has sent another one since."""


@shared_task(base=KeepingTask, name="activity.aggregate_tenant")
def aggregate_tenant() -> int:
    """Bring the roll-ups of one tenant up to date; returns how many events were new."""
    counted = _some()
    if counted.is_complete is False:
        _send(current_scope())
    return counted.events


@shared_task(base=PlatformTask, name="activity.aggregate_platform")
def aggregate_platform() -> int:
    """Bring the roll-ups of the platform's own record up to date."""
    counted = _some()
    if counted.is_complete is False:
        _send(PLATFORM)
    return counted.events


@shared_task(base=PlatformTask, name="activity.aggregate_all")
def aggregate_all() -> int:
    """Have every record counted that is behind; returns how many tenants that are."""
    behind = sweeping.behind()
    for record in behind:
        _send(record)
    return len([record for record in behind if record != PLATFORM])


# A recount reads all of a record: a hundred million events take some minutes.
@shared_task(
    base=PlatformTask, name="activity.compare_rollups", time_limit=7_200, soft_time_limit=7_000
)
def compare_rollups() -> int:
    """Recount the figures that were not for a day; returns how many records that were."""
    return health.compare_due()


def _some() -> Folded:
    """Count what is new, and then anew what has to be; a bounded part of it, or nothing.

    Nothing where somebody else counts: they will get to it, or the next sweep will.
    """
    now = timezone.now()
    counted = folding.fold(now, _ROUNDS, wait=False)
    if counted.is_busy or not counted.is_complete or not rebuilding.is_due():
        return counted
    rebuilding.begin()
    again = rebuilding.carry_on(now, _ROUNDS, wait=False)
    return Folded(counted.events, now, again.is_complete)


def _send(record: str) -> None:
    arguments: dict[str, Any] = {"expires": _LATE_SECONDS}
    if record == PLATFORM:
        aggregate_platform.apply_async(**arguments)
    else:
        aggregate_tenant.apply_async(kwargs={"tenant_id": record}, **arguments)
