"""How tenants and their administrators appear in what the verbs print."""

from typing import Any

from tenants.administrators import Appointment
from tenants.commandline import Output
from tenants.context import enter_platform
from tenants.domains import domains_of, expires_at, proof_of, state_of
from tenants.hosts import origin
from tenants.models import Domain, Tenant


def described(tenant: Tenant, domains: list[Domain] | None = None) -> dict[str, Any]:
    """The keys of a tenant in every ``--json`` document. ``domains`` saves looking them up."""
    if domains is None:
        domains = domains_of(tenant)
    with enter_platform():
        former = [former.slug for former in tenant.former_slugs.all()]
    hosts = _in_state(domains, "primary", "served")
    return {
        "id": tenant.pk,
        "slug": tenant.slug,
        "name": tenant.name,
        "state": tenant.state,
        "schema_name": tenant.schema_name,
        "time_zone": tenant.time_zone,
        "domains": hosts,
        "redirects": _in_state(domains, "redirects"),
        "claims": _in_state(domains, "claimed", "expired"),
        "former_slugs": former,
        "url": f"{origin(hosts[0])}/admin/" if hosts else "",
        "created_at": tenant.created_at,
    }


def _in_state(domains: list[Domain], *states: str) -> list[str]:
    return [domain.domain for domain in domains if state_of(domain) in states]


def described_domain(domain: Domain) -> dict[str, Any]:
    """The keys of a domain in every ``--json`` document."""
    is_claim = domain.verified_at is None
    proof = proof_of(domain)
    return {
        "domain": domain.domain,
        "state": state_of(domain),
        "created_at": domain.created_at,
        "verified_at": domain.verified_at,
        "expires_at": expires_at(domain) if is_claim else None,
        "proof": {"record": proof.record, "url": proof.url, "value": proof.value}
        if is_claim
        else None,
    }


def appointed(appointment: Appointment | None) -> dict[str, Any] | None:
    """The keys of an administrator in every ``--json`` document."""
    return vars(appointment) if appointment else None


def say_appointed(output: Output, appointment: Appointment | None) -> None:
    """Tell who became an administrator and how they get in."""
    if appointment is None:
        return
    verb = "is now" if appointment.created else "was already"
    output.say(f"{appointment.username} <{appointment.email}> {verb} an administrator.")
    if appointment.has_new_password:
        output.say("The password is the one that was given now.")
    if appointment.link:
        output.say("One-time link to choose a password:", f"  {appointment.link}")
