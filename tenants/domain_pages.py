"""A tenant's domains in the operators' console."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from tenants import domains, tenant_pages
from tenants.domains import Done, domains_of, expires_at, proof_of, state_of
from tenants.errors import InvalidInput, TenantryError
from tenants.hosts import is_platforms_own
from tenants.models import Domain, Tenant
from tenants.proofs import By
from tenants.refused import Refused

_SAYS: Final = {
    "primary": "The primary one: links in mail and on pages name it.",
    "served": "Served.",
    "redirects": "A former address: it redirects to the primary one.",
    "claimed": "Not served before it is verified.",
    "expired": "This claim has expired. Add the domain again.",
}


def page(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Show a tenant's domains and what is to be published; do what was asked for.

    Runs in no transaction of the request's: verifying waits for servers elsewhere.
    """
    return tenant_pages.answer(request, object_id, name="domains", act=_act, context=_context)


def _context(tenant: Tenant, may_act: bool) -> dict[str, Any]:
    return {
        "rows": [_row(tenant, domain) for domain in domains_of(tenant)],
        "may_act": may_act and tenant.is_changeable,
        "was_purged": tenant.state == Tenant.State.DELETED,
        "lifetime": domains.CLAIM_LIFETIME.days,
    }


def _row(tenant: Tenant, domain: Domain) -> dict[str, Any]:
    state = state_of(domain)
    is_closed = state == "served" and not tenant.is_active
    return {
        "host": domain.domain,
        "state": state,
        "says": f"Verified. Not served: the tenant is {tenant.condition}."
        if is_closed
        else _SAYS[state],
        "proof": proof_of(domain) if state == "claimed" else None,
        "expires_at": expires_at(domain),
        "can_be_primary": state == "served",
        "can_be_removed": not is_platforms_own(domain.domain),
        "can_be_changed": state == "served" or not is_platforms_own(domain.domain),
    }


def _act(request: HttpRequest, tenant: Tenant) -> str | Refused:
    host, wanted = request.POST.get("domain", ""), request.POST.get("act", "")
    acts: dict[str, tuple[Callable[[], Done], str]] = {
        "add": (lambda: domains.add(tenant, host, vouched="vouched" in request.POST), "added"),
        "dns": (lambda: domains.verify(tenant, host, by=By.DNS), "verified"),
        "http": (lambda: domains.verify(tenant, host, by=By.HTTP), "verified"),
        "primary": (lambda: domains.make_primary(tenant, host), "the primary domain"),
        "remove": (lambda: domains.remove(tenant, host), "removed"),
    }
    if wanted not in acts:
        raise InvalidInput("Nothing was asked for that can be done here.")
    act, done_word = acts[wanted]
    try:
        done = act()
    except TenantryError as error:
        if wanted == "add":
            return Refused("domain", error, request.POST)
        raise
    return f"{done.domain.domain} is {done_word} {'now' if done.changed else 'already'}."
