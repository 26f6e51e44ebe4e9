"""What the panel is called: its tenant, so that nobody acts in the wrong one."""

from django.http import HttpRequest

from tenants.context import current_tenant


def header(request: HttpRequest) -> str:
    """Return the tenant's name."""
    tenant = current_tenant()
    return tenant.name if tenant else "Tenantry"


def title(request: HttpRequest) -> str:
    """Return what the browser's tab says."""
    return f"{header(request)} · Tenantry"
