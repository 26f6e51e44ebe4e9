"""Whether this code can serve a tenant that stayed behind.

``Tenant.lacks`` names what a schema has not. Code of another release may not know those names, and
does not need them. Code that knows one needs it, unless its operations only take away what this
release no longer uses (``migration_rules`` judges each), or its class says
``serves_without = "reason"``.

While ``lacks`` is empty, as it nearly always is, nothing is loaded.
"""

from collections.abc import Collection
from functools import cache

from tenants.errors import TenantUnavailable
from tenants.models import Tenant

RETRY_SECONDS = 30
"""What a browser is told to wait: about the time in which somebody migrates the tenant."""


def lacking(tenant: Tenant) -> list[str]:
    """Return the migrations without which this code cannot serve the tenant, as ``app.name``."""
    return needed(tenant.lacks) if tenant.lacks else []


def require_served(tenant: Tenant) -> Tenant:
    """Return the tenant; raises ``TenantUnavailable`` when this code cannot serve it."""
    missing = lacking(tenant)
    if missing:
        raise TenantUnavailable(
            f'the tenant "{tenant.slug}" is behind this release: {", ".join(missing)}.',
            f"Migrate it: manage.py tenant migrate --only {tenant.slug}",
        )
    return tenant


def needed(lacks: Collection[str]) -> list[str]:
    """Return those of the names that this code needs."""
    if not lacks:
        return []
    known = _needed()
    return [name for name in lacks if name in known]


@cache
def _needed() -> frozenset[str]:
    """Return all migrations that this code needs a tenant to have. Takes some 50 ms, once."""
    from tenants.fleet.graph import Graph, is_in_tenants, name_of
    from tenants.migration_rules import NEEDED, effects

    graph = Graph({})
    judged = effects(graph)
    return frozenset(
        name_of(migration)
        for key, migration in graph.disk_migrations.items()
        if is_in_tenants(migration.app_label)
        and not getattr(migration, "serves_without", "")
        # One that a squashed one stands for is judged no more.
        and any(effect.after for effect in judged.get(key, (NEEDED,)))
    )
