"""Databases that tests make beside their own."""

from typing import Any


def drop_database(cursor: Any, name: str) -> None:
    """Drop a database, if it is there, and end whoever is connected to it.

    ``WITH (FORCE)`` would refuse that while autovacuum works there, since a worker has no role that
    one could be a member of. Without it PostgreSQL ends a worker itself, and waits for the others.
    """
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = %s AND usesysid IS NOT NULL",
        [name],
    )
    cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
