"""What sealing costs, and checking what was sealed.

- ``seal-backlog``: 100,000 events that nobody has sealed yet. *Leaves alone* is PostgreSQL hashing
  the same rows and keeping nothing: the limit.
- ``seal-verify``: the same events, sealed, computed again and compared.
- ``seal-memory``: the most memory that verifying took, of 10,000 events and of 100,000.
- ``seal-writers``: sixteen sessions, each committing one event after the other, with nobody sealing
  and with a sealer that seals every second what they wrote.
- ``seal-sweep``: finding who has something to seal among 1,000 tenants that have nothing.
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection
from django.utils import timezone

from benchmarks.entries import folding
from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Entry
from benchmarks.thousand import TENANTS, THOUSAND, sweeps
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.sealing"
_EVENTS: Final = 100_000
_FEW: Final = 10_000
_WRITERS: Final = 16
_SECONDS: Final = 3.0


@contextmanager
def _inside(slug: str, events: int) -> Iterator[None]:
    """Be inside a tenant of so many events, making it first if need be."""
    from activity.models import ActivityEvent
    from tenants.context import enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    made = create(TenantRequest(slug=slug))
    with enter_tenant(made.tenant):
        if made.created and events:
            folding.fill(ActivityEvent, events)
        yield


def _forget() -> None:
    """Take back what was sealed, the platform's copies too."""
    from tenants.context import current_scope

    tables = ("activity_segment", "activity_tile")
    copies = ("public.tenants_recordhead", "public.tenants_dailycheckpoint")
    with connection.cursor() as cursor:
        for table in (*tables, *copies):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"TRUNCATE {', '.join(tables)}")
        for table in copies:
            cursor.execute(f"DELETE FROM {table} WHERE record = %s", [current_scope()])
        for table in (*tables, *copies):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _seal() -> None:
    from activity.sealing import sealer

    sealed = sealer.seal(timezone.now()).events
    if sealed != _EVENTS:
        raise RuntimeError(f"{sealed} events were sealed instead of {_EVENTS}.")


def _leaves() -> None:
    from activity.leaves import leaf_hash_sql
    from tenants.context import current_scope

    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count({leaf_hash_sql()}) FROM activity_activityevent",
            {"tenant": current_scope()},
        )


def _verify() -> None:
    from activity.verifying import verify

    verdict = verify()
    if verdict.wrong or not verdict.events:
        raise RuntimeError(str(verdict))


def _rates(act: Callable[[], None], before: Callable[[], None]) -> Turns:
    """Yield how many events a second ``act`` takes on."""
    with _inside("sealed", _EVENTS):
        _forget()
        _seal()
        yield None
        while True:
            before()
            started = time.perf_counter()
            act()
            yield _EVENTS / (time.perf_counter() - started)


def _nothing() -> None:
    """Prepare nothing."""


def leaves() -> Turns:
    """Hash in the database and keep nothing."""
    yield from _rates(_leaves, _nothing)


def seal() -> Turns:
    """Seal as a worker does."""
    yield from _rates(_seal, _forget)


def verify() -> Turns:
    """Verify as the command does."""
    yield from _rates(_verify, _nothing)


def _memory(slug: str, events: int) -> Turns:
    """Yield the most memory that a process which verifies has had, in MiB."""
    from activity.sealing import sealer

    with _inside(slug, events):
        sealer.seal(timezone.now())
        yield None
        while True:
            _verify()
            yield resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_few() -> Turns:
    """Verify a short record."""
    yield from _memory("short", _FEW)


def memory_many() -> Turns:
    """Verify a long one."""
    yield from _memory("long", _EVENTS)


def _write(schema: str, stop: threading.Event, counts: list[int]) -> None:
    """Commit one event after the other, as many as there is time for."""
    import psycopg2

    from activity.models import ActivityEvent

    names = [field.column for field in ActivityEvent._meta.local_fields if field.column != "id"]
    columns = ", ".join(f'"{name}"' for name in names)
    own = psycopg2.connect(**connection.get_connection_params())
    own.autocommit = True
    with own.cursor() as cursor:
        cursor.execute(f"SET search_path = {schema}")
        count = 0
        while not stop.is_set():
            cursor.execute(
                f"INSERT INTO activity_activityevent ({columns})"
                f" SELECT {columns} FROM activity_activityevent LIMIT 1"
            )
            count += 1
    own.close()
    counts.append(count)


def _written(schema: str) -> float:
    stop = threading.Event()
    counts: list[int] = []
    writers = [
        threading.Thread(target=_write, args=(schema, stop, counts)) for _ in range(_WRITERS)
    ]
    started = time.perf_counter()
    for writer in writers:
        writer.start()
    time.sleep(_SECONDS)
    stop.set()
    for writer in writers:
        writer.join()
    if len(counts) != _WRITERS:
        raise RuntimeError("a writer failed: see the log.")
    return sum(counts) / (time.perf_counter() - started)


def _fork_sealer() -> None:
    """Seal in a process of its own, every second, until this one ends."""
    from activity.sealing import sealer
    from config.processes import follow_parent

    connection.close()
    us = os.getpid()
    if os.fork():
        return
    try:
        follow_parent(us, signal.SIGKILL)
        while True:
            sealer.seal(timezone.now())
            time.sleep(1)
    finally:
        os._exit(1)


def _writing(slug: str, *, seals: bool) -> Turns:
    with _inside(slug, 0):
        if seals:
            _fork_sealer()
        schema = connection.schema_name  # type: ignore[attr-defined]
        yield None
        while True:
            yield _written(schema)


def unsealed() -> Turns:
    """Write with nobody sealing."""
    yield from _writing("unsealed", seals=False)


def sealed() -> Turns:
    """Write while what was written is sealed."""
    yield from _writing("whilesealed", seals=True)


def everybody() -> Turns:
    """Ask every tenant, as the first sweep of a process does."""
    from activity.sealing.unsealed import Sweep

    yield from sweeps(lambda: Sweep().unsealed())


def few() -> Turns:
    """Ask those who may have something, as every other sweep does."""
    from activity.sealing.unsealed import Sweep

    yield from sweeps(Sweep().unsealed)


ENTRIES = [
    Entry(
        name="seal-backlog",
        sentence=f"How fast {_EVENTS:,} events are sealed.",
        unit="events/s",
        contestants=[
            contestant("leaves alone", TENANTRY, f"{_HERE}:leaves"),
            contestant("Tenantry's seal()", TENANTRY, f"{_HERE}:seal"),
        ],
    ),
    Entry(
        name="seal-verify",
        sentence=f"How fast {_EVENTS:,} sealed events are verified.",
        unit="events/s",
        contestants=[
            contestant("leaves alone", TENANTRY, f"{_HERE}:leaves"),
            contestant("Tenantry's verify()", TENANTRY, f"{_HERE}:verify"),
        ],
    ),
    Entry(
        name="seal-memory",
        sentence="The most memory that a process which verifies has had.",
        unit="MiB",
        more_is_better=False,
        rounds=3,
        contestants=[
            contestant(f"{_FEW:,} events", TENANTRY, f"{_HERE}:memory_few"),
            contestant(f"{_EVENTS:,} events", TENANTRY, f"{_HERE}:memory_many"),
        ],
    ),
    Entry(
        name="seal-writers",
        sentence=f"How many events {_WRITERS} writers commit while a sealer seals them.",
        unit="events/s",
        contestants=[
            contestant("nobody seals", TENANTRY, f"{_HERE}:unsealed"),
            contestant("a sealer every second", TENANTRY, f"{_HERE}:sealed"),
        ],
    ),
    Entry(
        name="seal-sweep",
        sentence=f"How long it takes to find who of {TENANTS:,} idle tenants must be sealed.",
        unit="ms",
        more_is_better=False,
        is_seldom=True,
        contestants=[
            contestant("asking everybody", THOUSAND, f"{_HERE}:everybody"),
            contestant("asking few", THOUSAND, f"{_HERE}:few"),
        ],
    ),
]
