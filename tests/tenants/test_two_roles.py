"""The life of a tenant where serving people and owning schemas are two roles.

What a process that serves people cannot do it leaves to a worker, or refuses in one sentence and
changes nothing; a process with both URLs does all of it.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.tenants.roles import Manage, connect, rows

Ended = "subprocess.CompletedProcess[str]"

READY = "from tenants import spares; spares.keep_ready()"
REFUSED = "Do it where DATABASE_OWNER_URL is given, such as the worker's container."


def _did(ended: Ended) -> str:
    said = [line for line in ended.stderr.splitlines() if "[info" not in line]
    assert (ended.returncode, said) == (0, [])
    return ended.stdout


def _refused(ended: Ended) -> None:
    """In one sentence that says what is wrong, and one that says where it works."""
    assert (ended.returncode, ended.stdout) == (1, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: this process may not ")
    assert line.endswith(REFUSED)


def _operations(manage: Manage, slug: str) -> Any:
    return json.loads(_did(manage("tenant", "operations", "--tenant", slug, "--json")))


def _state(slug: str) -> str:
    [(state,)] = rows("SELECT state FROM public.tenants_tenant WHERE slug = %s", slug)
    return str(state)


def _schema_of(slug: str) -> str:
    [(name,)] = rows("SELECT schema_name FROM public.tenants_tenant WHERE slug = %s", slug)
    return str(name)


def _schemas() -> list[str]:
    found = rows("SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_' ORDER BY 1")
    return [name for (name,) in found]


@pytest.fixture
def acme(as_owner: Manage, as_web: Manage) -> str:
    """A tenant that a process which serves people has made of a spare."""
    slug = f"acme-{secrets.token_hex(4)}"
    _did(as_owner("shell", "-v0", "-c", READY))
    made = _did(as_web("tenant", "create", slug, "--admin-email", f"ann@{slug}.example"))
    assert f"created {slug} (Active)" in made
    return slug


@pytest.mark.parametrize("who", ["as_web", "as_owner"])
def test_what_changes_rows_alone_both_do(
    acme: str, who: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    manage: Manage = request.getfixturevalue(who)
    host = f"people.{acme}.example"

    assert "renamed" in _did(manage("tenant", "rename", acme, f"{acme}-new"))
    assert "renamed" in _did(manage("tenant", "rename", f"{acme}-new", acme))
    assert "claimed" not in _did(manage("tenant", "domain", "add", acme, host, "--vouched"))
    assert "Publish" in _did(manage("tenant", "domain", "add", acme, f"claim.{host}"))
    assert host in _did(manage("tenant", "domain", "primary", acme, host))
    assert "removed" in _did(manage("tenant", "domain", "remove", acme, host))
    assert "suspended" in _did(manage("tenant", "suspend", acme, "--reason", "overdue"))
    assert "resumed" in _did(manage("tenant", "resume", acme))
    assert "scheduled" in _did(manage("tenant", "delete", acme, "--reason", "over", "--yes"))
    assert "undeleted" in _did(manage("tenant", "undelete", acme))
    assert _did(manage("activity", "aggregate", "--tenant", acme))
    assert "exported" in _did(manage("tenant", "export", acme, str(tmp_path / "acme.tenant")))
    assert "nothing to do" in _did(manage("tenant", "migrate"))
    assert "nothing to do" in _did(manage("migrate"))
    assert _state(acme) == "active"


def test_who_serves_people_leaves_a_purge_to_a_worker(
    acme: str, as_web: Manage, as_owner: Manage
) -> None:
    schema = _schema_of(acme)
    _did(as_web("tenant", "delete", acme, "--reason", "over", "--grace", "0", "--yes"))

    assert "a worker purges it" in _did(as_web("tenant", "purge", acme, "--yes"))
    [waiting] = _operations(as_web, acme)
    assert "left to a worker" in _did(as_web("tenant", "operations", "--resume", waiting["id"]))
    cannot = as_web("tenant", "operations", "--cancel", waiting["id"])

    assert (cannot.returncode, len(cannot.stderr.splitlines())) == (4, 1)
    [waiting] = _operations(as_web, acme)
    assert (waiting["state"], waiting["attempt"], waiting["error"]) == ("waiting", 0, "")
    assert schema in _schemas()

    _did(as_owner("tenant", "operations", "--resume", waiting["id"]))

    assert schema not in _schemas()
    assert _state(acme) == "deleted"
    assert "digest" in _did(as_web("tenant", "certificate", acme))
    assert "already purged" in _did(as_web("tenant", "purge", acme, "--yes"))


def test_who_owns_schemas_purges_at_once(acme: str, as_owner: Manage) -> None:
    schema = _schema_of(acme)
    _did(as_owner("tenant", "delete", acme, "--reason", "over", "--grace", "0", "--yes"))

    assert "certificate" in _did(as_owner("tenant", "purge", acme, "--yes"))
    assert schema not in _schemas()


def test_who_serves_people_leaves_making_a_schema_to_a_worker(
    as_web: Manage, as_owner: Manage
) -> None:
    # Nobody has filled the pool again since the last one was taken.
    _drop_spares(as_owner)
    assert "a worker makes it" in _did(as_web("tenant", "create", "initrode"))
    [waiting] = _operations(as_web, "initrode")

    assert "left to a worker" in _did(as_web("tenant", "operations", "--resume", waiting["id"]))
    assert [_operations(as_web, "initrode")[0][key] for key in ("state", "error")] == [
        "waiting",
        "",
    ]
    assert "cancelled" in _did(as_web("tenant", "operations", "--cancel", waiting["id"]))
    assert "created" in _did(as_owner("tenant", "create", "initrode"))


def _drop_spares(as_owner: Manage) -> None:
    _did(
        as_owner(
            "shell",
            "-v0",
            "-c",
            "from django.conf import settings; settings.TENANTRY_SPARE_SCHEMAS = 0\n" + READY,
        )
    )


def test_what_an_owner_has_half_made_only_an_owner_undoes(as_web: Manage, as_owner: Manage) -> None:
    _drop_spares(as_owner)
    _did(as_web("tenant", "create", "penetrode"))
    [waiting] = _operations(as_web, "penetrode")
    # As a worker leaves it that is killed behind the first step.
    half = "from tenants import operations, plans; o = operations.operation_with('{}')\n"
    half += "operations._take(plans.Work(operation=o), 0, plans._plans['create'].steps[0])"
    _did(as_owner("shell", "-v0", "-c", half.format(waiting["id"])))
    schema = _schema_of("penetrode")
    assert schema in _schemas()

    _refused(as_web("tenant", "operations", "--cancel", waiting["id"]))
    assert schema in _schemas()
    assert _state("penetrode") == "provisioning"

    assert "cancelled" in _did(as_owner("tenant", "operations", "--cancel", waiting["id"]))
    assert schema not in _schemas()
    assert not rows("SELECT FROM public.tenants_tenant WHERE slug = 'penetrode'")


def test_only_an_owner_imports(acme: str, as_web: Manage, as_owner: Manage, tmp_path: Path) -> None:
    path = str(tmp_path / "acme.tenant")
    _did(as_web("tenant", "export", acme, path))
    schema = _schema_of(acme)
    _forget(acme)
    before = _schemas()

    _refused(as_web("tenant", "import", path))
    assert "would import" in _did(as_web("tenant", "import", path, "--dry-run"))
    assert _schemas() == before
    assert not rows("SELECT FROM public.tenants_tenant WHERE slug = %s", acme)

    assert "imported" in _did(as_owner("tenant", "import", path))
    assert _schema_of(acme) != schema
    # What was imported is as open to who serves people as what was provisioned, and no more.
    assert "suspended" in _did(as_web("tenant", "suspend", acme))
    _did(as_web("tenant", "resume", acme))
    assert "all is as it should be" in _did(as_owner("tenant", "doctor", acme))


def _forget(slug: str) -> None:
    """Remove a tenant as if this platform had never had it."""
    [(key, schema)] = rows(
        "SELECT id, schema_name FROM public.tenants_tenant WHERE slug = %s", slug
    )
    with connect() as server, server.cursor() as cursor:
        for table in ("domain", "operation", "formerslug"):
            cursor.execute(f"DELETE FROM public.tenants_{table} WHERE tenant_id = %s", [key])
        cursor.execute("DELETE FROM public.tenants_tenant WHERE id = %s", [key])
        cursor.execute(f"DROP SCHEMA {schema} CASCADE")


def test_only_an_owner_can_be_a_doctor(acme: str, as_web: Manage, as_owner: Manage) -> None:
    before = _schemas()
    for arguments in ([], ["--fix"], [acme]):
        _refused(as_web("tenant", "doctor", *arguments))
    said = as_web("tenant", "doctor", acme, "--json")
    assert json.loads(said.stdout)["error"]["hint"] == REFUSED
    assert _schemas() == before

    with connect() as server, server.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {_schema_of(acme)}.activity_activityevent DISABLE TRIGGER USER"
        )
    assert as_owner("tenant", "doctor", acme).returncode == 1
    assert "repaired" in _did(as_owner("tenant", "doctor", acme, "--fix"))
    assert "all is as it should be" in _did(as_owner("tenant", "doctor", acme))


@pytest.mark.parametrize("command", [["tenant", "migrate"], ["migrate"], ["migrate_schemas"]])
def test_who_serves_people_does_not_begin_a_migration(
    acme: str, command: list[str], as_web: Manage, as_owner: Manage
) -> None:
    schema = _schema_of(acme)
    with connect() as server, server.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {schema}.django_migrations"
            " WHERE app = 'tenants' AND name ="
            f" (SELECT max(name) FROM {schema}.django_migrations WHERE app = 'tenants')"
        )

    ended = as_web(*command)

    assert ended.returncode == 1
    assert REFUSED in ended.stderr
    assert "Traceback" not in ended.stderr
    # It is not noted as one that lags behind, which would keep it from being served.
    assert rows("SELECT lacks FROM public.tenants_tenant WHERE slug = %s", acme) == [([],)]
    assert not _operations(as_web, acme)

    assert "migrated 1 of" in _did(as_owner("tenant", "migrate"))
