"""Background work of the record. Tasks load, call one function and return."""

import structlog
from celery import shared_task
from django.utils import timezone

from activity import rollups
from tenants.tasks import PlatformTask, TenantTask, for_each_active_tenant

logger = structlog.get_logger("tenantry.tasks")


@shared_task(base=TenantTask, name="activity.aggregate_tenant")
def aggregate_tenant() -> int:
    """Bring the roll-ups of one tenant up to date; returns how many events were new."""
    folded = rollups.fold(timezone.now())
    if folded.events:
        logger.info("folded", events=folded.events)
    return folded.events


@shared_task(base=PlatformTask, name="activity.aggregate_all")
def aggregate_all() -> int:
    """Have every active tenant's roll-ups, and the platform's, brought up to date.

    Returns how many tenants there are.
    """
    # The tenants first: whatever is wrong on the platform keeps none of them waiting.
    tenants = for_each_active_tenant(aggregate_tenant)
    rollups.fold(timezone.now())
    return tenants
