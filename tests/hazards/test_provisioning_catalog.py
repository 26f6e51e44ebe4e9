"""P01, P02, P03 for schemas that are made ahead: ``kill -9`` and rivals leave all or nothing.

Real processes on a platform of their own; nothing here can be rolled back.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from config.environment import CHECKOUT

PROGRAM = """
import sys, django
django.setup()
from django.db import connection, transaction
from tenants import spares
from tenants.blueprint import blueprint
from tenants.context import enter_platform
print("ready", flush=True)
sys.stdin.readline()
with enter_platform():
    {act}
print("done", flush=True)
"""

FILL = "spares.fill(3)"
BUILD = "blueprint()"
DISCARD = "[spares.discard(name) for name in sys.argv[1:]]"
CLAIM = """
    with transaction.atomic():
        spares.claim()
        print("claimed", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def platform(scratch: Any) -> Iterator[Any]:
    """Yield a cursor on a platform without spares and blueprint."""
    empty(scratch)
    yield scratch
    empty(scratch)


def empty(cursor: Any) -> None:
    for name in schemas(cursor):
        cursor.execute(f"DROP SCHEMA {name} CASCADE")
    cursor.execute("TRUNCATE tenants_spareschema, tenants_blueprint")


def schemas(cursor: Any) -> set[str]:
    cursor.execute(
        r"SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname ~ '^t_[a-z2-7]{16}$'"
    )
    return {name for (name,) in cursor.fetchall()}


def spares_in(cursor: Any) -> set[str]:
    cursor.execute("SELECT schema_name FROM tenants_spareschema")
    return {name for (name,) in cursor.fetchall()}


def started(environment: dict[str, str], act: str, *arguments: str) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(act=act), *arguments],
        cwd=CHECKOUT,
        env={**environment, "TENANTRY_SPARE_SCHEMAS": "3"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def go(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def ended(child: "subprocess.Popen[str]") -> int:
    try:
        child.communicate(timeout=60)
    finally:
        child.kill()
    return child.returncode


def kill(child: "subprocess.Popen[str]", after: float) -> None:
    go(child)
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    ended(child)


def settle(cursor: Any) -> None:
    """Wait until the server has noticed that a killed client is gone, and rolled it back."""
    deadline = time.monotonic() + 60
    while True:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        if cursor.fetchone() == (0,):
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


SEED = 20
POINTS = [random.Random(SEED + number).uniform(0.01, 1.2) for number in range(6)]


@pytest.mark.parametrize("after", POINTS)
def test_p01_killed_while_filling_leaves_whole_spares_and_no_others(
    after: float, platform: Any, scratch_platform: dict[str, str]
) -> None:
    kill(started(scratch_platform, FILL), after)
    settle(platform)
    # Each schema has its row and each row its schema; none is half there.
    assert schemas(platform) == spares_in(platform)
    for name in schemas(platform):
        platform.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", [name]
        )
        assert platform.fetchone()[0] > 80
    platform.execute("SELECT count(*) FROM tenants_blueprint")
    assert platform.fetchone()[0] in (0, 1)
    # And whoever comes next finishes it.
    child = started(scratch_platform, FILL)
    go(child)
    assert ended(child) == 0
    assert len(spares_in(platform)) == 3
    assert schemas(platform) == spares_in(platform)


@pytest.mark.parametrize("after", [0.05, 0.2, 0.4])
def test_p01_killed_while_building_the_blueprint_leaves_no_schema(
    after: float, platform: Any, scratch_platform: dict[str, str]
) -> None:
    kill(started(scratch_platform, BUILD), after)
    settle(platform)
    assert schemas(platform) == set()


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03])
def test_p02_killed_while_discarding_leaves_whole_spares(
    after: float, platform: Any, scratch_platform: dict[str, str]
) -> None:
    child = started(scratch_platform, FILL)
    go(child)
    assert ended(child) == 0
    kill(started(scratch_platform, DISCARD, *spares_in(platform)), after)
    settle(platform)
    assert schemas(platform) == spares_in(platform)


def test_p02_killed_after_a_claim_gives_the_spare_back(
    platform: Any, scratch_platform: dict[str, str]
) -> None:
    child = started(scratch_platform, FILL)
    go(child)
    assert ended(child) == 0
    before = spares_in(platform)
    child = started(scratch_platform, CLAIM)
    go(child)
    assert child.stdout is not None
    assert child.stdout.readline() == "claimed\n"
    child.send_signal(signal.SIGKILL)
    ended(child)
    settle(platform)
    assert spares_in(platform) == before == schemas(platform)


def test_p03_four_processes_that_fill_at_once_build_three(
    platform: Any, scratch_platform: dict[str, str]
) -> None:
    children = [started(scratch_platform, FILL) for _ in range(4)]
    for child in children:
        go(child)
    assert [ended(child) for child in children] == [0, 0, 0, 0]
    assert len(spares_in(platform)) == 3
    assert schemas(platform) == spares_in(platform)
    platform.execute("SELECT count(*) FROM tenants_blueprint")
    assert platform.fetchone() == (1,)
