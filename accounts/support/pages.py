"""Support access on a tenant's host: beginning and ending it, and what its administrators see."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import CustomUser
from accounts.support import allowing, ending, entering, serving
from activity.unavailable import RecordUnavailable
from tenants import support
from tenants.context import current_tenant
from tenants.errors import InvalidInput, TenantryError
from tenants.models import SupportAccess, Tenant
from tenants.sites import tenant_site

How = SupportAccess.How


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def enter(request: HttpRequest, key: str) -> HttpResponse:
    """Show what a one-time link begins; on POST, begin it."""
    # Who was signed in here is found out here: what follows is also written on the platform, where
    # their session is not.
    _ = request.user.is_authenticated
    if request.method == "POST":
        _, person = entering.enter(request, key)
        return redirect("admin:index" if person.is_staff else "home")
    access, person = entering.behind(key)
    return render(request, "accounts/support/enter.html", {"access": access, "person": person})


@require_POST
@never_cache
def end(request: HttpRequest) -> HttpResponse:
    """End the access under which the request is made, and its session."""
    in_force = serving.in_force(request)
    if in_force is None:
        return redirect("home")
    ending.end(in_force.access, How.OPERATOR)
    request.session.flush()
    # The page that says so is nobody's.
    del request.support  # type: ignore[attr-defined]
    return render(request, "accounts/support/over.html")


def panel(request: HttpRequest) -> HttpResponse:
    """Show administrators who had access and has it now; end one, allow it or forbid it."""
    if not request.user.is_superuser:  # type: ignore[union-attr]
        raise PermissionDenied
    tenant = current_tenant()
    assert tenant is not None
    if request.method == "POST":
        try:
            messages.success(request, _act(request, tenant))
        except RecordUnavailable:
            raise
        except TenantryError as error:
            messages.error(request, error.shown)
        return redirect("support-panel")
    context = {
        **tenant_site.each_context(request),
        "title": "Support access",
        "is_allowed": allowing.is_allowed(tenant),
        "may_end": not serving.in_force(request),
        "rows": rows_of(support.accesses_of(tenant)),
    }
    return render(request, "accounts/support/panel.html", context)


def _act(request: HttpRequest, tenant: Tenant) -> str:
    asked = request.POST.get("act", "")
    if asked == "end":
        access = support.access_with(request.POST.get("access", ""))
        if access.tenant_id != tenant.pk:
            raise InvalidInput("that is no access to this organisation.", "Choose one of the list.")
        ended = ending.end(access, How.TENANT)
        return "The support access is ended." if ended else "It had ended already."
    if asked not in ("allow", "forbid"):
        raise InvalidInput("nothing was asked for that can be done here.")
    changed = allowing.allow(tenant, to=asked == "allow")
    done = "allowed" if asked == "allow" else "forbidden"
    return f"Support access is {'' if changed else 'already '}{done}."


def rows_of(accesses: list[SupportAccess]) -> list[dict[str, Any]]:
    """Return accesses with the names of the people whom they are for; called inside the tenant."""
    ids = {access.person_id for access in accesses}
    people = {one.public_id: str(one) for one in CustomUser.objects.filter(public_id__in=ids)}
    return [
        {
            "access": access,
            "person": people.get(access.person_id, "somebody who is gone"),
            "how": access.get_ended_how_display(),
        }
        for access in accesses
    ]
