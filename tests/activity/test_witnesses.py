"""Witnesses: each checkpoint leaves the database, in order, and nothing waits for it."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core.cache import cache
from structlog.testing import capture_logs

from activity import tasks
from activity.models import Segment
from activity.sealing import keys, notes, witnesses
from config.checks import production_is_safe
from config.environment import InvalidEnvironment, read
from tenants.context import enter_platform, enter_tenant
from tenants.models import RecordHead
from tests.activity.settling import settle
from tests.activity.test_sealing import happen


@pytest.fixture
def three(lab):
    """A tenant with three segments, and no record but its own that witnesses have not got."""
    with enter_platform():
        for key in ("file", "address"):
            cache.delete_many(
                [f"witness-{key}-busy", f"witness-{key}-resting", f"witness-{key}-failures"]
            )
    with enter_tenant(lab):
        for _ in range(3):
            happen()
            settle()
        assert Segment.objects.count() >= 3
    with enter_platform():
        others = RecordHead.objects.exclude(pk=lab.pk)
        for head in others:
            others.filter(pk=head.pk).update(filed=head.number, posted=head.number)
    yield lab
    with enter_platform():
        head = RecordHead.objects.get(pk=lab.pk)
        RecordHead.objects.filter(pk=lab.pk).update(filed=head.number, posted=head.number)


@pytest.fixture
def file(settings, tmp_path):
    settings.TENANTRY_WITNESS_FILE = tmp_path / "checkpoints"
    return settings.TENANTRY_WITNESS_FILE


def catch_up():
    [witness] = witnesses.witnesses()
    with enter_platform():
        return witnesses.catch_up(witness)


def may_try_again(name):
    with enter_platform():
        cache.delete(f"witness-{name}-resting")


def notes_of(tenant):
    with enter_tenant(tenant):
        return list(Segment.objects.order_by("number").values_list("note", flat=True))


def seal_more(tenant, times=1):
    with enter_tenant(tenant):
        for _ in range(times):
            happen()
            settle()


class Listener(BaseHTTPRequestHandler):
    """A witness at an address."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append(self.path)
        if self.server.status == 200:
            self.server.received.append(body)
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def listening():
    server = HTTPServer(("127.0.0.1", 0), Listener)
    server.status, server.received, server.asked = 200, [], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def listener(settings):
    with listening() as server:
        settings.TENANTRY_WITNESS_URL = f"http://127.0.0.1:{server.server_port}/notes?of=record"
        yield server


class TestFile:
    def test_a_record_it_does_not_know_begins_with_the_newest_checkpoint(self, three, file):
        assert catch_up() == 1
        assert file.read_text() == notes_of(three)[-1]
        assert catch_up() == 0

    def test_from_then_on_it_gets_each_one_in_order(self, three, file):
        catch_up()
        before = len(notes_of(three))
        seal_more(three, 12)

        assert catch_up() == len(notes_of(three)) - before >= 12
        assert file.read_text() == "".join(notes_of(three)[before - 1 :])
        for note in notes_of(three):
            notes.checked(note, keys.verifiers())

    def test_one_that_cannot_be_written_is_told_and_caught_up_and_sealing_goes_on(
        self, three, file
    ):
        catch_up()
        known = len(notes_of(three))
        whole = file.read_bytes()
        file.unlink()
        file.mkdir()
        seal_more(three, 2)
        [witness] = witnesses.witnesses()
        with capture_logs() as log:
            assert catch_up() == 0
            assert catch_up() == 0

        assert witnesses.behind(witness) == 1
        [said] = [line for line in log if line["event"] == "witness not reached"]
        assert (said["log_level"], said["why"]) == ("error", "Is a directory")
        assert said["where"] == str(file)
        file.rmdir()
        file.write_bytes(whole)
        may_try_again("file")
        assert catch_up() == len(notes_of(three)) - known >= 2
        assert file.read_text() == "".join(notes_of(three)[known - 1 :])
        assert witnesses.behind(witness) == 0

    @pytest.mark.parametrize("path", ["/dev/null", "/nowhere/checkpoints", "/proc/version"])
    def test_what_is_no_file_of_ours_is_said(self, path):
        from pathlib import Path

        with pytest.raises(witnesses.WitnessError):
            witnesses.append(Path(path), ["note\n"])

    def test_a_tenant_that_cannot_be_entered_any_more_leaves_its_newest_one(self, three, file):
        catch_up()
        seal_more(three, 2)
        with enter_platform():
            type(three).objects.filter(pk=three.pk).update(state="deleting")
        try:
            assert catch_up() == 1
        finally:
            with enter_platform():
                type(three).objects.filter(pk=three.pk).update(state="active")

        assert file.read_text().endswith(notes_of(three)[-1])


class TestAddress:
    def test_it_is_sent_each_checkpoint_once(self, three, listener):
        assert catch_up() == 1
        seal_more(three)
        catch_up()

        assert listener.received == notes_of(three)[-len(listener.received) :]
        assert len(listener.received) >= 2
        assert set(listener.asked) == {"/notes?of=record"}

    @pytest.mark.parametrize("status", [302, 404, 500])
    def test_any_other_answer_is_a_failure_and_nowhere_is_followed(self, three, listener, status):
        listener.status = status
        with capture_logs() as log:
            assert catch_up() == 0

        assert [line["why"] for line in log if line["log_level"] == "error"] == [
            f"it answered {status}"
        ]
        assert listener.asked == ["/notes?of=record"]
        listener.status = 200
        assert catch_up() == 0, "it is left alone for a while"
        may_try_again("address")
        assert catch_up() == 1

    def test_it_is_left_alone_longer_each_time(self, three, listener):
        listener.status = 500
        pauses = []
        for _ in range(4):
            with capture_logs() as log:
                catch_up()
            pauses += [line["again_in_seconds"] for line in log if "again_in_seconds" in line]
            may_try_again("address")

        assert pauses == [2, 4, 8, 16]

    def test_nobody_there_is_a_failure_that_names_no_more_than_the_host(self, three, settings):
        settings.TENANTRY_WITNESS_URL = "http://127.0.0.1:1/secret-path"
        with capture_logs() as log:
            assert catch_up() == 0

        [said] = [line for line in log if line["event"] == "witness not reached"]
        assert (said["where"], "refused" in said["why"]) == ("127.0.0.1", True)

    def test_the_sweep_has_it_called(self, three, listener):
        with enter_platform():
            tasks.seal_all()

        assert notes_of(three)[-1] in listener.received


class TestEnvironment:
    @pytest.mark.parametrize(
        "value",
        [
            "witness.example.com",
            "ftp://witness.example.com/",
            "https://",
            "https://user:password@witness.example.com/",
            "https://witness.example.com/#part",
            "https://witness.example.com:port/",
        ],
    )
    def test_an_address_that_is_none_stops_the_start(self, value):
        with pytest.raises(InvalidEnvironment, match="TENANTRY_WITNESS_URL cannot be used"):
            read({"TENANTRY_WITNESS_URL": value})

    def test_production_sends_encrypted_only(self, settings):
        settings.TENANTRY_PRODUCTION = True
        settings.TENANTRY_WITNESS_URL = "http://witness.example.com/"
        assert "tenantry.E008" in [problem.id for problem in production_is_safe()]
        settings.TENANTRY_WITNESS_URL = "https://witness.example.com/"
        assert "tenantry.E008" not in [problem.id for problem in production_is_safe()]
