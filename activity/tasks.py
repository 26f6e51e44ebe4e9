"""Background work of the record. Tasks load, call one function and return."""

import structlog
from celery import shared_task
from django.utils import timezone

from activity import floods
from activity.forgetting import tasks as forgetting_tasks  # noqa: F401  Celery looks here alone.
from activity.jobs import tasks as export_tasks  # noqa: F401  Celery looks here alone.
from activity.rollups.tasks import (  # noqa: F401
    aggregate_all,
    aggregate_platform,
    aggregate_tenant,
    compare_rollups,
)
from activity.schedules import tasks as schedule_tasks  # noqa: F401
from activity.sealing import checking, lag, sealer, witnesses
from activity.sealing.unsealed import unsealed
from tenants.context import PLATFORM
from tenants.tasks import KeepingTask, PlatformTask

logger = structlog.get_logger("tenantry.tasks")


@shared_task(base=PlatformTask, name="activity.settle_floods")
def settle_floods() -> int:
    """Write what was counted of floods that are over; returns how many events that made."""
    return floods.settle_everywhere()


@shared_task(base=KeepingTask, name="activity.seal_tenant")
def seal_tenant() -> int:
    """Seal what has committed in one tenant; returns how many events that were."""
    return sealer.seal(timezone.now()).events


@shared_task(base=PlatformTask, name="activity.seal_all")
def seal_all() -> int:
    """Have every tenant sealed that has something to seal, served or not, and seal the platform.

    Returns how many tenants that were.
    """
    found = unsealed()
    lag.note(found)
    ripe = [one.record for one in found if one.is_ripe]
    for record in ripe:
        if record == PLATFORM:
            sealer.seal(timezone.now())
        else:
            # Late, the next sweep sends it again.
            seal_tenant.apply_async(kwargs={"tenant_id": record}, expires=60)
    for witness in witnesses.witnesses():
        call_witness.apply_async(kwargs={"name": witness.name}, expires=2)
    return len([record for record in ripe if record != PLATFORM])


@shared_task(base=PlatformTask, name="activity.call_witness")
def call_witness(name: str) -> int:
    """Give a witness the checkpoints that it has not got; returns how many that were."""
    return sum(
        witnesses.catch_up(witness) for witness in witnesses.witnesses() if witness.name == name
    )


# A record of a hundred million events takes half an hour.
@shared_task(
    base=PlatformTask, name="activity.check_records", time_limit=14_400, soft_time_limit=14_000
)
def check_records() -> int:
    """Verify the records that were not for a day; returns how many that were."""
    return checking.check_due()
