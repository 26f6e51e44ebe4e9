"""Background work of forgetting. Tasks load, call one function and return."""

from contextlib import suppress
from typing import Final

import structlog
from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from activity.forgetting import erasing, retention
from activity.forgetting.people import Person
from tenants.context import current_tenant
from tenants.errors import Conflict
from tenants.tasks import PlatformTask, TenantTask, for_each_active_tenant

logger = structlog.get_logger("tenantry.tasks")

PAUSES: Final = (60, 300, 900, 3600)
"""Seconds after which a worker looks again at an erasure that could not be certified yet.

After the last of them the nightly sweep does.
"""


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
def finish_erasures_in_tenant(attempt: int = 0) -> int:
    """Carry on the erasures that were begun in one tenant; returns how many."""
    return _finish(attempt)


@shared_task(base=PlatformTask, name="activity.finish_erasures")
def finish_erasures(attempt: int = 0) -> int:
    """Carry on the erasures of operators that were begun; returns how many."""
    return _finish(attempt)


def _finish(attempt: int) -> int:
    swept = erasing.sweep()
    if attempt < len(PAUSES) and erasing.unfinished():
        # Somebody who was at work has not ended yet.
        with suppress(OperationalError):
            _send(attempt + 1, countdown=PAUSES[attempt])
    return swept


def _send(attempt: int, countdown: int = 0) -> None:
    tenant = current_tenant()
    if tenant:
        finish_erasures_in_tenant.apply_async(
            (attempt,), {"tenant_id": str(tenant.pk)}, countdown=countdown
        )
    else:
        finish_erasures.apply_async((attempt,), countdown=countdown)


def finish_later(person: Person) -> None:
    """Have a worker finish an erasure when its beginning is committed; without a broker, do it.

    No name travels: the worker finds who was begun.
    """

    def send() -> None:
        try:
            _send(0)
        except OperationalError:
            # What does not settle in time, or is held by now, is left to the nightly sweep.
            with suppress(Conflict):
                erasing.finish(person)

    transaction.on_commit(send)
