"""The one way into a tenant, and the one way onto the platform.

Who entered neither is nowhere: a new thread, a second database alias, a process that is no
command. Statements and scopes are refused there (``NotInTenant``), so that nothing is read, cached
or signed in a place that nobody meant.

Nothing else changes where a connection points: the forms that django-tenants offers for it
(``with tenant:``, decorators, ``schema_context``) share state between threads or take a bare
schema name, and a test bans them.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from tenants.backend.base import PUBLIC
from tenants.errors import NotInTenant, TenantUnavailable
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
    unless the tenant is active; provisioning, which builds tenants, uses ``enter_unserved``, and
    sealing, which goes on in closed ones, ``enter_living``.
    """
    if not tenant.is_active:
        raise TenantUnavailable(
            f'the tenant "{tenant.slug}" is {tenant.condition}.',
            "Only active tenants can be entered.",
        )
    return enter_unserved(tenant)


def enter_living(tenant: Tenant) -> AbstractContextManager[Tenant]:
    """Act inside ``tenant``, served or not: for the platform's own care of what is kept there.

    Nobody's request gets in by it. Raises ``TenantUnavailable`` for a tenant that is being built or
    destroyed.
    """
    if not tenant.is_living:
        raise TenantUnavailable(
            f'the tenant "{tenant.slug}" is {tenant.condition}.',
            "It is not complete, or not any more.",
        )
    return enter_unserved(tenant)


@contextmanager
def enter_unserved(tenant: Tenant) -> Iterator[Tenant]:
    """Act inside a tenant whatever its state: for the code that builds, records and ends it."""
    connection = _connection()
    before, stay = connection.tenant, object()
    connection.set_tenant(tenant)
    connection.stays.append(stay)
    try:
        yield tenant
    finally:
        _leave(connection, stay, before)


@contextmanager
def enter_platform() -> Iterator[None]:
    """Act in ``public``, where tenants, domains and operators are, until the block ends."""
    connection = _connection()
    before, stay = connection.tenant, object()
    connection.set_schema_to_public()
    connection.stays.append(stay)
    try:
        yield
    finally:
        _leave(connection, stay, before)


def _leave(connection: Any, stay: object, before: Any) -> None:
    """Be again where one was before a block, if it is the innermost.

    A generator that yields inside a block can be closed at any time, also by the garbage collector:
    in another block, or in the next request. What was before has nothing to do with that one. If
    the block around has ended, so has this; if others were entered since, nobody knows any more
    where one should be, and one is nowhere.
    """
    stays = connection.stays
    if stays and stays[-1] is stay:
        stays.pop()
        connection.point_at(before)
    elif stay in stays:
        del stays[stays.index(stay) :]
        connection.point_at(None)


def start_on_platform() -> None:
    """Act on the platform for the rest of this thread: for the main thread of a command."""
    _connection().set_schema_to_public()


def is_nowhere() -> bool:
    """Tell whether this thread is in no tenant and not on the platform."""
    return _connection().schema_name is None


def current_tenant() -> Tenant | None:
    """Return the tenant that this thread acts in, or ``None`` on the platform.

    Raises ``NotInTenant`` nowhere, and in a schema that was entered without its tenant, as
    django-tenants' migrations do: neither is the platform.
    """
    connection = _connection()
    tenant = connection.tenant
    if isinstance(tenant, Tenant):
        return tenant
    if connection.schema_name == PUBLIC:
        return None
    connection.require_place()
    raise NotInTenant(
        f"the schema {connection.schema_name} was entered without its tenant.",
        "Use enter_tenant() of tenants.context.",
    )


def current_scope() -> str:
    """Return what binds keys, hashes and signatures to the place they were made in.

    A tenant's UUID, which is never reused, or ``platform``. Raises ``NotInTenant`` as
    ``current_tenant`` does.
    """
    tenant = current_tenant()
    return str(tenant.pk) if tenant else PLATFORM
