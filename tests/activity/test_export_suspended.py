"""Files of tenants that are not served expire as those of others do, with their event."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from activity.jobs import keeping, tasks, unserved
from activity.models import ExportJob
from activity.verifying import verify
from tenants import lifecycle
from tenants.context import enter_platform, enter_tenant
from tenants.errors import TenantUnavailable
from tenants.hosts import owned
from tenants.models import Tenant
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import files, made


@pytest.fixture(autouse=True)
def place(exports_of_its_own):
    return exports_of_its_own


def over(tenant):
    """Let the time of every file of a tenant be over."""
    with enter_tenant(tenant):
        ExportJob.objects.update(expires_at=timezone.now() - timedelta(hours=1))


def set_state(tenant, state):
    with enter_platform():
        Tenant.objects.filter(pk=tenant.pk).update(state=state)
    tenant.refresh_from_db()


def state_of(tenant, job):
    set_state(tenant, Tenant.State.ACTIVE)
    with enter_tenant(tenant):
        return ExportJob.objects.get(pk=job.pk).state


@pytest.mark.parametrize("state", [Tenant.State.SUSPENDED, Tenant.State.DELETION_SCHEDULED])
def test_a_file_expires_while_nobody_can_enter(acme, ann, place, recorded, state):
    job = made(acme, ann)
    over(acme)
    assert files(place)
    set_state(acme, state)
    with pytest.raises(TenantUnavailable), enter_tenant(acme):
        pass

    tasks.expire_exports()

    assert files(place) == []
    assert state_of(acme, job) == ExportJob.State.EXPIRED
    [event] = recorded(acme, "export.expired")
    assert event.details["why"] == "its time was over"
    assert event.target_id == str(job.pk)
    with enter_tenant(acme):
        assert verify().wrong is None
    tasks.expire_exports()
    assert len(recorded(acme, "export.expired")) == 1


def test_it_is_in_the_record_when_the_tenant_is_resumed(acme, ann, place, recorded):
    made(acme, ann)
    over(acme)
    lifecycle.suspend(acme, reason="unpaid")
    assert unserved.expire() == 1
    lifecycle.resume(acme, reason="paid")
    told = recorded(acme, "tenant.suspended", "export.expired", "tenant.resumed")
    assert [event.action for event in told] == [
        *("tenant.suspended", "export.expired", "tenant.resumed")
    ]


def test_what_is_not_over_yet_stays(acme, ann, place):
    job = made(acme, ann)
    set_state(acme, Tenant.State.SUSPENDED)
    assert unserved.expire() == 0
    assert files(place)
    assert state_of(acme, job) == ExportJob.State.READY


def test_files_of_others_are_left_to_their_own_tasks(acme, globex, ann, sam, place):
    made(acme, ann)
    theirs = made(globex, sam)
    over(acme)
    over(globex)
    set_state(acme, Tenant.State.SUSPENDED)
    assert unserved.expire() == 1
    assert [name for name in files(place) if str(theirs.pk) in name]
    assert state_of(globex, theirs) == ExportJob.State.READY


def test_a_schema_that_is_not_the_tenants_own_is_left_alone(acme, ann, place):
    made(acme, ann)
    over(acme)
    set_state(acme, Tenant.State.SUSPENDED)
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA \"{acme.schema_name}\" IS 'somebody else'")
    with enter_platform():
        assert owned(Tenant.objects.filter(pk=acme.pk)) is None
    assert unserved.expire() == 0
    assert files(place)


def test_one_that_is_behind_this_release_keeps_no_other(acme, globex, ann, sam, place, monkeypatch):
    made(acme, ann)
    made(globex, sam)
    for tenant in (acme, globex):
        over(tenant)
        set_state(tenant, Tenant.State.SUSPENDED)
    require = unserved.require_served

    def behind(tenant):
        if tenant.pk == acme.pk:
            raise TenantUnavailable("it is behind.", "Migrate it.")
        return require(tenant)

    monkeypatch.setattr(unserved, "require_served", behind)
    assert unserved.expire() == 1
    kept = files(place)
    assert kept
    assert all(str(acme.pk) in name for name in kept)


def test_a_storage_that_refuses_leaves_the_row_as_it_is(acme, ann, place, monkeypatch):
    job = made(acme, ann)
    over(acme)
    set_state(acme, Tenant.State.SUSPENDED)

    def refuse(*_, **__):
        raise OSError("gone")

    monkeypatch.setattr(keeping, "drop", refuse)
    assert unserved.expire() == 0
    assert state_of(acme, job) == ExportJob.State.READY
