"""The end of support access: by somebody, by the clock, or because something it needs is gone."""

from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from accounts.support import telling
from accounts.support.telling import as_operator, as_tenant, operator_in, operator_on_platform
from activity import context
from activity.context import Actor, ActorKind
from activity.models import ActivityEvent
from activity.reading.events import first_id_at
from tenants.context import enter_platform, enter_unserved
from tenants.hosts import owned
from tenants.models import SupportAccess, Tenant
from tenants.models.support import SupportAccessQuerySet

How = SupportAccess.How

_MARGIN: Final = timedelta(minutes=10)
"""How far ids may be behind the clock that wrote them."""


def end(access: SupportAccess, how: str) -> bool:
    """End an access at once and record it in both records; ``False`` if it had ended.

    Its session opens nothing from the next request on.
    """
    with enter_platform(), transaction.atomic():
        locked = (
            SupportAccess.objects.unended()
            .select_for_update(of=("self",))
            .select_related("tenant")
            .filter(pk=access.pk)
            .first()
        )
        if locked is None:
            return False
        # Without its schema, or with somebody else's, there is no record to read or to write.
        has_record = owned(Tenant.objects.filter(pk=locked.tenant_id)) is not None
        locked.ended_how = how
        locked.acts = _acts(locked) if has_record else 0
        locked.ended_at = locked.ends_at if how == How.EXPIRED else Now()
        locked.save(update_fields=["ended_how", "acts", "ended_at"])
        if has_record:
            _tell(locked, how)
    return True


def end_all(tenant: Tenant, how: str) -> int:
    """End every access to a tenant that has not ended; returns how many did."""
    with enter_platform(), transaction.atomic():
        end_over(SupportAccess.objects.filter(tenant=tenant))
        found = list(SupportAccess.objects.unended().filter(tenant=tenant))
        return sum(end(access, how) for access in found)


def due(among: SupportAccessQuerySet) -> list[tuple[SupportAccess, str]]:
    """Return those whose time, or that of their link, is over, and how each ends."""
    with enter_platform():
        over: list[tuple[SupportAccess, str]] = [(access, How.EXPIRED) for access in among.over()]
        return over + [(access, How.UNUSED) for access in among.unused()]


def end_over(among: SupportAccessQuerySet) -> int:
    """Write down the ends of what is ``due``, all or none; returns how many ended."""
    return sum(end(access, how) for access, how in due(among))


def heed(tenant: Tenant, change: str, **_: Any) -> None:
    """End all access to a tenant that is closed: listens to ``tenants.lifecycle.changed``."""
    if change in ("suspended", "deletion_scheduled"):
        end_all(tenant, How.CLOSED)


def forget(tenant: Tenant) -> int:
    """Delete the rows of a tenant that is purged; the platform's record keeps what happened."""
    with enter_platform():
        return SupportAccess.objects.filter(tenant=tenant).delete()[0]


def _tell(access: SupportAccess, how: str) -> None:
    now = context.current().actor
    if how == How.OPERATOR:
        inside: dict[str, Any] = {"actor": operator_in(access), "on_behalf_of": _behalf(access)}
        on_platform: dict[str, Any] = {
            "actor": operator_on_platform(access),
            "on_behalf_of": None,
        }
    elif how in (How.PLATFORM, How.CLOSED):
        inside, on_platform = {"actor": as_operator(now)}, {}
    elif how in (How.TENANT, How.PERSON, How.FORBIDDEN):
        inside, on_platform = {}, as_tenant(access.tenant)
    else:
        noticed: dict[str, Any] = {"actor": telling.NOTICED, "on_behalf_of": None}
        inside = on_platform = noticed
    details: dict[str, Any] = {
        "how": str(how),
        "begun_at": access.begun_at.isoformat(),
        "acts": access.acts or 0,
    }
    if access.entered_at:
        details["entered_at"] = access.entered_at.isoformat()
    telling.tell("support.ended", access, details, inside=inside, on_platform=on_platform)


def _behalf(access: SupportAccess) -> Actor:
    with enter_unserved(access.tenant):
        person = telling.person_of(access)
    return Actor(ActorKind.PERSON, person.id, person.label)


def _acts(access: SupportAccess) -> int:
    """Return how many events of the tenant's record tell what the operator did as the person."""
    began = access.entered_at
    if began is None:
        return 0
    with enter_unserved(access.tenant):
        done = ActivityEvent.objects.filter(
            on_behalf_of_id=str(access.person_id),
            actor_id=str(access.operator_id),
            id__gte=first_id_at(began - _MARGIN),
            occurred_at__gte=began,
        )
        return done.exclude(action__in=("support.entered", "support.ended")).count()
