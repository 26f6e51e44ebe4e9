"""What happens to tenants, in the platform's record and in the tenant's own."""

from typing import Any

from activity.recording import record
from activity.subjects import Subject
from tenants import lifecycle
from tenants.context import enter_unserved
from tenants.hosts import owned
from tenants.models import Tenant


def record_change(tenant: Tenant, change: str, reason: str, **_: Any) -> None:
    """Write the event twice: operators read one record, the tenant's people the other."""
    target = Subject("tenant", str(tenant.pk), tenant.name)
    action = f"tenant.{change}"
    record(action, target=target, reason=reason)
    if owned(Tenant.objects.filter(pk=tenant.pk)) is None:
        # Its schema is gone or somebody else's, whose record this is not for.
        return
    with enter_unserved(tenant):
        record(action, target=target, reason=reason)


def connect() -> None:
    """Listen to the life of tenants."""
    lifecycle.changed.connect(record_change, sender=Tenant, dispatch_uid="record_lifecycle")
