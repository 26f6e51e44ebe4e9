"""Opening support access: checked, written down in both records, and announced by mail."""

import hmac
import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from accounts.models import CustomUser
from accounts.support import announcing, ending, telling
from activity import context
from activity.subjects import Subject, label_of
from tenants import support
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict, NotFound, TenantUnavailable
from tenants.fleet.serving import require_served
from tenants.hosts import absolute_url, owned
from tenants.models import SupportAccess, Tenant
from tenants.support import Opened

LINK_LIFE: Final = timedelta(minutes=5)
"""How long the one-time link can be used: as long as it takes to follow it."""


def may_open(operator: CustomUser) -> bool:
    """Tell whether somebody is an operator who may open support access; asked on the platform."""
    return operator.is_active and operator.is_staff and operator.has_perm(support.PERMISSION)


def hash_of(tenant: Tenant, key: str) -> str:
    """Return what is kept of a link's key: bound to the tenant, so that it is none elsewhere."""
    secret = f"accounts.support.link\0{settings.SECRET_KEY}".encode()
    return hmac.digest(
        secret, f"{tenant.pk}\0{key}".encode("utf-8", "surrogatepass"), "sha256"
    ).hex()


def open_named(tenant: Tenant, operator: str, person: str, reason: str, minutes: int) -> Opened:
    """Open an access for the operator who is called so: for whoever has a shell."""
    with enter_platform():
        found = CustomUser.objects.by_login(operator)
    if found is None:
        raise NotFound(
            f"there is no operator {operator[:60]!r}.", "Give the user name of one who runs it."
        )
    return open_access(tenant, found, person, reason=reason, minutes=minutes)


def open_access(
    tenant: Tenant, operator: CustomUser, person: str, *, reason: str, minutes: int
) -> Opened:
    """Let an operator act as whoever signs in as ``person``; returns the access and its link.

    It is open when both records say so, or not at all. Raises ``InvalidInput`` for a reason or a
    time that cannot be, ``Conflict`` when the tenant forbids it, the operator may not, or has one
    open, ``NotFound`` for a person, ``TenantUnavailable`` for a tenant that is not served.
    """
    reason = support.check_reason(reason)
    support.check_minutes(minutes)
    with enter_platform(), transaction.atomic():
        # Whoever suspends it or forbids access waits, and then finds the row.
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        check_open(locked, operator)
        found = _person(locked, person)
        ending.end_over(SupportAccess.objects.filter(tenant=locked))
        _refuse_second(locked, operator)
        key = secrets.token_urlsafe(32)
        access = SupportAccess.objects.create(
            tenant=locked,
            operator_id=operator.public_id,
            operator_label=label_of(operator),
            person_id=found.public_id,
            reason=reason,
            ends_at=Now() + timedelta(minutes=minutes),
            link_hash=hash_of(locked, key),
            link_until=Now() + LINK_LIFE,
        )
        access.refresh_from_db()
        telling.tell(
            "support.opened",
            access,
            {"minutes": minutes, "ends_at": access.ends_at.isoformat()},
            inside={"actor": telling.as_operator(context.current().actor)},
            on_platform={},
        )
        announcing.announce_later(access)
        path = reverse("support-enter", kwargs={"key": key}, urlconf=settings.ROOT_URLCONF)
        return Opened(access, absolute_url(path, locked))


def check_open(tenant: Tenant, operator: CustomUser) -> None:
    """Refuse an access that may not be opened for whomever; raises as ``open_access`` does."""
    place = Subject("tenant", str(tenant.pk), tenant.name)
    if not may_open(operator):
        telling.refuse("operator", place)
        raise Conflict(
            f"{operator.username} may not open support access.",
            "Only an active operator with that permission may.",
        )
    if not tenant.is_active or owned(Tenant.objects.filter(pk=tenant.pk)) is None:
        telling.refuse("not served", place)
        raise TenantUnavailable(
            f'the tenant "{tenant.slug}" is not served.', "Support access needs a tenant that is."
        )
    require_served(tenant)
    if not tenant.allows_support:
        telling.refuse("forbidden", place)
        with enter_tenant(tenant):
            telling.refuse("forbidden", place)
        raise Conflict(
            f'the tenant "{tenant.slug}" forbids support access.',
            "Its administrators can allow it on their page Support access.",
        )


def _person(tenant: Tenant, login: str) -> CustomUser:
    with enter_tenant(tenant):
        found = CustomUser.objects.by_login(login)
    if found is None or not found.is_active:
        telling.refuse("unknown person", Subject("tenant", str(tenant.pk), tenant.name))
        raise NotFound(
            "nobody who may sign in there is called so.",
            "Give the user name or the address of somebody who is active.",
        )
    return found


def _refuse_second(tenant: Tenant, operator: CustomUser) -> None:
    """One at a time: which of two acted, a record could not tell."""
    unended = SupportAccess.objects.unended().filter(tenant=tenant)
    if unended.filter(operator_id=operator.public_id).exists():
        raise Conflict(
            f"{operator.username} has support access to {tenant.slug} already.",
            "End it first.",
        )
