"""Making tenants: whole or not at all, once however often it is asked for."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.db import DatabaseError, connection, migrations
from django.db.models.functions import Now

from accounts.models import CustomUser
from activity.models import ActivityEvent
from config.environment import CHECKOUT
from tenants import lifecycle, provisioning
from tenants.context import current_tenant, enter_platform, enter_tenant
from tenants.errors import Conflict, InvalidInput
from tenants.models import Domain, Tenant
from tenants.names import is_schema_name
from tenants.provisioning import TenantRequest


def everything() -> tuple[Any, ...]:
    """All that making a tenant could leave behind."""
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace ORDER BY 1")
        schemas = cursor.fetchall()
        rows = (Tenant.objects.count(), Domain.objects.count(), ActivityEvent.objects.count())
    return schemas, rows


def comment_on(schema: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", [schema])
        return str(cursor.fetchone()[0])


# Whole


def test_a_tenant_is_made_whole(db: None) -> None:
    made = provisioning.create(
        TenantRequest(
            slug="initech",
            name="Initech Ltd.",
            domains=("People.Initech.Example.",),
            time_zone="Europe/Berlin",
            admin_email="Peter@Initech.Example",
        )
    )

    tenant = Tenant.objects.get(slug="initech")
    assert made.created
    assert (tenant.name, tenant.time_zone, tenant.state) == (
        "Initech Ltd.",
        "Europe/Berlin",
        "active",
    )
    assert is_schema_name(tenant.schema_name)
    assert comment_on(tenant.schema_name) == f"tenantry:{tenant.pk}"
    assert list(tenant.domains.values_list("domain", "is_primary")) == [
        ("initech.localhost", True),
        ("people.initech.example", False),
    ]
    assert made.administrator
    assert made.administrator.link.startswith("http://initech.localhost:8000/accounts/")
    with enter_tenant(tenant):
        peter = CustomUser.objects.get()
        assert (peter.username, peter.email) == ("peter", "peter@initech.example")
        assert peter.is_superuser
        assert peter.is_staff
        assert not peter.has_usable_password()


def test_the_birth_is_in_both_records_and_in_nobody_elses(db: None, acme: Tenant) -> None:
    tenant = provisioning.create(TenantRequest(slug="initech", admin_email="p@x.example")).tenant

    births = ActivityEvent.objects.filter(action="tenant.created", target_id=str(tenant.pk))
    assert births.count() == 1
    with enter_tenant(tenant):
        assert births.count() == 1
        assert ActivityEvent.objects.filter(action="user.created").count() == 1
    with enter_tenant(acme):
        assert births.count() == 0


def test_defaults_are_the_slug_as_name_and_the_platforms_time_zone(db: None) -> None:
    tenant = provisioning.create(TenantRequest(slug="initech")).tenant

    assert (tenant.name, tenant.time_zone) == ("initech", "UTC")
    assert list(tenant.domains.values_list("domain", flat=True)) == ["initech.localhost"]


def test_a_host_of_the_platform_is_no_tenants_domain(db: None, settings: Any) -> None:
    settings.TENANTRY_PLATFORM_HOSTS = frozenset({"localhost", "console.example.com"})

    with pytest.raises(InvalidInput, match="platform's own"):
        provisioning.check(TenantRequest(slug="initech", domains=("Console.Example.com",)))


def test_two_tenants_never_share_a_schema(acme: Tenant, globex: Tenant) -> None:
    assert acme.schema_name != globex.schema_name
    assert "acme" not in acme.schema_name


def test_progress_counts_up_to_the_end(db: None) -> None:
    steps: list[tuple[str, int, int]] = []

    provisioning.create(TenantRequest(slug="initech"), on_progress=lambda *s: steps.append(s))

    total = steps[0][2]
    assert [done for _, done, _ in steps] == list(range(1, total + 1))


# Once


def test_asking_again_changes_nothing(db: None) -> None:
    request = TenantRequest(slug="initech", name="Initech", domains=("initech.example",))
    first = provisioning.create(request)
    before = everything()

    again = provisioning.create(request)
    without_details = provisioning.create(TenantRequest(slug="initech"))

    assert not again.created
    assert not without_details.created
    assert first.tenant == again.tenant == without_details.tenant
    assert everything() == before


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (TenantRequest(slug="acme", name="Another"), 'the slug "acme" is taken'),
        (TenantRequest(slug="acme", domains=("new.example",)), 'the slug "acme" is taken'),
        (TenantRequest(slug="initech", domains=("globex.example",)), "is taken by another"),
        (TenantRequest(slug="initech", domains=("GLOBEX.Example.",)), "is taken by another"),
        (TenantRequest(slug="acme", domains=("globex.example",)), "is taken by another"),
    ],
)
def test_what_is_somebody_elses_is_refused(
    acme: Tenant, globex: Tenant, wanted: TenantRequest, sentence: str
) -> None:
    Domain.objects.create(tenant=globex, domain="globex.example", verified_at=Now())
    before = everything()

    with pytest.raises(Conflict, match=sentence):
        provisioning.create(wanted)

    assert everything() == before


# Or not at all


@pytest.mark.parametrize(
    "wanted",
    [
        TenantRequest(slug=""),
        TenantRequest(slug="Acme"),
        TenantRequest(slug="../x"),
        TenantRequest(slug="admin"),
        TenantRequest(slug="x" * 33),
        TenantRequest(slug="initech", name="x" * 201),
        TenantRequest(slug="initech", name="two\nlines"),
        TenantRequest(slug="initech", name="right\u202eto left"),
        TenantRequest(slug="initech", name="nul\0"),
        TenantRequest(slug="initech", time_zone="Mars/Olympus"),
        TenantRequest(slug="initech", time_zone="../../etc/passwd"),
        TenantRequest(slug="initech", time_zone="Europe"),
        TenantRequest(slug="initech", time_zone="UTC\0"),
        TenantRequest(slug="initech", time_zone="x" * 10_000),
        TenantRequest(slug="initech", time_zone="zone.tab"),
        TenantRequest(slug="initech", admin_email="nobody"),
        TenantRequest(slug="initech", admin_email=" "),
        TenantRequest(slug="initech", admin_email="a@b@c.example"),
        TenantRequest(slug="initech", admin_email="a\0@c.example"),
        TenantRequest(slug="initech", admin_email=f"{'a' * 300}@c.example"),
        TenantRequest(slug="initech", domains=("ok.example", "http://x.example/")),
        TenantRequest(slug="initech", domains=("10.0.0.1",)),
        TenantRequest(slug="initech", domains=("",)),
        TenantRequest(slug="initech", domains=("globex.localhost",)),
        TenantRequest(slug="initech", domains=("localhost",)),
        TenantRequest(slug="initech", domains=("LOCALHOST.",)),
        TenantRequest(slug="initech", domains=("a.b.localhost",)),
    ],
    ids=lambda wanted: repr(wanted)[14:90],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(db: None, wanted: TenantRequest) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        provisioning.create(wanted)

    assert str(refusal.value).strip()
    assert len(str(refusal.value)) < 500
    assert everything() == before


@pytest.fixture
def broken_record() -> Iterator[None]:
    """Let the record refuse what happens to tenants, at the very end of making one."""

    def refuse(**_: Any) -> None:
        raise DatabaseError("no space left on device")

    lifecycle.changed.connect(refuse, sender=Tenant)
    yield
    lifecycle.changed.disconnect(refuse, sender=Tenant)


def test_without_its_event_there_is_no_tenant(db: None, broken_record: None) -> None:
    before = everything()

    with pytest.raises(DatabaseError, match="no space left"):
        provisioning.create(TenantRequest(slug="initech", admin_email="peter@initech.example"))

    assert everything() == before
    assert current_tenant() is None


def test_a_migration_that_fails_leaves_nothing(db: None, monkeypatch: Any) -> None:
    last = import_module("accounts.migrations.0001_initial").Migration
    broken = [*last.operations, migrations.RunSQL("SELECT 1/0")]
    monkeypatch.setattr(last, "operations", broken)
    before = everything()

    with pytest.raises(DatabaseError, match="division by zero"):
        provisioning.create(TenantRequest(slug="initech"))

    assert everything() == before
    assert current_tenant() is None
    monkeypatch.undo()
    assert provisioning.create(TenantRequest(slug="initech")).created


def test_an_administrator_who_cannot_be_made_leaves_nothing(db: None, monkeypatch: Any) -> None:
    def refuse(self: CustomUser, *args: Any, **kwargs: Any) -> None:
        raise DatabaseError("refused")

    monkeypatch.setattr(CustomUser, "save", refuse)
    before = everything()

    with pytest.raises(DatabaseError, match="refused"):
        provisioning.create(TenantRequest(slug="initech", admin_email="peter@initech.example"))

    assert everything() == before


# What the schema is made of (T12)


def catalog(query: str, tenant: Tenant) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"schema": tenant.schema_name})
        return list(cursor.fetchall())


def test_nothing_in_the_schema_refers_to_another(acme: Tenant) -> None:
    foreign_keys = catalog(
        """
        SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint AS c
        JOIN pg_class AS target ON target.oid = confrelid
        WHERE contype = 'f' AND connamespace = to_regnamespace(%(schema)s)
        AND target.relnamespace <> connamespace
        """,
        acme,
    )
    trigger_functions = catalog(
        """
        SELECT tgname, tgfoid::regproc::text FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE NOT tgisinternal AND relnamespace = to_regnamespace(%(schema)s)
        AND pronamespace <> relnamespace
        """,
        acme,
    )
    defaults = catalog(
        """
        SELECT sequence.oid::regclass::text FROM pg_attrdef
        JOIN pg_class AS owner ON owner.oid = adrelid
        JOIN pg_depend ON pg_depend.objid = pg_attrdef.oid
        JOIN pg_class AS sequence ON sequence.oid = refobjid AND sequence.relkind = 'S'
        WHERE owner.relnamespace = to_regnamespace(%(schema)s)
        AND sequence.relnamespace <> owner.relnamespace
        """,
        acme,
    )

    assert foreign_keys == trigger_functions == defaults == []


def test_every_table_has_a_key_that_no_node_of_a_cluster_runs_out_of(acme: Tenant) -> None:
    keys = catalog(
        """
        SELECT relname, coalesce(array_agg(atttypid::regtype::text ORDER BY attnum)
               FILTER (WHERE attnum IS NOT NULL), '{}')
        FROM pg_class
        LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary
        LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum = ANY (indkey)
        WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p')
        GROUP BY relname
        """,
        acme,
    )
    one_row = {"activity_rollupcursor"}
    single = {"bigint", "uuid", "character varying"}

    assert len(keys) > 15
    wrong = {
        table: types
        for table, types in keys
        if table not in one_row
        and (not types or "integer" in types or (len(types) == 1 and types[0] not in single))
    }
    assert wrong == {}


def test_no_column_refers_to_a_key_with_fewer_bits(acme: Tenant) -> None:
    narrower = catalog(
        """
        SELECT conrelid::regclass::text, conname FROM pg_constraint
        JOIN pg_attribute AS mine ON mine.attrelid = conrelid AND mine.attnum = conkey[1]
        JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = confkey[1]
        WHERE contype = 'f' AND connamespace = to_regnamespace(%(schema)s)
        AND mine.atttypid <> theirs.atttypid
        """,
        acme,
    )

    assert narrower == []


# Killed at any point, and many at once

CHILDREN = """
import json, os, signal, sys

import django

django.setup()

from django.db import connection
from tenants import provisioning
from tenants.errors import TenantryError


def create(wanted):
    try:
        made = provisioning.create(provisioning.TenantRequest(**wanted))
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

    with connection.execute_wrapper(wrapper):
        create(wanted)
    return count


def in_child(work):
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writing, json.dumps(work()).encode())
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

STATEMENTS_BETWEEN_KILLS = 15

KILL = """
wanted = json.loads(sys.argv[1])
first, step = 1, int(sys.argv[2])
while True:
    outcome = answer(in_child(lambda: killed_before(first, wanted)))
    print(json.dumps([first, outcome]), flush=True)
    if outcome != signal.SIGKILL:
        break
    first += step
"""

RACE = """
wanted = json.loads(sys.argv[1])
go, start = os.pipe()


def wait_and_create(request):
    os.close(start)
    os.read(go, 1)
    return create(request)


children = [in_child(lambda request=request: wait_and_create(request)) for request in wanted]
os.close(start)
print(json.dumps([answer(child) for child in children]))
"""


def run_children(script: str, environment: dict[str, str], *arguments: Any) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN + script, *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def manage(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def empty_platform(scratch: Any) -> Iterator[Any]:
    """Yield the scratch database without any tenant, and leave it so."""
    yield scratch
    wait_for_backends(scratch)
    scratch.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'")
    for (schema,) in scratch.fetchall():
        scratch.execute(f"DROP SCHEMA {schema} CASCADE")
    scratch.execute("TRUNCATE tenants_tenant CASCADE")


def backends(scratch: Any) -> list[tuple[int, str]]:
    scratch.execute("""
        SELECT pid, query FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
    """)
    return list(scratch.fetchall())


def wait_for_backends(scratch: Any) -> None:
    """PostgreSQL needs a moment to notice that a client is gone."""
    deadline = time.monotonic() + 20
    while backends(scratch):
        assert time.monotonic() < deadline, "a backend did not end"
        time.sleep(0.01)


def leftovers(scratch: Any) -> list[Any]:
    wait_for_backends(scratch)
    scratch.execute("""
        SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'
        UNION ALL SELECT slug FROM tenants_tenant
        UNION ALL SELECT domain FROM tenants_domain
        UNION ALL SELECT target_label FROM activity_activityevent WHERE target_label = 'Killed'
    """)
    return list(scratch.fetchall())


def test_killed_at_any_statement_it_leaves_nothing_and_the_next_run_finishes(
    scratch_platform: dict[str, str], empty_platform: Any
) -> None:
    wanted = {"slug": "killed", "name": "Killed", "admin_email": "kim@killed.example"}

    *killed, (statement, outcome) = run_children(
        KILL, scratch_platform, json.dumps(wanted), STATEMENTS_BETWEEN_KILLS
    )

    # The last one was not killed, and found nothing in its way.
    assert len(killed) >= 12
    assert outcome < statement
    assert {status for _, status in killed} == {signal.SIGKILL}
    empty_platform.execute("SELECT state FROM tenants_tenant")
    assert empty_platform.fetchall() == [("active",)]
    empty_platform.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'")
    assert empty_platform.fetchone() == (1,)
    empty_platform.execute(
        "SELECT count(*) FROM activity_activityevent WHERE target_label = 'Killed'"
    )
    assert empty_platform.fetchone() == (1,)


@pytest.mark.parametrize("after_seconds", [0, 0.05])
def test_a_killed_command_leaves_nothing(
    scratch_platform: dict[str, str], empty_platform: Any, after_seconds: float
) -> None:
    before = leftovers(empty_platform)
    process = manage(scratch_platform, "tenant", "create", "killed", "--name", "Again")
    deadline = time.monotonic() + 30
    while not any("CREATE" in query for _, query in backends(empty_platform)):
        assert time.monotonic() < deadline, "the command never began"

    time.sleep(after_seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    assert process.returncode == -signal.SIGKILL
    assert leftovers(empty_platform) == before


def test_eight_who_create_the_same_tenant_at_once_make_one(
    scratch_platform: dict[str, str], empty_platform: Any
) -> None:
    wanted = [{"slug": "race", "name": "Race", "domains": ["race.example"]}] * 8

    ((*outcomes,),) = run_children(RACE, scratch_platform, json.dumps(wanted))

    assert sorted(outcomes) == ["already so"] * 7 + ["created"]
    empty_platform.execute("SELECT slug FROM tenants_tenant")
    assert empty_platform.fetchall() == [("race",)]
    empty_platform.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'")
    assert empty_platform.fetchone() == (1,)


def test_of_many_who_want_one_domain_at_once_one_gets_it(
    scratch_platform: dict[str, str], empty_platform: Any
) -> None:
    wanted = [{"slug": f"race-{n}", "domains": ["One.Example", "two.example"]} for n in range(4)]

    ((*outcomes,),) = run_children(RACE, scratch_platform, json.dumps(wanted))

    assert sorted(outcomes) == ["conflict"] * 3 + ["created"]
    empty_platform.execute("SELECT count(*) FROM tenants_tenant")
    assert empty_platform.fetchone() == (1,)
    empty_platform.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'")
    assert empty_platform.fetchone() == (1,)
