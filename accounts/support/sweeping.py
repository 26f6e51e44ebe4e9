"""The ends that nobody asked for, written down although no request comes that would notice them."""

import structlog

from accounts import devices
from accounts.models import CustomUser
from accounts.support import ending
from accounts.support.serving import operator_may
from tenants import support
from tenants.context import enter_tenant
from tenants.models import SupportAccess

How = SupportAccess.How

logger = structlog.get_logger("tenantry.support")


def sweep() -> int:
    """End accesses whose time is over, or which have lost operator or person; returns how many.

    One that cannot be ended keeps no other waiting, and is tried again the next time.
    """
    ended = sum(_end_if_due(access, how) for access, how in ending.due(SupportAccess.objects.all()))
    return ended + sum(_end_if_due(access) for access in support.running())


def _end_if_due(access: SupportAccess, how: str = "") -> bool:
    """End an access as it is due, or as it has lost somebody; ``False`` if it goes on."""
    try:
        why = how or _lost(access)
        return bool(why) and ending.end(access, why)
    except Exception as error:
        # By its name alone: what PostgreSQL says repeats the row.
        logger.error("support access not ended", access=str(access.pk), error=type(error).__name__)
        return False


def _lost(access: SupportAccess) -> str:
    """Return how an access that lacks somebody ends; nothing if both may still come."""
    if not operator_may(access):
        return How.OPERATOR_LOST
    if not access.tenant.is_active:
        return How.CLOSED
    with enter_tenant(access.tenant):
        person = CustomUser.objects.active().filter(public_id=access.person_id).first()
        if person is None or devices.is_outdated(person, str(access.pk)):
            return How.PERSON_LOST
    return ""
