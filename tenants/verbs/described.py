"""How tenants and their administrators appear in what the verbs print."""

from typing import Any

from tenants.administrators import Appointment
from tenants.commandline import Output
from tenants.context import enter_platform
from tenants.hosts import origin
from tenants.models import Tenant


def described(tenant: Tenant, hosts: list[str] | None = None) -> dict[str, Any]:
    """The keys of a tenant in every ``--json`` document. ``hosts`` saves looking them up."""
    if hosts is None:
        with enter_platform():
            hosts = [domain.domain for domain in tenant.domains.all()]
    return {
        "id": tenant.pk,
        "slug": tenant.slug,
        "name": tenant.name,
        "state": tenant.state,
        "schema_name": tenant.schema_name,
        "time_zone": tenant.time_zone,
        "domains": hosts,
        "url": f"{origin(hosts[0])}/admin/" if hosts else "",
        "created_at": tenant.created_at,
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
