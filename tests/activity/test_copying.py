"""Exports while they run: of one moment, no faster than they are taken, and gone when unwanted."""

import gzip
import hashlib
import json
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import psycopg2
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from activity import downloads
from activity.events import COLUMNS
from activity.exporters import FORMATS
from activity.exporting import statements, verbs
from activity.exporting.copying import Copy
from activity.exporting.files import Export, of_events
from activity.exporting.moments import one_moment
from activity.models import ActivityEvent, Segment
from activity.recording import record
from tenants.context import current_tenant, enter_tenant
from tests.activity.settling import settle

PLENTY = 6_000


def fill(count):
    """Multiply the newest event, with room for a text of some size."""
    made = record("user.changed", reason="x" * 400)
    names = [field.column for field in ActivityEvent._meta.fields]
    copied = ", ".join(name for name in names if name not in ("id", "occurred_at"))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO activity_activityevent ({copied}) SELECT {copied}"
            " FROM activity_activityevent, generate_series(1, %s) WHERE id = %s",
            [count - 1, made.pk],
        )


def running(pid):
    """The statement that a server process runs, as another connection sees it."""
    place = connection.get_connection_params()
    place.pop("cursor_factory", None)
    with closing(psycopg2.connect(**place)) as other, other.cursor() as cursor:
        cursor.execute("SELECT state, query FROM pg_stat_activity WHERE pid = %s", [pid])
        state, query = cursor.fetchone()
    return query if state == "active" else ""


def copy_threads():
    return [thread for thread in threading.enumerate() if thread.name == "copy"]


@pytest.fixture
def plenty(lab):
    with enter_tenant(lab):
        fill(PLENTY)
        yield lab


def everything():
    return Copy(statements.csv(ActivityEvent.objects.all(), COLUMNS))


def test_rows_come_as_they_are_taken_and_wait_until_then(plenty):
    pid = connection.connection.info.backend_pid
    with transaction.atomic(), everything() as copy:
        pieces = iter(copy)
        first = next(pieces)
        deadline = time.monotonic() + 60
        while not copy._queue.full() and time.monotonic() < deadline:
            time.sleep(0.02)

        assert copy._queue.full()
        assert "COPY" in running(pid)
        assert copy.count == len(first) < PLENTY / 5

        total = len(first) + sum(map(len, pieces))
    assert copy.count == total == ActivityEvent.objects.count()
    assert copy_threads() == []


def test_who_stops_taking_stops_the_server_and_may_go_on_with_the_connection(plenty):
    pid = connection.connection.info.backend_pid
    with suppress(KeyboardInterrupt), transaction.atomic(), everything() as copy:
        next(iter(copy))
        raise KeyboardInterrupt

    assert copy_threads() == []
    assert running(pid) == ""
    assert ActivityEvent.objects.count() >= PLENTY
    assert connection.connection.info.backend_pid == pid


def test_a_statement_that_nobody_wants_is_cancelled_and_not_waited_for(lab):
    a_minute = (
        "COPY (SELECT repeat('x', 100000), pg_sleep(0.01) FROM generate_series(1, 6000)) TO STDOUT"
    )
    started = time.monotonic()
    copying = Copy(statements.Statement(("text",), a_minute, ()))
    with enter_tenant(lab), suppress(KeyboardInterrupt), transaction.atomic(), copying as copy:
        next(iter(copy))
        raise KeyboardInterrupt

    assert time.monotonic() - started < 30
    assert copy_threads() == []


def test_an_error_of_the_server_is_raised_where_rows_are_taken(plenty):
    def take_slowly():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '50ms'")
            with everything() as copy:
                for _ in copy:
                    time.sleep(0.1)

    with pytest.raises(OperationalError, match="statement timeout"):
        take_slowly()

    assert copy_threads() == []
    assert ActivityEvent.objects.count() >= PLENTY


def test_a_copy_that_cannot_begin_is_an_error_and_leaves_no_thread(plenty):
    statement = statements.Statement(("id",), "COPY (SELECT nothing) TO STDOUT", ())
    with pytest.raises(Exception, match="nothing"), transaction.atomic(), Copy(statement) as copy:
        list(copy)

    assert copy_threads() == []
    assert ActivityEvent.objects.count() >= PLENTY


def test_a_download_that_breaks_off_ends_at_once_and_is_not_finished(plenty):
    response = downloads.events(ActivityEvent.objects.all(), "csv", {})
    pieces = iter(response)
    next(pieces)
    next(pieces)

    response._iterator.close()

    assert copy_threads() == []
    assert current_tenant() == plenty
    assert not ActivityEvent.objects.filter(action="export.finished").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_of_one_moment(plenty, form):
    def later():
        with closing(connection), enter_tenant(plenty):
            record("user.changed", reason="too late")

    count = ActivityEvent.objects.count()
    source = of_events(ActivityEvent.objects.all(), COLUMNS, {})
    export = Export(source=source, format=FORMATS[form])
    with one_moment() as snapshot:
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(later).result(timeout=60)
        with export.opened() as pieces:
            content = b"".join(pieces)
        finished = export.record_finished(snapshot)

    assert b"too late" not in content
    assert export.rows == count == finished.details["rows"]
    assert snapshot.at < ActivityEvent.objects.get(reason="too late").occurred_at
    assert finished.details["sha256"] == hashlib.sha256(content).hexdigest()


# By command


@pytest.fixture
def export(plenty, tmp_path):
    """Export into a file; return its path."""

    def run(name, *options):
        path = tmp_path / name
        call_command("activity", "export", "--tenant", plenty.slug, "--output", str(path), *options)
        return path

    return run


def test_the_manifest_is_of_the_file_and_of_the_record(plenty, export):
    settle()
    record("user.changed", reason="after the seal")
    count = ActivityEvent.objects.count()

    path = export("events.csv.gz", "--manifest", "--search", "action:user.changed")

    manifest = json.loads((path.parent / "events.csv.gz.manifest.json").read_text())
    event = ActivityEvent.objects.get(action="export.finished")
    segment = Segment.objects.order_by("-number").first()
    assert manifest["file"] == "events.csv.gz"
    assert manifest["record"] == str(plenty.pk)
    assert manifest["filters"] == {"search": "action:user.changed"}
    assert manifest["columns"] == list(COLUMNS)
    assert (manifest["format"], manifest["compression"]) == ("csv", "gzip")
    assert manifest["bytes"] == path.stat().st_size
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["rows"] == gzip.decompress(path.read_bytes()).count(b"\n") - 1
    assert manifest["checkpoint"] == {"size": segment.size, "note": segment.note, "unsealed": 1}
    assert segment.size == count - 1
    assert manifest["event"] == str(event.pk)
    for name in ("rows", "bytes", "sha256", "snapshot", "compression", "format"):
        assert event.details[name] == manifest[name]
    assert event.details["checkpoint"] == segment.size


def test_before_the_first_checkpoint_there_is_none_in_the_manifest(export):
    path = export("few.ndjson", "--manifest", "--until", "2020-01-01")

    manifest = json.loads(path.with_name("few.ndjson.manifest.json").read_text())

    assert manifest["checkpoint"] is None
    assert manifest["rows"] == path.stat().st_size == 0


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson.zst", "a.XLSX", "a.parquet", "a.csv.gz"])
def test_a_file_is_what_its_name_says_and_only_its_owner_reads_it(export, name):
    begins = {
        "csv": b"\xef\xbb\xbfid,", "zst": b"\x28\xb5\x2f\xfd", "xlsx": b"PK", "parquet": b"PAR1",
        "gz": b"\x1f\x8b",
    }  # fmt: skip

    path = export(name, "--manifest", "--search", "reason")

    assert path.read_bytes().startswith(begins[name.lower().rpartition(".")[2]])
    for file in (path, path.with_name(f"{name}.manifest.json")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize("form", FORMATS)
def test_what_fails_on_the_way_leaves_no_file_and_no_event(plenty, export, monkeypatch, form):
    written = verbs._write

    def broken(export, write, output):
        def until_full(piece):
            if export.size > 100_000 or form in ("xlsx", "parquet"):
                raise OSError(28, "No space left on device")
            write(piece)

        written(export, until_full, output)

    monkeypatch.setattr(verbs, "_write", broken)

    with pytest.raises(Exception, match="No space left on device"):
        export(f"a.{form}", "--manifest")

    assert copy_threads() == []
    assert not ActivityEvent.objects.filter(action="export.finished").exists()


def test_a_manifest_that_cannot_be_written_leaves_no_file(plenty, export, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(verbs, "_describe", full)

    with pytest.raises(Exception, match="No space left on device"):
        export("a.csv", "--manifest")

    assert list(tmp_path.iterdir()) == []
    assert not ActivityEvent.objects.filter(action="export.finished").exists()


def test_a_manifest_that_is_there_is_replaced_only_by_force(plenty, export, tmp_path):
    (tmp_path / "a.csv.manifest.json").write_text("kept")

    with pytest.raises(Exception, match="exists"):
        export("a.csv", "--manifest")

    assert [file.read_text() for file in tmp_path.iterdir()] == ["kept"]
    export("a.csv", "--manifest", "--force")
    assert json.loads((tmp_path / "a.csv.manifest.json").read_text())["file"] == "a.csv"
