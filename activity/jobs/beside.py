"""A second connection, beside the one that is busy reading rows of one moment.

What is written there is seen by others at once. It has a thread of its own, which also looks every
second whether the work is still wanted, and otherwise cancels the statement that the first one is
waiting for.
"""

import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final, Self, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, connection
from psycopg2 import Error

from tenants.context import current_tenant, enter_platform, enter_tenant

logger = structlog.get_logger("tenantry.exports")

_PULSE: Final = 1.0
"""Seconds between two looks."""

_T = TypeVar("_T")


class Beside:
    """Calls functions on a connection of their own, in the place one is in, as who one is.

    ``pulse`` is called there every second; when it returns false, ``is_lost`` is set and the
    statement of the first connection cancelled. Inside a transaction that is open already, as in a
    test, there is no second connection: functions are called as they are, and nothing pulses.
    """

    def __init__(self, pulse: Callable[[], bool]) -> None:
        self.is_lost = False
        self._pulse = pulse
        self._queue: Queue[tuple[Callable[[], Any], Future[Any]] | None] = Queue()
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        if not connection.in_atomic_block:
            connection.ensure_connection()
            self._first = connection.connection
            self._tenant = current_tenant()
            around = contextvars.copy_context()
            self._thread = Thread(target=around.run, args=(self._work,), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread:
            self._queue.put(None)
            self._thread.join()

    def __call__(self, function: Callable[[], _T]) -> _T:
        """Return what ``function`` returns, called on the second connection."""
        if self._thread is None:
            return function()
        answer: Future[_T] = Future()
        self._queue.put((function, answer))
        return answer.result()

    def _work(self) -> None:
        try:
            with enter_tenant(self._tenant) if self._tenant else enter_platform():
                self._serve()
        finally:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                asked = self._queue.get(timeout=_PULSE)
            except Empty:
                self._look()
                continue
            if asked is None:
                return
            function, answer = asked
            try:
                answer.set_result(function())
            except BaseException as error:
                answer.set_exception(error)

    def _look(self) -> None:
        try:
            if self.is_lost or self._pulse():
                return
        except (DatabaseError, InterfaceError) as error:
            # The next look has a new connection. If the server is gone, the first will notice.
            logger.warning("progress not written", error=type(error).__name__)
            connection.close()
            return
        self.is_lost = True
        with suppress(Error):
            self._first.cancel()
