"""A tenant's life between its creation and its end: suspend and resume.

Each change is one transaction and is announced inside it, so that whoever listens (the record
does) succeeds or fails with the change.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.dispatch import Signal

from tenants import operations
from tenants.context import enter_platform
from tenants.errors import Conflict, InvalidInput
from tenants.models import Operation, Tenant

LONGEST_REASON: Final = 500

changed = Signal()
"""Sent in the transaction of a life-cycle change, on the platform.

``sender`` is ``Tenant``; ``tenant`` is the tenant after the change; ``change`` is the past tense
that follows ``tenant.`` in the catalogue of actions, such as ``"suspended"``; ``reason`` is what
was given for it, maybe empty; ``details`` is what else belongs to it, of texts and numbers;
``changes`` are fields with their value before and after; ``succeeded`` is false for what was tried
and did not come about.
"""


def announce(
    tenant: Tenant,
    change: str,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    *,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
    succeeded: bool = True,
) -> None:
    """Tell the listeners of ``changed``; an error of one of them undoes the change."""
    changed.send(
        sender=Tenant,
        tenant=tenant,
        change=change,
        reason=reason,
        changes=dict(changes or {}),
        details=dict(details or {}),
        succeeded=succeeded,
    )


def lock(tenant: Tenant) -> Tenant:
    """Return the tenant as it is now, its row locked until the transaction ends.

    For changes of what belongs to a tenant. Raises ``Conflict`` for one that is not made yet, or is
    on its way out.
    """
    locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
    if not locked.is_changeable:
        raise Conflict(
            f'the tenant "{locked.slug}" is {locked.condition}.',
            "Only a tenant that is active or suspended can be changed.",
        )
    return locked


def check_optional_reason(reason: str) -> str:
    """Return a reason as it is stored, maybe empty; raises ``InvalidInput`` for what cannot be."""
    text = reason.strip()
    if len(text) > LONGEST_REASON or not text.isprintable():
        raise InvalidInput(
            "the reason cannot be kept.",
            f"Use at most {LONGEST_REASON} printable characters on one line, or give none.",
        )
    return text


def suspend(tenant: Tenant, *, reason: str = "", dry_run: bool = False) -> bool:
    """Stop serving a tenant. Returns ``False`` when it was suspended already.

    Raises ``InvalidInput`` for a reason that cannot be kept, ``Conflict`` when the tenant is
    neither active nor suspended.
    """
    active, suspended = Tenant.State.ACTIVE, Tenant.State.SUSPENDED
    return _move(tenant, active, suspended, change="suspended", reason=reason, dry_run=dry_run)


def resume(tenant: Tenant, *, reason: str = "", dry_run: bool = False) -> bool:
    """Serve a suspended tenant again. Returns ``False`` when it was active already.

    Raises ``InvalidInput`` for a reason that cannot be kept, ``Conflict`` when the tenant is
    neither active nor suspended.
    """
    active, suspended = Tenant.State.ACTIVE, Tenant.State.SUSPENDED
    return _move(tenant, suspended, active, change="resumed", reason=reason, dry_run=dry_run)


_KINDS = {"suspended": Operation.Kind.SUSPEND, "resumed": Operation.Kind.RESUME}


def _move(
    tenant: Tenant,
    before: Tenant.State,
    after: Tenant.State,
    *,
    change: str,
    reason: str,
    dry_run: bool,
) -> bool:
    reason = check_optional_reason(reason)
    with enter_platform(), transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.state == after:
            tenant.state = locked.state
            return False
        if locked.state != before:
            now, wanted = locked.condition, before.label.lower()
            raise Conflict(
                f'the tenant "{locked.slug}" is {now}, not {wanted}.',
                f"Only a tenant that is {wanted} can be {change}.",
            )
        if dry_run:
            return True
        locked.state = after
        locked.save(update_fields=["state"])
        operations.finished(_KINDS[change], locked, {"reason": reason})
        announce(locked, change, reason)
    tenant.state = locked.state
    return True
