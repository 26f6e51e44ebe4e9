"""Fills the databases of the benchmark of scale: few tenants or many, an administrator in each.

Each function yields, once, the header by which each tenant's administrator is recognised.
"""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.test import Client

from benchmarks.ground import BASE_DOMAIN

Headers = Iterator[dict[str, str] | None]


def few() -> Headers:
    """Make ten tenants."""
    return _make(10)


def many() -> Headers:
    """Make a thousand."""
    return _make(1000)


def _make(number: int) -> Headers:
    from accounts.models import CustomUser
    from tenants.context import enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    call_command("migrate", verbosity=0)
    yield None
    headers: dict[str, str] = {}
    for position in range(number):
        slug = f"tenant{position}"
        tenant = create(TenantRequest(slug=slug)).tenant
        with enter_tenant(tenant):
            person: Any = CustomUser.objects.create_user(
                username="ann", email="ann@example.com", is_staff=True, is_superuser=True
            )
            browser = Client(headers={"host": f"{slug}.{BASE_DOMAIN}"})
            browser.force_login(person)
            cookies: SimpleCookie = browser.cookies
            name = settings.SESSION_COOKIE_NAME
            headers[slug] = f"Cookie: {name}={cookies[name].value}\r\n"
    yield headers
