"""What it costs that every change of a person is recorded.

Beside Tenantry's people stands a table of the same columns, indexes and constraints without any
trigger, in the same tenant, saved by a model that does nothing but Django's own: what bare Django
takes for the same rows. Recorded is all of it: each changed row leaves a history row and an event.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import connection, models, transaction

from benchmarks.entries.recording import _on_a_page
from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Entry, Goal
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.capture"
_SAVED = 200
_BULK = 1_000
_MANY = 10_000
_PLAIN = "benchmark_plain_person"

_COLUMNS = (
    "username, email, password, display_name, is_active, is_staff, is_superuser, time_zone,"
    " date_joined"
)


def _fill(table: str) -> None:
    """Add ten thousand people, unless they are there."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({_COLUMNS}) SELECT 'p' || n, 'p' || n || '@example.com', '!',"
            f" 'Person ' || n, true, false, false, '', now() FROM generate_series(1, {_MANY}) n"
            " ON CONFLICT DO NOTHING"
        )
        cursor.execute(f"ANALYZE {table}")


def _people() -> Any:
    """Return Tenantry's model of people, with people."""
    from accounts.models import CustomUser

    _fill(CustomUser._meta.db_table)
    return CustomUser


def _plain() -> Any:
    """Return a model of the same fields on a table without triggers, with people."""
    from accounts.models import CustomUser

    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {_PLAIN} (LIKE {CustomUser._meta.db_table} INCLUDING ALL)"
        )
    _fill(_PLAIN)
    meta = type("Meta", (), {"app_label": "benchmark_web", "db_table": _PLAIN, "managed": False})
    fields = {field.name: field.clone() for field in CustomUser._meta.local_fields}
    return type("PlainPerson", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


@contextmanager
def _clean(table: str) -> Iterator[None]:
    """Let no turn pay for the rows that the one before left dead."""
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM {table}")


def _saves(model: Any, *, together: bool) -> Turns:
    people = list(model.objects.filter(username__startswith="p").order_by("pk")[:_SAVED])
    yield None
    turn = 0
    while True:
        turn += 1
        started = time.perf_counter()
        with transaction.atomic() if together else nullcontext():
            for person in people:
                person.display_name = f"Name {turn}"
                person.save()
        seconds = time.perf_counter() - started
        with _clean(model._meta.db_table):
            yield _SAVED / seconds


def _updates(model: Any, change: Callable[[Any, int], int]) -> Turns:
    yield None
    turn = 0
    while True:
        turn += 1
        started = time.perf_counter()
        with transaction.atomic():
            rows = change(model, turn)
        seconds = time.perf_counter() - started
        with _clean(model._meta.db_table):
            yield rows / seconds


def _update(model: Any, turn: int) -> int:
    changed: int = model.objects.filter(username__startswith="p").update(
        display_name=f"Name {turn}"
    )
    return changed


def _bulk_update(model: Any, turn: int) -> int:
    people = list(model.objects.filter(username__startswith="p").order_by("pk")[:_BULK])
    for person in people:
        person.display_name = f"Name {turn} of {person.username}"
    changed: int = model.objects.bulk_update(people, ["display_name"])
    return changed


def plain_together() -> Turns:
    """Bare saves in one transaction."""
    with _on_a_page():
        yield from _saves(_plain(), together=True)


def recorded_together() -> Turns:
    """Recorded saves in one transaction."""
    with _on_a_page():
        yield from _saves(_people(), together=True)


def plain_apart() -> Turns:
    """Bare saves, each in its own transaction."""
    with _on_a_page():
        yield from _saves(_plain(), together=False)


def recorded_apart() -> Turns:
    """Recorded saves, each in its own transaction."""
    with _on_a_page():
        yield from _saves(_people(), together=False)


def plain_update() -> Turns:
    """One bare UPDATE of all."""
    with _on_a_page():
        yield from _updates(_plain(), _update)


def recorded_update() -> Turns:
    """One recorded UPDATE of all."""
    with _on_a_page():
        yield from _updates(_people(), _update)


def plain_bulk() -> Turns:
    """Bare bulk_update."""
    with _on_a_page():
        yield from _updates(_plain(), _bulk_update)


def recorded_bulk() -> Turns:
    """Recorded bulk_update."""
    with _on_a_page():
        yield from _updates(_people(), _bulk_update)


def _entry(name: str, sentence: str, goal: float | None) -> Entry:
    recorded = "Tenantry, recorded"
    return Entry(
        name=f"capture-{name}",
        sentence=sentence,
        unit="rows/s",
        rounds=15,
        goal=Goal(recorded, goal) if goal else None,
        contestants=[
            contestant("bare Django", TENANTRY, f"{_HERE}:plain_{name}"),
            contestant(recorded, TENANTRY, f"{_HERE}:recorded_{name}"),
        ],
    )


ENTRIES = [
    _entry("together", f"What recording costs {_SAVED} saves in one transaction.", None),
    _entry("apart", "What recording costs a save in its own transaction.", 0.75),
    _entry("update", f"What recording costs one UPDATE of {_MANY:,} people.", None),
    _entry("bulk", f"What recording costs bulk_update() of {_BULK:,} people.", 0.8),
]
