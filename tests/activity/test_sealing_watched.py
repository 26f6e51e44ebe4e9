"""Sealing is watched: its lag, its alarm, the daily verification, and the numbers of both."""

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from structlog.testing import capture_logs

from activity import tasks
from activity.models import ActivityEvent
from activity.sealing import alarms, checking, lag, unsealed
from activity.sealing.unsealed import Sweep, Unsealed
from tenants.context import PLATFORM, enter_platform, enter_tenant
from tenants.models import RecordCheck
from tests.activity.settling import seal, settle
from tests.activity.test_rollups import another_connection, happen_on
from tests.activity.test_sealing import happen
from tests.activity.test_verifying import owner

TOKEN = "a-token-for-tests-0123456789-0123456789"


@pytest.fixture(autouse=True)
def nothing_known(django_db_setup, django_db_blocker):
    """Forget what sweeps of other tests have left in Redis."""
    with django_db_blocker.unblock(), enter_platform():
        cache.delete_many(["sealing-lag", "sealing-lag-logged", "unsealed"])
        yield
        cache.delete_many(["sealing-lag", "sealing-lag-logged", "unsealed"])


class TestSweep:
    def asked(self, sweep, monkeypatch):
        """Whom a sweep asks."""
        chosen = []
        with monkeypatch.context() as patch:
            patch.setattr(
                unsealed,
                "_asked",
                lambda cursor, records: chosen.extend(record for record, _ in records) or [],
            )
            sweep.unsealed()
        return chosen

    def quiet(self, lab, monkeypatch):
        """A sweep that has nothing to ask this tenant any more, and not its turn."""
        with enter_tenant(lab):
            settle()
        sweep = Sweep()
        sweep.unsealed()
        sweep.warm.clear()
        sweep.turn = (lab.pk.int + 10) % 150
        # Counters of what was just written may be on their way.
        deadline = time.monotonic() + 60
        while str(lab.pk) in self.asked(sweep, monkeypatch):
            assert time.monotonic() < deadline, "it is asked without a reason"
            sweep.warm.clear()
            time.sleep(0.1)
        return sweep

    def test_everybody_is_asked_once_and_then_nobody_without_a_reason(self, lab, monkeypatch):
        assert {PLATFORM, str(lab.pk)} <= set(self.asked(Sweep(), monkeypatch))
        sweep = self.quiet(lab, monkeypatch)

        assert PLATFORM in self.asked(sweep, monkeypatch)

    def test_whose_table_has_grown_is_asked_without_a_word_from_anybody(self, lab, monkeypatch):
        sweep = self.quiet(lab, monkeypatch)
        with another_connection(lab) as raw:
            happen_on(raw)
            raw.commit()
        # The end of a session sends its counters off.
        deadline = time.monotonic() + 60
        while str(lab.pk) not in self.asked(sweep, monkeypatch):
            assert time.monotonic() < deadline, "it is not asked"
            time.sleep(0.1)

    def test_who_was_hinted_at_is_asked(self, lab, monkeypatch):
        sweep = self.quiet(lab, monkeypatch)
        unsealed.hint(str(lab.pk))

        assert str(lab.pk) in self.asked(sweep, monkeypatch)

    def test_everybody_has_a_turn(self, lab, monkeypatch):
        sweep = self.quiet(lab, monkeypatch)
        sweep.turn = (lab.pk.int - 1) % 150

        assert str(lab.pk) in self.asked(sweep, monkeypatch)
        assert sweep.turn == lab.pk.int % 150

    def test_a_server_that_counts_nothing_has_everybody_asked(self, lab, monkeypatch):
        sweep = self.quiet(lab, monkeypatch)
        mute = unsealed._GROWTH.replace("current_setting('track_counts')", "'off'")
        assert mute != unsealed._GROWTH
        monkeypatch.setattr(unsealed, "_GROWTH", mute)

        assert str(lab.pk) in self.asked(sweep, monkeypatch)

    def test_what_waits_for_a_transaction_is_unsealed_and_not_ripe(self, lab):
        with enter_tenant(lab), another_connection(lab) as slow:
            settle()
            happen_on(slow)
            happen()
            found = {one.record: one for one in Sweep().unsealed()}[str(lab.pk)]
            assert (found.events, found.is_ripe) == (1, False)
            slow.commit()

    def test_many_tenants_do_not_stay_in_the_memory_of_a_backend(self, lab, monkeypatch):
        monkeypatch.setattr(unsealed, "_MOST_VISITED", 1)
        with enter_platform(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            before = cursor.fetchone()
        Sweep().unsealed()
        with enter_platform(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            assert cursor.fetchone() != before

    def test_without_redis_it_sweeps_all_the_same(self, lab, monkeypatch, settings):
        from config.cache import TenantRedisCache

        monkeypatch.setattr(TenantRedisCache, "resting_until", time.monotonic() + 60)
        unsealed.hint(str(lab.pk))

        assert str(lab.pk) in self.asked(Sweep(), monkeypatch)


def test_a_request_that_may_change_something_is_a_hint(acme, monkeypatch):
    hinted = []
    monkeypatch.setattr(unsealed, "hint", hinted.append)
    browser = Client(headers={"host": "acme.localhost"})
    browser.get("/accounts/login/")
    browser.post("/accounts/login/", {"login": "nobody", "password": "wrong"})

    assert hinted == [str(acme.pk)]


class TestLag:
    def test_it_counts_from_the_sweep_that_found_it_first(self, monkeypatch):
        waiting = [Unsealed("one", 3, False), Unsealed("two", 4, True)]
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now)
        assert lag.note(waiting[:1]).seconds == 0
        monkeypatch.setattr(time, "time", lambda: now + 50)
        later = lag.note(waiting)

        assert (later.seconds, later.events, set(later.since)) == (50, 7, {"one", "two"})
        assert lag.note([]).seconds == 0

    def test_more_than_a_minute_is_an_error_said_once_a_minute(self, monkeypatch):
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now)
        lag.note([Unsealed("one", 1, False)])
        monkeypatch.setattr(time, "time", lambda: now + 61)
        with capture_logs() as log:
            lag.note([Unsealed("one", 1, False)])
            lag.note([Unsealed("one", 1, False)])

        [said] = [line for line in log if line["event"] == "sealing lags"]
        assert (said["log_level"], said["seconds"], said["longest"]) == ("error", 61, "one")
        assert "wait to be sealed for up to 61 seconds" in alarms.sentences()[0]

    def test_a_clock_that_is_put_back_makes_no_wait_of_the_future(self, monkeypatch):
        now = time.time()
        lag.note([Unsealed("one", 1, False)])
        monkeypatch.setattr(time, "time", lambda: now - 3600)
        assert lag.note([Unsealed("one", 1, False)]).seconds == 0

    def test_the_oldest_transaction_that_writes_is_known(self, lab):
        with another_connection(lab) as slow:
            happen_on(slow)
            time.sleep(0.2)
            assert lag.note([]).transaction_seconds >= 0.2
            slow.rollback()


@contextmanager
def forged(tenant):
    with enter_tenant(tenant):
        happen(3)
        settle()
        with owner() as cursor:
            cursor.execute("UPDATE activity_activityevent SET reason = 'forged'")
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
        yield


class TestCheck:
    def test_what_is_intact_is_kept(self, lab):
        with enter_tenant(lab):
            settle()
            checking.check()
            events = ActivityEvent.objects.count()

        found = checking.state(str(lab.pk))
        assert (found.events, found.wrong, found.sentence) == (events, "", "")

    def test_what_is_wrong_is_an_error_and_an_event_once(self, lab):
        with forged(lab), capture_logs() as log:
            checking.check()
            checking.check()
            events = list(ActivityEvent.objects.filter(action="record.verification_failed"))

        said = [line for line in log if line["event"] == "record is not intact"]
        assert [line["log_level"] for line in said] == ["error", "error"]
        assert [event.details["kind"] for event in events] == ["altered"]
        assert checking.state(str(lab.pk)).wrong == "altered"
        assert f"The record of {lab.slug} is not intact" in " ".join(alarms.sentences())

    def test_two_take_turns_whatever_they_verify(self, lab):
        with another_connection(lab) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('tenantry verifies', 0))")
            with enter_tenant(lab), pytest.raises(checking.Busy):
                checking.check()
            assert checking.check_due() == 0

    def test_a_record_is_due_until_it_was_verified_and_again_after_a_day(self, lab):
        assert str(lab.pk) in checking.due()
        with enter_tenant(lab):
            seal()
            checking.check()
        assert str(lab.pk) not in checking.due()
        with enter_platform():
            for hours in (-21, +30):
                RecordCheck.objects.filter(pk=lab.pk).update(
                    checked_at=timezone.now() + timedelta(hours=hours)
                )
                assert str(lab.pk) in checking.due()

    def test_one_that_cannot_be_verified_keeps_no_other_waiting(self, lab, monkeypatch):
        def verify():
            raise OSError("the disk is gone")

        monkeypatch.setattr(checking, "due", lambda: ["nobody", str(lab.pk)])
        with capture_logs() as log, enter_platform():
            assert tasks.check_records() == 1
            monkeypatch.setattr(checking, "verify", verify)
            tasks.check_records()
            RecordCheck.objects.filter(record="nobody").delete()

        assert "verification ended early" in [line["event"] for line in log]
        assert "could not be verified" in checking.state(str(lab.pk)).sentence


class TestPages:
    def test_the_overview_says_that_the_record_is_intact(self, acme, ann, browser):
        page = browser(acme, ann).get("/admin/").content.decode()
        assert "Record not verified yet" in page
        with enter_platform():
            RecordCheck.objects.create(record=str(acme.pk), events=1234, seconds=1)
        page = browser(acme, ann).get("/admin/").content.decode()
        assert "Record intact up to event 1,234 · verified now" in page
        assert 'role="alert"' not in page

    def test_the_overview_raises_the_alarm(self, acme, ann, browser):
        with enter_platform():
            RecordCheck.objects.create(
                record=str(acme.pk),
                events=1,
                seconds=1,
                wrong="altered",
                sentence="altered: event 7 <b>.",
            )
        page = browser(acme, ann).get("/admin/").content.decode()

        assert "The record is not intact." in page
        assert "altered: event 7 &lt;b&gt;." in page

    def test_another_tenant_sees_nothing_of_it(self, acme, globex, sam, browser):
        with enter_platform():
            RecordCheck.objects.create(
                record=str(acme.pk), events=1, seconds=1, wrong="altered", sentence="of acme"
            )
        assert "of acme" not in browser(globex, sam).get("/admin/").content.decode()

    def test_the_console_says_it_above_the_list_of_tenants(self, acme, operator):
        with enter_platform():
            RecordCheck.objects.create(
                record=str(acme.pk), events=1, seconds=1, wrong="altered", sentence="altered: x."
            )
        console = Client(headers={"host": "localhost"})
        console.force_login(operator)
        page = console.get("/admin/tenants/tenant/").content.decode()

        assert "The record of acme is not intact. altered: x." in page


class TestMetrics:
    def get(self, token=None, host="localhost"):
        headers = {"host": host} | ({"authorization": f"Bearer {token}"} if token else {})
        return Client(headers=headers).get("/metrics")

    def test_without_a_token_there_is_no_such_page(self, db, settings):
        assert self.get().status_code == 404
        assert self.get("").status_code == 404
        assert self.get("None").status_code == 404
        settings.TENANTRY_METRICS_TOKEN = TOKEN
        assert self.get().status_code == 404
        assert self.get("another").status_code == 404
        assert self.get("é" * 40).status_code == 404

    def test_a_tenants_host_has_none(self, acme, settings):
        settings.TENANTRY_METRICS_TOKEN = TOKEN
        assert self.get(TOKEN, "acme.localhost").status_code == 404

    def test_numbers_are_there_in_the_form_of_prometheus(self, db, settings, tmp_path, monkeypatch):
        settings.TENANTRY_METRICS_TOKEN = TOKEN
        settings.TENANTRY_WITNESS_FILE = tmp_path / "checkpoints"
        now = time.time()
        for passed in (0, 5):
            monkeypatch.setattr(time, "time", lambda passed=passed: now + passed)
            lag.note([Unsealed("one", 17, True)])
        answer = self.get(TOKEN)
        lines = [line for line in answer.content.decode().splitlines() if line[0] != "#"]
        numbers = dict(line.rsplit(" ", 1) for line in lines)

        assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
        assert numbers["tenantry_sealing_sweep_seen"] == "1"
        assert numbers["tenantry_unsealed_events"] == "17"
        assert float(numbers["tenantry_sealing_lag_seconds"]) == 5
        assert 'tenantry_witness_behind_records{witness="file"}' in numbers
        assert {
            "tenantry_oldest_transaction_seconds",
            "tenantry_records_not_intact",
            "tenantry_records",
        } <= set(numbers)

    def test_no_sweep_is_a_number_too(self, db, settings):
        settings.TENANTRY_METRICS_TOKEN = TOKEN
        assert b"tenantry_sealing_sweep_seen 0\n" in self.get(TOKEN).content
