"""The end of a tenant in the operators' console: scheduled, taken back, certified.

Purging is not offered here: workers purge when the grace is over, and ``manage.py tenant purge``
does for who cannot wait.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render

from tenants import certificates, deletion
from tenants.errors import InvalidInput, TenantryError
from tenants.lifecycle import LONGEST_REASON
from tenants.models import Tenant
from tenants.sites import platform_site


def page(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Show how far a tenant's end is; schedule it, or take it back."""
    if not request.user.has_perm("tenants.view_tenant"):  # type: ignore[union-attr]
        raise PermissionDenied
    tenant = get_object_or_404(Tenant, pk=object_id)
    may_act = request.user.has_perm("tenants.change_tenant")  # type: ignore[union-attr]
    if request.method == "POST":
        if not may_act:
            raise PermissionDenied
        _act(request, tenant)
        return redirect("admin:tenants_tenant_deletion", object_id=object_id)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    state, states = tenant.state, Tenant.State
    context = {
        **platform_site.each_context(request),
        "title": f"Deletion of {tenant.name}",
        "tenant": tenant,
        "may_delete": may_act and state in (states.ACTIVE, states.SUSPENDED),
        "may_undelete": may_act and state == states.DELETION_SCHEDULED,
        "grace": settings.TENANTRY_DELETION_GRACE_DAYS,
        "most_grace": deletion.MOST_GRACE_DAYS,
        "longest_reason": LONGEST_REASON,
        "certificate": _certificate(tenant),
    }
    return render(request, "console/deletion.html", context)


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


def _act(request: HttpRequest, tenant: Tenant) -> None:
    given = request.POST
    reason = given.get("reason", "")
    try:
        if given.get("act") == "undelete":
            changed = deletion.undelete(tenant, reason=reason)
            done = "brought back" if changed else "not scheduled for deletion"
        elif given.get("act") == "delete":
            if given.get("slug", "").strip() != tenant.slug:
                raise InvalidInput("that is not its slug.", "Nothing was changed.")
            days = _days(given.get("grace", ""))
            changed = deletion.schedule(tenant, reason=reason, grace_days=days)
            done = "closed, and purged when its grace is over"
        else:
            raise InvalidInput("nothing was asked for that can be done here.")
    except TenantryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{tenant.slug}: {'' if changed else 'already '}{done}.")


def _days(text: str) -> int | None:
    try:
        return int(text) if text.strip() else None
    except ValueError:
        raise InvalidInput(f"{text[:20]!r} is no number of days.", "Use a whole number.") from None
