"""Suspending and resuming: at once, once, and in both records."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from accounts.models import CustomUser
from accounts.tasks import clear_sessions
from activity.jobs.tasks import expire_exports_in_tenant
from activity.models import ActivityEvent
from activity.tasks import aggregate_all
from tenants import lifecycle
from tenants.context import current_tenant, enter_tenant, enter_unserved
from tenants.errors import Conflict, InvalidInput, TenantUnavailable
from tenants.models import RecordHead, Tenant

Move = Callable[..., bool]


def events(tenant: Tenant, action: str) -> int:
    return ActivityEvent.objects.filter(action=action, target_id=str(tenant.pk)).count()


def state(tenant: Tenant) -> str:
    return str(Tenant.objects.values_list("state", flat=True).get(pk=tenant.pk))


def test_suspending_is_done_once_and_is_in_both_records(acme: Tenant, globex: Tenant) -> None:
    assert lifecycle.suspend(acme, reason="invoice 42") is True
    assert lifecycle.suspend(acme) is False

    assert state(acme) == acme.state == "suspended"
    assert events(acme, "tenant.suspended") == 1
    with enter_unserved(acme):
        event = ActivityEvent.objects.get(action="tenant.suspended")
        assert (event.target_id, event.reason) == (str(acme.pk), "invoice 42")
    with enter_tenant(globex):
        assert events(acme, "tenant.suspended") == 0


def test_resuming_is_done_once_and_is_in_both_records(acme: Tenant) -> None:
    lifecycle.suspend(acme)

    assert lifecycle.resume(acme, reason="paid") is True
    assert lifecycle.resume(acme) is False

    assert state(acme) == acme.state == "active"
    assert events(acme, "tenant.resumed") == 1
    with enter_tenant(acme):
        assert ActivityEvent.objects.get(action="tenant.resumed").reason == "paid"


@pytest.mark.parametrize("reason", ["nul \0 inside", "two\nlines", "\udcff", "x" * 501])
@pytest.mark.parametrize("move", [lifecycle.suspend, lifecycle.resume])
def test_with_a_reason_that_cannot_be_kept_nothing_changes(
    acme: Tenant, move: Callable[..., bool], reason: str
) -> None:
    with pytest.raises(InvalidInput, match="cannot be kept"):
        move(acme, reason=reason)

    assert state(acme) == "active"


def test_a_tenant_as_somebody_remembers_it_is_not_believed(acme: Tenant) -> None:
    remembered = Tenant.objects.get(pk=acme.pk)
    lifecycle.suspend(acme)

    assert lifecycle.suspend(remembered) is False

    assert remembered.state == "suspended"
    assert events(acme, "tenant.suspended") == 1


@pytest.mark.parametrize("move", [lifecycle.suspend, lifecycle.resume])
@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    "before", [s for s in Tenant.State if s not in (Tenant.State.ACTIVE, Tenant.State.SUSPENDED)]
)
def test_from_any_other_state_there_is_no_way(
    acme: Tenant, move: Move, dry_run: bool, before: str
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=before)
    count = ActivityEvent.objects.count()

    with pytest.raises(Conflict, match="Only a tenant that is"):
        move(acme, dry_run=dry_run)

    assert state(acme) == before
    assert ActivityEvent.objects.count() == count


def test_a_rehearsal_changes_nothing(acme: Tenant) -> None:
    assert lifecycle.suspend(acme, dry_run=True) is True
    assert lifecycle.resume(acme, dry_run=True) is False

    assert state(acme) == "active"
    assert events(acme, "tenant.suspended") == 0


def test_without_its_event_nothing_changes(acme: Tenant, broken_record: None) -> None:
    with pytest.raises(DatabaseError, match="no space left"):
        lifecycle.suspend(acme)

    assert state(acme) == "active"
    assert events(acme, "tenant.suspended") == 0
    assert current_tenant() is None


def test_a17_a_suspended_tenant_is_refused_everywhere_and_its_neighbour_nowhere(
    acme: Tenant,
    globex: Tenant,
    browser: Callable[..., Client],
    ann: CustomUser,
    sam: CustomUser,
) -> None:
    anns, sams = browser(acme, ann), browser(globex, sam)
    lifecycle.suspend(acme)
    credentials = {"login": "ann", "password": "correct horse battery staple"}

    assert anns.get("/admin/").status_code == 403
    assert browser(acme).post("/accounts/login/", credentials).status_code == 403
    with pytest.raises(TenantUnavailable):
        expire_exports_in_tenant.delay(tenant_id=str(acme.pk))
    with pytest.raises(TenantUnavailable), enter_tenant(acme):
        pytest.fail("the block must not run")
    assert sams.get("/admin/").status_code == 200
    expire_exports_in_tenant.delay(tenant_id=str(globex.pk))


def test_the_timetable_passes_a_suspended_tenant_by(acme: Tenant, globex: Tenant) -> None:
    both = clear_sessions()
    lifecycle.suspend(acme)

    assert clear_sessions() == both - 1 >= 1


def test_what_keeps_its_record_in_order_comes_to_a_suspended_tenant_too(
    acme: Tenant, globex: Tenant
) -> None:
    for tenant in (acme, globex):
        # As if something were sealed that is not counted.
        RecordHead.objects.create(
            record=str(tenant.pk), number=1, size=1, note="", sealed_at=timezone.now()
        )
    lifecycle.suspend(acme)

    assert aggregate_all() == 2
