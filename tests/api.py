"""A program that asks the API: what tests about it share."""

from contextlib import AbstractContextManager
from typing import Any

from django.test import Client

from accounts import api_tokens
from accounts.models import ApiToken, CustomUser
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant

API = "/api/v1/activity/"
EVENTS = f"{API}events"
READ = ("record:read",)


def inside(place: Tenant | None) -> AbstractContextManager[Any]:
    return enter_tenant(place) if place else enter_platform()


def token_of(
    place: Tenant | None, person: CustomUser, *scopes: str, days: int = 90, name: str = "ci"
) -> tuple[ApiToken, str]:
    """A token of somebody, and its text."""
    with inside(place):
        return api_tokens.make(person, name, [*(scopes or READ)], days)


def program(place: Tenant | None, text: str = "", **more: Any) -> Client:
    """A client on a tenant's host that presents a token, or none."""
    host = f"{place.slug}.localhost:8000" if place else "localhost:8000"
    headers = {"host": host, **({"authorization": f"Bearer {text}"} if text else {})}
    return Client(headers=headers, **more)
