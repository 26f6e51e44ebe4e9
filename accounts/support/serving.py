"""Whether a session that is support access still is one: asked anew with every request.

Nothing is remembered between two requests. PostgreSQL's clock says whether the time is over.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.db.models import BooleanField, Case, Value, When
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.models import CustomUser
from accounts.support import ending, telling
from accounts.support.opening import may_open
from activity.requests import StandIn
from tenants.context import current_tenant, enter_platform
from tenants.models import SupportAccess

How = SupportAccess.How


@dataclass(frozen=True, slots=True)
class InForce:
    """The access under which a request is made, and as whom."""

    access: SupportAccess
    person: CustomUser


def mark(access: SupportAccess) -> dict[str, str]:
    """Return what a session of an access holds of it."""
    return {
        "access": str(access.pk),
        "operator": access.operator_label,
        "until": access.ends_at.isoformat(),
    }


def in_force(request: HttpRequest) -> InForce | None:
    """Return the access under which a request is made; ``None`` for everybody else's requests."""
    # Who is signed in says on the way whether this is support access.
    _ = getattr(getattr(request, "user", None), "pk", None)
    found: InForce | None = getattr(request, "support", None)
    return found


def checked(request: HttpRequest, user: Any, held: dict[str, str]) -> Any:
    """Return the person if the access is good now; otherwise end it, and its session, for nobody.

    ``held`` is what the session says, read before Django looked at it.
    """
    access, is_over = _look_up(held.get("access", ""))
    why = _why_not(access, user, is_over=is_over)
    if why is None and access is not None:
        request.support = InForce(access, user)  # type: ignore[attr-defined]
        request.stand_in = StandIn(telling.operator_in(access), access.reason)  # type: ignore[attr-defined]
        return user
    # Whatever is recorded from here on is nobody's.
    request._cached_user = AnonymousUser()  # type: ignore[attr-defined]
    if access is not None and access.ended_at is None and why is not None:
        ending.end(access, why)
    request.session.flush()
    messages.warning(request, "The support access is over.", fail_silently=True)
    return request._cached_user  # type: ignore[attr-defined]


def _look_up(access_id: str) -> tuple[SupportAccess | None, bool]:
    tenant = current_tenant()
    if tenant is None:
        return None, True
    over = Case(
        When(ends_at__lte=Now(), then=Value(True)), default=False, output_field=BooleanField()
    )
    with enter_platform():
        found: Any = (
            SupportAccess.objects.select_related("tenant")
            .annotate(is_over=over)
            .filter(pk=access_id, tenant=tenant)
            .first()
        )
    return found, found is None or found.is_over


def _why_not(access: SupportAccess | None, user: Any, *, is_over: bool) -> str | None:
    """Return how an access ends now; ``None`` if it goes on."""
    if access is None or access.ended_at is not None or access.entered_at is None or is_over:
        return How.EXPIRED
    if not access.tenant.is_active:
        return How.CLOSED
    if not access.tenant.allows_support:
        return How.FORBIDDEN
    if not user.is_authenticated or user.public_id != access.person_id:
        return How.PERSON_LOST
    return None if operator_may(access) else How.OPERATOR_LOST


def operator_may(access: SupportAccess) -> bool:
    """Tell whether the operator of an access is still one who may."""
    with enter_platform():
        operator = CustomUser.objects.filter(public_id=access.operator_id).first()
        return operator is not None and may_open(operator)
