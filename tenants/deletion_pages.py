"""The end of a tenant in the operators' console: scheduled, taken back, certified.

Purging is not offered here: workers purge when the grace is over, and ``manage.py tenant purge``
does for who cannot wait.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict

from tenants import certificates, deletion, tenant_pages
from tenants.errors import InvalidInput
from tenants.lifecycle import LONGEST_REASON
from tenants.models import Tenant
from tenants.refused import Refused


def page(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Show how far a tenant's end is; schedule it, or take it back."""
    return tenant_pages.answer(request, object_id, name="deletion", act=_act, context=_context)


def _context(tenant: Tenant, may_act: bool) -> dict[str, Any]:
    state, states = tenant.state, Tenant.State
    return {
        "may_delete": may_act and state in (states.ACTIVE, states.SUSPENDED),
        "may_undelete": may_act and state == states.DELETION_SCHEDULED,
        "grace": settings.TENANTRY_DELETION_GRACE_DAYS,
        "most_grace": deletion.MOST_GRACE_DAYS,
        "longest_reason": LONGEST_REASON,
        "certificate": _certificate(tenant),
    }


def _certificate(tenant: Tenant) -> dict[str, Any] | None:
    if tenant.state != Tenant.State.DELETED:
        return None
    certificate = certificates.certificate_of(tenant)
    return {
        "deleted_at": certificate.deleted_at,
        "reason": certificate.reason,
        "actor": certificate.actor,
        "rows": sum(certificate.counts.get("rows", {}).values()),
        "digest": certificate.digest,
        "is_sound": certificates.digest_of(certificate) == certificate.digest,
    }


def _act(request: HttpRequest, tenant: Tenant) -> str | Refused:
    given = request.POST
    acts = {"delete": _delete, "undelete": _undelete}
    act = acts.get(given.get("act", ""))
    if act is None:
        raise InvalidInput("Nothing was asked for that can be done here.")
    done = act(tenant, given)
    return done if isinstance(done, Refused) else f"{tenant.slug}: {done}."


def _delete(tenant: Tenant, given: QueryDict) -> str | Refused:
    field = "reason"
    try:
        reason = deletion.check_reason(given.get("reason", ""))
        field = "grace"
        days = deletion.check_grace(_days(given.get("grace", "")))
    except InvalidInput as error:
        return Refused(field, error, given)
    if given.get("slug", "").strip() != tenant.slug:
        return Refused("slug", InvalidInput("that is not its slug.", "Nothing was changed."), given)
    changed = deletion.schedule(tenant, reason=reason, grace_days=days)
    return f"{'' if changed else 'already '}closed, and purged when its grace is over"


def _undelete(tenant: Tenant, given: QueryDict) -> str | Refused:
    try:
        changed = deletion.undelete(tenant, reason=given.get("reason", ""))
    except InvalidInput as error:
        return Refused("reason", error, given)
    return "brought back" if changed else "already not scheduled for deletion"


def _days(text: str) -> int | None:
    try:
        return int(text) if text.strip() else None
    except ValueError:
        raise InvalidInput(f"{text[:20]!r} is no number of days.", "Use a whole number.") from None
