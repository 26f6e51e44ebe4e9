"""What follows a migration, once for all tenants."""

from typing import Final

from tenants import privileges, spares
from tenants.backend.base import PUBLIC
from tenants.backend.defaults import close_default_path
from tenants.blueprint import blueprint
from tenants.fleet.report import Report
from tenants.owner import owner_in

_MANY: Final = 50
_GROWN: Final = (
    "pg_attribute",
    "pg_attrdef",
    "pg_class",
    "pg_constraint",
    "pg_depend",
    "pg_index",
    "pg_proc",
    "pg_trigger",
    "pg_type",
)


def migrated(report: Report) -> None:
    """Bring up to date what depends on migrations. Where it is so already, that is all it costs.

    A run that had nothing to migrate does it too: the one before may have been killed here.
    """
    with owner_in(PUBLIC) as connection:
        close_default_path(connection)
    # Tables that are new, roles that are, and what somebody changed by hand.
    privileges.settle()
    blueprint()
    spares.discard_stale()
    if report.migrated >= _MANY:
        _count_catalogue()


def _count_catalogue() -> None:
    """Refresh the statistics by which PostgreSQL plans looking things up by name.

    It skips, with a warning that nobody sees, what the role may not: that is its database's owner's
    right, or ``pg_maintain``'s.
    """
    with owner_in(PUBLIC) as connection, connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(f'pg_catalog.{name}' for name in _GROWN)}")
