"""What is recorded is sealed soon after its commit, by a real worker that a real beat sends."""

import os
import statistics
import time
from contextlib import closing

import psycopg2
import pytest

from config.embedded import locate
from tests.journeys.conftest import Running

MEASURED = os.environ.get("TEST_SEALED_EVENTS")
"""How many events to time, for the figure in ``docs/benchmarks.md``; otherwise nothing is told."""
EVENTS = int(MEASURED or "3")
SECONDS = 15.0
"""Five at rest. A machine that runs other tests is not at rest, and counters may be held back."""


@pytest.fixture
def acme(running: Running):
    """A session in the record of a demo tenant, which Python knows nothing of."""
    with closing(psycopg2.connect(locate(running.data).database_url)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute("SELECT schema_name FROM public.tenants_tenant WHERE slug = 'acme'")
            [schema] = cursor.fetchone()
            cursor.execute(f"SET search_path = {schema}")
            yield cursor


def wait_until(condition, seconds=SECONDS):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} seconds"
        time.sleep(0.02)
    return time.monotonic() - started


def one(cursor, statement):
    cursor.execute(statement)
    return cursor.fetchone()[0]


def is_sealed(cursor):
    sealed = "SELECT coalesce(max(first + events), 0) FROM activity_segment"
    return one(cursor, sealed) == one(cursor, "SELECT count(*) FROM activity_activityevent")


def test_an_event_by_raw_sql_is_sealed_within_seconds(acme, capsys):
    wait_until(lambda: is_sealed(acme), 60)
    acme.execute(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attnum > 0"
        " AND attrelid = 'activity_activityevent'::regclass AND NOT attisdropped"
        " AND attname <> 'id'"
    )
    [columns] = acme.fetchone()
    taken = []
    for number in range(EVENTS):
        time.sleep(1.1 + number * 0.37 % 2)
        acme.execute(
            f"INSERT INTO activity_activityevent ({columns})"
            f" SELECT {columns} FROM activity_activityevent LIMIT 1"
        )
        taken.append(wait_until(lambda: is_sealed(acme)))

    if MEASURED:
        with capsys.disabled():
            print(f"\nsealed after {statistics.median(taken):.2f} s, {max(taken):.2f} s at most")
    head = "SELECT size FROM public.tenants_recordhead WHERE record = (SELECT id::text FROM"
    size = one(acme, f"{head} public.tenants_tenant WHERE slug = 'acme')")
    assert size == one(acme, "SELECT count(*) FROM activity_activityevent")
