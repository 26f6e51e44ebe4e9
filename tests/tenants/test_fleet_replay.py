"""One message: done wholly in the tenant it was meant for, or not at all."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from tenants.context import enter_platform, enter_tenant
from tenants.fleet import lag
from tenants.fleet.bounds import Bounds
from tenants.fleet.lag import Member
from tenants.fleet.replay import CHANGED, Script, replay
from tenants.models import Tenant

SCRIPT = Script(
    ("CREATE TABLE fleet_proof (id int)", "INSERT INTO fleet_proof VALUES (1)"),
    (("accounts", "0099_it's_next"),),
)


@pytest.fixture
def member(acme: Tenant) -> Member:
    """Acme, as a run finds it."""
    Tenant.objects.filter(pk=acme.pk).update(lacks=["accounts.0099_it's_next"])
    [found] = [member for member in lag.members() if member.slug == "acme"]
    [with_digest] = lag._with_digests([found])
    return with_digest


def left(acme: Tenant) -> tuple[bool, bool, list[str]]:
    """Whether the table is there, whether the migration is noted, and what is lacking."""
    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('fleet_proof') IS NOT NULL")
        [made] = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM django_migrations WHERE name = '0099_it''s_next'")
        [noted] = cursor.fetchone()
    with enter_platform():
        return made, bool(noted), Tenant.objects.get(pk=acme.pk).lacks


def test_it_is_done_noted_and_no_longer_lacking(acme: Tenant, member: Member) -> None:
    replay(SCRIPT, member, Bounds())

    assert left(acme) == (True, True, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda member, globex: replace(member, digest="0" * 32),
        lambda member, globex: replace(member, digest=None),
        lambda member, globex: replace(member, has_table=False),
        lambda member, globex: replace(member, id=globex.pk),
        lambda member, globex: replace(member, schema_name=globex.schema_name),
        lambda member, globex: replace(member, schema_name="t_aaaaaaaaaaaaaaaa"),
    ],
    ids=["another state", "no state", "no table", "another's mark", "another's", "gone"],
)
def test_a_tenant_that_is_not_as_it_was_is_left_alone(
    acme: Tenant, globex: Tenant, member: Member, change: Any
) -> None:
    with pytest.raises(DatabaseError) as error, transaction.atomic():
        replay(SCRIPT, change(member, globex), Bounds())

    assert getattr(error.value.__cause__, "pgcode", "") == CHANGED
    assert left(acme) == (False, False, ["accounts.0099_it's_next"])
    assert left(globex)[:2] == (False, False)


def test_what_fails_in_the_middle_leaves_nothing(acme: Tenant, member: Member) -> None:
    spoiled = replace(SCRIPT, statements=(*SCRIPT.statements, "INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(DatabaseError, match="nowhere"), transaction.atomic():
        replay(spoiled, member, Bounds())

    assert left(acme) == (False, False, ["accounts.0099_it's_next"])


def test_a_statement_that_takes_too_long_is_ended(acme: Tenant, member: Member) -> None:
    slow = replace(SCRIPT, statements=("SELECT pg_sleep(30)",))
    with pytest.raises(DatabaseError, match="statement timeout"), transaction.atomic():
        replay(slow, member, Bounds(statement=0.1))
