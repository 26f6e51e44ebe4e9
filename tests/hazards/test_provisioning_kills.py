"""P01, P02, P03: makers of tenants that are killed, and that race.

Real processes on a platform of their own. A process is killed before each statement that it sends,
so that every step is hit, and then at random moments. After each kill somebody else carries on.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from config.environment import CHECKOUT
from tests.conftest import empty

KILLS_AT_RANDOM = int(os.environ.get("TEST_KILLS", "5"))
RACES = int(os.environ.get("TEST_RACES", "5"))

CHILDREN = """
import json, os, signal, sys, time

import django

django.setup()

from django.conf import settings
from django.db import connection
from tenants import operations, provisioning, spares
from tenants.context import enter_platform, enter_tenant
from tenants.errors import TenantryError
from tenants.hosts import answer_for
from tenants.models import Operation, SpareSchema, Tenant
from tenants.requests import TenantRequest


def create(wanted):
    try:
        made = provisioning.create(TenantRequest(**wanted))
    except TenantryError as error:
        return error.code
    return "created" if made.created else "already so"


def killed_before(statement, wanted):
    count = 0

    def wrapper(execute, *arguments):
        nonlocal count
        count += 1
        if count == statement:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*arguments)

    with enter_platform(), connection.execute_wrapper(wrapper):
        create(wanted)
    return count


def killed_after(seconds, wanted):
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    create(wanted)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def seen(host):
    # What is served is complete: its administrator is there, and its birth is in its record.
    from accounts.models import CustomUser
    from activity.models import ActivityEvent

    with enter_platform():
        tenant = answer_for(host).tenant
        states = list(Tenant.objects.values_list("state", flat=True))
        unfinished = Operation.objects.unfinished().count()
    if tenant is None or not tenant.is_active:
        return {"served": False, "states": states, "unfinished": unfinished}
    with enter_tenant(tenant):
        complete = CustomUser.objects.count() == 1
        complete &= ActivityEvent.objects.filter(action="tenant.created").count() == 1
    return {"served": True, "complete": complete, "states": states, "unfinished": unfinished}


def resume():
    with enter_platform():
        waiting = list(Operation.objects.unfinished())
    for operation in waiting:
        operations.carry_on(operation)
    return len(waiting)


def fill(wanted):
    with enter_platform():
        spares.fill(wanted)


def in_child(work):
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writing, json.dumps(work()).encode())
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    return pid, reading


def answer(child):
    pid, reading = child
    with os.fdopen(reading) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    return json.loads(text) if text else -os.waitstatus_to_exitcode(status)
"""

KILL = """
wanted, spare = json.loads(sys.argv[1]), sys.argv[2] == "spare"
how, at = sys.argv[3], json.loads(sys.argv[4])
settings.TENANTRY_SPARE_SCHEMAS = int(spare)
if spare:
    answer(in_child(lambda: fill(1)))
kill = killed_before if how == "statement" else killed_after
outcome = answer(in_child(lambda: kill(at, wanted)))
host = wanted["slug"] + ".localhost"
before = answer(in_child(lambda: seen(host)))
resumed = answer(in_child(resume))
after = answer(in_child(lambda: seen(host)))
again = answer(in_child(lambda: create(wanted)))
final = answer(in_child(lambda: seen(host)))
print(json.dumps([outcome, before, resumed, after, again, final]))
"""

RACE = """
wanted = json.loads(sys.argv[1])
settings.TENANTRY_SPARE_SCHEMAS = int(sys.argv[2])
if settings.TENANTRY_SPARE_SCHEMAS:
    answer(in_child(lambda: fill(settings.TENANTRY_SPARE_SCHEMAS)))
go, start = os.pipe()


def wait_and_create(request):
    os.close(start)
    os.read(go, 1)
    return create(request)


children = [in_child(lambda request=request: wait_and_create(request)) for request in wanted]
os.close(start)
print(json.dumps([answer(child) for child in children]))
"""


def run(script: str, environment: dict[str, str], *arguments: Any) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN + script, *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def empty_platform(scratch: Any) -> Iterator[Any]:
    """Yield the scratch database without any tenant, and leave it so."""
    clean(scratch)
    yield scratch
    clean(scratch)


def clean(scratch: Any) -> None:
    """Leave neither tenants nor their schemas."""
    wait_for_backends(scratch)
    for schema in schemas(scratch):
        scratch.execute(f"DROP SCHEMA {schema} CASCADE")
    empty(scratch, "public.tenants_tenant", "public.tenants_spareschema")


def schemas(scratch: Any) -> list[str]:
    scratch.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'")
    return [name for (name,) in scratch.fetchall()]


def orphans(scratch: Any) -> list[str]:
    """Schemas that neither a tenant nor a spare has."""
    scratch.execute("""
        SELECT schema_name FROM public.tenants_tenant
        UNION SELECT schema_name FROM public.tenants_spareschema
    """)
    owned = {name for (name,) in scratch.fetchall()}
    return sorted(set(schemas(scratch)) - owned)


def wait_for_backends(scratch: Any) -> None:
    """PostgreSQL needs a moment to notice that a client is gone."""
    deadline = time.monotonic() + 60
    while True:
        scratch.execute("""
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'
        """)
        if scratch.fetchone() == (0,):
            return
        assert time.monotonic() < deadline, "a backend did not end"
        time.sleep(0.01)


WANTED = {"slug": "killed", "name": "Killed", "admin_email": "kim@killed.example"}


def kill(scratch: Any, environment: dict[str, str], spare: str, how: str, at: float) -> int:
    """Kill a maker; have somebody carry on; return how the maker ended."""
    outcome, before, resumed, after, again, final = run(
        KILL, environment, json.dumps(WANTED), spare, how, json.dumps(at)
    )
    where = (how, at, before, resumed, after, again, final)
    # Served means complete, at every moment.
    assert all(moment.get("complete", True) for moment in (before, after, final)), where
    # What is left unfinished is carried on, and the tenant is there; or nothing was left at all.
    assert before["unfinished"] == resumed, where
    assert after["unfinished"] == 0, where
    assert after["states"] in ([], ["active"]), where
    assert after["served"] is (after["states"] == ["active"]), where
    if before["unfinished"]:
        assert not before["served"], where
        assert after["served"], where
    # Whoever asks again gets the tenant, once.
    assert again == ("already so" if after["served"] else "created"), where
    assert (final["served"], final["states"], final["unfinished"]) == (True, ["active"], 0), where
    wait_for_backends(scratch)
    assert orphans(scratch) == [], where
    clean(scratch)
    return int(outcome)


@pytest.mark.parametrize("spare", ["spare", "no spare"])
def test_p01_p02_killed_before_any_statement_nothing_is_half_made(
    scratch_platform: dict[str, str], empty_platform: Any, spare: str
) -> None:
    statement, step = 1, int(os.environ.get("TEST_KILL_EVERY", "4"))
    ends = []
    while not ends or ends[-1] == signal.SIGKILL:
        ends.append(kill(empty_platform, scratch_platform, spare, "statement", statement))
        statement += step
        assert statement < 1_000, "the maker never came to an end"

    assert len(ends) > 3


@pytest.mark.parametrize("spare", ["spare", "no spare"])
def test_p01_killed_at_any_moment_nothing_is_half_made(
    scratch_platform: dict[str, str], empty_platform: Any, spare: str
) -> None:
    moments = random.Random(7)
    for _ in range(KILLS_AT_RANDOM):
        kill(empty_platform, scratch_platform, spare, "moment", moments.uniform(0.001, 0.12))


def test_p03_of_eight_who_create_one_slug_in_any_case_exactly_one_wins(
    scratch_platform: dict[str, str], empty_platform: Any
) -> None:
    spellings = ["race", "Race", "race", "RACE", "race", "rAce", "race", "race"]
    for number in range(RACES):
        wanted = [{"slug": spelling} for spelling in spellings]
        # With spares for some of them, and without.
        outcomes = run(RACE, scratch_platform, json.dumps(wanted), 2 * (number % 2))

        won = [o for s, o in zip(spellings, outcomes, strict=True) if s == "race"]
        refused = [o for s, o in zip(spellings, outcomes, strict=True) if s != "race"]
        assert sorted(won) == ["already so"] * 4 + ["created"]
        assert refused == ["invalid-input"] * 3
        empty_platform.execute("SELECT slug, state FROM public.tenants_tenant")
        assert empty_platform.fetchall() == [("race", "active")]
        assert orphans(empty_platform) == []
        clean(empty_platform)


def test_p03_of_many_who_want_one_domain_at_once_one_gets_it(
    scratch_platform: dict[str, str], empty_platform: Any
) -> None:
    wanted = [{"slug": f"race-{n}", "domains": ["One.Example", "two.example"]} for n in range(4)]

    outcomes = run(RACE, scratch_platform, json.dumps(wanted), 0)

    assert sorted(outcomes) == ["conflict"] * 3 + ["created"]
    empty_platform.execute("SELECT count(*) FROM public.tenants_tenant")
    assert empty_platform.fetchone() == (1,)
    assert orphans(empty_platform) == []
