"""What happens to tenants, in the platform's record and in the tenant's own."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from activity.context import Actor, ActorKind, Context, acting_as, current
from activity.models import Outcome
from activity.recording import record
from activity.subjects import Subject
from tenants import lifecycle, operations, plans
from tenants.context import enter_unserved
from tenants.hosts import owned
from tenants.models import Operation, Tenant


def record_change(
    tenant: Tenant,
    change: str,
    *,
    reason: str = "",
    changes: Mapping[str, tuple[Any, Any]] | None = None,
    details: Mapping[str, Any] | None = None,
    succeeded: bool = True,
    **_: Any,
) -> None:
    """Write the event twice: operators read one record, the tenant's people the other."""
    event: dict[str, Any] = {
        "action": f"tenant.{change}",
        "target": Subject("tenant", str(tenant.pk), tenant.name),
        "outcome": Outcome.SUCCESS if succeeded else Outcome.FAILURE,
        "changes": dict(changes or {}),
        "details": dict(details or {}),
        "reason": reason,
    }
    record(**event)
    if owned(Tenant.objects.filter(pk=tenant.pk)) is None:
        # Its schema is gone or somebody else's, whose record this is not for.
        return
    with enter_unserved(tenant):
        record(**event)


def record_cancelled(operation: Operation, **_: Any) -> None:
    """Write on the platform that an operation was given up; its tenant may never have been."""
    tenant = operation.tenant
    kind = operation.get_kind_display().lower()
    label = f"{kind} of {tenant.slug}" if tenant else kind
    details = {"error": operation.error} if operation.error else {}
    record(
        "operation.cancelled",
        target=Subject("operation", str(operation.pk), label),
        details=details,
    )


def capture() -> dict[str, Any]:
    """Return what is stored of who asks for an operation."""
    context = current()
    actor = context.actor
    return {
        "kind": str(actor.kind),
        "id": actor.id,
        "label": actor.label,
        "request_id": str(context.request_id),
    }


@contextmanager
def acting_for(asked: Mapping[str, Any]) -> Iterator[None]:
    """Act as whoever asked for an operation, unless it is still they who act.

    The door stays that of the process that does it: a task that carries on what a page began.
    """
    now = current()
    request_id = asked.get("request_id", "")
    if not request_id or request_id == str(now.request_id):
        yield
        return
    actor = Actor(ActorKind(asked["kind"]), asked["id"], asked["label"])
    with acting_as(Context(actor=actor, channel=now.channel, request_id=uuid.UUID(request_id))):
        yield


def connect() -> None:
    """Listen to the life of tenants, and tell who asks for operations."""
    plans.register_circumstances(plans.Circumstances(capture, acting_for))
    operations.cancelled.connect(
        record_cancelled, sender=Operation, dispatch_uid="record_cancelled_operation"
    )
    lifecycle.changed.connect(record_change, sender=Tenant, dispatch_uid="record_lifecycle")
