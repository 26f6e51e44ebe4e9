"""L12, L18: whatever writers and sealers go through, what is sealed is what was committed.

Sixteen writers commit, roll back, and keep transactions open while sealers in processes of their
own are killed as ``kill -9`` does. ``make hammer`` does it for a minute.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection, transaction

from activity.models import ActivityEvent, Segment
from activity.recording import record
from activity.sealing import tiles, tree
from activity.verifying import verify
from config.environment import CHECKOUT
from tenants.context import enter_tenant
from tests.activity.settling import sealed, settle
from tests.activity.test_sealing import leaves, stored

SECONDS = float(os.environ.get("TEST_HAMMER_SECONDS", "4"))
WRITERS = 16
SEALERS = 2

# Starting Django takes seconds, so one process forks the sealers, and kills them.
SEALING = """
import os, random, select, signal, sys, time
import django
django.setup()
from django.db import connection
from django.utils import timezone
from activity.sealing import sealer
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant

def keep_sealing():
    with enter_platform():
        tenant = Tenant.objects.get(pk=sys.argv[1])
    with enter_tenant(tenant):
        sealer.seal(timezone.now())
        print("sealed", flush=True)
        while True:
            sealer.seal(timezone.now())

def told_to_end():
    return select.select([sys.stdin], [], [], 0)[0]

def start():
    pid = os.fork()
    if not pid:
        try:
            keep_sealing()
        finally:
            os._exit(1)
    return pid

dice = random.Random(int(sys.argv[3]))
ends = time.monotonic() + float(sys.argv[2])
running = [start() for _ in range(2)]
killed = 0
while time.monotonic() < ends or not told_to_end():
    time.sleep(dice.uniform(0.02, 0.6))
    doomed = running.pop(dice.randrange(len(running)))
    os.kill(doomed, signal.SIGKILL)
    _, status = os.waitpid(doomed, 0)
    killed += os.WTERMSIG(status) == signal.SIGKILL
    running.append(start())
for pid in running:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print(killed)
"""


@pytest.fixture
def environment(lab):
    """What leads another process to the database of the tests."""
    place = connection.settings_dict
    user = quote(place["USER"], safe="")
    password = f":{quote(place['PASSWORD'], safe='')}" if place["PASSWORD"] else ""
    port = f":{place['PORT']}" if place["PORT"] else ""
    host = quote(place["HOST"], safe="")
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": f"postgresql://{user}{password}@{host}{port}/{place['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
    }


def write(tenant, seed, stop):
    """Commit and roll back until told to stop; return the ids of what was committed."""
    dice = random.Random(seed)
    committed = []
    try:
        with enter_tenant(tenant):
            while not stop.is_set():
                with suppress(ZeroDivisionError):
                    with transaction.atomic():
                        ids = [_happen(dice) for _ in range(dice.randint(1, 4))]
                        # Most are short; now and then one stays open over several seals.
                        time.sleep(dice.random() * (1.5 if dice.random() < 0.03 else 0.02))
                        if dice.random() < 0.25:
                            raise ZeroDivisionError
                    committed += ids
                time.sleep(dice.random() / 50)
    finally:
        connection.close()
    return committed


def _happen(dice):
    """Write an event, or in a savepoint one that stays and one that goes."""
    if dice.random() < 0.2:
        with suppress(ZeroDivisionError), transaction.atomic():
            record("session.ended")
            raise ZeroDivisionError
    return record("session.started", reason="ü\u0000😀" * dice.randint(0, 3)).pk


def test_l12_what_is_sealed_under_the_hammer_is_what_was_committed(lab, environment):
    with enter_tenant(lab):
        before = set(ActivityEvent.objects.values_list("pk", flat=True))
    seed = random.randrange(2**32)
    stop = threading.Event()
    killer = subprocess.Popen(
        [sys.executable, "-c", SEALING, str(lab.pk), str(SECONDS), str(seed)],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, lab, seed + number, stop) for number in range(WRITERS)]
        try:
            already = _when_more_is_sealed(lab, len(before), within=SECONDS + 60)
            said, _ = killer.communicate(timeout=SECONDS + 60)
        finally:
            stop.set()
        committed = before.union(*(set(writer.result(timeout=60)) for writer in writers))

    assert killer.returncode == 0, seed
    assert int(said.split()[-1]) >= 1, seed
    with enter_tenant(lab):
        settle()
        assert already > len(before), f"nothing was sealed under the hammer, seed {seed}"
        assert set(ActivityEvent.objects.values_list("pk", flat=True)) == committed, seed
        assert sealed() == len(committed) == sum(one.events for one in Segment.objects.all()), seed
        assert stored() == leaves(), seed
        assert max(Counter(tree.split(tiles.hashes(0, 0, sealed()))).values()) == 1, seed
        verdict = verify()
        assert (verdict.wrong, verdict.events) == (None, len(committed)), seed


def _when_more_is_sealed(tenant, events, within):
    """Wait until the sealers that are killed have sealed more; return how much is sealed then."""
    deadline = time.monotonic() + within
    with enter_tenant(tenant):
        while (already := sealed()) <= events and time.monotonic() < deadline:
            time.sleep(0.05)
    return already


def test_l12_a_sealer_that_is_killed_holds_up_no_other(lab, environment):
    with enter_tenant(lab):
        settle()
        waiting = subprocess.Popen(
            [sys.executable, "-c", SEALING, str(lab.pk), "0", "1"],
            cwd=CHECKOUT, env=environment, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert waiting.stdout.readline() == "sealed\n"
        os.killpg(waiting.pid, signal.SIGKILL)
        waiting.communicate(timeout=60)
        record("session.started")
        settle()
        assert verify().wrong is None
