"""The one way into a tenant, and the one way back to the platform.

Nothing else changes where a connection points: the forms that django-tenants offers for it
(``with tenant:``, decorators, ``schema_context``) share state between threads or take a bare
schema name, and a test bans them.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from tenants.errors import TenantUnavailable
from tenants.models import Tenant

PLATFORM = "platform"
"""How logs, cache keys and signatures name the place that is no tenant."""


def _connection() -> Any:
    """This thread's connection itself: django.db's proxy costs a microsecond at each use.

    The types of Django know nothing of what django-tenants adds to it.
    """
    return connections[DEFAULT_DB_ALIAS]


def enter_tenant(tenant: Tenant) -> AbstractContextManager[Tenant]:
    """Act inside ``tenant`` until the block ends, then be again where one was before.

    The block's statements find the tenant's tables and no others. Raises ``TenantUnavailable``
    unless the tenant is active; provisioning, which builds tenants, uses ``enter_unserved``.
    """
    if not tenant.is_active:
        raise TenantUnavailable(
            f'the tenant "{tenant.slug}" is {tenant.get_state_display().lower()}.',
            "Only active tenants can be entered.",
        )
    return enter_unserved(tenant)


@contextmanager
def enter_unserved(tenant: Tenant) -> Iterator[Tenant]:
    """Act inside a tenant whatever its state: for the code that builds, records and ends it."""
    connection = _connection()
    before = connection.tenant
    connection.set_tenant(tenant)
    try:
        yield tenant
    finally:
        connection.set_tenant(before)


@contextmanager
def enter_platform() -> Iterator[None]:
    """Act in ``public``, where tenants, domains and operators are, until the block ends."""
    connection = _connection()
    before = connection.tenant
    connection.set_schema_to_public()
    try:
        yield
    finally:
        connection.set_tenant(before)


def current_tenant() -> Tenant | None:
    """Return the tenant that this thread acts in, or ``None`` on the platform."""
    tenant = _connection().tenant
    return tenant if isinstance(tenant, Tenant) else None


def current_scope() -> str:
    """Return what binds keys, hashes and signatures to the place they were made in.

    A tenant's UUID, which is never reused, or ``platform``.
    """
    tenant = current_tenant()
    return str(tenant.pk) if tenant else PLATFORM
