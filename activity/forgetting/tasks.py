"""Background work of forgetting. Tasks load, call one function and return."""

import structlog
from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from activity.forgetting import erasing, retention
from activity.forgetting.people import Person
from tenants.context import current_tenant
from tenants.tasks import PlatformTask, TenantTask, for_each_active_tenant

logger = structlog.get_logger("tenantry.tasks")


@shared_task(base=TenantTask, name="activity.forget_in_tenant")
def forget_in_tenant() -> None:
    """Carry on erasures that were begun, and cut what retention lets go, in one tenant."""
    _forget()


@shared_task(base=PlatformTask, name="activity.forget_all")
def forget_all() -> int:
    """Have every active tenant's record, and the platform's, forget what it must.

    Returns how many tenants there are.
    """
    tenants = for_each_active_tenant(forget_in_tenant)
    _forget()
    return tenants


def _forget() -> None:
    swept = erasing.sweep()
    cut = retention.cut()
    if swept or cut.events or cut.history_rows:
        logger.info("forgotten", people=swept, events=cut.events, history=cut.history_rows)


@shared_task(base=TenantTask, name="activity.finish_erasures_in_tenant")
def finish_erasures_in_tenant() -> int:
    """Carry on the erasures that were begun in one tenant; returns how many."""
    return erasing.sweep()


@shared_task(base=PlatformTask, name="activity.finish_erasures")
def finish_erasures() -> int:
    """Carry on the erasures of operators that were begun; returns how many."""
    return erasing.sweep()


def finish_later(person: Person) -> None:
    """Have a worker finish an erasure when its beginning is committed; without a broker, do it.

    No name travels: the worker finds who was begun.
    """
    tenant = current_tenant()

    def send() -> None:
        try:
            if tenant:
                finish_erasures_in_tenant.delay(tenant_id=str(tenant.pk))
            else:
                finish_erasures.delay()
        except OperationalError:
            erasing.finish(person)

    transaction.on_commit(send)
