"""Fills the databases of the web contestants: two tenants with five notes and a person each.

Each function yields, once, the header by which a tenant's person is recognised.
"""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client

from benchmarks.ground import BASE_DOMAIN
from benchmarks.serving import TENANTS
from benchmarks.web.models import Note

Headers = Iterator[dict[str, str] | None]


def bare() -> Headers:
    """Fill the only schema there is."""
    call_command("migrate", verbosity=0)
    yield None
    header = _populate(TENANTS[0])
    yield dict.fromkeys(TENANTS, header)


def stock() -> Headers:
    """Make two tenants the way of django-tenants."""
    from benchmarks.stock.models import Client as Tenant
    from benchmarks.stock.models import Domain

    call_command("migrate_schemas", shared=True, verbosity=0)
    yield None
    headers = {}
    for slug in TENANTS:
        tenant = Tenant(schema_name=slug)
        tenant.save(verbosity=0)
        Domain.objects.create(tenant=tenant, domain=f"{slug}.{BASE_DOMAIN}")
        connection.set_tenant(tenant)  # type: ignore[attr-defined]
        headers[slug] = _populate(slug)
        connection.set_schema_to_public()  # type: ignore[attr-defined]
    yield headers


def tenantry() -> Headers:
    """Make two tenants the way of Tenantry."""
    from tenants import provisioning
    from tenants.context import enter_tenant
    from tenants.requests import TenantRequest

    call_command("migrate", verbosity=0)
    yield None
    headers = {}
    for slug in TENANTS:
        tenant = provisioning.create(TenantRequest(slug=slug)).tenant
        with enter_tenant(tenant):
            headers[slug] = _populate(slug)
    yield headers


def _populate(slug: str) -> str:
    """Write the notes, sign a person in, return the header with their cookie."""
    Note.objects.bulk_create(Note(text=f"{slug} {number}") for number in range(5))
    people: Any = get_user_model()
    person = people.objects.create_user(username="ann", email="ann@example.com", password=None)
    browser = Client(headers={"host": f"{slug}.{BASE_DOMAIN}"})
    browser.force_login(person)
    cookies: SimpleCookie = browser.cookies
    name = settings.SESSION_COOKIE_NAME
    return f"Cookie: {name}={cookies[name].value}\r\n"
