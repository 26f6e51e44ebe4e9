"""P10, P11 and P12: a fleet that is migrated while things go wrong, and while it serves."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.environment import CHECKOUT
from tests.fleet import ADDS_A_COLUMN, COLUMN, RUNS_PYTHON, Fleet, copy_of, ended

KILLS = int(os.environ.get("TEST_KILLS", "3"))
"""Random moments at which a whole command is killed."""

BETWEEN_KILLS = int(os.environ.get("TEST_KILL_EVERY", "9"))
"""Statements between two points at which it is killed for certain; 1 tries them all."""


@pytest.fixture(scope="module")
def twenty(
    scratch_platform: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Twenty tenants."""
    with copy_of(scratch_platform, tmp_path_factory.mktemp("twenty"), "twenty") as fleet:
        fleet.add(20)
        made = fleet.run("tenant", "migrate")
        assert made.status == 0, made.stderr
        fleet.reset()
        yield fleet


@pytest.fixture
def fleet(twenty: Fleet) -> Iterator[Fleet]:
    """The same twenty for each test, as they were."""
    yield twenty
    twenty.reset()


def spoil(fleet: Fleet, slug: str) -> None:
    """Let the next release's migration fail in one tenant, in its second statement."""
    schema = fleet.schemas[slug]
    fleet.ask(f"ALTER TABLE {schema}.accounts_historicalcustomuser ADD {COLUMN} text")


def repair(fleet: Fleet, slug: str) -> None:
    schema = fleet.schemas[slug]
    fleet.ask(f"ALTER TABLE {schema}.accounts_historicalcustomuser DROP {COLUMN}")


# P10


@pytest.mark.parametrize("migration", [ADDS_A_COLUMN, RUNS_PYTHON], ids=["replay", "executor"])
def test_p10_what_fails_in_the_seventh_is_undone_there_and_done_in_all_others(
    fleet: Fleet, migration: str
) -> None:
    release = fleet.release(migration)
    fleet.group("Readers")
    spoil(fleet, "tenant-07")
    ran = fleet.run("tenant", "migrate", "--json", release=release)

    assert ran.status == 1
    assert (ran.document["migrated"], ran.document["failed"]) == (19, 1)
    [failure] = ran.document["failures"]
    assert (failure["tenant"], failure["lacks"]) == ("tenant-07", ["accounts.0099_next"])
    assert "already exists" in failure["error"]
    assert ran.document["error"]["code"] == "failed"
    assert "tenant-07: ProgrammingError" in ran.stderr
    repair(fleet, "tenant-07")
    assert {slug for slug, state in fleet.states().items() if state != "new"} == {"tenant-07"}
    assert fleet.states()["tenant-07"] == "old"
    assert fleet.groups("tenant-07") == ["Readers"]
    # The state is visible, and says what to do about it.
    assert fleet.lacks() == {"tenant-07": ["accounts.0099_next"]}
    [(state, attempt, error)] = fleet.operations()
    assert (state, attempt) == ("failed", 1)
    assert "tenant-07 first" in error

    again = fleet.run("tenant", "migrate", "--resume", "--json", release=release)

    assert again.status == 0, again.stderr
    assert (again.document["lagging"], again.document["migrated"]) == (1, 1)
    assert set(fleet.states().values()) == {"new"}
    assert fleet.lacks() == {}
    assert [row[:2] for row in fleet.operations()] == [("finished", 2)]


def test_p10_a_run_that_failed_is_carried_on_by_its_id(fleet: Fleet) -> None:
    release = fleet.release()
    spoil(fleet, "tenant-07")
    assert fleet.run("migrate", release=release).status == 1
    [(key,)] = fleet.ask("SELECT id FROM tenants_operation")
    failed = fleet.run("tenant", "operations", "--resume", str(key), release=release)
    another = fleet.run("tenant", "operations", "--resume", str(key))
    repair(fleet, "tenant-07")
    done = fleet.run("tenant", "operations", "--resume", str(key), release=release)

    assert failed.status == 1
    assert "1 of 20 tenants could not be migrated: tenant-07." in failed.stderr
    # Code that knows nothing of the migration must not take it for done.
    assert (another.status, "another release began this" in another.stderr) == (4, True)
    assert (done.status, done.stdout) == (0, "finished migrate of all tenants\n"), done.stderr
    assert set(fleet.states().values()) == {"new"}
    assert fleet.operations()[0][0] == "finished"


def test_p10_a_table_that_somebody_uses_is_waited_for_a_little_and_tried_again(
    fleet: Fleet,
) -> None:
    other = Fleet(fleet.environment, None, fleet.directory)
    other.join()
    other.ask("BEGIN")
    other.ask(f"LOCK {fleet.schemas['tenant-05']}.accounts_customuser IN ACCESS SHARE MODE")
    running = fleet.start("tenant", "migrate", "--json", release=fleet.release())
    try:
        wait_until(lambda: list(fleet.states().values()).count("new") == 19)
        # Whoever reads is not kept waiting behind a migration that waits itself. If it waited until
        # it had its table, the reader would wait for the COMMIT below, and be ended before.
        fleet.ask("SET statement_timeout = '60s'")
        fleet.ask(f"SELECT count(*) FROM {fleet.schemas['tenant-05']}.accounts_customuser")
    finally:
        other.ask("COMMIT")
        other.leave()
        ran = ended(running)

    assert ran.status == 0, ran.stderr
    assert set(fleet.states().values()) == {"new"}


# P11


def wait_until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


WAITS = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@contextmanager
def held(fleet: Fleet, release: dict[str, str], lock: str, kind: str) -> Iterator[Any]:
    """A run that waits for a lock, and whoever holds it and can let go."""
    other = Fleet(fleet.environment, None, fleet.directory)
    other.join()
    other.ask("BEGIN")
    other.ask(lock)
    running = fleet.start("tenant", "migrate", release=release)
    try:
        wait_until(lambda: fleet.ask(WAITS, kind)[0][0])
        yield running, other
    finally:
        other.leave()
        if running.poll() is None:
            running.kill()
            ended(running)


def test_p11_a_second_run_refuses_or_waits_and_says_who_runs(fleet: Fleet) -> None:
    release = fleet.release()
    # As one that was killed leaves it: the first run takes it over.
    [(key,)] = fleet.ask(
        "INSERT INTO tenants_operation (kind, state, steps, done, attempt, error, request, result,"
        " actor) VALUES ('migrate', 'running', '[\"tenants\"]', 0, 1, '', '{}', '{}', '{}')"
        " RETURNING id"
    )
    lock = "LOCK tenants_operation IN SHARE ROW EXCLUSIVE MODE"
    with held(fleet, release, lock, "relation") as (running, other):
        refused = fleet.run("migrate", "--no-wait", release=release)
        carried = fleet.run("tenant", "operations", "--resume", str(key), release=release)
        waiting = fleet.start("tenant", "migrate", release=release)
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        other.ask("COMMIT")
        first, second = ended(running), ended(waiting)

    assert refused.status == 4, refused.stderr
    assert f"process {running.pid} on " in refused.stderr
    assert " UTC. Wait until it is done" in refused.stderr
    assert carried.status == 4, carried.stderr
    assert "being run by somebody else" in carried.stderr
    assert said.startswith("Waiting: schemas are being migrated by ")
    assert f"process {running.pid} on " in said
    assert first.status == 0, first.stderr
    assert "migrated 20 of 20 tenants" in first.stdout
    assert second.status == 0, second.stderr
    assert second.stdout == "nothing to do: 20 tenants have every migration\n"
    assert set(fleet.states().values()) == {"new"}
    assert [row[:2] for row in fleet.operations()] == [("finished", 2)]


def test_p11_a_table_of_the_platforms_that_is_in_use_is_tried_again_and_blocks_no_reader(
    fleet: Fleet,
) -> None:
    reading = "SELECT FROM accounts_customuser"
    with held(fleet, fleet.release(), reading, "relation") as (running, other):
        # Whoever reads now waits behind the migration, until that gives up.
        fleet.ask("SET statement_timeout = '60s'")
        fleet.ask(reading)
        fleet.ask("RESET statement_timeout")
        other.ask("COMMIT")
        ran = ended(running)

    assert ran.status == 0, ran.stderr
    assert "A table is in use. Trying again in 1 s." in ran.stderr
    assert set(fleet.states().values()) == {"new"}


def test_p11_ctrl_c_undoes_what_is_not_finished_and_says_how_to_go_on(fleet: Fleet) -> None:
    release = fleet.release()
    [(key,)] = fleet.ask("SELECT id FROM tenants_tenant WHERE slug = 'tenant-01'")
    lock = f"SELECT pg_advisory_xact_lock(hashtextextended('tenantry:operation:{key}', 0))"
    with held(fleet, release, lock, "advisory") as (running, other):
        running.send_signal(signal.SIGINT)
        other.ask("COMMIT")
        ran = ended(running)

    assert ran.status == 130
    assert "Go on: manage.py tenant migrate --resume" in ran.stderr
    assert "half" not in fleet.states().values()
    [(state, _, error)] = fleet.operations()
    assert (state, error) == ("failed", "interrupted")
    assert fleet.run("tenant", "migrate", "--resume", release=release).status == 0
    assert set(fleet.states().values()) == {"new"}


# Killed

KILL = """
import json
import os
import signal
import sys

import django

django.setup()

from django.core.management import call_command
from django.db import connections
from django.db.backends.utils import CursorWrapper

first, step = int(sys.argv[1]), int(sys.argv[2])
execute = CursorWrapper.execute
count = 0


def counted(self, sql, params=None):
    global count
    count += 1
    if count == first:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(self, sql, params)


CursorWrapper.execute = counted
from tenants.context import enter_platform

with enter_platform():
    call_command("tenant", "migrate", "--jobs", "2")
print(count)
"""


def whole(fleet: Fleet) -> None:
    """Nobody is half migrated, and nobody is said to lack nothing who does."""
    states, lacks = fleet.states(), fleet.lacks()
    assert "half" not in states.values()
    assert not [slug for slug in lacks if states[slug] == "new"]


@pytest.fixture
def three(scratch_platform: dict[str, str], tmp_path: Path) -> Iterator[Fleet]:
    with copy_of(scratch_platform, tmp_path, "three") as fleet:
        fleet.add(3)
        assert fleet.run("migrate").status == 0
        fleet.reset()
        yield fleet


def test_killed_at_any_statement_each_tenant_is_old_or_new_and_the_next_run_goes_on(
    three: Fleet,
) -> None:
    release = three.release()
    killed = seen = 0
    statement = 1
    while True:
        three.reset()
        ran = subprocess.run(
            [sys.executable, "-c", KILL, str(statement), "0"],
            cwd=CHECKOUT,
            env=release,
            capture_output=True,
            text=True,
            timeout=120,
        )
        whole(three)
        if ran.returncode == 0:
            break
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        killed += 1
        seen += bool(three.lacks())
        if killed % 4 == 1:
            resumed = three.run("migrate", "--no-wait", release=release)
            assert resumed.status == 0, resumed.stderr
            assert set(three.states().values()) == {"new"}
            assert three.lacks() == {}
            assert not [row for row in three.operations() if row[0] != "finished"]
        statement += BETWEEN_KILLS
    assert killed >= 8
    # Some of the kills came while tenants were being migrated.
    assert seen >= 2
    assert set(three.states().values()) == {"new"}


def test_killed_at_random_moments_each_tenant_is_old_or_new_and_the_next_run_goes_on(
    fleet: Fleet,
) -> None:
    release = fleet.release()
    whole_run = time.monotonic()
    assert fleet.run("tenant", "migrate", release=release).status == 0
    whole_run = time.monotonic() - whole_run
    for _ in range(KILLS):
        fleet.reset()
        running = fleet.start("tenant", "migrate", release=release)
        time.sleep(random.uniform(0.3, 1) * whole_run)
        running.kill()
        ended(running)
        whole(fleet)
        resumed = fleet.run("tenant", "migrate", release=release)
        assert resumed.status == 0, resumed.stderr
        assert set(fleet.states().values()) == {"new"}
        assert fleet.lacks() == {}


# P12

VISIT = """
import json
import sys

import django

django.setup()

from django.test import Client
from django.test.utils import setup_test_environment

from accounts.models import CustomUser
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant

setup_test_environment()
PAGES = ("/admin/", "/admin/accounts/customuser/", "/admin/activity/activityevent/")
answers = {}
for slug in sys.argv[1:]:
    with enter_platform():
        tenant = Tenant.objects.get(slug=slug)
    client = Client(headers={"host": f"{slug}.localhost"}, raise_request_exception=False)
    found = [client.get("/accounts/login/").status_code]
    if found == [200]:
        with enter_tenant(tenant):
            if not CustomUser.objects.filter(username="ann").exists():
                CustomUser.objects.create_superuser("ann", "ann@example.com", "a long password 12")
        sent = client.post("/accounts/login/", {"login": "ann", "password": "a long password 12"})
        found += [sent.status_code, *(client.get(page).status_code for page in PAGES)]
        with enter_tenant(tenant):
            key = CustomUser.objects.get(username="ann").pk
        found.append(client.get(f"/admin/accounts/customuser/{key}/change/").status_code)
    answers[slug] = found
print(json.dumps(answers))
"""

SERVED = [200, 302, 200, 200, 200, 200]


def visit(environment: dict[str, str], *slugs: str) -> dict[str, list[int]]:
    """Sign in at each tenant with the code of a release and look at its pages."""
    ran = subprocess.run(
        [sys.executable, "-c", VISIT, *slugs],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[int]] = json.loads(ran.stdout)
    return found


def test_p12_old_code_serves_the_new_schema_and_new_code_all_but_who_is_behind(
    three: Fleet,
) -> None:
    old, new = three.environment, three.release(models=True)
    before = visit(old, *three.slugs)
    spoil(three, "tenant-02")
    assert three.run("migrate", release=new).status == 1
    repair(three, "tenant-02")

    assert before == dict.fromkeys(three.slugs, SERVED)
    # New people too: the column that they do not know has a default in the database.
    for slug in ("tenant-01", "tenant-03"):
        people = f"{three.schemas[slug]}.accounts_customuser"
        three.ask(f"UPDATE {people} SET username = 'bea', email = 'bea@example.com'")
    assert visit(old, *three.slugs) == before
    assert visit(new, *three.slugs) == {**before, "tenant-02": [503]}
    assert three.run("migrate", release=new).status == 0
    assert visit(new, *three.slugs) == before


def test_p12_without_the_note_the_new_code_would_fail_at_the_tenant_that_is_behind(
    three: Fleet,
) -> None:
    new = three.release(models=True)
    assert three.run("tenant", "migrate", "--only", "tenant-01", release=new).status == 0
    three.ask("UPDATE tenants_tenant SET lacks = '[]'")
    with pytest.raises(AssertionError, match=COLUMN):
        visit(new, "tenant-02")
