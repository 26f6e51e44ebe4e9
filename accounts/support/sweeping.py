"""The ends that nobody asked for, written down although no request comes that would notice them."""

from accounts.models import CustomUser
from accounts.support import ending
from accounts.support.serving import operator_may
from tenants import support
from tenants.context import enter_tenant
from tenants.models import SupportAccess

How = SupportAccess.How


def sweep() -> int:
    """End accesses whose time is over, or which have lost operator or person; returns how many."""
    ended = ending.end_over()
    for access in support.running():
        if why := _lost(access):
            ended += ending.end(access, why)
    return ended


def _lost(access: SupportAccess) -> str:
    """Return how an access that lacks somebody ends; nothing if both may still come."""
    if not operator_may(access):
        return How.OPERATOR_LOST
    if not access.tenant.is_active:
        return How.CLOSED
    with enter_tenant(access.tenant):
        people = CustomUser.objects.active()
        may_come = people.filter(public_id=access.person_id).exists()
    return "" if may_come else How.PERSON_LOST
