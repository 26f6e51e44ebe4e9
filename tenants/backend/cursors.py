"""Cursors that say with each message in whose schema it is to be read.

The path goes before the statement, in the same message of the simple protocol. One message is one
transaction, so ``SET LOCAL`` holds for it and for nothing after it: no round trip is added, nothing
is left on the connection, and a pooler cannot put another server between the two.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.db import NotSupportedError
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from psycopg2.sql import Composable

from tenants.backend import telling
from tenants.backend.statements import Kind, Statement, is_ordinary, read

# Private to Django, and the only place below its wrappers and logs.
_run: Final = CursorWrapper._execute  # type: ignore[attr-defined]
_run_many: Final = CursorWrapper._executemany  # type: ignore[attr-defined]


class PinnedCursor(CursorWrapper):
    """A cursor whose statements are where its connection is when they are sent.

    Wrappers and logs of Django see the statements as they were written: the path is added below
    them.
    """

    def _execute(self, sql: Any, params: Any, *context: Any) -> Any:
        db = self.db
        if self.cursor.name is not None:
            self._pin_declaration()
            return _run(self, sql, params)
        if not is_ordinary(sql):
            return self._execute_unusual(sql, params)
        # Who acts may have to be looked up first, by other statements.
        told = db.untold() if telling.may_change(sql) else ""
        path = "" if db.is_pinned() else db.ahead()
        if not (path or told):
            return _run(self, sql, params)
        result = _run(self, path + told + sql, params)
        db.arrived(path, told)
        return result

    def _execute_unusual(self, sql: Any, params: Any) -> Any:
        text, sql = self._text(sql)
        statement = self._understood(text)
        if statement.kind is Kind.CONTROL or not text.strip():
            self.db.unpin()
            return _run(self, sql, params)
        if statement.kind is not Kind.PLAIN and self.db.is_between_transactions():
            self.db.require_place()
            if statement.kind is Kind.ALONE:
                with self._path_of_session():
                    return _run(self, sql, params)
            return _run(self, sql, params)
        path, told = self._ahead()
        result = _run(self, self._behind(path + told, sql), params)
        self.db.arrived(path, told)
        if not statement.keeps_path:
            self.db.unpin()
        return result

    def _executemany(self, sql: Any, param_list: Any, *context: Any) -> Any:
        text, sql = self._text(sql)
        statement = self._understood(text)
        # Not relied on afterwards: of no parameters at all nothing was sent.
        try:
            return _run_many(self, self._behind("".join(self._ahead()), sql), param_list)
        finally:
            if not statement.keeps_path:
                self.db.unpin()

    def _ahead(self) -> tuple[str, str]:
        """Return the path, and what triggers are told, as far as the transaction lacks them."""
        told = self.db.untold()
        return "" if self.db.is_pinned() else self.db.ahead(), told

    @staticmethod
    def _behind(ahead: str, sql: Any) -> Any:
        return ahead + sql if isinstance(sql, str) else ahead.encode() + sql

    def _text(self, sql: Any) -> tuple[str, Any]:
        """Return a statement as text to be read, and as what can be sent."""
        if isinstance(sql, Composable):
            sql = sql.as_string(self.cursor)
        if isinstance(sql, bytes):
            return sql.decode("utf-8", "replace"), sql
        return sql, sql

    def _understood(self, text: str) -> Statement:
        statement = read(text)
        if statement.ends_within:
            raise NotSupportedError(
                "A message that ends a transaction or a savepoint cannot go on: what follows would"
                " be read in another place. Send what follows by itself."
            )
        if statement.outlives:
            raise NotSupportedError(
                "What is temporary stays on the connection, where the next tenant would find it."
                " Use CREATE TEMPORARY TABLE … ON COMMIT DROP in a transaction."
            )
        return statement

    @contextmanager
    def _path_of_session(self) -> Iterator[None]:
        """Set the path for statements that PostgreSQL runs outside transactions only.

        Raises ``NotSupportedError`` behind a pooler, which could give the path to one server and
        the statement to another.
        """
        own = self.cursor.connection
        with self.db.wrap_database_errors, own.cursor() as ahead:
            ahead.execute("SELECT pg_backend_pid()")
            if ahead.fetchone()[0] != own.info.backend_pid:
                raise NotSupportedError(
                    "This statement cannot run in a transaction and a pooler stands before the"
                    " database: use a direct connection to PostgreSQL."
                )
            ahead.execute(self.db.require_place().replace("SET LOCAL", "SET"))
        try:
            yield
        finally:
            # A connection that is gone took its path along.
            with suppress(self.db.Database.Error), own.cursor() as after:
                after.execute("RESET search_path")

    def _pin_declaration(self) -> None:
        """Set the path for a server-side cursor, whose message can hold nothing else."""
        if self.db.is_between_transactions():
            raise NotSupportedError(
                "A server-side cursor lives in a transaction: use transaction.atomic()."
            )
        self._pin()

    def _pin(self) -> None:
        db = self.db
        path, told = self._ahead()
        if path or told:
            with db.wrap_database_errors, self.cursor.connection.cursor() as ahead:
                ahead.execute(path + told)
            db.arrived(path, told)

    @contextmanager
    def _in_transaction(self) -> Iterator[None]:
        """Run what brings its own protocol or its own statement: behind a path, in a transaction.

        The one that is open, or else a short one of its own.
        """
        db = self.db
        db.validate_no_broken_transaction()
        if not db.is_between_transactions():
            self._pin()
            with db.wrap_database_errors:
                yield
            return
        with db.wrap_database_errors, self.cursor.connection.cursor() as around:
            around.execute(f"BEGIN; {''.join(self._ahead())}")
            try:
                yield
            except BaseException:
                with suppress(db.Database.Error):
                    around.execute("ROLLBACK")
                raise
            around.execute("COMMIT")

    def callproc(self, procname: Any, params: Any = None, kparams: Any = None) -> Any:
        """Call a function of the place one is in."""
        with self._in_transaction():
            return super().callproc(procname, params, kparams)

    def copy_expert(self, sql: Any, file: Any, *args: Any, **kwargs: Any) -> Any:
        """Run ``COPY`` between a file and the place one is in."""
        with self._in_transaction():
            return self.cursor.copy_expert(sql, file, *args, **kwargs)

    def copy_from(self, file: Any, table: str, *args: Any, **kwargs: Any) -> Any:
        """Fill a table of the place one is in from a file."""
        with self._in_transaction():
            return self.cursor.copy_from(file, table, *args, **kwargs)

    def copy_to(self, file: Any, table: str, *args: Any, **kwargs: Any) -> Any:
        """Write a table of the place one is in to a file."""
        with self._in_transaction():
            return self.cursor.copy_to(file, table, *args, **kwargs)


class PinnedDebugCursor(PinnedCursor, CursorDebugWrapper):
    """The same, logging its queries."""
