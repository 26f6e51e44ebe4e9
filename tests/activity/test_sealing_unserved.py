"""The record of a tenant that is not served is sealed, counted and verified like any other."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from activity import tasks
from activity.models import ActivityEvent
from activity.rollups import cursors, sweeping
from activity.sealing import checking, lag
from activity.sealing.unsealed import Sweep
from activity.verifying import verify
from tenants import deletion, lifecycle
from tenants.context import enter_living, enter_platform, enter_tenant, enter_unserved
from tenants.errors import TenantUnavailable
from tenants.models import RecordCheck, Tenant
from tests.activity.settling import settle, settled
from tests.activity.test_sealing import happen


@pytest.fixture(params=["suspended", "deletion_scheduled"])
def closed(lab, request):
    """A tenant that was closed after all that it had was sealed."""
    with enter_tenant(lab):
        happen(3)
        settle()
    if request.param == "suspended":
        lifecycle.suspend(lab, reason="unpaid")
    else:
        deletion.schedule(lab, reason="unpaid")
    lab.refresh_from_db()
    with enter_unserved(lab):
        settled()
    return lab


def unsealed(tenant):
    with enter_unserved(tenant):
        return verify().unsealed


def in_sweep(tenant):
    return [one for one in Sweep().unsealed() if one.record == str(tenant.pk)]


def test_what_closed_it_is_found_and_sealed(closed):
    [found] = in_sweep(closed)
    assert (found.events, found.is_ripe) == (1, True)
    assert str(closed.pk) in lag.note([found]).since

    tasks.seal_all()

    assert unsealed(closed) == 0
    assert in_sweep(closed) == []


def test_what_is_counted_of_it_is_counted_on(closed):
    with enter_living(closed):
        settle()
    assert str(closed.pk) in sweeping.behind()

    tasks.aggregate_all()

    assert str(closed.pk) not in sweeping.behind()
    with enter_living(closed):
        assert cursors.served().size == ActivityEvent.objects.count()


def test_it_is_verified_by_itself_and_what_is_wrong_is_told(closed):
    with enter_living(closed):
        settle()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            cursor.execute("UPDATE activity_activityevent SET reason = 'forged'")
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
    assert str(closed.pk) in checking.due()

    while str(closed.pk) in checking.due():
        checking.check_due()

    with enter_platform():
        check = RecordCheck.objects.get(record=str(closed.pk))
    assert "altered" in check.sentence
    with enter_living(closed):
        assert ActivityEvent.objects.filter(action="record.verification_failed").exists()


def test_it_is_sealed_counted_and_verified_by_command(closed, capsys):
    def run(*arguments):
        capsys.readouterr()
        call_command("activity", *arguments, "--json")
        return json.loads(capsys.readouterr().out)

    assert run("seal", "--tenant", closed.slug) == {"sealed": {closed.slug: 1}}
    [verdict] = run("verify", "--tenant", closed.slug)["verified"].values()
    assert (verdict["intact"], verdict["unsealed"]) == (True, 0)
    assert closed.slug in run("verify", "--all")["verified"]
    assert closed.slug in run("seal", "--all")["sealed"]
    compared = run("aggregate", "--tenant", closed.slug, "--compare")["compared"]
    assert compared[closed.slug]["equal"] is True
    with pytest.raises(CommandError, match=r"suspended|deletion"):
        run("events", "--tenant", closed.slug)


@pytest.mark.parametrize("state", ["requested", "provisioning", "deleting", "deleted"])
def test_nothing_enters_what_is_not_complete_or_not_any_more(lab, state):
    lab.state = Tenant.State(state)
    with pytest.raises(TenantUnavailable, match=state), enter_living(lab):
        pass
    with enter_platform():
        Tenant.objects.filter(pk=lab.pk).update(state=state)
    try:
        assert in_sweep(lab) == []
        with pytest.raises(TenantUnavailable):
            tasks.seal_tenant.apply(kwargs={"tenant_id": str(lab.pk)}, throw=True)
    finally:
        with enter_platform():
            Tenant.objects.filter(pk=lab.pk).update(state="active")


def test_a_schema_that_is_not_its_own_is_left_alone(closed):
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {closed.schema_name} IS 'tenantry:another'")

    assert in_sweep(closed) == []
    tasks.seal_all()

    with enter_unserved(closed):
        assert verify().unsealed == 1
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {closed.schema_name} IS 'tenantry:{closed.pk}'")
