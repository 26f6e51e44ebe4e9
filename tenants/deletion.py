"""The end of a tenant: closed at once, destroyed when its grace is over, certified.

Scheduling closes the tenant and destroys nothing; until the grace ends ``undelete`` brings it back
as it was. Purging destroys, in steps that survive a ``kill -9``, and leaves two things: the row,
which keeps UUID, slug and schema name from ever being used again, and a certificate.

The steps are in ``tenants.purging``.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from tenants import certificates, operations
from tenants.context import enter_platform
from tenants.errors import Conflict, InvalidInput
from tenants.lifecycle import LONGEST_REASON, announce, check_optional_reason
from tenants.models import DeletionCertificate, Operation, Tenant
from tenants.operations import Progress

MOST_GRACE_DAYS: Final = 3650


# Scheduling and taking it back


def schedule(
    tenant: Tenant, *, reason: str, grace_days: int | None = None, dry_run: bool = False
) -> bool:
    """Close a tenant, to be purged after its grace. Returns ``False`` when it is so already.

    Without ``grace_days`` the grace is ``TENANTRY_DELETION_GRACE_DAYS``. It counts from now by the
    database's clock, and is not changed by asking again. Raises ``InvalidInput`` for a reason or a
    grace that cannot be used, ``Conflict`` for a tenant that is neither active nor suspended.
    """
    reason = check_reason(reason)
    days = check_grace(grace_days)
    with enter_platform(), transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.state == Tenant.State.DELETION_SCHEDULED:
            _copy(locked, tenant)
            return False
        if not locked.is_changeable:
            raise Conflict(
                f'the tenant "{locked.slug}" is {locked.condition}.',
                "Only a tenant that is active or suspended can be deleted.",
            )
        if dry_run:
            return True
        locked.restored_state = locked.state
        locked.state = Tenant.State.DELETION_SCHEDULED
        locked.purge_after = Now() + timedelta(days=days)
        _save(locked)
        operations.finished(
            Operation.Kind.SCHEDULE_DELETION, locked, {"reason": reason, "grace_days": days}
        )
        announce(
            locked,
            "deletion_scheduled",
            reason,
            details={"purge_after": _moment(locked)},
        )
    _copy(locked, tenant)
    return True


def check_reason(reason: str) -> str:
    """Return the reason of a deletion in its stored form; raises ``InvalidInput`` without one."""
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise InvalidInput(
            "a deletion needs a reason.",
            f"Say why in at most {LONGEST_REASON} printable characters: it is certified.",
        )
    return text


def check_grace(days: int | None) -> int:
    """Return the days of grace; raises ``InvalidInput`` for a number that cannot be used."""
    if days is None:
        return int(settings.TENANTRY_DELETION_GRACE_DAYS)
    if not 0 <= days <= MOST_GRACE_DAYS:
        raise InvalidInput(
            f"a grace of {days} days is not possible.",
            f"Use 0 to {MOST_GRACE_DAYS} days.",
        )
    return days


def undelete(tenant: Tenant, *, reason: str = "", dry_run: bool = False) -> bool:
    """Bring a tenant back to the state it had. Returns ``False`` when nothing is scheduled.

    Raises ``InvalidInput`` for a reason that cannot be kept, ``Conflict`` once it is being purged.
    """
    reason = check_optional_reason(reason)
    with enter_platform(), transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.state in (Tenant.State.DELETING, Tenant.State.DELETED):
            raise Conflict(
                f'the tenant "{locked.slug}" is {locked.condition}: its data is gone or going.',
                "Create a tenant under another slug.",
            )
        if locked.state != Tenant.State.DELETION_SCHEDULED:
            _copy(locked, tenant)
            return False
        if dry_run:
            return True
        locked.state = locked.restored_state or Tenant.State.SUSPENDED
        locked.restored_state = ""
        locked.purge_after = None
        _save(locked)
        operations.finished(Operation.Kind.UNDELETE, locked, {"reason": reason})
        announce(locked, "undeleted", reason)
    _copy(locked, tenant)
    return True


def _save(tenant: Tenant) -> None:
    tenant.save(update_fields=["state", "restored_state", "purge_after"])
    tenant.refresh_from_db()


def _moment(tenant: Tenant) -> str:
    return certificates.moment(tenant.purge_after) if tenant.purge_after else ""


def _copy(current: Tenant, tenant: Tenant) -> None:
    for field in ("state", "restored_state", "purge_after"):
        setattr(tenant, field, getattr(current, field))


# Purging


@dataclass(frozen=True, kw_only=True)
class Purged:
    """What purging led to. Without a certificate, a worker does it."""

    changed: bool
    certificate: DeletionCertificate | None


def purge(tenant: Tenant, *, dry_run: bool = False, on_progress: Progress | None = None) -> Purged:
    """Destroy a tenant whose grace is over, or carry on where it was interrupted.

    Raises ``Conflict`` for a tenant whose deletion is not scheduled or is in its grace, and
    ``TenantryError`` where a step failed: then the operation can be carried on.
    """
    operation = _begin(tenant, dry_run=dry_run)
    if operation is not None and not dry_run:
        if operations.may_carry_on(operation):
            operations.carry_on(operation, on_progress=on_progress)
        else:
            operations.retry(operation)
    with enter_platform():
        tenant.refresh_from_db()
        certificate = DeletionCertificate.objects.filter(tenant=tenant).first()
    return Purged(changed=operation is not None, certificate=certificate)


def _begin(tenant: Tenant, *, dry_run: bool) -> Operation | None:
    """Close the way back: from this commit on there is no undeleting. ``None``: it is purged."""
    kind = Operation.Kind.PURGE
    with enter_platform(), transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.state == Tenant.State.DELETED:
            return None
        begun = Operation.objects.unfinished().filter(tenant=locked, kind=kind).first()
        if begun:
            return begun
        _refuse_too_early(locked)
        request = {"reason": _scheduled_because(locked)}
        if dry_run:
            return Operation(kind=kind, tenant=locked, request=request)
        locked.state = Tenant.State.DELETING
        _save(locked)
        return operations.begin(kind, locked, request)


def _refuse_too_early(tenant: Tenant) -> None:
    if _due().filter(pk=tenant.pk).exists():
        return
    if tenant.state == Tenant.State.DELETION_SCHEDULED and tenant.purge_after:
        raise Conflict(
            f'the tenant "{tenant.slug}" is in its grace until '
            f"{tenant.purge_after:%Y-%m-%d %H:%M} UTC.",
            "Wait until then. To end it now: tenant undelete, then tenant delete --grace 0.",
        )
    raise Conflict(
        f'the tenant "{tenant.slug}" is {tenant.condition}, not scheduled for deletion.',
        f"Schedule it first: manage.py tenant delete {tenant.slug} --reason TEXT",
    )


def _scheduled_because(tenant: Tenant) -> str:
    asked = Operation.objects.filter(tenant=tenant, kind=Operation.Kind.SCHEDULE_DELETION)
    newest = asked.order_by("-id").first()
    return str(newest.request.get("reason", "")) if newest else ""


def due() -> list[Tenant]:
    """Return the tenants whose grace is over by the database's clock, the longest first."""
    with enter_platform():
        return list(_due().order_by("purge_after"))


def _due() -> QuerySet[Tenant]:
    return Tenant.objects.filter(state=Tenant.State.DELETION_SCHEDULED, purge_after__lte=Now())
