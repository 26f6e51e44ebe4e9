"""The kinds of Celery tasks: inside one tenant, or on the platform.

django-tenants' usual companion carries the schema in a message header and sets it in a signal,
whose errors Celery ignores: a task of a tenant that is gone then runs in ``public`` and succeeds.
Here the tenant is an argument, looked up and entered before the body runs, or the task fails.
"""

import uuid
from functools import cache
from typing import Any, Final

import structlog
from celery import Task, shared_task

from tenants import deletion, operations, spares
from tenants.context import enter_living, enter_platform, enter_tenant
from tenants.errors import TenantUnavailable
from tenants.fleet.serving import require_served
from tenants.hosts import owned
from tenants.models import Operation, Tenant

logger = structlog.get_logger("tenantry.tasks")

_MOST_ATTEMPTS: Final = 5
"""How often workers try an operation by themselves before somebody has to look."""


class TenantTask(Task):  # type: ignore[type-arg]
    """A task that acts in the tenant whose UUID is passed as ``tenant_id``.

    Raises ``TenantUnavailable``, and never runs the body, when the argument is missing or no UUID,
    or when the tenant does not exist, is not active, or its schema is not its own or is behind.
    """

    abstract = True
    # Celery would compare the message with the body's signature, which has no tenant_id.
    typing = False
    enter = staticmethod(enter_tenant)

    def __call__(self, *args: Any, tenant_id: Any = None, **kwargs: Any) -> Any:
        """Enter the tenant and run the body."""
        with self.enter(_tenant(tenant_id, self.name)):
            return super().__call__(*args, **kwargs)


class KeepingTask(TenantTask):
    """A task that keeps in order what a tenant has, also while it is suspended or to be deleted.

    It does nothing in anybody's name. Raises what ``TenantTask`` does, for other states.
    """

    abstract = True
    enter = staticmethod(enter_living)


class PlatformTask(Task):  # type: ignore[type-arg]
    """A task that acts on the platform, in ``public``."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Enter the platform and run the body."""
        with enter_platform():
            return super().__call__(*args, **kwargs)


def _tenant(tenant_id: Any, task: str) -> Tenant:
    try:
        key = uuid.UUID(str(tenant_id))
    except ValueError:
        raise TenantUnavailable(
            f"the task {task} was sent without the tenant it is for.",
            "Pass tenant_id, the tenant's UUID.",
        ) from None
    with enter_platform():
        tenant = owned(Tenant.objects.filter(pk=key))
    if tenant is None:
        raise TenantUnavailable(f"there is no tenant {key}.", "It was deleted, or never complete.")
    return require_served(tenant)


def for_each_active_tenant(task: TenantTask) -> int:
    """Send ``task`` once for every active tenant; returns how many there are.

    One message a tenant, so that a slow or broken one keeps no other waiting.
    """
    with enter_platform():
        tenants = list(Tenant.objects.active().values_list("pk", flat=True))
    for tenant_id in tenants:
        task.delay(tenant_id=str(tenant_id))
    return len(tenants)


@shared_task(base=PlatformTask, name="tenants.fill_spares")
def fill_spares() -> int:
    """Keep the pool of spare schemas full and of this release; returns how many were built."""
    return spares.keep_ready()


@shared_task(base=PlatformTask, name="tenants.carry_on")
def carry_on(operation_id: str) -> str:
    """Do the steps of an operation that are left; returns the state it is in then.

    The message is a hint: an operation whose message was lost is found by the sweep.
    """
    operation = operations.operation_with(operation_id)
    try:
        operations.carry_on(operation)
    except operations.Busy:
        return Operation.State.RUNNING
    return str(operation.state)


@shared_task(base=PlatformTask, name="tenants.carry_on_forgotten")
def carry_on_forgotten() -> int:
    """Carry on what nobody works on although steps are left; returns how many that were.

    PostgreSQL is the queue: this finds what a lost message or a killed process left. What this
    process may not carry on is left to a worker that may.
    """
    found = operations.forgotten()
    ours = [operation for operation in found if operations.may_carry_on(operation)]
    if len(ours) < len(found):
        _warn_of_no_owner()
    for operation in ours:
        if operation.attempt >= _MOST_ATTEMPTS:
            operations.leave_to_somebody(operation)
            continue
        try:
            operations.carry_on(operation)
        except Exception:
            # It is stored with the operation; the next one is not kept waiting.
            logger.warning("operation failed", operation=str(operation.pk), exc_info=True)
    return len(ours)


@cache
def _warn_of_no_owner() -> None:
    """Say it once: the sweep runs every minute, and the role does not change meanwhile."""
    logger.warning("operations wait for a worker that has DATABASE_OWNER_URL")


@shared_task(base=PlatformTask, name="tenants.purge_due")
def purge_due() -> int:
    """Purge the tenants whose grace is over; returns how many are gone.

    One that fails stays visible as an operation and keeps no other waiting.
    """
    gone = 0
    for tenant in deletion.due():
        try:
            deletion.purge(tenant)
        except Exception:
            # What went wrong is stored with the operation.
            logger.warning("purge failed", tenant=str(tenant.pk), exc_info=True)
        else:
            gone += 1
    return gone
