"""What the operators' pages about one tenant share: who may look, and who may act."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render

from tenants.errors import TenantryError
from tenants.models import Tenant
from tenants.refused import Refused
from tenants.sites import platform_site


def answer(
    request: HttpRequest,
    object_id: UUID,
    *,
    name: str,
    act: Callable[[HttpRequest, Tenant], str | Refused],
    context: Callable[[Tenant, bool], dict[str, Any]],
) -> HttpResponse:
    """Show the page ``name`` of a tenant; on POST, act and come back to it.

    What ``act`` refused is shown at once, with what was typed. After all else follows a redirect,
    and the page says the sentence that ``act`` returned, or the ``TenantryError`` that it raised.
    ``context`` is given the tenant and whether whoever looks may act on it. Raises
    ``PermissionDenied`` for who may not look, or may look and acts.
    """
    if not request.user.has_perm("tenants.view_tenant"):  # type: ignore[union-attr]
        raise PermissionDenied
    tenant = get_object_or_404(Tenant, pk=object_id)
    may_act = request.user.has_perm("tenants.change_tenant")  # type: ignore[union-attr]
    refused = None
    if request.method == "POST":
        if not may_act:
            raise PermissionDenied
        refused = _refused(request, tenant, act)
        if refused is None:
            return redirect(f"admin:tenants_tenant_{name}", object_id=object_id)
    elif request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    shown = {
        **platform_site.each_context(request),
        "title": f"{name.capitalize()} of {tenant.name}",
        "tenant": tenant,
        "refused": refused,
        **context(tenant, may_act),
    }
    return render(request, f"console/{name}.html", shown)


def _refused(
    request: HttpRequest, tenant: Tenant, act: Callable[[HttpRequest, Tenant], str | Refused]
) -> Refused | None:
    """Act, and leave a message about it, unless a form was refused: that is returned."""
    try:
        done = act(request, tenant)
    except TenantryError as error:
        messages.error(request, error.shown)
        return None
    if isinstance(done, Refused):
        return done
    messages.success(request, done)
    return None
