"""What a file of events costs.

A tenant gets 200,000 events of a year, of ten actions by a hundred people; another, for the entries
called ``million``, five times as many. Each turn writes all of them, 22 columns, into a file.

- *raw COPY* is ``COPY (SELECT …) TO STDOUT (FORMAT csv)`` of the bare columns, into the file: the
  limit, and not a file for people: a cell may compute, and a moment is not ISO 8601.
- *ORM + csv* is what one writes first: ``values_list().iterator()``, a function that makes cells
  safe, ``csv.writer``.
- *COPY row_to_json* is NDJSON by PostgreSQL alone.

Each contestant is a process of its own; how much memory it has taken at most is asked of the
kernel, and shown over what the process held before its first file.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from django.db import connection, transaction

from benchmarks import machine
from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Contestant, Entry, Goal
from benchmarks.ground import Ground
from benchmarks.worker import Turns, Worker, fill

_HERE = "benchmarks.entries.exporting"
_SOME = 200_000
_MILLION = 1_000_000

Write = Callable[[IO[bytes]], None]


@contextmanager
def _inside(events: int) -> Iterator[None]:
    """Be inside the tenant of these events, making it first if need be."""
    from tenants.context import enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    made = create(TenantRequest(slug=f"exported-{events}"))
    with enter_tenant(made.tenant):
        if made.created:
            _fill(events)
        yield


def _fill(events: int) -> None:
    """Multiply one event of a person on a page until there are enough."""
    from activity.actions import CATALOGUE
    from activity.models import ActivityEvent
    from benchmarks.entries.recording import written_on_a_page

    actions = ", ".join(f"'{name}'" for name in sorted(CATALOGUE)[:10])
    varied = {
        "occurred_at": f"one.occurred_at - n * interval '365 days' / {events}",
        "action": f"(ARRAY[{actions}])[1 + n % 10]",
        "actor_label": "'Person ' || n * 7919 / 10 % 100",
        "target_label": "'Person ' || n % 997",
    }
    columns = [str(field.column) for field in ActivityEvent._meta.local_fields]
    given = [name for name in columns if name != "id"]
    table = ActivityEvent._meta.db_table
    pk = written_on_a_page().pk
    there = ActivityEvent.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            # So that they lie in the past: the trigger would stamp this moment on all of them.
            f"ALTER TABLE {table} DISABLE TRIGGER USER;"
            f" INSERT INTO {table} ({', '.join(given)})"
            f" SELECT {', '.join(varied.get(name, f'one.{name}') for name in given)}"
            f" FROM (SELECT * FROM {table} WHERE id = '{pk}') one,"
            f" generate_series({there + 1}, {events}) n;"
            f" ALTER TABLE {table} ENABLE TRIGGER USER"
        )
        cursor.execute(f"ANALYZE {table}")


class Exporter(Worker):
    """A worker whose memory is watched from outside."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._idle = machine.peak_bytes(self.pid)

    def facts(self) -> Mapping[str, float]:
        """Return the most memory there was, and how much of it came with the first file."""
        peak = machine.peak_bytes(self.pid)
        return {"MiB at most": peak / 2**20, "MiB over idle": (peak - self._idle) / 2**20}


def _turns(write: Write, events: int) -> Turns:
    """Yield rows a second, each turn a whole file."""
    with _inside(events), TemporaryDirectory() as directory:
        yield None
        path = Path(directory) / "events"
        while True:
            started = time.perf_counter()
            with path.open("wb") as file, transaction.atomic():
                write(file)
            yield events / (time.perf_counter() - started)


def _copy(sql: str) -> Write:
    def write(file: IO[bytes]) -> None:
        with connection.cursor() as cursor:
            cursor.copy_expert(sql, file)

    return write


def _selected() -> str:
    from activity.events import COLUMNS

    return f"SELECT {', '.join(COLUMNS)} FROM activity_activityevent ORDER BY id"


def raw(events: int = _SOME) -> Turns:
    """Send the bare columns."""
    yield from _turns(_copy(f"COPY ({_selected()}) TO STDOUT WITH (FORMAT csv, HEADER)"), events)


def raw_json(events: int = _SOME) -> Turns:
    """Let PostgreSQL make one object a row."""
    select = f"SELECT row_to_json(event) FROM ({_selected()}) event"
    yield from _turns(_copy(f"COPY ({select}) TO STDOUT"), events)


def orm(events: int = _SOME) -> Turns:
    """Read with the ORM and write with Python."""
    yield from _turns(_with_orm, events)


def _with_orm(file: IO[bytes]) -> None:
    from activity.events import COLUMNS, rows
    from activity.exporting.text import csv_of_rows
    from activity.models import ActivityEvent

    for piece in csv_of_rows(COLUMNS, rows(ActivityEvent.objects.order_by("id"))):
        file.write(piece)


def _ours(form: str, events: int, compression: str = "") -> Turns:
    from activity.events import COLUMNS
    from activity.exporters import format_called
    from activity.exporting.compressing import compression_called
    from activity.exporting.files import Export, of_events
    from activity.models import ActivityEvent

    def write(file: IO[bytes]) -> None:
        source = of_events(ActivityEvent.objects.all(), COLUMNS, {})
        compressed = compression_called(compression)
        export = Export(source=source, format=format_called(form), compression=compressed)
        with export.opened() as pieces:
            for piece in pieces:
                file.write(piece)
        if export.rows != events:
            raise RuntimeError(f"{export.rows} rows instead of {events}.")

    yield from _turns(write, events)


def csv(events: int = _SOME) -> Turns:
    """Export CSV."""
    yield from _ours("csv", events)


def csv_gzip(events: int = _SOME) -> Turns:
    """Export CSV with gzip."""
    yield from _ours("csv", events, "gzip")


def csv_zstd(events: int = _SOME) -> Turns:
    """Export CSV with zstd."""
    yield from _ours("csv", events, "zstd")


def ndjson(events: int = _SOME) -> Turns:
    """Export NDJSON."""
    yield from _ours("ndjson", events)


def xlsx(events: int = _SOME) -> Turns:
    """Export a workbook."""
    yield from _ours("xlsx", events)


def parquet(events: int = _SOME) -> Turns:
    """Export Parquet."""
    yield from _ours("parquet", events)


raw_million = partial(raw, _MILLION)
raw_json_million = partial(raw_json, _MILLION)
orm_million = partial(orm, _MILLION)
csv_million = partial(csv, _MILLION)
csv_zstd_million = partial(csv_zstd, _MILLION)
csv_gzip_million = partial(csv_gzip, _MILLION)
ndjson_million = partial(ndjson, _MILLION)
xlsx_million = partial(xlsx, _MILLION)
parquet_million = partial(parquet, _MILLION)


def _contestant(name: str, function: str) -> Contestant:
    def prepare(ground: Ground) -> Exporter:
        fill(ground, TENANTRY)
        return Exporter(ground, TENANTRY.settings, TENANTRY.database, f"{_HERE}:{function}")

    return Contestant(name, prepare)


def _entries(family: str, ending: str, events: int) -> list[Entry]:
    def entry(name: str, form: str, goal: Goal | None, **contestants: str) -> Entry:
        return Entry(
            name=f"{family}-{name}",
            sentence=f"How fast {events:,} events become {form}.",
            unit="rows/s",
            rounds=5,
            is_seldom=True,
            contestants=[
                _contestant(title, function + ending) for function, title in contestants.items()
            ],
            goal=goal,
        )

    return [
        entry(
            "csv",
            "a CSV",
            Goal("Tenantry, CSV", 0.7),
            raw="raw COPY",
            orm="ORM + csv",
            csv="Tenantry, CSV",
            csv_zstd="Tenantry, CSV, zstd",
            csv_gzip="Tenantry, CSV, gzip",
        ),
        entry(
            "ndjson",
            "NDJSON",
            Goal("Tenantry, NDJSON", 0.6),
            raw_json="COPY row_to_json",
            ndjson="Tenantry, NDJSON",
        ),
        entry(
            "typed",
            "a workbook, and Parquet",
            None,
            raw="raw COPY",
            xlsx="Tenantry, XLSX",
            parquet="Tenantry, Parquet",
        ),
    ]


ENTRIES = [*_entries("export", "", _SOME), *_entries("million", "_million", _MILLION)]
