"""Background work of the record. Tasks load, call one function and return."""

import structlog
from celery import shared_task
from django.utils import timezone

from activity import rollups
from tenants.context import enter_platform
from tenants.models import Tenant
from tenants.tasks import PlatformTask, TenantTask

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

    One task a tenant, so that a slow or broken one keeps no other waiting. Returns how many.
    """
    rollups.fold(timezone.now())
    with enter_platform():
        tenants = list(Tenant.objects.active().values_list("pk", flat=True))
    for tenant_id in tenants:
        aggregate_tenant.delay(tenant_id=str(tenant_id))
    return len(tenants)
