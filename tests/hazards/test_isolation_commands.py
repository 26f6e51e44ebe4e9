"""I21: commands that mean a tenant say which, and no number is a name."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tenants.models import Tenant
from tests.tenants.conftest import Run, run

__all__ = ["run"]


@pytest.mark.parametrize("command", ["tenant_command", "all_tenants_command", "clone_tenant"])
def test_i21_the_librarys_doors_into_tenants_are_closed(run: Run, command: str) -> None:
    ran = run("shell", "--schema=1", command=command)
    assert ran.status == 2
    assert "manage.py" in ran.stderr


@pytest.mark.parametrize("number", ["0", "1", "-1", "00", "1.0"])
def test_i21_no_number_selects_a_tenant_by_its_place_in_a_list(
    run: Run, acme: Tenant, globex: Tenant, number: str
) -> None:
    for verb in ("show", "suspend", "doctor"):
        ran = run(verb, "--", number) if number.startswith("-") else run(verb, number)
        assert ran.status == 3, (verb, ran.stdout, ran.stderr)
        assert "there is no tenant" in ran.stderr
    events = run("events", f"--tenant={number}", command="activity")
    assert events.status == 3
    migrated = run("migrate", f"--only={number}")
    assert migrated.status == 3
    assert Tenant.objects.active().count() == 2


@pytest.mark.parametrize("number", ["1", "0"])
def test_i21_a_number_is_no_schema(db: None, number: str) -> None:
    with pytest.raises(CommandError, match="schema"):
        call_command("migrate", schema_name=number, verbosity=0)


@pytest.mark.parametrize("verb", ["show", "suspend", "delete", "purge", "export", "rename"])
def test_i21_a_verb_about_one_tenant_refuses_without_its_name(run: Run, verb: str) -> None:
    ran = run(verb)
    assert ran.status == 2
    assert "required" in ran.stderr
