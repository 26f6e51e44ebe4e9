"""F01: a worker that is killed amidst a file leaves nothing of it, and the next one makes the same.

One process forks the workers, and kills them as ``kill -9`` does; meanwhile events go on being
written. ``make kill-exports`` does it twenty times over a million events.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection, transaction

from activity.events import COLUMNS
from activity.exporters import format_called
from activity.exporting.files import Export, of_events
from activity.jobs import asking, keeping, running
from activity.models import ActivityEvent
from activity.recording import record
from config.environment import CHECKOUT
from tenants.context import enter_tenant
from tests.exports import OPERATOR, files
from tests.exports import exports_of_its_own as exports_of_its_own

EVENTS = int(os.environ.get("TEST_EXPORT_EVENTS", "20000"))
KILLS = int(os.environ.get("TEST_EXPORT_KILLS", "4"))

MOST_GROWN = 64 * 1024
STORED, WRITTEN = -1, 10**9

WORKERS = """
import json, os, resource, signal, sys, time
from datetime import timedelta
import django
django.setup()
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant
from activity.jobs import running, steps
from activity.models import ExportJob

tenant_id, job_id, place, points = sys.argv[1:]
settings.TENANTRY_EXPORTS_DIRECTORY = place
settings.STORAGES["exports"]["OPTIONS"]["location"] = place + "/files"
# What is silent for so long is dead: otherwise the test would wait a quarter of a minute each time.
steps.STALE = timedelta(milliseconds=1)
written = running._Attempt._write
STORED = -1

def work():
    with enter_platform():
        tenant = Tenant.objects.get(pk=tenant_id)
    with enter_tenant(tenant):
        return running.run(job_id)

def start(dies_after):
    pid = os.fork()
    if pid:
        return pid
    if dies_after == STORED:
        # The storage has the file, and nobody knows yet.
        steps.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    elif dies_after is not None:
        def dying(self, pieces, part, beside):
            def counted():
                for number, piece in enumerate(pieces):
                    if number == dies_after:
                        os.kill(os.getpid(), signal.SIGKILL)
                    yield piece
                # The part is whole, and not stored yet.
                os.kill(os.getpid(), signal.SIGKILL)
            return written(self, counted(), part, beside)
        running._Attempt._write = dying
    code = 1
    try:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        code = {"ready": 0}.get(work(), 2)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(1, (json.dumps({"grown": grown}) + "\\n").encode())
    finally:
        os._exit(code)

died = []
for point in json.loads(points):
    _, status = os.waitpid(start(point), 0)
    died.append(os.waitstatus_to_exitcode(status))
    time.sleep(0.05)
print(json.dumps(died))
"""


def environment():
    """What leads another process to the database of the tests."""
    place = connection.settings_dict
    user, host = quote(place["USER"], safe=""), quote(place["HOST"], safe="")
    password = f":{quote(place['PASSWORD'], safe='')}" if place["PASSWORD"] else ""
    port = f":{place['PORT']}" if place["PORT"] else ""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": f"postgresql://{user}{password}@{host}{port}/{place['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
    }


def fill(number):
    """Multiply an event of many columns."""
    event = record("session.started", reason='=1+1, Zoë said "x"', details={})
    columns = [name for name in COLUMNS if name not in ("id", "occurred_at")]
    named = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO activity_activityevent (id, occurred_at, {named})"
            f" SELECT '00000000-0000-0000-0000-000000000000', 'epoch', {named}"
            " FROM activity_activityevent, generate_series(1, %s) WHERE id = %s",
            [number, event.pk],
        )


def reference(form):
    """The file as it is now."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        export = Export(
            source=of_events(ActivityEvent.objects.all(), COLUMNS, {}), format=format_called(form)
        )
        with export.opened() as pieces:
            for _ in pieces:
                pass
    return export


def worked(tenant, job, place, points):
    """Let workers make the file, one after another, each killed at its point; what they said."""
    ran = subprocess.run(
        [
            *(sys.executable, "-c", WORKERS, str(tenant.pk), str(job.pk)),
            *(str(place), json.dumps(points)),
        ],
        cwd=CHECKOUT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120 + KILLS * EVENTS / 20_000,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


@contextmanager
def writing(tenant):
    """Have events written until the block ends."""
    stop = threading.Event()

    def go_on():
        try:
            with enter_tenant(tenant):
                while not stop.wait(0.02):
                    record("session.ended")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(go_on)
        try:
            yield
        finally:
            stop.set()
        written.result(timeout=30)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_f01_workers_killed_amidst_a_file_leave_one_file_with_the_same_bytes(
    lab, exports_of_its_own, form
):
    with enter_tenant(lab):
        fill(EVENTS)
        with transaction.atomic():
            job = asking.request("events", {}, form, by=OPERATOR)
            connection.run_on_commit = []
        wanted = reference(form)

    # The first attempt finds what the reference found; all later ones find more.
    assert worked(lab, job, exports_of_its_own, [3]) == [[-signal.SIGKILL]]
    dice = random.Random(20261123)
    points = [STORED, WRITTEN, *(dice.choice([0, 1, 2, 5, 10, 20, 40, 80]) for _ in range(KILLS))]
    with writing(lab):
        memory, died = worked(lab, job, exports_of_its_own, [*points[: KILLS - 1], None])
    assert died == [-signal.SIGKILL] * (KILLS - 1) + [0]
    assert memory["grown"] < MOST_GROWN, "kilobytes of the worker's memory"

    with enter_tenant(lab):
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("ready", KILLS + 1)
        with keeping.opened(job) as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == wanted.sha256
        assert (job.rows_done, job.bytes, job.sha256) == (wanted.rows, wanted.size, wanted.sha256)
        assert set(files(exports_of_its_own)) == {
            f"files/{lab.pk}/{job.pk}/{KILLS + 1}.{form}",
            f"files/{lab.pk}/{job.pk}/{KILLS + 1}.manifest.json",
        }
        finished = ActivityEvent.objects.filter(action="export.finished", target_id=str(job.pk))
        assert finished.count() == 1
        # More was written meanwhile than the file has.
        assert ActivityEvent.objects.count() > wanted.rows + 1
        assert running.MOST_ATTEMPTS > 20
