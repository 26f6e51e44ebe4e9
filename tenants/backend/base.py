"""The database engine: every message says in which schema, and no other, it is to be read.

``docs/adr/0015-the-path-travels-with-the-statement.md`` says why. A connection begins nowhere: in
no tenant and not on the platform. Its statements are refused until somebody enters a place
(``tenants.context``), so a new thread or a second alias never reads ``public`` by accident.
"""

from asyncio import _get_running_loop
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

from django.core.exceptions import SynchronousOnlyOperation
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from django_tenants.postgresql_backend import base

from tenants.backend import telling
from tenants.backend.cursors import PinnedCursor, PinnedDebugCursor
from tenants.backend.pin import UNLIMITED, Limits, bounds_for, prefix_for, without_prefix
from tenants.errors import NotInTenant

PUBLIC: Final = "public"

# libpq's PQTRANS_IDLE, the same number in both drivers.
_IDLE: Final = 0

_PLATFORM: Final = base.FakeTenant(schema_name=PUBLIC)


class PinnedOperations(DatabaseOperations):
    """Django's operations, which show statements as they were written."""

    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> str:
        """Return the last statement without what was put before it."""
        shown = super().last_executed_query(cursor, sql, params)
        return shown and telling.without_setting(without_prefix(shown))


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """A connection that is nowhere, in ``public``, or in exactly one tenant's schema.

    ``schema_name`` and ``tenant`` say where; both are ``None`` nowhere.
    """

    ops_class = PinnedOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Past django-tenants, which begins in public. Its introspection is left out too: it sets
        # the path of the session. Django's own lists what is visible, which is one schema.
        super(base.DatabaseWrapper, self).__init__(*args, **kwargs)
        self.stays: list[object] = []
        """The blocks of ``tenants.context`` that one is in, the innermost last."""
        self.limits = UNLIMITED
        """How long statements may take: ``tenants.patience``."""
        self._bounds = ""
        self.point_at(None)

    # Where the connection is

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        """Act in a tenant from the next statement on; ``include_public`` is not heeded.

        Raises ``SynchronousOnlyOperation`` in the thread of a running event loop: tasks share the
        connection of whoever started them, and one would move the others at its next ``await``.
        """
        if _get_running_loop() is not None:
            raise SynchronousOnlyOperation(
                "A tenant cannot be entered in an event loop, whose tasks share connections."
                " Use sync_to_async for all that is done inside."
            )
        self.point_at(tenant)

    def set_schema_to_public(self) -> None:
        """Act on the platform from the next statement on."""
        self.set_tenant(_PLATFORM)

    def point_at(self, tenant: Any | None) -> None:
        """Act where ``tenant`` is, or nowhere, from the next statement on. Sends nothing."""
        self.unpin()
        if tenant is None:
            self.tenant = self.schema_name = self._prefix = None
        else:
            self._prefix = prefix_for(tenant.schema_name)
            self.tenant = tenant
            self.schema_name = tenant.schema_name

    def require_place(self) -> str:
        """Return the path of the next message; raises ``NotInTenant`` nowhere."""
        if self._prefix is None:
            raise NotInTenant(
                f'this thread\'s database connection "{self.alias}" is in no tenant and not on the'
                " platform.",
                "Put enter_tenant() or enter_platform() of tenants.context around the code.",
            )
        return self._prefix

    def ahead(self) -> str:
        """Return what goes before the next message where nothing was sent yet, bounds included.

        Raises ``NotInTenant`` nowhere.
        """
        return self.require_place() + self._bounds

    def limit(self, limits: Limits) -> None:
        """Let statements from the next one on take so long.

        Sends nothing: what an open transaction was told is taken back with its next statement.
        """
        is_told = self.connection is not None and not self.is_between_transactions()
        self.limits = limits
        self._bounds = bounds_for(limits, amidst=is_told)
        self.unpin()

    # What the open transaction knows of it

    def is_pinned(self) -> bool:
        """Tell whether the open transaction has the path already."""
        own = self.connection
        return (
            self._pinned
            and own is not None
            and not own.autocommit
            and own.info.transaction_status != _IDLE
        )

    def arrived(self, path: str, told: str) -> None:
        """Note that a message has succeeded with what it said of where it is and of who acts.

        Both last as long as a transaction. What was said earlier in it still holds.
        """
        self._pinned = not self.connection.autocommit
        if path or told:
            self._told = told

    def unpin(self) -> None:
        """Note that the path may be another than one believes: it is sent again."""
        self._pinned = False
        self._told = ""

    def untold(self) -> str:
        """Return what goes before a change so that triggers know who makes it.

        Empty when the open transaction knows it already.
        """
        now = telling.setting()
        return "" if self.is_pinned() and now == self._told else now

    def is_between_transactions(self) -> bool:
        """Tell whether the next message would be a transaction of its own."""
        own = self.connection
        return own is not None and own.autocommit and own.info.transaction_status == _IDLE

    def _forget(self) -> None:
        """Note that no transaction is open that knows anything."""
        self.unpin()
        self._bounds = bounds_for(self.limits)

    def _commit(self) -> None:
        # After an error that was swallowed PostgreSQL answers COMMIT with ROLLBACK, and no error.
        self._forget()
        super()._commit()

    def _rollback(self) -> None:
        self._forget()
        super()._rollback()

    def _set_autocommit(self, autocommit: bool) -> None:
        self._forget()
        super()._set_autocommit(autocommit)

    def close(self) -> None:
        """Close; the next connection is where this one was."""
        self._forget()
        super().close()

    def on_commit(self, func: Any, robust: bool = False) -> None:
        """Call ``func`` after the commit, in the place in which this was asked for.

        The transaction may have begun, and may end, in another.
        """
        asked_in = self.tenant

        @wraps(func)
        def run_there() -> None:
            before = self.tenant
            self.point_at(asked_in)
            try:
                func()
            finally:
                self.point_at(before)

        # Django refuses what cannot be called.
        super().on_commit(run_there if callable(func) else func, robust)

    # Cursors

    def make_cursor(self, cursor: Any) -> CursorWrapper:
        """Return a cursor whose statements carry the path."""
        return PinnedCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> CursorDebugWrapper:
        """Return the same for connections that log their queries."""
        return PinnedDebugCursor(cursor, self)

    def _cursor(self, name: str | None = None) -> Any:
        # Past django-tenants, which sends a SET of its own here.
        return super(base.DatabaseWrapper, self)._cursor(name)

    def chunked_cursor(self) -> Any:
        """Return a server-side cursor inside a transaction, outside one that of the client.

        A cursor that outlives its transaction would stay on a connection that a pooler gives to
        others. What streams much opens a transaction, as Django demands with
        ``DISABLE_SERVER_SIDE_CURSORS``.
        """
        return self.cursor() if self.get_autocommit() else super().chunked_cursor()

    @contextmanager
    def _nodb_cursor(self) -> Iterator[Any]:
        # For making and dropping databases. Where it leads there are no tenants.
        with super()._nodb_cursor() as cursor:
            cursor.db.point_at(_PLATFORM)
            yield cursor
