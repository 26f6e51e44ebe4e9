"""The connection that may change schemas.

Where a deployment gives ``DATABASE_OWNER_URL``, everything that serves people runs as a role that
can read and write rows and nothing else; schemas are made, migrated and dropped over a second
connection, as the role that owns them. Where it does not, both are one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from tenants.errors import TenantryError

OWNER_ALIAS: Final = "owner"


def owner_alias() -> str:
    """Return the alias of the connection that may change schemas."""
    return OWNER_ALIAS if OWNER_ALIAS in settings.DATABASES else DEFAULT_DB_ALIAS


def owner_connection() -> Any:
    """Return the connection that may change schemas, as it stands: see ``owner_in``."""
    return connections[owner_alias()]


@contextmanager
def owner_in(schema_name: str) -> Iterator[Any]:
    """Yield the owner's connection, pointed at a schema until the block ends.

    The thread's own connection is in that schema too, but in no tenant, whether both are one or
    not: what is made in the block belongs to one place.
    """
    connections_here: list[Any] = [
        connections[alias] for alias in {DEFAULT_DB_ALIAS, owner_alias()}
    ]
    before = [connection.tenant for connection in connections_here]
    for connection in connections_here:
        connection.set_schema(schema_name)
    try:
        yield owner_connection()
    finally:
        for connection, place in zip(connections_here, before, strict=True):
            connection.point_at(place)


@contextmanager
def owner_cursor() -> Iterator[Any]:
    """Yield a cursor of the owner's on the platform, in a transaction of its own."""
    with (
        owner_in("public") as connection,
        transaction.atomic(using=owner_alias()),
        connection.cursor() as cursor,
    ):
        yield cursor


@cache
def may_change_schemas() -> bool:
    """Whether this process can make and drop schemas. If not, a worker has to.

    Asked once: a role does not gain rights while a process runs.
    """
    with owner_cursor() as cursor:
        cursor.execute("SELECT has_database_privilege(current_database(), 'CREATE')")
        [may] = cursor.fetchone()
        return bool(may)


def require_owner(act: str) -> None:
    """Raise ``TenantryError`` in a process that cannot make and drop schemas.

    ``act`` is what it was asked to do, as a verb with its object.
    """
    if not may_change_schemas():
        raise TenantryError(
            f"this process may not {act}: its role owns no schemas.",
            "Do it where DATABASE_OWNER_URL is given, such as the worker's container.",
        )
