"""Background work of exports. Tasks load, call one function and return."""

from typing import Final

from celery import shared_task

from activity.jobs import running, sweeping, unserved
from tenants.tasks import PlatformTask, TenantTask

# Seconds. A hundred million events take an hour or two.
_MOST: Final = 14_400
_SOFTLY: Final = 14_000


@shared_task(base=TenantTask, name="activity.run_export", time_limit=_MOST, soft_time_limit=_SOFTLY)
def run_export(job: str) -> str:
    """Make the file of a tenant's job; returns the state that it is in then."""
    return _run(job)


@shared_task(
    base=PlatformTask,
    name="activity.run_platform_export",
    time_limit=_MOST,
    soft_time_limit=_SOFTLY,
)
def run_platform_export(job: str) -> str:
    """Make the file of a job of the platform's; returns the state that it is in then."""
    return _run(job)


def _run(job: str) -> str:
    state = running.run(job)
    if state in ("ready", "failed", "cancelled"):
        # The slot is free. Whoever waits for it need not wait for the timetable.
        sweeping.announce()
    return state


@shared_task(base=PlatformTask, name="activity.run_exports")
def run_exports() -> int:
    """Have exports made that wait, or whose worker is dead; returns how many tenants have some."""
    return sweeping.sweep()


@shared_task(base=PlatformTask, name="activity.expire_exports")
def expire_exports() -> int:
    """Have files deleted whose time is over; returns how many tenants have exports."""
    places = sweeping.expire_everywhere()
    unserved.expire()
    return places


@shared_task(base=TenantTask, name="activity.expire_exports_in_tenant")
def expire_exports_in_tenant() -> int:
    """Delete the files of one tenant whose time is over; returns how many."""
    return sweeping.expire_due()
