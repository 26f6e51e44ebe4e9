"""Rows of a ``COPY`` as they come, at the pace of whoever takes them.

The driver pushes rows, and files are pulled: a web server asks for the next piece when it has sent
the last. So a thread of its own lets the driver push, and waits when nobody takes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final, Self

from django.db import connection
from psycopg2 import Error

from activity.exporting.statements import Statement

_PIECE: Final = 256 * 1024
"""Bytes of rows that are handed over at once."""

_AHEAD: Final = 4
"""How many such pieces may wait to be taken."""

_MOMENT: Final = 0.05

Rows = list[bytes]
"""Whole rows, each with its line feed."""


class _Unwanted(Exception):
    """Nobody takes rows any more."""


class Copy:
    """A ``COPY`` that runs until its block ends, in the transaction that is open.

    Iterating takes its rows; ``count`` is how many were taken so far. Until the block ends, nobody
    else may use the connection.
    """

    def __init__(self, statement: Statement) -> None:
        self.count = 0
        self._statement = statement
        self._queue: Queue[Rows | BaseException | None] = Queue(_AHEAD)
        self._rows: Rows = []
        self._size = 0
        self._unwanted = False

    def write(self, row: bytes) -> None:
        """Take a row of the driver's, which hands over each by itself."""
        self._rows.append(row)
        self._size += len(row)
        if self._size >= _PIECE:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._unwanted:
            raise _Unwanted
        self._queue.put(self._rows)
        self._rows, self._size = [], 0

    def _push(self, cursor: Any, sql: str) -> None:
        try:
            cursor.copy_expert(sql, self)
            self._hand_over()
        except BaseException as error:
            self._queue.put(error)
        else:
            self._queue.put(None)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            cursor = stack.enter_context(connection.cursor())
            # Sent here, so that the path is known to the transaction before the thread begins.
            cursor.execute("SELECT 1")
            sql = cursor.mogrify(self._statement.sql, self._statement.parameters).decode()
            # The driver's: Django's is another one in another thread, where this may be ended.
            self._connection = cursor.connection
            self._pushing = Thread(target=self._push, args=(cursor, sql), name="copy", daemon=True)
            self._pushing.start()
            stack.callback(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Rows]:
        while isinstance(piece := self._queue.get(), list):
            self.count += len(piece)
            yield piece
        self._pushing.join()
        if piece is not None:
            raise piece

    def _end(self) -> None:
        """Stop the thread wherever it is, so that nobody else uses the connection with it."""
        self._unwanted = True
        if self._pushing.is_alive():
            # Else all that is left would be read, and thrown away, before the next statement. Not
            # after the end, when it would meet whatever the connection does next.
            with suppress(Error):
                self._connection.cancel()
        while self._pushing.is_alive():
            with suppress(Empty):
                self._queue.get(timeout=_MOMENT)
