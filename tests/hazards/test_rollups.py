"""F01, F02, F04, F05: whatever becomes of workers, messages and Redis, figures equal a recount.

Folding processes are killed as ``kill -9`` does, at any moment, while events arrive.
"""

import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from activity import rollups
from activity.context import Actor, ActorKind
from activity.models import ActivityEvent, RollupCursor, Segment
from activity.recording import record
from activity.rollups import cursors, folding, health, rebuilding, sweeping
from activity.rollups.comparing import compare
from activity.rollups.tasks import aggregate_all, aggregate_tenant
from activity.sealing import sealer
from config.environment import CHECKOUT
from tenants.context import enter_platform, enter_tenant
from tests.activity.settling import settle as seal_everything
from tests.activity.test_rollups import fold, recount, rolled_up, settle

SECONDS = float(os.environ.get("TEST_HAMMER_SECONDS", "4"))

# Starting Django takes seconds, so one process forks those that fold and rebuild, and kills them.
FOLDING = """
import os, random, signal, sys, time
import django
django.setup()
from django.utils import timezone
from activity.rollups import folding, rebuilding
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant

folding.MOST_EVENTS = 3

def keep_folding():
    with enter_platform():
        tenant = Tenant.objects.get(pk=sys.argv[1])
    with enter_tenant(tenant):
        while True:
            folding.fold(timezone.now(), 1)
            rebuilding.begin()
            rebuilding.carry_on(timezone.now(), 2)

def start():
    pid = os.fork()
    if not pid:
        try:
            keep_folding()
        finally:
            os._exit(1)
    return pid

children = [start() for _ in range(2)]
killed = 0
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    time.sleep(random.uniform(0.02, 0.3))
    place = random.randrange(len(children))
    os.kill(children[place], signal.SIGKILL)
    os.waitpid(children[place], 0)
    killed += 1
    children[place] = start()
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(killed)
"""


def environment():
    database = settings.DATABASES["default"]
    user, password = quote(database["USER"]), quote(database["PASSWORD"])
    return os.environ | {
        "DATABASE_URL": f"postgresql://{user}:{password}@{quote(database['HOST'], safe='')}"
        f":{database['PORT'] or 5432}/{connection.settings_dict['NAME']}",
    }


def write(lab, stop):
    dice = random.Random(7)
    try:
        with enter_tenant(lab):
            while not stop.is_set():
                actor = Actor(ActorKind.PERSON, f"person-{dice.randrange(5)}", "Somebody")
                record(dice.choice(("session.started", "user.changed")), actor=actor)
                if dice.random() < 0.3:
                    sealer.seal(timezone.now())
                time.sleep(0.01)
    finally:
        connection.close()


def test_f01_workers_that_are_killed_at_any_moment_change_no_figure(lab):
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write, lab, stop)
        done = subprocess.run(
            [sys.executable, "-c", FOLDING, str(lab.pk), str(SECONDS)],
            env=environment(),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS + 60,
        )
        stop.set()
        writer.result(timeout=60)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5
    with enter_tenant(lab):
        assert ActivityEvent.objects.count() > 20
        settle()
        rebuilding.finish(timezone.now())
        assert rolled_up() == recount()
        assert compare().difference is None
        assert RollupCursor.objects.count() == 1


def test_f01_a_transaction_of_a_backlog_is_bounded(lab, monkeypatch):
    monkeypatch.setattr(folding, "MOST_EVENTS", 3)
    with enter_tenant(lab):
        for _ in range(5):
            record("session.started")
            record("session.ended")
            seal_everything()
        settle()
        RollupCursor.objects.all().delete()
        some = rollups.fold(timezone.now(), 1)

        assert not some.is_complete
        assert cursors.served().number < cursors.newest_segment()


def test_f02_the_same_message_twice_at_once_and_late_counts_once(lab):
    with enter_tenant(lab):
        settle()
        for _ in range(20):
            record("session.started")
        seal_everything()

    def deliver(_):
        try:
            return aggregate_tenant(tenant_id=str(lab.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, range(8)))

    with enter_tenant(lab):
        settle()
        assert rolled_up() == recount()
        assert deliver(0) == 0


def test_f04_two_beats_count_nothing_twice_and_one_that_was_stopped_catches_up(lab):
    with enter_tenant(lab):
        for _ in range(10):
            record("session.started")
        seal_everything()
    with enter_platform():
        assert str(lab.pk) in sweeping.behind()
        aggregate_all.delay()
        aggregate_all.delay()
        assert str(lab.pk) not in sweeping.behind()

    with enter_tenant(lab):
        settle()
        assert rolled_up() == recount()


def test_f05_without_redis_the_sweep_finds_who_is_behind(lab, monkeypatch):
    with enter_tenant(lab):
        settle()
        record("session.started")
        seal_everything()
        newest = Segment.objects.latest("number").number
    with enter_platform():
        cache.clear()

    assert (str(lab.pk) in sweeping.behind()) == (newest > of(lab).number)
    with enter_tenant(lab):
        fold()
    assert str(lab.pk) not in sweeping.behind()


def of(tenant):
    with enter_tenant(tenant):
        return cursors.served()


@pytest.mark.parametrize("figure", ["dailytotal", "monthlytally"])
def test_f02_a_figure_that_is_not_a_recounts_is_found_said_and_repaired(lab, figure):
    with enter_tenant(lab):
        actor = Actor(ActorKind.PERSON, "id-of-ann", "Ann")
        record("session.started", actor=actor)
        settle()
        assert compare().difference is None
        with connection.cursor() as cursor:
            if figure == "dailytotal":
                cursor.execute(
                    "UPDATE activity_dailytotal SET events = events + 1"
                    " WHERE action = 'session.started'"
                )
            else:
                cursor.execute(
                    "UPDATE activity_monthlytally SET events_through[cardinality(events_through)]"
                    " = events + 1 WHERE kind = 'person'"
                )

        found = compare().difference

        assert (found.counted, found.recounted) == (2, 1)
        assert found.figure == {"dailytotal": "total", "monthlytally": "person"}[figure]
        assert health.of_place().difference == found.sentence
        assert health.of_fleet().differing == 1
        rebuilding.rebuild(timezone.now())
        assert compare().difference is None
        assert health.of_place().difference == ""
