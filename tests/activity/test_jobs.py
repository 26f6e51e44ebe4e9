"""Exports in the background: made whole or not at all, for whom may have them, and then gone."""

import hashlib
import json
import os
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO

import pytest
from django.conf import settings
from django.core.files.storage import InMemoryStorage, storages
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import CustomUser
from activity.events import COLUMNS
from activity.exporters import format_called
from activity.exporting.files import Export, of_events
from activity.jobs import asking, counting, ends, keeping, running, steps, sweeping
from activity.jobs.asked import Asked, asked_of
from activity.jobs.requesters import NotAllowed
from activity.models import ActivityEvent, ExportJob
from activity.reading.events import narrow
from activity.reading.query import parse
from activity.recording import record
from tenants.context import enter_tenant
from tenants.errors import Conflict, InvalidInput
from tests.activity.settling import settle
from tests.conftest import PASSWORD
from tests.exports import OPERATOR, files
from tests.exports import exports_of_its_own as exports_of_its_own

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


@pytest.fixture
def at_lab(lab):
    """A committed tenant, with an administrator and events."""
    with enter_tenant(lab):
        CustomUser.objects.create_superuser("ann", "ann@lab.example", PASSWORD)
        for number in range(50):
            record("session.started", reason=f"=cmd|{number}")
        yield lab


def ann():
    return CustomUser.objects.get(username="ann")


def body(job):
    with keeping.opened(job) as file:
        return file.read()


def events_of(job):
    target = ActivityEvent.objects.filter(target_type="export", target_id=str(job.pk))
    return list(target.order_by("id").values_list("action", flat=True))


def asked(*arguments, **options):
    """Ask, and leave the making to the test."""
    options.setdefault("by", OPERATOR)
    with transaction.atomic():
        job = asking.request(*arguments, **options)
        connection.run_on_commit = []
    return job


# From asking to the file


def test_e08_a_file_is_made_with_all_that_proves_it(at_lab, exports_of_its_own):
    job = asking.request("events", {"q": "action:session.started"}, "ndjson", by=ann())
    job.refresh_from_db()

    assert job.state == "ready", job.error
    text = body(job)
    lines = [json.loads(line) for line in text.splitlines()]
    listed = narrow(ActivityEvent.objects.all(), parse("action:session.started"))
    assert [line["id"] for line in lines] == [
        str(pk) for pk in listed.order_by("id").values_list("pk", flat=True)
    ]
    assert job.rows_done == len(lines) == 50
    assert job.bytes == len(text)
    assert job.sha256 == hashlib.sha256(text).hexdigest()
    assert events_of(job) == ["export.requested", "export.finished"]
    with keeping.opened(job, f"{at_lab.pk}/{job.pk}/1.manifest.json") as file:
        manifest = json.load(file)
    assert (manifest["rows"], manifest["bytes"], manifest["sha256"]) == (50, len(text), job.sha256)
    assert manifest["file"] == f"{at_lab.slug}-events-{job.asked_at.date()}.ndjson"
    finished = ActivityEvent.objects.get(action="export.finished", target_id=str(job.pk))
    assert manifest["event"] == str(finished.pk)
    assert finished.actor_id == str(ann().public_id)
    assert files(exports_of_its_own) == [
        f"files/{at_lab.pk}/{job.pk}/1.manifest.json",
        f"files/{at_lab.pk}/{job.pk}/1.ndjson",
    ]


@pytest.mark.parametrize(
    ("source", "form", "compress"),
    [
        ("events", "csv", "gzip"),
        ("events", "xlsx", ""),
        ("events", "parquet", ""),
        ("sign-ins", "csv", "zstd"),
        ("most-active", "xlsx", ""),
        ("bundle", "zip", ""),
        ("summary", "pdf", ""),
    ],
)
def test_every_source_comes_in_its_forms(at_lab, source, form, compress):
    # A bundle is of what is sealed, and other tests' transactions hold seals back.
    settle()

    job = asking.request(source, {}, form, compress, by=ann())
    job.refresh_from_db()

    assert job.state == "ready", job.error
    assert job.sha256 == hashlib.sha256(body(job)).hexdigest()
    assert job.rows_done > 0 or source in ("most-active", "summary")


def test_e08_a_later_attempt_reads_the_rows_of_the_first_ones_moment(at_lab):
    job = asked("events", {}, "csv")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        here = {"at": timezone.now().isoformat(), "checkpoint": "", "size": 0, "unsealed": 0}
        here |= counting.snapshot_now()
        export = Export(
            source=of_events(ActivityEvent.objects.all(), COLUMNS, {}), format=format_called("csv")
        )
        with export.opened() as pieces:
            wanted = b"".join(pieces)
    ExportJob.objects.filter(pk=job.pk).update(
        state="running",
        attempts=3,
        snapshot=here,
        progressed_at=timezone.now() - timedelta(hours=1),
    )
    record("session.started")

    assert running.run(str(job.pk)) == "ready"
    job.refresh_from_db()
    assert body(job) == wanted
    assert job.attempts == 4


def test_the_first_attempts_moment_is_kept_and_every_later_one_goes_by_it(at_lab, monkeypatch):
    job = asked("events", {}, "csv")
    copy = running._Attempt._copy
    monkeypatch.setattr(
        running._Attempt, "_copy", lambda *_: (_ for _ in ()).throw(OperationalError)
    )
    with pytest.raises(OperationalError):
        running.run(str(job.pk))
    job.refresh_from_db()
    first = job.snapshot
    assert first["xids"]
    record("session.started")
    count = ActivityEvent.objects.count()
    monkeypatch.setattr(running._Attempt, "_copy", copy)
    ExportJob.objects.filter(pk=job.pk).update(progressed_at=timezone.now() - timedelta(1))
    assert running.run(str(job.pk)) == "ready"
    job.refresh_from_db()
    assert (job.snapshot, job.rows_done) == (first, count - 1)


def test_what_a_running_worker_has_is_not_taken_from_it(at_lab):
    job = asked("events", {}, "csv")
    ExportJob.objects.filter(pk=job.pk).update(
        state="running", attempts=1, progressed_at=timezone.now(), started_at=timezone.now()
    )

    assert running.run(str(job.pk)) == "running"
    assert sweeping.waiting() == []
    ExportJob.objects.filter(pk=job.pk).update(progressed_at=timezone.now() - 2 * steps.STALE)
    assert (str(at_lab.pk), str(job.pk)) in sweeping.waiting()


def test_a_job_whose_message_was_lost_is_found_and_made(at_lab):
    job = asked("events", {}, "csv")
    assert sweeping.sweep() == 1
    job.refresh_from_db()
    assert job.state == "ready"
    assert sweeping.sweep() == 0


def test_no_more_files_are_made_at_once_than_there_are_slots(at_lab, elsewhere_in):
    job = asked("events", {}, "csv")
    with elsewhere_in(at_lab) as cursor:
        cursor.execute(running._SLOT, [0])
        assert running.run(str(job.pk)) == "waiting"
    assert running.run(str(job.pk)) == "ready"


@pytest.fixture
def elsewhere_in():
    """A cursor of another session, in a transaction."""
    from contextlib import closing, contextmanager

    import psycopg2

    @contextmanager
    def opened(tenant):
        place = connection.settings_dict
        dsn = {"host": place["HOST"], "port": place["PORT"], "user": place["USER"]}
        with closing(
            psycopg2.connect(
                **dsn,
                dbname=place["NAME"],
                password=place["PASSWORD"],
                options=f"-c search_path={tenant.schema_name}",
            )
        ) as own:
            with own.cursor() as cursor:
                yield cursor
            own.rollback()

    return opened


# What must not be made


def test_e05_the_requesters_rights_are_asked_again_when_the_file_is_made(at_lab):
    for lose, said in (
        ({"is_superuser": False}, "may not read this any more"),
        ({"is_active": False}, "deactivated"),
    ):
        CustomUser.objects.filter(username="ann").update(is_superuser=True, is_active=True)
        job = asked("events", {}, "csv", by=ann())
        CustomUser.objects.filter(username="ann").update(**lose)

        assert running.run(str(job.pk)) == "failed"
        job.refresh_from_db()
        assert said in job.error
        assert events_of(job) == ["export.requested", "export.failed"]


def test_somebody_without_the_permission_cannot_ask(at_lab):
    cleo = CustomUser.objects.create_user("cleo", "cleo@lab.example", PASSWORD)
    with pytest.raises(NotAllowed):
        asking.request("events", {}, "csv", by=cleo)
    assert not ExportJob.objects.exists()


@pytest.mark.parametrize(
    ("source", "filters", "form", "more"),
    [
        ("nothing", {}, "csv", {}),
        ("events", {}, "docx", {}),
        ("events", {"q": "acter:ann"}, "csv", {}),
        ("events", {"since": "2026-13-01"}, "csv", {}),
        ("events", {"since": "1970-01-01", "until": "2070-01-01"}, "csv", {}),
        ("events", {"x": "1"}, "csv", {}),
        ("events", {}, "csv", {"columns": ["salt"]}),
        ("events", {}, "xlsx", {"compress": "gzip"}),
        ("events", {}, "csv", {"compress": "rar"}),
        ("events", {}, "csv", {"note": "a\nb"}),
        ("events", {}, "csv", {"key": "é"}),
        ("sign-ins", {}, "csv", {"columns": ["day"]}),
        ("sign-ins", {"q": "ann"}, "csv", {}),
        ("bundle", {}, "csv", {}),
    ],
)
def test_what_means_nothing_is_refused_before_there_is_a_job(
    in_acme, ann, source, filters, form, more
):
    with pytest.raises(InvalidInput) as refused:
        asking.request(source, filters, form, by=ann, **more)
    assert refused.value.hint
    assert not ExportJob.objects.exists()


def test_a_tenant_has_only_so_many_that_wait_and_so_many_bytes(in_acme, ann, settings):
    settings.TENANTRY_EXPORT_MOST_WAITING = 2
    asking.request("events", {}, "csv", by=ann)
    first = asking.request("events", {}, "csv", by=ann)
    with pytest.raises(Conflict, match="2 exports are waiting"):
        asking.request("events", {}, "csv", by=ann)
    steps.cancel(first)
    asking.request("events", {}, "csv", by=ann)

    settings.TENANTRY_EXPORT_MOST_WAITING = 20
    settings.TENANTRY_EXPORT_QUOTA = 1_000_000
    ExportJob.objects.filter(pk=first.pk).update(state="ready", file="x", bytes=1_000_000)
    with pytest.raises(Conflict, match="1 MB"):
        asking.request("events", {}, "csv", by=ann)


def test_those_who_ask_at_once_are_counted_one_after_the_other(at_lab, settings, monkeypatch):
    settings.TENANTRY_EXPORT_MOST_WAITING = 1
    monkeypatch.setattr(asking, "send", lambda job: time.sleep(0.2))
    began = threading.Barrier(4)

    def ask(_):
        try:
            with enter_tenant(at_lab):
                began.wait(30)
                asking.request("events", {}, "csv", by=OPERATOR)
        except Conflict:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(4))) == 1
    assert ExportJob.objects.count() == 1


def test_a_file_that_outgrows_the_room_is_given_up(at_lab, settings, exports_of_its_own):
    job = asked("events", {}, "csv")
    settings.TENANTRY_EXPORT_QUOTA = 1_000

    assert running.run(str(job.pk)) == "failed"
    job.refresh_from_db()
    assert "more than the 0 MB" in job.error
    assert files(exports_of_its_own) == []


def test_a_file_that_another_leaves_no_room_any_more_is_given_up(
    at_lab, settings, monkeypatch, exports_of_its_own
):
    """There is room for either of them when they begin."""
    settings.TENANTRY_EXPORT_QUOTA = 1_000_000
    job, other = asked("events", {}, "csv"), asked("sign-ins", {}, "csv")
    written = running._Attempt._write

    def beside_another(self, pieces, part, beside):
        def slowly():
            yield next(pieces)
            grown = ExportJob.objects.filter(pk=other.pk)
            run_elsewhere(at_lab, lambda: grown.update(state="running", bytes=999_999))
            deadline = time.monotonic() + 60
            while self._room > 1 and time.monotonic() < deadline:
                time.sleep(0.05)
            yield b"more"

        written(self, slowly(), part, beside)

    monkeypatch.setattr(running._Attempt, "_write", beside_another)
    assert running.run(str(job.pk)) == "failed"
    job.refresh_from_db()
    assert "more than the 1 MB" in job.error
    assert files(exports_of_its_own) == []


def test_the_same_request_twice_is_one_job(in_acme, ann, bob):
    first = asking.request("events", {}, "csv", by=ann, key="k-1")
    assert asking.request("events", {}, "csv", by=ann, key="k-1").pk == first.pk
    assert asking.request("events", {}, "csv", by=bob, key="k-1").pk != first.pk
    ExportJob.objects.update(asked_at=timezone.now() - timedelta(hours=25))
    assert asking.request("events", {}, "csv", by=ann, key="k-1").pk != first.pk


# Cancelling


def test_what_waits_is_cancelled_at_once_and_never_made(at_lab):
    job = asked("events", {}, "csv")
    steps.cancel(job)

    assert running.run(str(job.pk)) == "cancelled"
    assert events_of(job) == ["export.requested", "export.cancelled"]
    with pytest.raises(Conflict):
        steps.cancel(job)


def test_e06_what_is_being_made_stops_within_a_moment_and_leaves_nothing(
    at_lab, monkeypatch, exports_of_its_own
):
    job = asked("events", {}, "csv")
    made = running._Attempt._write

    def cancelled_amidst(self, pieces, part, beside):
        def slowly():
            for piece in pieces:
                yield piece
                cancel_elsewhere(at_lab, job.pk)
                deadline = time.monotonic() + 60
                while not beside.is_lost and time.monotonic() < deadline:
                    time.sleep(0.05)
                yield b"more"

        made(self, slowly(), part, beside)

    monkeypatch.setattr(running._Attempt, "_write", cancelled_amidst)
    assert running.run(str(job.pk)) == "cancelled"
    assert files(exports_of_its_own) == []
    assert events_of(job) == ["export.requested", "export.cancelled"]


def cancel_elsewhere(tenant, key):
    run_elsewhere(tenant, lambda: steps.cancel(ExportJob.objects.get(pk=key)))


def run_elsewhere(tenant, function):
    """Call a function as another process would: on a connection of its own."""

    def act():
        try:
            with enter_tenant(tenant):
                function()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(act).result(timeout=30)


def test_e06_a_statement_that_waits_is_cancelled_in_the_database(at_lab, monkeypatch):
    """Before the first row, when the worker itself looks at nothing."""
    job = asked("events", {}, "csv")
    count = counting.count
    slept = []

    def slow(events):
        cancel_elsewhere(at_lab, job.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")
        slept.append("to the end")
        return count(events)

    monkeypatch.setattr(counting, "count", slow)
    assert running.run(str(job.pk)) == "cancelled"
    assert slept == []


def test_a_worker_that_was_given_up_changes_nothing_of_its_successors(
    at_lab, monkeypatch, exports_of_its_own
):
    """It comes back to life when another has stored the file, and has an error or a file itself."""
    job = asked("events", {}, "csv")
    write = running._Attempt._write
    for outcome in ("file", "error"):

        def late(self, pieces, part, beside, outcome=outcome):
            write(self, pieces, part, beside)
            mine = ExportJob.objects.filter(pk=job.pk)
            run_elsewhere(at_lab, lambda: mine.update(attempts=F("attempts") + 1))
            keeping.storage().save(
                f"{at_lab.pk}/{job.pk}/{self._job.attempts + 1}.csv", BytesIO(b"x")
            )
            if outcome == "error":
                raise InvalidInput("it is wrong.", "Ask anew.")

        monkeypatch.setattr(running._Attempt, "_write", late)
        ExportJob.objects.filter(pk=job.pk).update(progressed_at=timezone.now() - timedelta(1))
        assert running.run(str(job.pk)) == "running"
        job.refresh_from_db()
        assert (job.error, job.file) == ("", "")
        assert f"files/{at_lab.pk}/{job.pk}/{job.attempts}.csv" in files(exports_of_its_own)
    monkeypatch.setattr(running._Attempt, "_write", write)
    ExportJob.objects.filter(pk=job.pk).update(progressed_at=timezone.now() - timedelta(1))
    assert running.run(str(job.pk)) == "ready"
    assert len(files(exports_of_its_own)) == 2


def test_a_message_that_comes_twice_makes_one_file(
    at_lab, monkeypatch, settings, exports_of_its_own
):
    """Both workers hold a part of the same job before either has claimed it."""
    settings.TENANTRY_EXPORT_SLOTS = 2
    job = asked("events", {}, "csv")
    take, together = running._take_slot, threading.Barrier(2)

    def take_together():
        together.wait(30)
        take()

    monkeypatch.setattr(running, "_take_slot", take_together)

    def work(_):
        try:
            with enter_tenant(at_lab):
                return running.run(str(job.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert {*pool.map(work, range(2))} <= {"ready", "running"}
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == ("ready", 1, "")
    assert hashlib.sha256(body(job)).hexdigest() == job.sha256
    assert events_of(job) == ["export.requested", "export.finished"]
    assert files(exports_of_its_own) == [
        f"files/{at_lab.pk}/{job.pk}/1.csv",
        f"files/{at_lab.pk}/{job.pk}/1.manifest.json",
    ]


def test_whoever_claims_a_job_removes_the_parts_of_the_dead_and_no_other_jobs(
    at_lab, exports_of_its_own
):
    dead, other = asked("events", {}, "csv"), asked("events", {}, "csv")
    parts = exports_of_its_own / "parts" / str(at_lab.pk)
    parts.mkdir(parents=True)
    for job in (dead, other):
        (parts / f"{job.pk}-0123456789abcdef.part").write_bytes(b"half a fi")

    assert running.run(str(dead.pk)) == "ready"
    assert [path.name for path in parts.iterdir()] == [f"{other.pk}-0123456789abcdef.part"]


def test_f07_a_lost_database_leaves_the_job_to_be_begun_again(
    at_lab, monkeypatch, exports_of_its_own
):
    job = asked("events", {}, "csv")
    make = running._Attempt._copy

    def lost(self, part, beside, earlier):
        pid = connection.connection.get_backend_pid()
        run_elsewhere(at_lab, lambda: _terminate(pid))
        return make(self, part, beside, earlier)

    monkeypatch.setattr(running._Attempt, "_copy", lost)
    with pytest.raises((OperationalError, InterfaceError)):
        running.run(str(job.pk))
    monkeypatch.setattr(running._Attempt, "_copy", make)
    connection.close()
    job.refresh_from_db()
    assert (job.state, files(exports_of_its_own)) == ("running", [])
    ExportJob.objects.filter(pk=job.pk).update(progressed_at=timezone.now() - timedelta(1))
    assert running.run(str(job.pk)) == "ready"


def _terminate(pid):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


# Storage


def test_f10_a_full_disk_fails_the_job_with_a_sentence_and_leaves_nothing(
    at_lab, exports_of_its_own, monkeypatch
):
    job = asked("events", {}, "csv")

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(keeping.os, "fsync", full)
    assert running.run(str(job.pk)) == "failed"
    job.refresh_from_db()
    assert "No space left on device" in job.error
    assert files(exports_of_its_own) == []
    assert events_of(job) == ["export.requested", "export.failed"]


def test_f10_a_write_that_fails_amidst_the_file_fails_the_job_too(at_lab, exports_of_its_own):
    job = asked("events", {}, "ndjson")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        assert running.run(str(job.pk)) == "failed"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    job.refresh_from_db()
    assert "File too large" in job.error
    assert files(exports_of_its_own) == []


class RefusingStorage(InMemoryStorage):
    """A bucket whose door is shut."""

    def _save(self, name, content):
        raise PermissionError(13, "Access denied")


class ForgetfulStorage(InMemoryStorage):
    """A storage that says that it has less than it was given."""

    def size(self, name):
        return 1


@pytest.mark.parametrize(
    ("storage", "said"), [("RefusingStorage", "refused the file"), ("ForgetfulStorage", "not all")]
)
def test_a_storage_that_refuses_fails_the_job(at_lab, settings, storage, said, exports_of_its_own):
    settings.STORAGES = {**settings.STORAGES, "exports": {"BACKEND": f"{__name__}.{storage}"}}
    job = asked("events", {}, "csv")

    assert running.run(str(job.pk)) == "failed"
    job.refresh_from_db()
    assert said in job.error
    assert not job.file
    assert files(exports_of_its_own) == []


def test_any_storage_of_djangos_will_do(at_lab, settings, exports_of_its_own):
    settings.STORAGES = {
        **settings.STORAGES,
        "exports": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    job = asking.request("events", {}, "csv", by=OPERATOR)
    job.refresh_from_db()

    assert job.state == "ready"
    assert hashlib.sha256(body(job)).hexdigest() == job.sha256
    assert files(exports_of_its_own) == []
    steps.expire(job, "its time was over")
    assert not storages["exports"].exists(f"{at_lab.pk}/{job.pk}/1.csv")


# The end


def test_files_whose_time_is_over_are_deleted_and_rows_a_month_later(at_lab, exports_of_its_own):
    job = asking.request("events", {}, "csv", by=OPERATOR)
    assert sweeping.expire_due() == 0
    ExportJob.objects.update(expires_at=timezone.now())

    assert sweeping.expire_due() == 1
    job.refresh_from_db()
    assert (job.state, job.file) == ("expired", "")
    assert files(exports_of_its_own) == []
    assert events_of(job)[-1] == "export.expired"
    ExportJob.objects.update(finished_at=timezone.now() - timedelta(days=31))
    sweeping.expire_due()
    assert not ExportJob.objects.exists()


def test_whoever_registered_is_told_of_each_end_once(at_lab, monkeypatch):
    told = []
    monkeypatch.setattr(ends, "_told", [])
    ends.register(lambda job: 1 / 0)
    ends.register(lambda job: told.append((job.pk, job.state)))

    job = asking.request("events", {}, "csv", by=OPERATOR)
    steps.expire(job, "its time was over")
    waiting = asked("events", {}, "csv")
    steps.cancel(waiting)

    assert told == [(job.pk, "ready"), (job.pk, "expired"), (waiting.pk, "cancelled")]


def test_what_was_asked_is_said_in_words():
    asked_for = Asked(source="events", filters={"q": "actor:ann", "since": "2026-01-01"})
    assert asked_for.words == "actor:ann · since 2026-01-01"
    assert Asked(source="events").words == "everything"


def test_the_days_of_a_search_are_those_of_whoever_asked(at_lab):
    with timezone.override("Pacific/Auckland"):
        job = asked("events", {"q": "since:2026-01-01"}, "csv")
    assert asked_of(job).zone == "Pacific/Auckland"
    assert settings.TIME_ZONE == "UTC"
