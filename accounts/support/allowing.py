"""Whether a tenant lets operators in at all: its administrators say, and operators cannot."""

from django.db import transaction

from accounts.support import ending, telling
from activity import context
from activity.recording import record
from activity.subjects import Subject
from tenants.context import enter_platform, enter_unserved
from tenants.models import SupportAccess, Tenant


def is_allowed(tenant: Tenant) -> bool:
    """Return what the tenant says now: ``request.tenant`` may be some seconds old."""
    with enter_platform():
        return bool(Tenant.objects.values_list("allows_support", flat=True).get(pk=tenant.pk))


def allow(tenant: Tenant, *, to: bool) -> bool:
    """Allow support access or forbid it; returns ``False`` if it was so already.

    Forbidding ends what runs. Both records say it, each in the transaction of the change.
    """
    with enter_platform(), transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.allows_support == to:
            return False
        locked.allows_support = to
        locked.save(update_fields=["allows_support"])
        _tell(locked, to=to)
        if not to:
            ending.end_all(locked, SupportAccess.How.FORBIDDEN)
    return True


def _tell(tenant: Tenant, *, to: bool) -> None:
    action = "tenant.support_allowed" if to else "tenant.support_forbidden"
    place = Subject("tenant", str(tenant.pk), tenant.name)
    changes = {"allows_support": (not to, to)}
    with context.telling(**telling.as_tenant(tenant)):
        record(action, target=place, changes=changes)
    with enter_unserved(tenant):
        record(action, target=place, changes=changes)
