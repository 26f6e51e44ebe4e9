"""How operations are done: the steps of each kind, registered by the module that takes them.

Who acts is known above, and registered too.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from tenants.errors import Conflict, TenantryError
from tenants.models import Operation, Tenant


@dataclass(kw_only=True)
class Work:
    """What a step gets: the operation, its tenant as it is now, and where to put findings."""

    operation: Operation
    tenant: Tenant | None = None
    transient: dict[str, Any] = field(default_factory=dict)
    """For whoever runs the operation and is not to be stored, such as one-time links."""
    finished_here: bool = False
    """Whether the last step was taken by this process, and not by somebody who was faster."""

    @property
    def request(self) -> dict[str, Any]:
        """What was asked for."""
        return dict(self.operation.request)

    @property
    def result(self) -> dict[str, Any]:
        """What is stored with the operation; a step may add to it."""
        found: dict[str, Any] = self.operation.result
        return found


@dataclass(frozen=True)
class Step:
    """A part of an operation that is done wholly or not at all.

    ``run`` is called on the platform, in a transaction, with the tenant locked. What it does
    outside that transaction must be safe to repeat.
    """

    name: str
    run: Callable[[Work], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a kind of operation is done, and how one that is not finished is given up."""

    steps: tuple[Step, ...]
    undo: Callable[[Work], None] | None = None


@dataclass(frozen=True)
class Circumstances:
    """How it is stored who asked for an operation, and how somebody else acts for them."""

    capture: Callable[[], dict[str, Any]]
    restore: Callable[[Mapping[str, Any]], AbstractContextManager[Any]]


AT_ONCE: Final = Plan(steps=())
"""How what ``finished`` stores was done: nothing of it can be left, or given up."""

_plans: dict[str, Plan] = {}
_circumstances: list[Circumstances] = []


def register(kind: Operation.Kind, plan: Plan) -> None:
    """Say how operations of a kind are done. The last registration holds."""
    _plans[kind] = plan


def register_circumstances(circumstances: Circumstances) -> None:
    """Say how it is known who acts."""
    _circumstances[:] = [circumstances]


def asking() -> dict[str, Any]:
    """Return what is stored of who asks now."""
    return _circumstances[0].capture() if _circumstances else {}


def acting_for(operation: Operation) -> AbstractContextManager[Any]:
    """Act as whoever asked for the operation, until the block ends."""
    return _circumstances[0].restore(operation.actor) if _circumstances else nullcontext()


def plan_of(kind: str) -> Plan:
    """Return how operations of a kind are done; without steps where nobody here knows."""
    return _plans.get(kind, AT_ONCE)


def known() -> list[str]:
    """Return the kinds of which the steps are known here."""
    return list(_plans)


def unmade(work: Work) -> Tenant:
    """Return the tenant that is being made; raises ``Conflict`` for one that people live in."""
    tenant = work.tenant
    if tenant is None:
        raise TenantryError("the operation has no tenant.", "Cancel it and ask again.")
    if tenant.state not in (Tenant.State.REQUESTED, Tenant.State.PROVISIONING):
        raise Conflict(
            f'the tenant "{tenant.slug}" is {tenant.condition}: it was made otherwise meanwhile.',
            "It is left as it is. To end it: manage.py tenant delete",
        )
    return tenant
