"""Support access in both records: the tenant's people read one, operators the other.

Each says who acted, but neither says more of the other side than it has to: the platform's record
knows a tenant's people by their ids alone, and what they did as done by the tenant.
"""

from typing import Any, Final

from accounts.models import CustomUser
from activity import context
from activity.context import Actor, ActorKind
from activity.models import Outcome
from activity.recording import record
from activity.subjects import Subject, subject_of
from tenants.context import enter_platform, enter_unserved
from tenants.models import SupportAccess, Tenant

NOTICED: Final = Actor(ActorKind.SERVICE, label="support access")
"""Who ends what nobody ended."""

_NOBODYS: Final[dict[str, Any]] = {
    "on_behalf_of": None,
    "ip": None,
    "user_agent": "",
    "session_ref": "",
}
"""Nothing of where a tenant's person sits is for the platform."""


def operator_in(access: SupportAccess) -> Actor:
    """Return the operator as a tenant's record calls them: not one of its own people."""
    label = f"{access.operator_label}, operator"
    return Actor(ActorKind.PERSON, str(access.operator_id), label)


def operator_on_platform(access: SupportAccess) -> Actor:
    """Return the operator as the platform's record calls them."""
    return Actor(ActorKind.PERSON, str(access.operator_id), access.operator_label)


def as_operator(actor: Actor) -> Actor:
    """Return who acts on the platform as a tenant's record calls them."""
    if actor.kind != ActorKind.PERSON:
        return actor
    return Actor(actor.kind, actor.id, f"{actor.label}, operator")


def as_tenant(tenant: Tenant) -> dict[str, Any]:
    """Return the circumstances, for the platform, of what somebody of a tenant did."""
    actor = Actor(ActorKind.SERVICE, str(tenant.pk), tenant.name)
    return {"actor": actor, **_NOBODYS}


def person_of(access: SupportAccess) -> Subject:
    """Return the person as the tenant's record calls them; called inside the tenant."""
    person = CustomUser.objects.filter(public_id=access.person_id).first()
    return subject_of(person) if person else Subject("user", str(access.person_id))


def tell(
    action: str,
    access: SupportAccess,
    details: dict[str, Any],
    *,
    inside: dict[str, Any],
    on_platform: dict[str, Any],
) -> None:
    """Write an event into both records, in the transaction one is in.

    ``inside`` and ``on_platform`` are what its circumstances have there that they have not here.
    """
    about = {"access": str(access.pk), "operator": str(access.operator_id), **details}
    tenant = access.tenant
    with enter_platform(), context.telling(**on_platform):
        record(
            action,
            target=Subject("tenant", str(tenant.pk), tenant.name),
            details={**about, "person": str(access.person_id)},
            reason=access.reason,
        )
    with enter_unserved(tenant), context.telling(**inside):
        record(action, target=person_of(access), details=about, reason=access.reason)


def refuse(why: str, target: Subject, access: SupportAccess | None = None) -> None:
    """Record, where one is, that an access was not opened or a link not taken."""
    details = {"why": why} | ({"access": str(access.pk)} if access else {})
    record("support.refused", target=target, outcome=Outcome.DENIED, details=details)
