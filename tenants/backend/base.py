"""The database engine: django-tenants', with the tenant's schema alone on the search path.

With ``tenant, public`` a missing or half-built tenant reads and writes ``public``'s tables of the
same name without an error (``docs/adr/0003-the-tenant-alone-on-the-search-path.md``). Here such a
statement fails: ``relation does not exist``.
"""

from typing import Any, Final

from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from django.db.utils import InternalError
from django_tenants.postgresql_backend import base

# libpq's PQTRANS_INERROR, the same number in both drivers.
_TRANSACTION_FAILED: Final = 3


class PinnedCursor(CursorWrapper):
    """A cursor that can be kept while its connection enters another tenant, and comes back.

    django-tenants sets the path when a cursor is opened. One that was opened before a switch, and
    used after it, would read what the connection was in last.
    """

    def execute(self, sql: Any, params: Any = None) -> Any:
        """Run a statement in the tenant that the connection is in."""
        self.db.pin(self)
        return super().execute(sql, params)

    def executemany(self, sql: Any, param_list: Any) -> Any:
        """Run a statement for each of many parameters, likewise."""
        self.db.pin(self)
        return super().executemany(sql, param_list)


class PinnedDebugCursor(PinnedCursor, CursorDebugWrapper):
    """The same, logging its queries."""


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """A connection that is in ``public`` or in exactly one tenant's schema."""

    def _get_cursor_search_paths(self) -> list[str]:
        base._check_schema_name(self.schema_name)
        return [self.schema_name]

    def make_cursor(self, cursor: Any) -> CursorWrapper:
        """Return a cursor that is where the connection is, not where it was opened."""
        return PinnedCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> CursorDebugWrapper:
        """Return the same for connections that log their queries."""
        return PinnedDebugCursor(cursor, self)

    def commit(self) -> None:
        """Commit, or learn that PostgreSQL rolled back, and with it the path.

        After a statement that failed and whose error was swallowed, COMMIT is answered with
        ROLLBACK and no error. A path that was set in the transaction is gone then, and what is
        left is that of the tenant before.
        """
        failed = self._transaction_failed()
        super().commit()
        if failed:
            self.search_path_set_schemas = None

    def pin(self, cursor: Any) -> None:
        """Set the path before a statement if it is not that of the tenant one is in."""
        if self.search_path_set_schemas is None and not self._setting_search_path:
            # A server-side cursor can run but one statement.
            self._handle_search_path(None if cursor.cursor.name else cursor)

    def _transaction_failed(self) -> bool:
        own = self.connection
        return own is not None and own.info.transaction_status == _TRANSACTION_FAILED

    def _handle_search_path(self, cursor: Any = None) -> None:
        super()._handle_search_path(cursor)
        if self.search_path_set_schemas is not None or self._setting_search_path:
            return
        # django-tenants swallows a failed SET, which would leave the statement that follows on
        # the path of whoever used the connection before. Only in a transaction that has already
        # failed is that harmless: PostgreSQL refuses everything in it but its end.
        if not self._transaction_failed():
            raise InternalError("The search path could not be set, so the statement was not run.")
