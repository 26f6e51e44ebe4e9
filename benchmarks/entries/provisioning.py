"""What making a tenant costs.

*Tenantry* is ``tenants.provisioning.create``: row, domain, schema and tables, marker, operation and
first events; once with a spare schema that waits, once without, from the blueprint.
*django-tenants* makes the same tables its way: saving the tenant makes the schema and migrates it,
and a domain is added. Each begins with no tenant and goes on until there is one for each round.
Starting a process is not in it, nor is making the spare.
"""

import time
from itertools import count

from django.core.management import call_command

from benchmarks.entry import Entry, Goal
from benchmarks.ground import BASE_DOMAIN, Place
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.provisioning"


def migrate_stock() -> Turns:
    """Make django-tenants' public schema."""
    call_command("migrate_schemas", shared=True, verbosity=0)
    yield None
    yield None


def migrate_tenantry() -> Turns:
    """Make Tenantry's public schema."""
    call_command("migrate", verbosity=0)
    yield None
    yield None


def stock() -> Turns:
    """Make a tenant a turn the way of django-tenants; yield the milliseconds."""
    from benchmarks.stock.models import Client, Domain

    yield None
    for number in count():
        started = time.perf_counter()
        tenant = Client(schema_name=f"tenant{number}")
        tenant.save(verbosity=0)
        Domain.objects.create(tenant=tenant, domain=f"tenant{number}.{BASE_DOMAIN}")
        yield (time.perf_counter() - started) * 1000


def without_spare() -> Turns:
    """Make a tenant a turn from the blueprint; yield the milliseconds."""
    yield from _tenantry("cold", spare=0)


def with_spare() -> Turns:
    """Make a tenant a turn from a spare schema; yield the milliseconds."""
    yield from _tenantry("warm", spare=1)


def _tenantry(prefix: str, *, spare: int) -> Turns:
    from django.conf import settings

    from tenants import spares
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    settings.TENANTRY_SPARE_SCHEMAS = spare
    yield None
    for number in count():
        spares.fill(spare)
        started = time.perf_counter()
        create(TenantRequest(slug=f"{prefix}{number}"))
        yield (time.perf_counter() - started) * 1000


STOCK = Place("benchmarks.settings.stock_apps", "bench_create_stock", f"{_HERE}:migrate_stock")
TENANTRY = Place(
    "config.settings.development", "bench_create_tenantry", f"{_HERE}:migrate_tenantry"
)

ENTRIES = [
    Entry(
        name="tenant-create",
        sentence="What making a tenant costs, when there is a handful of them.",
        unit="ms",
        more_is_better=False,
        rounds=10,
        contestants=[
            contestant("django-tenants", STOCK, f"{_HERE}:stock"),
            contestant("Tenantry, no spare", TENANTRY, f"{_HERE}:without_spare"),
            contestant("Tenantry, spare", TENANTRY, f"{_HERE}:with_spare"),
        ],
        goal=Goal("Tenantry, no spare", 1 / 10),
    )
]
