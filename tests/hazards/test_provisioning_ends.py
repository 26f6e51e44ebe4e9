"""P01, P02 and P09 at the other end of a tenant's life: purge, export and import, killed anywhere.

Real processes, a real ``SIGKILL``, a database of their own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.environment import CHECKOUT
from tenants.archive.reading import archive_at
from tests.conftest import empty
from tests.hazards.kills import answers, manage
from tests.tenants.archives import sample as sample

Environment = dict[str, str]
KILLED = -signal.SIGKILL


@pytest.fixture
def platform(scratch: Any) -> Iterator[Any]:
    """Yield a cursor of the scratch platform, and leave it without tenants."""
    yield scratch
    wait_for_backends(scratch)
    scratch.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'")
    for (schema,) in scratch.fetchall():
        scratch.execute(f"DROP SCHEMA {schema} CASCADE")
    empty(scratch, "public.tenants_tenant", "public.tenants_spareschema")


def rows(platform: Any, query: str, *values: Any) -> list[Any]:
    platform.execute(query, values)
    return list(platform.fetchall())


def backends(platform: Any) -> bool:
    return bool(
        rows(
            platform,
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
    )


def somebody_waits(platform: Any) -> bool:
    return bool(rows(platform, "SELECT pid FROM pg_locks WHERE NOT granted"))


def wait_for_backends(platform: Any) -> None:
    """PostgreSQL needs a moment to notice that a client is gone."""
    deadline = time.monotonic() + 60
    while backends(platform):
        assert time.monotonic() < deadline, "a backend did not end"
        time.sleep(0.01)


def schemas(platform: Any) -> list[str]:
    """The marks of all tenants' schemas but spares."""
    return [
        mark
        for (mark,) in rows(
            platform,
            "SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace n"
            " WHERE nspname LIKE 't\\_%%' AND nspname NOT IN"
            " (SELECT schema_name FROM public.tenants_spareschema)",
        )
    ]


ENDS = """
from django.core.management import call_command
from django.test import Client

from tenants import deletion, operations, provisioning
from tenants.models import DeletionCertificate, Operation, Tenant

MAKE_DUE = {"reason": "contract ended", "grace_days": 0}


def doomed(slug):
    made = provisioning.create(provisioning.TenantRequest(slug=slug, name=slug))
    deletion.schedule(made.tenant, **MAKE_DUE)
    return slug


def purge(slug):
    deletion.purge(Tenant.objects.get(slug=slug))
    return "purged"


def served(slug):
    return Client(headers={"host": f"{slug}.localhost"}).get("/accounts/login/").status_code


def found(slug):
    tenant = Tenant.objects.get(slug=slug)
    operation = Operation.objects.filter(tenant=tenant, kind="purge").first()
    return {
        "state": tenant.state,
        "domains": tenant.domains.count(),
        "operation": operation and operation.pk,
        "next": operation and operation.next_step,
        "certificates": DeletionCertificate.objects.filter(tenant=tenant).count(),
    }


def resume(slug):
    operation = Operation.objects.get(tenant__slug=slug, kind="purge")
    operations.carry_on(operations.operation_with(operation.pk))
    return str(operation.pk)
"""

PURGES = """
for position, (word, occurrence) in enumerate(json.loads(sys.argv[1])):
    slug = f"doomed-{position}x"
    on_platform(lambda: doomed(slug))
    died = in_child(lambda: killed_before(word, occurrence, lambda: purge(slug)))
    status = on_platform(lambda: served(slug))
    between = on_platform(lambda: found(slug))
    # Where even the first transaction was lost, nothing was begun: it is asked for again.
    again = on_platform(lambda: (resume if between["operation"] else purge)(slug))
    after = on_platform(lambda: found(slug))
    say(word=word, died=died, served=status, between=between, after=after)
"""

POINTS = [
    ('INSERT INTO "tenants_operation"', 1),
    ('UPDATE "tenants_operation"', 1),
    ("SELECT count(*) FROM", 1),
    ("SELECT count(*) FROM", 9),
    ('UPDATE "tenants_operation"', 2),
    ("LOCK TABLE", 1),
    ("DROP SCHEMA", 1),
    ('UPDATE "tenants_operation"', 3),
    ("pg_try_advisory_xact_lock", 4),
    ('INSERT INTO "tenants_deletioncertificate"', 1),
    ('DELETE FROM "tenants_domain"', 1),
    ('INSERT INTO "activity_activityevent"', 1),
    ('UPDATE "tenants_operation"', 5),
]


def test_p09_killed_before_any_statement_of_a_purge_it_ends_as_if_it_had_not_been(
    scratch_platform: Environment, platform: Any
) -> None:
    # Other tests may have left tenants on this platform.
    there = schemas(platform)

    told = answers(ENDS + PURGES, scratch_platform, json.dumps(POINTS))

    assert [one["word"] for one in told] == [word for word, _ in POINTS]
    steps = set()
    for one in told:
        assert one["died"] == KILLED, one
        assert one["served"] in (403, 404), one
        assert one["between"]["state"] in ("deletion_scheduled", "deleting"), one
        assert one["between"]["certificates"] == 0, one
        steps.add(one["between"]["next"])
        assert one["after"]["state"] == "deleted", one
        assert (one["after"]["domains"], one["after"]["certificates"]) == (0, 1), one
    assert steps == {None, "count", "schema", "places", "certificate"}
    assert schemas(platform) == there
    assert (
        rows(
            platform,
            "SELECT target_label, count(*) FROM public.activity_activityevent"
            " WHERE action = 'tenant.deleted' AND target_label LIKE 'doomed-%%x' GROUP BY 1"
            " HAVING count(*) <> 1",
        )
        == []
    )


def run(environment: Environment, *arguments: str) -> str:
    process = manage(environment, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_p09_the_command_itself_is_killed_while_it_waits_to_drop_the_schema(
    scratch_platform: Environment, platform: Any
) -> None:
    run(scratch_platform, "tenant", "create", "held")
    run(
        scratch_platform, *["tenant", "delete", "held", "--reason", "over", "--grace", "0", "--yes"]
    )
    [(schema, key)] = rows(platform, "SELECT schema_name, id FROM public.tenants_tenant")
    platform.execute("BEGIN")
    platform.execute(f"LOCK TABLE {schema}.accounts_customuser IN ACCESS SHARE MODE")
    process = manage(scratch_platform, "tenant", "purge", "held", "--yes")
    deadline = time.monotonic() + 60
    while not somebody_waits(platform):
        assert time.monotonic() < deadline, "it never waited"
        time.sleep(0.02)

    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    platform.execute("ROLLBACK")

    wait_for_backends(platform)
    assert schemas(platform) == [f"tenantry:{key}"]
    unfinished = json.loads(run(scratch_platform, "tenant", "operations", "--json"))
    assert [(one["kind"], one["next_step"]) for one in unfinished] == [("purge", "schema")]
    run(scratch_platform, "tenant", "operations", "--resume", unfinished[0]["id"])
    certificate = json.loads(run(scratch_platform, "tenant", "certificate", "held", "--json"))
    assert certificate["counts"]["rows"]["accounts_customuser"] == 0
    assert schemas(platform) == []


def test_p09_a_message_of_a_purged_tenant_runs_nothing(
    scratch_platform: Environment, platform: Any
) -> None:
    script = """
from accounts.tasks import mail_reset_link

on_platform(lambda: doomed("queued"))
key = on_platform(lambda: str(Tenant.objects.get(slug="queued").pk))
on_platform(lambda: purge("queued"))
message = {"user_id": 1, "tenant_id": key}
say(answer=on_platform(lambda: mail_reset_link.apply(kwargs=message).get()))
"""
    [told] = answers(ENDS + script, scratch_platform)

    assert told == {"answer": "tenant-unavailable"}


ARCHIVES = """
from pathlib import Path

from accounts.models import CustomUser
from tenants import operations, provisioning
from tenants.archive.loading import import_archive
from tenants.archive.writing import export
from tenants.context import enter_tenant
from tenants.models import Operation, Tenant
from django.test import Client

folder = Path(sys.argv[1])


def lived():
    made = provisioning.create(provisioning.TenantRequest(slug="moving", name="Moving"))
    with enter_tenant(made.tenant):
        CustomUser.objects.create_user(username="ann", email="ann@x.example", password="x")
    return str(made.tenant.pk)


def gone():
    from django.db import connection
    tenant = Tenant.objects.get(slug="moving")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {tenant.schema_name} CASCADE")
        for table in ("operation", "domain"):
            cursor.execute(f"DELETE FROM tenants_{table} WHERE tenant_id = %s", [tenant.pk])
        cursor.execute("DELETE FROM tenants_tenant WHERE id = %s", [tenant.pk])


def taken():
    tenant = Tenant.objects.filter(slug="moving").first()
    operation = Operation.objects.filter(kind="import").first()
    return {
        "state": tenant and tenant.state,
        "operation": operation and operation.pk,
        "next": operation and operation.next_step,
    }


def served():
    return Client(headers={"host": "moving.localhost"}).get("/accounts/login/").status_code


def carried_on():
    operation = Operation.objects.get(kind="import")
    operations.carry_on(operations.operation_with(operation.pk))
    return "carried on"


def cancelled():
    operations.cancel(Operation.objects.get(kind="import"))
    return "cancelled"


def people():
    with enter_tenant(Tenant.objects.get(slug="moving")):
        return list(CustomUser.objects.values_list("username", flat=True))


def imported():
    return import_archive(folder / "moving.tenant").tenant.state
"""

IMPORTS = """
key = on_platform(lived)
on_platform(lambda: export(Tenant.objects.get(slug="moving"), folder / "moving.tenant").rows)
on_platform(gone)
for word, occurrence in json.loads(sys.argv[2]):
    for end in (carried_on, cancelled, imported):
        died = in_child(lambda: killed_before(word, occurrence, imported))
        status = on_platform(served)
        between = on_platform(taken)
        how = end if between["operation"] else imported
        answer = on_platform(how)
        after = on_platform(taken)
        names = on_platform(people) if after["state"] else None
        if after["state"]:
            on_platform(gone)
        say(word=word, died=died, served=status, between=between, how=how.__name__,
            answer=answer, after=after, people=names)
"""

IMPORT_POINTS = [
    ('INSERT INTO "tenants_tenant"', 1),
    ('INSERT INTO "tenants_operation"', 1),
    ('UPDATE "tenants_operation"', 1),
    ("CREATE SCHEMA", 1),
    ("TRUNCATE", 1),
    ("setval", 3),
    ("ENABLE TRIGGER", 16),
    ('UPDATE "tenants_operation"', 2),
    ("pg_try_advisory_xact_lock", 3),
    ('INSERT INTO "activity_activityevent"', 1),
    ('UPDATE "tenants_operation"', 3),
]


def test_killed_before_any_statement_of_an_import_it_is_carried_on_or_cancelled(
    scratch_platform: Environment, platform: Any, tmp_path: Path
) -> None:
    told = answers(ARCHIVES + IMPORTS, scratch_platform, tmp_path, json.dumps(IMPORT_POINTS))

    assert len(told) == 3 * len(IMPORT_POINTS)
    steps = set()
    for one in told:
        assert one["died"] == KILLED, one
        assert one["served"] == 404, one
        assert one["between"]["state"] in (None, "provisioning"), one
        steps.add(one["between"]["next"])
        if one["how"] == "cancelled":
            assert one["after"] == {"state": None, "operation": None, "next": None}, one
        else:
            assert one["answer"] in ("carried on", "active"), one
            assert (one["after"]["state"], one["people"]) == ("active", ["ann"]), one
    assert steps == {None, "rows", "activation"}
    assert schemas(platform) == []


def test_a_tenant_moves_to_another_platform(
    scratch_platform: Environment, platform: Any, tmp_path: Path, sample: Any
) -> None:
    """The sample comes from the database that the other tests use."""
    out = run(scratch_platform, "tenant", "import", str(sample.path), "--json")

    tenant = json.loads(out)["tenant"]
    assert (tenant["id"], tenant["state"]) == (str(sample.tenant.pk), "active")
    run(scratch_platform, "tenant", "export", "initech", str(tmp_path / "again.tenant"))
    found = rows(platform, f"SELECT t::text FROM {tenant['schema_name']}.accounts_customuser t")
    assert sorted(text for (text,) in found) == sorted(sample.rows["accounts_customuser"])


def test_an_archive_goes_through_pipes(
    scratch_platform: Environment, platform: Any, tmp_path: Path, sample: Any
) -> None:
    """As out of a container and into another."""

    def piped(*arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            [sys.executable, "manage.py", "tenant", *arguments],
            cwd=CHECKOUT,
            env=scratch_platform,
            input=given,
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert piped("import", "-", given=sample.content).startswith(b"imported initech (Active)")
    written = piped("export", "initech", "-")

    (tmp_path / "piped.tenant").write_bytes(written)
    with archive_at(tmp_path / "piped.tenant") as archive:
        assert archive.manifest.tenant.id == sample.tenant.pk


def test_a_killed_export_leaves_no_file(
    scratch_platform: Environment, platform: Any, tmp_path: Path
) -> None:
    script = """
on_platform(lived)
for word in ("current_setting", '"activity_activityevent"', '"tenants_operation"'):
    path = folder / "moving.tenant"
    act = lambda: export(Tenant.objects.get(slug="moving"), path).rows
    say(died=in_child(lambda: killed_before(word, 1, act)), there=path.exists())
"""
    told = answers(ARCHIVES + script, scratch_platform, tmp_path)

    assert told == [{"died": KILLED, "there": False}] * 3
