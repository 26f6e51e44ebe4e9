"""``manage.py activity``: what it prints, what it writes, and how it ends."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date, datetime
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from activity.context import Actor, ActorKind
from activity.events import COLUMNS
from activity.models import ActivityEvent
from activity.recording import record
from activity.subjects import Subject
from config.environment import CHECKOUT
from tenants import lifecycle
from tenants.context import current_tenant, enter_tenant
from tests.activity.rolled import put
from tests.conftest import CANARY

ANN = Actor(ActorKind.PERSON, "id-of-ann", "Ann Lee (ann)")


@pytest.fixture
def activity(acme, capsys):
    """Run the command; return its exit status and what it wrote to stdout and stderr."""

    def run(*arguments):
        capsys.readouterr()
        status = 0
        message = ""
        try:
            call_command("activity", *arguments)
        except CommandError as error:
            status, message = error.returncode, str(error)
        out, err = capsys.readouterr()
        return status, out, err + message

    return run


# Events


def test_events_are_printed_as_sentences_newest_last(activity, acme):
    with enter_tenant(acme):
        record("session.started", actor=ANN)
        record("user.changed", actor=ANN, target=Subject("user", "2", "Bob Ray (bob)"))

    status, out, _ = activity("events", "--tenant", "acme", "--limit", "2")

    first, second = out.splitlines()
    assert status == 0
    assert first.endswith("session.started              Ann Lee (ann) signed in")
    assert second.endswith("Ann Lee (ann) changed Bob Ray (bob)")


def test_events_as_json_are_an_object_a_line(activity, acme):
    status, out, err = activity("events", "--tenant", "acme", "--limit", "0", "--json")

    rows = [json.loads(line) for line in out.splitlines()]
    with enter_tenant(acme):
        ids = [str(pk) for pk in ActivityEvent.objects.order_by("id").values_list("pk", flat=True)]
    assert status == 0
    assert err == ""
    assert [row["id"] for row in rows] == ids
    assert all(tuple(row) == COLUMNS for row in rows)
    assert CANARY["globex"] not in out


def test_without_a_tenant_it_is_the_platforms_record(activity):
    status, out, _ = activity("events", "--json")

    assert status == 0
    assert {json.loads(line)["action"] for line in out.splitlines()} == {"tenant.created"}
    assert "canary" not in out


def test_events_of_a_day_that_had_none_are_none(activity):
    status, out, _ = activity("events", "--tenant", "acme", "--until", "2020-01-31", "--json")

    assert (status, out) == (0, "")


# Reports


def test_a_report_as_json_is_one_document(activity, acme):
    with enter_tenant(acme):
        put([(date(2026, 3, 1), "session.started", "success", "person", "a", "Ann", 4)])

    status, out, _ = activity(
        "report", "sign-ins", "--tenant", "acme", "--json",
        "--since", "2026-03-01", "--until", "2026-03-02",
    )  # fmt: skip

    assert status == 0
    assert json.loads(out) == {
        "report": "sign-ins",
        "title": "Sign-ins per day",
        "tenant": "acme",
        "since": "2026-03-01",
        "until": "2026-03-02",
        "parameters": {},
        "as_of": None,
        "columns": ["day", "sign_ins"],
        "rows": [{"day": "2026-03-01", "sign_ins": 4}, {"day": "2026-03-02", "sign_ins": 0}],
    }


def test_a_report_in_a_pipe_is_tab_separated(activity):
    status, out, err = activity(
        "report", "sign-ins", "--tenant", "acme", "--since", "2026-03-01", "--until", "2026-03-02"
    )

    assert status == 0
    assert out.splitlines() == ["2026-03-01\t0", "2026-03-02\t0"]
    assert "Not counted yet" in err


# Counting


def test_aggregate_counts_one_tenant_or_all(activity):
    one = activity("aggregate", "--tenant", "acme", "--json")
    every = activity("aggregate", "--all", "--json")

    assert one[0] == every[0] == 0
    assert list(json.loads(one[1])["folded"]) == ["acme"]
    assert list(json.loads(every[1])["folded"]) == ["platform", "acme", "globex"]


def test_a_tenant_that_cannot_be_counted_keeps_no_other_waiting(activity, acme, globex):
    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_rollupcursor RENAME TO gone")

    status, _, err = activity("aggregate", "--all")

    assert status == 1
    assert "acme: " in err
    assert "1 of 2 tenants could not be counted" in err
    with enter_tenant(globex), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM activity_rollupcursor WHERE folded_at IS NOT NULL")
        assert cursor.fetchone() == (1,)


# Files


def test_an_export_is_a_complete_file_with_an_event(activity, acme, tmp_path):
    path = tmp_path / "acme.ndjson"
    with enter_tenant(acme):
        count = ActivityEvent.objects.count()

    status, out, _ = activity(
        "export", "--tenant", "acme", "--format", "ndjson", "--output", str(path)
    )

    assert status == 0
    assert out == f"{count} rows written to {path}\n"
    assert len(path.read_text().splitlines()) == count
    assert [entry.name for entry in tmp_path.iterdir()] == ["acme.ndjson"]
    with enter_tenant(acme):
        event = ActivityEvent.objects.first()
    assert event.action == "export.finished"
    assert event.details["rows"] == count
    assert event.actor_kind == "command"


def test_an_export_goes_to_stdout_by_default_and_nothing_else_does(activity):
    status, out, err = activity("export", "--tenant", "acme")

    assert status == 0
    assert out.startswith("\ufeffid,occurred_at,action")
    assert "rows written" not in out
    assert err == ""


def test_a_report_is_exported_too_with_a_document_about_it(activity, tmp_path):
    path = tmp_path / "sign-ins.csv"

    status, out, _ = activity(
        "export", "--tenant", "acme", "--report", "sign-ins", "--since", "2026-03-01",
        "--until", "2026-03-02", "--output", str(path), "--json",
    )  # fmt: skip

    assert status == 0
    document = json.loads(out)
    assert document.pop("sha256") == hashlib.sha256(path.read_bytes()).hexdigest()
    assert datetime.fromisoformat(document.pop("snapshot"))
    assert document == {
        "output": str(path), "format": "csv", "rows": 2, "bytes": path.stat().st_size,
        "checkpoint": 0,
    }  # fmt: skip
    assert path.read_text(encoding="utf-8-sig").splitlines() == [
        "day,sign_ins", "2026-03-01,0", "2026-03-02,0",
    ]  # fmt: skip


def test_a_file_that_exists_is_replaced_only_by_force(activity, tmp_path):
    path = tmp_path / "kept.csv"
    path.write_text("kept")

    refused, _, err = activity("export", "--tenant", "acme", "--output", str(path))
    kept = path.read_text()
    forced, _, _ = activity("export", "--tenant", "acme", "--output", str(path), "--force")

    assert (refused, kept) == (4, "kept")
    assert "exists. Choose another name, or replace it with --force." in err
    assert forced == 0
    assert path.read_text(encoding="utf-8-sig").startswith("id,")


def test_a_place_for_no_file_is_refused_before_any_work(activity, acme, tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    with enter_tenant(acme):
        before = ActivityEvent.objects.count()

    for place in (tmp_path, tmp_path / "none" / "x.csv", tmp_path / "file" / "x.csv", "/"):
        status, out, err = activity("export", "--tenant", "acme", "--output", str(place), "--force")
        assert (status, out) == (2, ""), place
        assert err.startswith("error: ")
    status, _, err = activity(
        "export", "--tenant", "acme", "--output", str(tmp_path / "pipe"), "--force"
    )
    assert status == 2
    assert "is no regular file" in err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "pipe"]
    with enter_tenant(acme):
        assert ActivityEvent.objects.count() == before


def test_a_place_where_nothing_can_be_written_is_an_error_and_no_traceback(activity):
    status, out, err = activity("export", "--tenant", "acme", "--output", "/proc/x.csv")

    assert status in (1, 2)
    assert out == ""
    assert err.startswith("error: /proc")


@contextmanager
def room_for(size):
    """Let no file of this process grow beyond ``size``, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_f10_a_full_disk_leaves_nothing_half_written(activity, acme, tmp_path, force):
    path = tmp_path / "acme.csv"
    if force:
        path.write_text("kept")
    with enter_tenant(acme):
        before = ActivityEvent.objects.count()

    with room_for(100):
        status, _, err = activity("export", "--tenant", "acme", "--output", str(path), *force)

    assert status == 1
    assert "could not be written" in err
    assert [entry.read_text() for entry in tmp_path.iterdir()] == (["kept"] if force else [])
    with enter_tenant(acme):
        assert ActivityEvent.objects.count() == before, "nothing was finished"
    assert current_tenant() is None


# What cannot be done


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ("events --tenant acne", 3, "Did you mean acme?"),
        ("events --tenant t_aaaaaaaaaaaaaaaa", 3, "there is no tenant"),
        ("events --tenant public", 3, "there is no tenant"),
        ("events --limit -1", 2, "--limit is below 0"),
        ("events --limit many", 2, "invalid int value"),
        ("events --since 2026-02-30", 2, "is not a day"),
        ("events --since 2026-03-02 --until 2026-03-01", 2, "Swap them"),
        ("events --until 0001-01-01", 2, "out of range"),
        ("events --until 9999-12-31", 2, "out of range"),
        ("report nonsense --tenant acme", 2, "Choose one of sign-in"),
        ("report sign-ins --tenant nobody", 3, "there is no tenant"),
        ("report sign-ins --until 0001-01-01", 2, "out of range"),
        ("report", 2, "required"),
        ("aggregate --all --tenant acme", 2, "exclude each other"),
        ("export", 2, "--tenant"),
        ("export --tenant nobody", 3, "there is no tenant"),
        ("export --tenant acme --format xls", 2, "Choose one of csv, ndjson"),
        ("export --tenant acme --format xlsx --compress gzip", 2, "is compressed already"),
        ("export --tenant acme --output x.parquet.zst", 2, "is compressed already"),
        ("export --tenant acme --compress lzma", 2, "Choose one of gzip, zstd"),
        ("export --tenant acme --columns id,salt", 2, "no column 'salt'"),
        ("export --tenant acme --columns id,id", 2, "is named twice"),
        ("export --tenant acme --report sign-ins --columns id", 2, "are of events"),
        ("export --tenant acme --report sign-ins --search ann", 2, "are of events"),
        ("export --tenant acme --search outcome:maybe", 2, "maybe"),
        ("export --tenant acme --manifest", 2, "Add --output FILE"),
        ("export --tenant acme --since 1926-01-01", 2, "Use years from 1970"),
        ("export --tenant acme --report sign-ins --since 1970-01-01", 2, "longer than ten years"),
        ("export --tenant acme --report nonsense", 2, "Choose one of sign-in"),
        ("export --tenant acme --json", 2, "Add --output FILE"),
        ("export --tenant acme --since 2026-03-02 --until 2026-03-01", 2, "Swap them"),
        ("export --tenant acme --until 9999-12-31", 2, "out of range"),
        ("evnets", 2, "Did you mean events?"),
        ("events --tenat acme", 2, "--tenat"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_status(
    activity, arguments, status, sentence
):
    found, out, err = activity(*arguments.split())

    assert found == status
    assert sentence in err
    assert "Traceback" not in err
    assert out == "" or json.loads(out)["error"]["code"]


def test_an_error_as_json_is_one_document(activity):
    status, out, _ = activity("events", "--tenant", "acne", "--json")

    assert status == 3
    assert json.loads(out) == {
        "error": {
            "code": "not-found",
            "message": "there is no tenant 'acne'.",
            "hint": "Did you mean acme?",
        }
    }


@pytest.mark.parametrize("verb", ["events", "report sign-ins", "export", "proof 1"])
def test_a_suspended_tenant_is_not_read(activity, acme, verb):
    lifecycle.suspend(acme)

    status, out, err = activity(*verb.split(), "--tenant", "acme")

    assert (status, out) == (1, "")
    assert "suspended" in err.lower()


# Other processes


@pytest.fixture
def process(lab):
    """Start the command as a process of its own that sees the lab."""
    place = connection.settings_dict
    user = quote(place["USER"], safe="")
    host = quote(place["HOST"], safe="")
    port = f":{place['PORT']}" if place["PORT"] else ""
    secret = f":{quote(place['PASSWORD'], safe='')}" if place["PASSWORD"] else ""
    url = f"postgresql://{user}{secret}@{host}{port}/{place['NAME']}"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.development"}

    def start(*arguments, **options):
        return subprocess.Popen(
            [sys.executable, "manage.py", "activity", *arguments],
            cwd=CHECKOUT,
            env={**environment, "DATABASE_URL": url},
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start


@contextmanager
def halted_at_its_event(tenant, *, within=60):
    """Give a function that waits until another process waits for us to let it write its event.

    However fast that process is, it is amidst its work until the block ends.
    """
    waiting = (
        "SELECT FROM pg_locks WHERE relation = 'activity_activityevent'::regclass AND NOT granted"
    )

    def wait() -> None:
        deadline = time.monotonic() + within
        with connection.cursor() as cursor:
            while True:
                cursor.execute(waiting)
                if cursor.rowcount:
                    return
                assert time.monotonic() < deadline, "no process came to write an event"
                time.sleep(0.02)

    with enter_tenant(tenant), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE activity_activityevent IN SHARE MODE")
        yield wait


def test_an_export_that_is_killed_leaves_no_file_under_its_name(process, lab, tmp_path):
    path = tmp_path / "lab.csv"
    with enter_tenant(lab):
        record("user.changed", changes={"name": (None, "x")})

    with halted_at_its_event(lab) as wait:
        running = process("export", "--tenant", lab.slug, "--output", str(path))
        wait()
        begun = list(tmp_path.glob(".*.part"))
        running.kill()
        running.communicate()

    assert begun
    assert list(tmp_path.iterdir()) == begun
    with enter_tenant(lab):
        assert not ActivityEvent.objects.filter(action="export.finished").exists()


def test_a_full_standard_output_is_an_error_and_nothing_is_called_finished(process, lab):
    with open("/dev/full", "w") as full:
        running = process("export", "--tenant", lab.slug, stdout=full)
        _, err = running.communicate(timeout=60)

    assert running.returncode == 1
    assert "Traceback" not in err
    assert "error: " in err
    with enter_tenant(lab):
        assert not ActivityEvent.objects.filter(action="export.finished").exists()


def test_a_schema_that_is_somebody_elses_is_not_opened(activity, acme, globex):
    with connection.cursor() as cursor:
        cursor.execute(f'COMMENT ON SCHEMA "{acme.schema_name}" IS %s', [f"tenantry:{globex.pk}"])

    status, out, err = activity("events", "--tenant", "acme")

    assert status == 1
    assert "another tenant's" in err
    assert CANARY["acme"] not in out


@pytest.mark.parametrize("slug", ["\udcff", "a\0b", " "])
def test_a_tenant_that_cannot_be_is_not_there(activity, slug):
    status, _, complaint = activity("report", "sign-ins", "--tenant", slug)

    assert (status, complaint[:27]) == (3, "error: there is no tenant '")


def test_a_file_may_have_the_longest_name_there_is_and_no_longer(activity, tmp_path):
    longest = tmp_path / ("a" * 251 + ".csv")

    assert activity("export", "--tenant", "acme", "--output", str(longest))[0] == 0
    assert activity("export", "--tenant", "acme", "--output", f"{longest}x")[0] == 2
    assert [file.name for file in tmp_path.iterdir()] == [longest.name]
