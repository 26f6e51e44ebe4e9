"""Floods: few events, every attempt counted."""

import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from activity import context, floods, rollups
from activity.actions import CATALOGUE
from activity.catalogue import DESCRIPTIONS, FLOOD, fields_of_details
from activity.context import ANONYMOUS, Actor, ActorKind, Channel, Context
from activity.events import sentence
from activity.models import ActivityEvent, DailyTotal, Outcome
from activity.recording import record
from activity.schemas import problem
from activity.sealing import sealer
from activity.subjects import Subject
from activity.tasks import settle_floods
from config.environment import CHECKOUT
from tenants import lifecycle
from tenants.archive import contents
from tenants.context import enter_platform, enter_tenant, enter_unserved
from tenants.models import Tally

BOB = Actor(ActorKind.PERSON, "id-of-bob", "Bob")
ANN = Subject("user", "id-of-ann", "Ann")


def attempt(times=1, *, ip="203.0.113.9", target=ANN, action="session.failed", **details):
    asked = Context(actor=ANONYMOUS, channel=Channel.PAGE, ip=ip, user_agent="curl")
    with context.acting_as(asked):
        for _ in range(times):
            record(action, target=target, outcome=Outcome.FAILURE, details=details)


def deny(number, actor=BOB):
    asked = Context(actor=actor, channel=Channel.PAGE, ip="203.0.113.9")
    with context.acting_as(asked):
        record(
            "access.denied",
            target=Subject("page", label=f"/{number}/"),
            outcome=Outcome.DENIED,
            details={"method": "GET", "path": f"/{number}/", "why": "not permitted"},
        )


def found(action="session.failed"):
    return list(ActivityEvent.objects.filter(action=action).order_by("id"))


def attempts(action="session.failed"):
    """How many attempts the record tells of."""
    return sum(event.details.get("count", 1) for event in found(action))


def end_windows():
    with enter_platform():
        # One at a time: two that end all of them at once would wait for each other.
        for key in Tally.objects.values_list("pk", flat=True):
            Tally.objects.filter(pk=key).update(ends_at=datetime(2020, 1, 1, tzinfo=UTC))


# What becomes of a flood


def test_a_flood_is_few_events_and_every_attempt_is_counted(in_acme):
    before = datetime.now(UTC)
    attempt(100)
    assert len(found()) == FLOOD.singles

    floods.settle_now()

    assert len(found()) == FLOOD.singles + 1
    assert attempts() == 100
    fold = found()[-1]
    assert fold.details["count"] == 100 - FLOOD.singles
    first, last = (
        datetime.fromisoformat(fold.details[name].replace("Z", "+00:00"))
        for name in ("first", "last")
    )
    assert before - timedelta(seconds=1) < first <= last <= fold.occurred_at
    assert (fold.ip, fold.user_agent, fold.channel) == ("203.0.113.9", "curl", "page")
    assert (fold.target_type, fold.target_id, fold.target_label) == (ANN.type, ANN.id, ANN.label)
    assert (fold.outcome, fold.severity) == ("failure", CATALOGUE["session.failed"].severity)
    assert problem(fields_of_details(fold.action), fold.details) == ""
    assert sentence(fold) == "Somebody failed to sign in as Ann, 95 more times"


def test_the_fold_is_an_event_like_any_other_with_its_own_id_and_salts(in_acme):
    attempt(FLOOD.singles + 1)
    floods.settle_now()

    *_, single, fold = found()
    assert fold.id > single.id
    assert fold.xid > 0
    assert fold.actor_salt != single.actor_salt
    assert fold.target_salt != single.target_salt
    assert fold.actor_commitment is None


@pytest.mark.parametrize("times", [1, FLOOD.singles])
def test_a_few_attempts_are_written_as_they_come_and_fold_to_nothing(in_acme, times):
    attempt(times)
    floods.settle_now()

    assert len(found()) == attempts() == times
    with enter_platform():
        assert not Tally.objects.exists()


def test_the_next_attempt_after_a_window_writes_what_was_counted(in_acme):
    attempt(20)
    end_windows()

    attempt(1)

    assert attempts() == 21
    assert [event.details.get("count") for event in found()] == [
        *[None] * (FLOOD.singles + 1),
        20 - FLOOD.singles,
    ]
    attempt(FLOOD.singles - 1)
    assert len(found()) == 2 * FLOOD.singles + 1, "a new window begins with events by themselves"


def test_windows_that_go_on_are_left_alone(in_acme):
    attempt(20)

    assert floods.settle() == 0
    assert len(found()) == FLOOD.singles
    end_windows()
    assert floods.settle() == 1
    assert floods.settle() == 0
    assert attempts() == 20


def test_accounts_networks_and_actions_are_floods_of_their_own(in_acme):
    attempt(10)
    attempt(10, ip="203.0.113.10")
    attempt(10, target=Subject("user", "id-of-cleo", "Cleo"))
    attempt(10, ip=None)
    floods.settle_now()

    assert len(found()) == 4 * (FLOOD.singles + 1)
    assert attempts() == 40


def test_the_addresses_of_one_subscriber_are_one_flood(in_acme):
    for number in range(30):
        attempt(ip=f"2001:db8:1:2::{number:x}")
    attempt(ip="2001:db8:1:3::1")
    floods.settle_now()

    assert len(found()) == FLOOD.singles + 2
    assert attempts() == 31


def test_unknown_names_are_one_flood_that_blames_none_of_them(in_acme):
    for number in range(30):
        attempt(target=Subject(), identifier_hash=f"{number:032x}")
    floods.settle_now()

    fold = found()[-1]
    assert fold.details.keys() == {"count", "first", "last"}
    assert fold.target_id == ""


def test_what_all_had_in_common_is_kept(in_acme):
    attempt(30, why="too many attempts")
    floods.settle_now()

    assert found()[-1].details["why"] == "too many attempts"


def test_one_person_at_many_doors_is_one_flood_of_that_person_at_several(in_acme):
    for number in range(30):
        deny(number)
    floods.settle_now()

    fold = found("access.denied")[-1]
    assert attempts("access.denied") == 30
    assert (fold.actor_id, fold.actor_label) == ("id-of-bob", "Bob")
    assert (fold.target_type, fold.target_id, fold.target_label) == ("several", "", "several")
    assert fold.details.keys() == {"count", "first", "last", "method", "why"}
    assert (fold.details["method"], fold.details["why"]) == ("GET", "not permitted")
    assert sentence(fold) == "Bob was refused several, 25 more times"


def refuse(*whys, tenant="id-of-acme", **details):
    asked = Context(actor=BOB, channel=Channel.PAGE, ip="203.0.113.9")
    with context.acting_as(asked):
        for why in whys:
            record(
                "support.refused",
                target=Subject("tenant", tenant, tenant.removeprefix("id-of-").title()),
                outcome=Outcome.DENIED,
                details={"why": why, **details},
            )


@pytest.mark.parametrize("singles", ["wrong password", "too many attempts"])
def test_only_what_differs_is_left_out(in_acme, singles):
    refuse(*[singles] * 5, *["wrong password"] * 3, *["too many attempts"] * 8, access="one")
    floods.settle_now()

    fold = found("support.refused")[-1]
    assert (fold.target_type, fold.target_id) == ("tenant", "id-of-acme")
    assert sentence(fold) == "Bob was refused support access to Acme, 11 more times"
    assert fold.details.keys() == {"count", "first", "last", "access"}
    assert fold.details["access"] == "one"


def test_a_detail_that_some_have_not_is_left_out(in_acme):
    refuse(*["ended"] * 5, access="one")
    refuse(*["ended"] * 5)
    floods.settle_now()

    assert found("support.refused")[-1].details.keys() == {"count", "first", "last", "why"}


def test_what_differed_once_is_left_out_whatever_follows(in_acme):
    refuse(*["ended"] * 6)
    refuse("ended", tenant="id-of-globex")
    refuse(*["ended"] * 9)
    floods.settle_now()

    fold = found("support.refused")[-1]
    assert (fold.target_type, fold.target_id, fold.details["why"]) == ("several", "", "ended")
    assert attempts("support.refused") == 16


def test_a_new_window_knows_nothing_of_what_differed_before(in_acme):
    refuse(*["ended"] * 5, "operator")
    end_windows()
    refuse(*["person"] * 9)
    floods.settle_now()

    folds = [one.details for one in found("support.refused") if "count" in one.details]
    assert [one.get("why") for one in folds] == [None, "person"]


def test_what_is_written_by_itself_amid_a_count_narrows_it_too(in_acme):
    refuse(*["ended"] * 6)
    # As a process does that began to write before the others had written theirs.
    event = found("support.refused")[-1]
    event.pk, event.outcome, event.details = None, Outcome.DENIED, {"why": "operator"}
    event._state.adding = True
    with transaction.atomic():
        floods.write(event, FLOOD)
    floods.settle_now()

    fold = found("support.refused")[-1]
    assert (fold.target_id, fold.details.keys()) == ("id-of-acme", {"count", "first", "last"})


def test_a_count_that_the_release_before_began_claims_nothing_in_common(in_acme):
    refuse(*["ended"] * 5, "operator")
    with enter_platform():
        Tally.objects.update(common={})
    floods.settle_now()

    fold = found("support.refused")[-1]
    assert (fold.target_label, "why" in fold.details) == ("several", False)


def test_one_person_at_one_door_is_told_with_the_door(in_acme):
    for _ in range(30):
        deny(1)
    floods.settle_now()

    fold = found("access.denied")[-1]
    assert fold.target_label == fold.details["path"] == "/1/"


def test_two_people_are_two_floods(in_acme):
    for _ in range(10):
        deny(1)
        deny(1, Actor(ActorKind.PERSON, "id-of-cleo", "Cleo"))
    floods.settle_now()

    assert len(found("access.denied")) == 2 * (FLOOD.singles + 1)


def test_a_success_is_never_counted_in_place_of_being_written(in_acme):
    before = len(found("session.started"))
    for _ in range(20):
        record("session.started", target=ANN)

    assert len(found("session.started")) == before + 20


# Apart


def test_equal_floods_of_two_tenants_and_the_platform_do_not_mix(acme, globex):
    for times, place in ((10, enter_tenant(acme)), (20, enter_tenant(globex))):
        with place:
            attempt(times)
    with enter_platform():
        attempt(30)
        end_windows()

    assert settle_floods() == 3

    for times, place in ((10, enter_tenant(acme)), (20, enter_tenant(globex))):
        with place:
            assert attempts() == times
    with enter_platform():
        assert attempts() == 30
        assert not Tally.objects.exists()


def test_what_is_counted_says_nothing_of_anybody(acme):
    with enter_tenant(acme):
        attempt(20, why="too many attempts")
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(tally)::text FROM tenants_tally AS tally")
        [(said,)] = cursor.fetchall()

    assert not [word for word in ("203.0.113.9", "ann", "Ann", "curl", "session") if word in said]


def test_a_suspended_tenant_gets_its_counts_too(acme):
    with enter_tenant(acme):
        attempt(20)
    lifecycle.suspend(acme)
    end_windows()

    assert settle_floods() == 1
    with enter_unserved(acme):
        assert attempts() == 20


def test_counts_of_a_tenant_that_is_gone_are_dropped(acme):
    with enter_tenant(acme):
        attempt(20)
    with enter_platform():
        Tally.objects.update(tenant_id="00000000-0000-0000-0000-000000000001")
    end_windows()

    assert settle_floods() == 0
    with enter_platform():
        assert not Tally.objects.exists()


def test_a_record_that_fails_keeps_its_counts_and_no_other_waiting(acme, globex):
    with enter_tenant(acme):
        attempt(20)
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE activity_activityevent ADD CONSTRAINT broken CHECK (false) NOT VALID"
            )
    with enter_tenant(globex):
        attempt(20)
    end_windows()

    assert settle_floods() == 1
    with enter_platform():
        assert Tally.objects.get().tenant_id == acme.pk
    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent DROP CONSTRAINT broken")
    assert settle_floods() == 1
    with enter_tenant(acme):
        assert attempts() == 20


def test_a_count_whose_event_is_gone_is_not_dropped_in_silence(in_acme):
    attempt(20)
    with enter_platform():
        Tally.objects.update(event_id="00000000-0000-0000-0000-000000000001")

    with pytest.raises(DatabaseError, match="not in the record"), transaction.atomic():
        floods.settle_now()

    with enter_platform():
        assert Tally.objects.get().folded == 15


def test_an_export_takes_the_counts_along(in_acme):
    attempt(20)

    for prepare in contents.before_export:
        prepare()

    assert attempts() == 20


# Read as attempts


def test_roll_ups_count_attempts_and_not_events(lab):
    with enter_tenant(lab):
        attempt(100)
        floods.settle_now()
        # Folding waits for transactions of other tests that are older.
        deadline = time.monotonic() + 120
        while True:
            sealer.seal(datetime.now(UTC))
            rollups.fold(datetime.now(UTC))
            rows = DailyTotal.objects.filter(action="session.failed")
            counted = sum(rows.values_list("events", flat=True))
            if counted > FLOOD.singles or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert counted == 100


# At the door


def test_a_flood_at_the_sign_in_page_is_counted_without_redis_too(
    browser, acme, ann, recorded, settings, monkeypatch
):
    monkeypatch.setattr("config.cache.TenantRedisCache.resting_until", time.monotonic() + 3600)
    guesser = browser(acme)
    for _ in range(40):
        guesser.post("/accounts/login/", {"login": "ann", "password": "a guess"})
    assert len(recorded(acme, "session.failed")) == FLOOD.singles
    with enter_tenant(acme):
        floods.settle_now()
        assert attempts() == 40


def test_a_flood_that_the_limit_refuses_is_counted(browser, acme, ann, recorded, no_attempts_yet):
    guesser = browser(acme)
    for _ in range(70):
        guesser.post("/accounts/login/", {"login": "ann", "password": "a guess"})

    with enter_tenant(acme):
        floods.settle_now()
        assert attempts() == 70
        assert len(found()) == FLOOD.singles + 1


# All at once, and killed


def test_threads_at_once_lose_nothing(lab):
    def hammer(number):
        try:
            with enter_tenant(lab):
                for turn in range(60):
                    attempt(ip=f"203.0.113.{(number + turn) % 3}")
                    if random.random() < 0.1:
                        with enter_platform():
                            end_windows()
                    if random.random() < 0.1:
                        floods.settle()
        finally:
            connection.close()

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    with enter_tenant(lab):
        floods.settle_now()
        assert attempts() == 8 * 60


HAMMER = """
import sys, uuid
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant
from tests.activity.test_floods import attempt, end_windows
with enter_platform():
    lab = Tenant.objects.get(slug=sys.argv[1])
with enter_tenant(lab):
    for number in range(100_000):
        attempt(ip=f"203.0.113.{number % 2}")
        print(number, flush=True)
        if number % 50 == 49:
            end_windows()
"""


def test_processes_that_are_killed_lose_no_attempt_that_they_have_answered(lab, hammering):
    workers = [hammering(lab.slug) for _ in range(3)]
    answered = 0
    for worker in workers:
        for _ in range(40):
            worker.stdout.readline()
    time.sleep(0.5)
    for worker in workers:
        worker.kill()
        rest = worker.stdout.read().split()
        answered += 40 + len(rest)
        worker.wait()

    with enter_tenant(lab):
        _when_nobody_writes()
        floods.settle_now()
        # One that was under way may have been recorded and not answered.
        assert answered <= attempts() <= answered + len(workers)
        assert len(found()) < answered


def _when_nobody_writes():
    """The servers of the killed processes end a moment after them."""
    deadline = time.monotonic() + 60
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
                " AND state <> 'idle'"
            )
            if not cursor.fetchone()[0]:
                return
            assert time.monotonic() < deadline, "the server of a killed process did not end"
            time.sleep(0.05)


@pytest.fixture
def hammering(lab):
    started = []

    def start(slug):
        bootstrap = (
            "import os, django; django.setup();"
            "from django.conf import settings; from django.db import connections;"
            f"settings.DATABASES['default']['NAME'] = {connection.settings_dict['NAME']!r};"
            f"exec({HAMMER!r})"
        )
        worker = subprocess.Popen(
            [sys.executable, "-c", bootstrap, slug],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.wait()
        worker.stdout.close()


# The catalogue


def test_no_change_is_ever_folded():
    folded = {name for name, about in DESCRIPTIONS.items() if about.folding}

    assert {"session.failed", "session.refused", "access.denied"} <= folded
    assert not [name for name in folded if DESCRIPTIONS[name].changes]
