"""Working on many tenants at once, in threads that have a connection each.

Threads, not processes: replaying is PostgreSQL's work, during which Python waits. Where Django's
executor has to run in every tenant, Python's own part takes turns; processes would have to be
forked with open connections, or take a second each to start.
"""

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Generic, TypeVar

from django.db import connections

from tenants.owner import owner_connection

Item = TypeVar("Item")
Found = TypeVar("Found")

_TICK_SECONDS = 1.0
_VISITS = 200
"""Items after which a thread takes new connections: a backend keeps what it has learnt of tables,
up to 0.8 MB for each tenant."""


class _Crew(Generic[Item, Found]):
    def __init__(self, do: Callable[[Item], Found], items: Sequence[Item], jobs: int) -> None:
        self._do = do
        self._todo: queue.SimpleQueue[Item] = queue.SimpleQueue()
        for item in items:
            self._todo.put(item)
        self.done: queue.SimpleQueue[tuple[Item, Found] | BaseException | None] = (
            queue.SimpleQueue()
        )
        self._stopped = threading.Event()
        self._connections: list[Any] = []
        self._threads = [
            threading.Thread(target=self._work, name=f"fleet-{number}", daemon=True)
            for number in range(min(jobs, len(items)))
        ]

    def start(self) -> int:
        """Begin; returns how many ``None`` in ``done`` say that all is done."""
        for thread in self._threads:
            thread.start()
        return len(self._threads)

    def stop(self) -> None:
        """Begin nothing more, cancel what runs in the database, and wait until it is undone."""
        self._stopped.set()
        for connection in list(self._connections):
            with suppress(Exception):  # It may end at this very moment.
                connection.connection.cancel()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        try:
            self._connections.append(owner_connection())
            for number in count(1):
                if self._stopped.is_set():
                    break
                try:
                    item = self._todo.get_nowait()
                except queue.Empty:
                    break
                self.done.put((item, self._do(item)))
                if number % _VISITS == 0:
                    connections.close_all()
        except BaseException as error:
            self.done.put(error)
        finally:
            connections.close_all()
            self.done.put(None)


def each(
    do: Callable[[Item], Found],
    items: Sequence[Item],
    *,
    jobs: int,
    tick: Callable[[], None] = lambda: None,
) -> Generator[tuple[Item, Found], None, None]:
    """Yield each item with what ``do`` returned for it, as soon as it is there.

    ``do`` runs in up to ``jobs`` threads, each with connections of its own. ``tick`` is called here
    now and then, at least once a second. An error of ``do`` or ``tick``, an interrupt here, or
    leaving the loop (``contextlib.closing``) stops all threads: the statements that they wait for
    are cancelled, and their transactions rolled back.
    """
    crew = _Crew(do, items, jobs)
    working = crew.start()
    try:
        while working:
            try:
                result = crew.done.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                tick()
                continue
            tick()
            if result is None:
                working -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        crew.stop()


def apart(do: Callable[[], Found], *, on_interrupt: Callable[[], None]) -> Found:
    """Return what ``do`` returns, having run it in a thread with connections of its own.

    For what must not happen in the transaction one is in. ``do`` has to see from
    ``on_interrupt`` that it is to end, and is waited for.
    """
    done: queue.SimpleQueue[tuple[Found] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((do(),))
        except BaseException as error:
            done.put(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="fleet-apart", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_TICK_SECONDS)
    except BaseException:
        on_interrupt()
        thread.join()
        raise
    result = done.get()
    if isinstance(result, BaseException):
        raise result
    return result[0]
