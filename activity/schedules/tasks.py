"""Background work of schedules. Tasks load, call one function and return."""

from celery import shared_task
from django.utils import timezone

from activity.schedules import agenda, running
from tenants.context import PLATFORM
from tenants.tasks import PlatformTask, TenantTask


@shared_task(base=TenantTask, name="activity.visit_schedules")
def visit_schedules() -> int:
    """Do what the schedules of one tenant want done; returns how much that was."""
    return running.visit()


@shared_task(base=PlatformTask, name="activity.run_schedules")
def run_schedules() -> int:
    """Have each place visited whose time has come; returns how many those are."""
    places = agenda.due(timezone.now())
    for place in places:
        if place != PLATFORM:
            # Late, the next sweep sends it again.
            visit_schedules.apply_async(kwargs={"tenant_id": place}, expires=60)
    if PLATFORM in places:
        running.visit()
    return len(places)
