"""Sealing: each committed event becomes a leaf once, whatever happens."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from activity import tasks
from activity.leaves import leaf_hash_sql
from activity.models import ActivityEvent, Segment, Tile
from activity.recording import record
from activity.sealing import keys, notes, sealer, tiles, tree, unsealed
from activity.verifying import verify
from config.environment import CHECKOUT
from tenants.context import current_scope, enter_tenant
from tests.activity.settling import seal, sealed, settle, until
from tests.activity.test_rollups import another_connection, happen_on


def happen(count=1):
    for _ in range(count):
        record("session.started")


def leaves():
    """The leaf of every event, in the order of the record."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {leaf_hash_sql()} FROM activity_activityevent ORDER BY xid, id",
            {"tenant": current_scope()},
        )
        return [bytes(found) for (found,) in cursor.fetchall()]


def stored():
    return tree.split(tiles.hashes(0, 0, sealed()))


def test_every_event_is_a_leaf_in_the_order_of_commits(lab):
    with enter_tenant(lab):
        happen(300)
        settle()

        assert stored() == leaves()
        assert verify().wrong is None
        for segment in Segment.objects.all():
            checkpoint = notes.checked(segment.note, keys.verifiers())
            assert checkpoint.origin == f"tenantry/{lab.pk}"
            assert checkpoint.size == segment.size


def test_sealing_again_writes_nothing(lab):
    with enter_tenant(lab):
        happen(5)
        settle()
        before = list(Segment.objects.values()), list(Tile.objects.values())

        assert seal() == 0
        assert (list(Segment.objects.values()), list(Tile.objects.values())) == before


def test_a_backlog_is_sealed_in_bounded_segments(lab, monkeypatch):
    with enter_tenant(lab):
        happen(20)
        monkeypatch.setattr(sealer, "MOST", 7)
        monkeypatch.setattr(sealer, "_NEXT", sealer._NEXT.replace("LIMIT 16384", "LIMIT 7"))
        settle()

        assert max(Segment.objects.values_list("events", flat=True)) <= 7
        assert stored() == leaves()
        assert verify().wrong is None


def test_what_commits_late_is_sealed_late_and_not_lost(lab):
    with enter_tenant(lab), another_connection(lab) as slow:
        settle()
        before = sealed()
        happen_on(slow)
        happen(2)

        assert seal() == 0
        slow.commit()
        settle()

        assert sealed() == before + 3
        assert stored() == leaves()


def test_what_is_rolled_back_is_never_sealed(lab):
    with enter_tenant(lab), another_connection(lab) as doomed:
        settle()
        before = sealed()
        happen_on(doomed)
        seal()
        doomed.rollback()
        seal()

        assert sealed() == before


def test_events_from_another_cluster_are_sealed_first_and_then_those_of_this_one(lab):
    with enter_tenant(lab):
        happen(4)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            ActivityEvent.objects.update(cluster=4711)
            cursor.execute("UPDATE activity_activityevent SET xid = xid + 1000000000000")
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
        came = ActivityEvent.objects.count()
        sealer.arrive()
        arrived = sealed()
        happen(3)
        settle()

        assert arrived == came
        assert sealed() == came + 3
        assert verify().wrong is None


def test_two_sealers_at_once_seal_nothing_twice(lab):
    with enter_tenant(lab):
        happen(60)
    barrier = threading.Barrier(4)

    def sealing():
        try:
            barrier.wait(timeout=30)
            with enter_tenant(lab):
                return seal()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum([future.result() for future in [pool.submit(sealing) for _ in range(4)]]) <= 63

    with enter_tenant(lab):
        settle()
        assert stored() == leaves()
        assert verify().wrong is None


def test_a_hammer_of_writers_and_sealers_ends_with_each_event_sealed_once(lab):
    writing = threading.Event()
    writing.set()

    def write(seed):
        dice = random.Random(seed)
        try:
            with enter_tenant(lab):
                for _ in range(12):
                    with suppress(ZeroDivisionError), transaction.atomic():
                        happen(dice.randint(1, 3))
                        time.sleep(dice.random() / 50)
                        if dice.random() < 0.3:
                            raise ZeroDivisionError
        finally:
            connection.close()

    def keep_sealing():
        try:
            with enter_tenant(lab):
                while writing.is_set():
                    seal()
        finally:
            connection.close()

    with ThreadPoolExecutor(18) as pool:
        sealers = [pool.submit(keep_sealing) for _ in range(2)]
        for writer in [pool.submit(write, seed) for seed in range(16)]:
            writer.result(timeout=60)
        writing.clear()
        for one in sealers:
            one.result(timeout=60)

    with enter_tenant(lab):
        settle()
        assert stored() == leaves()
        assert verify().wrong is None


KILLED = """
import os, signal, sys
import django
django.setup()
from django.db import connection
from django.utils import timezone
from activity.sealing import sealer
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant

def wrapper(execute, sql, *arguments):
    if sys.argv[2] in str(sql):
        os.kill(os.getpid(), signal.SIGKILL)
    answer = execute(sql, *arguments)
    return answer

with enter_platform():
    tenant = Tenant.objects.get(pk=sys.argv[1])
with enter_tenant(tenant), connection.execute_wrapper(wrapper):
    sealer.seal(timezone.now())
"""


@pytest.mark.parametrize("word", ["INSERT INTO activity_tile", 'INSERT INTO "activity_segment"'])
def test_a_sealer_that_is_killed_leaves_nothing_half_done(lab, word):
    place = connection.settings_dict
    user = quote(place["USER"], safe="")
    password = f":{quote(place['PASSWORD'], safe='')}" if place["PASSWORD"] else ""
    port = f":{place['PORT']}" if place["PORT"] else ""
    host = quote(place["HOST"], safe="")
    url = f"postgresql://{user}{password}@{host}{port}/{place['NAME']}"
    with enter_tenant(lab):
        settle()
        happen(5)
        before = sealed()

        deadline = time.monotonic() + 120
        status = 0
        while status != -signal.SIGKILL and time.monotonic() < deadline:
            status = subprocess.run(
                [sys.executable, "-c", KILLED, str(lab.pk), word],
                cwd=CHECKOUT,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "config.settings.test",
                    "DATABASE_URL": url,
                    "REDIS_URL": settings.REDIS_URL,
                },
                timeout=60,
            ).returncode

        assert status == -signal.SIGKILL
        assert sealed() == before
        settle()
        assert stored() == leaves()
        assert verify().wrong is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM activity_segment",
        "TRUNCATE activity_segment",
        "UPDATE activity_segment SET events = events + 1",
        "DELETE FROM activity_tile",
        "TRUNCATE activity_tile",
        "UPDATE activity_tile SET hashes = substr(hashes, 33)",
        "UPDATE activity_tile SET hashes = 'x'::bytea || hashes",
        "UPDATE activity_tile SET index = index + 1",
    ],
)
def test_the_database_refuses_to_take_anything_back(lab, statement):
    with enter_tenant(lab):
        settle()
        with (
            pytest.raises(DatabaseError, match=r"append-only|only grow"),
            connection.cursor() as one,
        ):
            one.execute(statement)


def is_unsealed(tenant):
    """Ask a process that has just started, which asks everybody."""
    return any(one.record == str(tenant.pk) and one.is_ripe for one in unsealed.Sweep().unsealed())


def test_the_sweep_finds_who_has_something_to_seal_and_nobody_else(lab):
    with enter_tenant(lab):
        settle()
        idle = is_unsealed(lab)
        happen()
        until(lambda: is_unsealed(lab))

        assert not idle
        assert is_unsealed(lab)
        assert tasks.seal_tenant.delay(tenant_id=str(lab.pk)).get() == 1
        assert not is_unsealed(lab)
