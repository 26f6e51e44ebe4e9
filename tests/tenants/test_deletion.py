"""The end of a tenant: closed, brought back, or destroyed and certified."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisGone

from accounts.models import CustomUser
from activity.jobs.tasks import expire_exports_in_tenant
from activity.models import ActivityEvent
from activity.sealing import sealer
from config.cache import TenantRedisCache
from tenants import certificates, deletion, lifecycle, operations, provisioning
from tenants.context import enter_platform, enter_tenant, enter_unserved
from tenants.errors import Conflict, InvalidInput, NotFound, TenantryError, TenantUnavailable
from tenants.models import (
    DeletionCertificate,
    Domain,
    FormerSlug,
    Operation,
    RecordHead,
    RecordRollup,
    Tenant,
)
from tenants.requests import TenantRequest
from tenants.tasks import purge_due
from tests.conftest import CANARY
from tests.tenants.conftest import Run


def scheduled(tenant: Tenant, *, days: int = 0) -> Tenant:
    deletion.schedule(tenant, reason="contract ended", grace_days=days)
    return tenant


def purged(tenant: Tenant) -> DeletionCertificate:
    certificate = deletion.purge(scheduled(tenant)).certificate
    assert certificate is not None
    return certificate


def events(tenant: Tenant, action: str) -> list[ActivityEvent]:
    return list(ActivityEvent.objects.filter(action=action, target_id=str(tenant.pk)))


def stored(tenant: Tenant) -> Tenant:
    return Tenant.objects.get(pk=tenant.pk)


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        return {name for (name,) in cursor.fetchall()}


# Scheduling


def test_scheduling_closes_at_once_and_counts_the_grace_from_now(acme: Tenant) -> None:
    assert deletion.schedule(acme, reason=" contract ended ") is True

    assert acme.state == stored(acme).state == "deletion_scheduled"
    assert acme.purge_after is not None
    assert abs(acme.purge_after - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert acme.schema_name in schemas()


def test_it_is_in_both_records_and_among_the_operations(acme: Tenant, globex: Tenant) -> None:
    scheduled(acme, days=7)

    [event] = events(acme, "tenant.deletion_scheduled")
    assert event.reason == "contract ended"
    assert event.details == {"purge_after": certificates.moment(acme.purge_after)}  # type: ignore[arg-type]
    with enter_unserved(acme):
        assert len(events(acme, "tenant.deletion_scheduled")) == 1
    with enter_tenant(globex):
        assert events(acme, "tenant.deletion_scheduled") == []
    operation = Operation.objects.get(tenant=acme, kind="schedule_deletion")
    assert (operation.state, operation.request) == (
        "finished",
        {"reason": "contract ended", "grace_days": 7},
    )


def test_asking_again_changes_nothing_not_even_the_date(acme: Tenant) -> None:
    scheduled(acme, days=7)
    before = acme.purge_after

    assert deletion.schedule(acme, reason="sooner", grace_days=1) is False

    assert acme.purge_after == stored(acme).purge_after == before
    assert len(events(acme, "tenant.deletion_scheduled")) == 1


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501])
def test_without_a_usable_reason_nothing_is_scheduled(acme: Tenant, reason: str) -> None:
    with pytest.raises(InvalidInput, match="needs a reason"):
        deletion.schedule(acme, reason=reason)

    assert stored(acme).state == "active"


@pytest.mark.parametrize("days", [-1, 3651])
def test_an_impossible_grace_is_refused(acme: Tenant, days: int) -> None:
    with pytest.raises(InvalidInput, match="0 to 3650"):
        deletion.schedule(acme, reason="contract ended", grace_days=days)

    assert stored(acme).state == "active"


@pytest.mark.parametrize("state", ["requested", "provisioning", "deleting", "deleted"])
def test_only_what_lives_can_be_deleted(acme: Tenant, state: str) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    for dry_run in (True, False):
        with pytest.raises(Conflict, match="active or suspended"):
            deletion.schedule(acme, reason="contract ended", dry_run=dry_run)

    assert stored(acme).state == state


def test_a_tenant_that_is_to_be_deleted_is_closed_everywhere_and_its_neighbour_nowhere(
    acme: Tenant, globex: Tenant, browser: Callable[..., Client], ann: CustomUser, sam: CustomUser
) -> None:
    anns, sams = browser(acme, ann), browser(globex, sam)

    scheduled(acme, days=7)

    for path in ("/admin/", "/accounts/login/", "/static/x.css"):
        response = anns.get(path)
        assert response.status_code == 403
        assert b"was closed" in response.content
    with pytest.raises(TenantUnavailable):
        expire_exports_in_tenant.delay(tenant_id=str(acme.pk))
    with pytest.raises(TenantUnavailable), enter_tenant(acme):
        pytest.fail("the block must not run")
    assert sams.get("/admin/").status_code == 200


# Taking it back


@pytest.mark.parametrize("before", ["active", "suspended"])
def test_undeleting_brings_back_the_state_it_had(acme: Tenant, before: str) -> None:
    if before == "suspended":
        lifecycle.suspend(acme)
    scheduled(acme, days=7)

    assert deletion.undelete(acme, reason="contract renewed") is True
    assert deletion.undelete(acme) is False

    tenant = stored(acme)
    assert acme.state == tenant.state == before
    assert (tenant.purge_after, tenant.restored_state) == (None, "")
    assert [event.reason for event in events(acme, "tenant.undeleted")] == ["contract renewed"]
    with enter_unserved(acme):
        assert len(events(acme, "tenant.undeleted")) == 1
    assert Operation.objects.get(tenant=acme, kind="undelete").state == "finished"


@pytest.mark.parametrize("reason", ["nul \0 inside", "two\nlines", "x" * 501])
def test_with_a_reason_that_cannot_be_kept_nothing_is_brought_back(
    acme: Tenant, reason: str
) -> None:
    scheduled(acme, days=7)

    with pytest.raises(InvalidInput, match="cannot be kept"):
        deletion.undelete(acme, reason=reason)

    assert stored(acme).state == "deletion_scheduled"


def test_a_rehearsal_changes_nothing(acme: Tenant) -> None:
    assert deletion.schedule(acme, reason="contract ended", dry_run=True) is True
    assert stored(acme).state == "active"
    assert deletion.undelete(acme, dry_run=True) is False
    scheduled(acme)
    assert deletion.undelete(acme, dry_run=True) is True
    assert deletion.purge(acme, dry_run=True).changed is True
    assert stored(acme).state == "deletion_scheduled"
    assert acme.schema_name in schemas()


def test_the_last_checkpoint_of_a_purged_record_is_kept(acme: Tenant) -> None:
    with enter_tenant(acme):
        sealer.seal(timezone.now())
    head = RecordHead(record=str(acme.pk), number=1, size=1, note="a note", sealed_at=Now())
    with enter_platform():
        RecordHead.objects.filter(pk=head.pk).exists() or head.save(force_insert=True)

    purged(acme)

    with enter_platform():
        assert RecordHead.objects.filter(pk=str(acme.pk)).exists()


def test_what_was_purged_is_not_brought_back(acme: Tenant) -> None:
    purged(acme)

    with pytest.raises(Conflict, match="gone or going"):
        deletion.undelete(acme)

    assert stored(acme).state == "deleted"


def test_while_it_is_purged_it_is_not_brought_back(acme: Tenant) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state="deleting")

    with pytest.raises(Conflict, match="gone or going"):
        deletion.undelete(acme)


# Purging


def test_in_its_grace_a_tenant_is_not_purged(acme: Tenant) -> None:
    scheduled(acme, days=1)

    with pytest.raises(Conflict, match=f"in its grace until {acme.purge_after:%Y-%m-%d %H:%M} UTC"):
        deletion.purge(acme)

    assert stored(acme).state == "deletion_scheduled"
    assert acme.schema_name in schemas()
    assert not Operation.objects.filter(kind="purge").exists()


@pytest.mark.parametrize("state", ["active", "suspended", "provisioning"])
def test_what_is_not_scheduled_is_not_purged(acme: Tenant, state: str) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    with pytest.raises(Conflict, match="not scheduled"):
        deletion.purge(acme)

    assert stored(acme).state == state
    assert acme.schema_name in schemas()


def everything_stored() -> str:
    """Every row of every table of every schema, as text."""
    texts = []
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', nspname, relname) FROM pg_class"
            " JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r'"
            " AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table} t")
            texts.append(f"{table}\n{cursor.fetchone()[0]}")
    return "\n".join(texts)


def test_p09_nothing_of_a_purged_tenant_remains_but_tombstone_and_certificate(
    acme: Tenant, globex: Tenant, ann: CustomUser, browser: Callable[..., Client]
) -> None:
    browser(acme, ann).get("/admin/")
    Domain.objects.create(tenant=acme, domain="people.acme.example", verified_at=Now())
    FormerSlug.objects.create(tenant=acme, slug="acme-of-old")
    made = Operation.objects.create(
        tenant=acme, kind="create", state="finished", request={"admin_email": "ann@acme.example"}
    )
    for tenant in (acme, globex):
        with enter_tenant(tenant):
            cache.set("canary", CANARY[tenant.slug])
    Tenant.objects.filter(pk=acme.pk).update(name="Acme Incorporated", time_zone="Asia/Tokyo")
    RecordRollup.objects.update_or_create(
        record=str(acme.pk), defaults={"number": 1, "size": 1, "zone": "Asia/Tokyo"}
    )
    before = everything_stored()
    assert CANARY["acme"] in before
    assert "ann@acme.example" in before

    purged(acme)

    after = everything_stored()
    words = (CANARY["acme"], "@acme.example", "acme.localhost", "people.acme", "Asia/Tokyo")
    assert [word for word in words if word in after] == []
    assert acme.schema_name not in schemas()
    client = cache._cache.get_client(None)  # type: ignore[attr-defined]
    assert [key for key in client.keys("*") if str(acme.pk) in key.decode()] == []
    with enter_tenant(globex):
        assert cache.get("canary") == CANARY["globex"]
        assert CustomUser.objects.filter(display_name__contains=CANARY["globex"]).count() == 3

    tenant = stored(acme)
    assert (tenant.slug, tenant.name, tenant.state) == ("acme", "acme", "deleted")
    assert (tenant.schema_name, tenant.time_zone) == (acme.schema_name, "UTC")
    made.refresh_from_db()
    assert made.request == {}


def test_what_was_destroyed_is_counted_and_certified(acme: Tenant) -> None:
    with enter_tenant(acme):
        people, recorded = CustomUser.objects.count(), ActivityEvent.objects.count()
        cache.clear()
        cache.set_many({"one": 1, "two": 2})

    certificate = purged(acme)

    # One more event: that the deletion was scheduled.
    assert certificate.counts["rows"]["activity_activityevent"] == recorded + 1
    assert certificate.counts["rows"]["accounts_customuser"] == people
    assert certificate.counts["cache keys"] == 2
    assert (certificate.slug, certificate.reason) == ("acme", "contract ended")
    assert DeletionCertificate.objects.get(tenant=acme).digest == certificate.digest
    assert certificates.digest_of(certificates.certificate_of(acme)) == certificate.digest
    [event] = events(acme, "tenant.deleted")
    assert event.details == {"certificate_sha256": certificate.digest}


def test_the_digest_is_sha256_of_canonical_json(acme: Tenant) -> None:
    certificate = purged(acme)
    certificate.reason = "größer"

    written = certificates.canonical(certificates.certified(certificate))

    assert written == json.dumps(
        json.loads(written), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode("utf-8")
    assert written.startswith(b'{"actor":"')
    assert "größer".encode() in written


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "another"},
        {"actor": "nobody"},
        {"slug": "globex"},
        {"counts": {"rows": {}}},
        {"deleted_at": Now()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_certificate_that_was_altered_is_told(
    acme: Tenant, run: Run, change: dict[str, Any]
) -> None:
    certificate = purged(acme)
    if "deleted_at" in change:
        change = {"deleted_at": certificate.deleted_at + timedelta(microseconds=1)}
    assert run("certificate", "acme").status == 0

    DeletionCertificate.objects.filter(tenant=acme).update(**change)

    ran = run("certificate", "acme")
    assert ran.status == 1
    assert "was altered" in ran.stderr
    assert ran.stdout == ""


def test_a_purged_tenants_names_are_never_anybody_elses(acme: Tenant) -> None:
    Domain.objects.create(tenant=acme, domain="people.acme.example", verified_at=Now())
    purged(acme)

    with pytest.raises(Conflict, match='slug "acme" is taken'):
        provisioning.create(TenantRequest(slug="acme"))
    # A domain is the customer's, who may come back with it under another slug.
    request = TenantRequest(slug="acme-two", domains=("people.acme.example",))
    assert provisioning.create(request).created


def test_purging_again_says_so_and_changes_nothing(acme: Tenant) -> None:
    certificate = purged(acme)

    again = deletion.purge(acme)

    assert again.changed is False
    assert again.certificate == certificate
    assert len(events(acme, "tenant.deleted")) == 1


def test_a_step_that_fails_is_carried_on_by_asking_again(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(acme)

    def away(self: Any, scope: str) -> int:
        raise RedisGone("Connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(TenantRedisCache, "delete_scope", away)
        with pytest.raises(TenantryError, match="could not be emptied"):
            deletion.purge(acme)

    operation = Operation.objects.get(tenant=acme, kind="purge")
    assert (operation.state, operation.next_step) == ("failed", "places")
    assert stored(acme).state == "deleting"
    assert not DeletionCertificate.objects.exists()
    with pytest.raises(Conflict, match="cannot be undone"):
        operations.cancel(operation)

    assert deletion.purge(acme).certificate is not None
    operation.refresh_from_db()
    assert (operation.state, operation.attempt) == ("finished", 2)


def test_a_schema_that_is_marked_as_anothers_is_not_dropped(acme: Tenant, globex: Tenant) -> None:
    scheduled(acme)
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {acme.schema_name} IS 'tenantry:{globex.pk}'")

    with pytest.raises(Conflict, match="does not carry its mark"):
        deletion.purge(acme)

    assert acme.schema_name in schemas()
    assert stored(acme).state == "deleting"


def test_a_tenant_whose_schema_is_gone_can_be_purged(acme: Tenant) -> None:
    scheduled(acme)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {acme.schema_name} CASCADE")

    certificate = deletion.purge(acme).certificate

    assert certificate is not None
    assert certificate.counts["rows"] == {}


def test_without_its_event_nothing_is_scheduled(acme: Tenant, broken_record: None) -> None:
    with pytest.raises(DatabaseError, match="no space left"):
        deletion.schedule(acme, reason="contract ended")

    assert stored(acme).state == "active"
    assert not Operation.objects.filter(tenant=acme, kind="schedule_deletion").exists()


# The timetable


def test_the_timetable_purges_what_is_due_and_nothing_else(acme: Tenant, globex: Tenant) -> None:
    scheduled(acme)
    scheduled(globex, days=1)

    assert purge_due() == 1

    assert stored(acme).state == "deleted"
    assert stored(globex).state == "deletion_scheduled"
    assert purge_due() == 0


def test_one_that_fails_keeps_no_other_waiting_and_stays_visible(
    acme: Tenant, globex: Tenant
) -> None:
    scheduled(acme)
    scheduled(globex)
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {acme.schema_name} IS 'tenantry:{globex.pk}'")

    assert purge_due() == 1

    assert stored(globex).state == "deleted"
    operation = Operation.objects.unfinished().get(kind="purge")
    assert (operation.tenant, operation.state) == (acme, "failed")
    assert "does not carry its mark" in operation.error


# The command line


def test_without_a_terminal_the_command_wants_yes(acme: Tenant, run: Run) -> None:
    ran = run("delete", "acme", "--reason", "contract ended")

    assert (ran.status, stored(acme).state) == (2, "active")
    assert "add --yes" in ran.stderr


@pytest.mark.parametrize(("typed", "status"), [("acme", 0), ("Acme", 2), ("", 2)])
def test_on_a_terminal_the_slug_has_to_be_typed(
    acme: Tenant, run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    monkeypatch.setattr("tenants.verbs.deleting._is_somebody_here", lambda: True)
    monkeypatch.setattr("tenants.verbs.deleting._typed", lambda prompt: typed)

    ran = run("delete", "acme", "--reason", "contract ended")

    assert ran.status == status
    assert stored(acme).state == ("active" if status else "deletion_scheduled")


def test_the_whole_way_by_command(acme: Tenant, run: Run) -> None:
    assert run("purge", "acme", "--yes").status == 4
    assert run("certificate", "acme").status == 3
    asked = ("delete", "acme", "--reason", "contract ended", "--grace", "0", "--yes")
    ran = run(*asked, "--json")
    assert ran.document["changed"] is True
    assert ran.document["tenant"]["state"] == "deletion_scheduled"
    assert "already scheduled" in run(*asked).stdout
    assert "undeleted acme" in run("undelete", "acme").stdout
    assert "nothing to undelete" in run("undelete", "acme").stdout
    assert run(*asked).status == 0
    assert run("purge", "acme").status == 2
    ran = run("purge", "acme", "--yes", "--json")
    certificate = ran.document["certificate"]
    assert ran.document["tenant"]["state"] == "deleted"
    assert run("certificate", "acme", "--json").document == certificate
    assert certificate["digest"] in run("certificate", "acme").stdout
    assert "already purged" in run("purge", "acme").stdout
    assert run("delete", "acme", "--reason", "again", "--yes").status == 4


def test_there_is_no_certificate_of_the_living(acme: Tenant) -> None:
    with pytest.raises(NotFound, match="it is active"):
        certificates.certificate_of(acme)


# The console


@pytest.fixture
def console(browser: Callable[..., Client], operator: CustomUser) -> Client:
    """The console, as Olga sees it."""
    return browser(None, operator)


def address(tenant: Tenant) -> str:
    return f"/admin/tenants/tenant/{tenant.pk}/deletion/"


ASKED = {"act": "delete", "reason": "contract ended", "grace": "7", "slug": "acme"}


def test_olga_schedules_and_takes_back(console: Client, acme: Tenant, operator: CustomUser) -> None:
    assert "Type acme to go on" in console.get(address(acme)).content.decode()

    page = console.post(address(acme), ASKED, follow=True).content.decode()

    assert "until then it can be brought back" in page
    assert stored(acme).state == "deletion_scheduled"
    [event] = events(acme, "tenant.deletion_scheduled")
    assert (event.actor_id, event.channel) == (str(operator.public_id), "page")
    console.post(address(acme), {"act": "undelete", "reason": "a mistake"})
    assert stored(acme).state == "active"
    assert [event.reason for event in events(acme, "tenant.undeleted")] == ["a mistake"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"slug": "globex"}, "not its slug"),
        ({"slug": ""}, "not its slug"),
        ({"reason": " "}, "needs a reason"),
        ({"grace": "-1"}, "not possible"),
        ({"grace": "soon"}, "no number of days"),
        ({"grace": "9" * 5000}, "no number of days"),
        ({"act": "purge"}, "Nothing was asked"),
    ],
)
def test_the_page_refuses_what_the_command_refuses(
    console: Client, acme: Tenant, change: dict[str, str], sentence: str
) -> None:
    page = console.post(address(acme), {**ASKED, **change}, follow=True).content.decode()

    assert sentence in page
    assert stored(acme).state == "active"


@pytest.mark.parametrize(
    ("field", "typed"), [("slug", "acmee"), ("grace", "99999"), ("reason", "  ")]
)
def test_what_olga_typed_stays_when_one_field_is_refused(
    console: Client, acme: Tenant, field: str, typed: str
) -> None:
    given = {**ASKED, "reason": "ended: <Q3>", "grace": "9", field: typed}

    response = console.post(address(acme), given)

    page = response.content.decode()
    assert response.status_code == 200
    if field != "reason":
        assert 'name="reason" value="ended: &lt;Q3&gt;"' in page
    assert re.search(rf'name="grace"[^>]* value="{given["grace"]}"', page)
    wrong = re.findall(
        r'<input id="(\w+)"[^>]* aria-invalid="true" aria-describedby="refused"', page
    )
    assert wrong == [field]
    assert page.count('id="refused" role="alert"') == 1


def test_a_reason_for_bringing_back_that_cannot_be_kept_stays_too(
    console: Client, acme: Tenant
) -> None:
    console.post(address(acme), ASKED)

    page = console.post(address(acme), {"act": "undelete", "reason": "a\u202eb"}).content.decode()

    assert 'value="a\u202eb"' in page
    assert 'id="refused" role="alert"' in page
    assert stored(acme).state == "deletion_scheduled"


def test_olga_sees_the_certificate_of_what_is_gone(console: Client, acme: Tenant) -> None:
    certificate = purged(acme)

    page = console.get(address(acme)).content.decode()

    assert certificate.digest in page
    assert "was altered" not in page
    DeletionCertificate.objects.filter(tenant=acme).update(reason="another")
    assert "was altered" in console.get(address(acme)).content.decode()


def test_what_is_purged_is_said_to_be_so_by_what_would_enter_it(acme: Tenant, run: Run) -> None:
    certificate = purged(acme)

    ran = run("events", "--tenant", "acme", command="activity")

    assert ran.status == 1
    assert (
        f'the tenant "acme" was purged on {certificate.deleted_at:%Y-%m-%d %H:%M} UTC.'
        " What is left of it: manage.py tenant certificate acme"
    ) in ran.stderr


def test_the_reason_that_is_refused_is_said_beside_it(console: Client, acme: Tenant) -> None:
    page = console.post(address(acme), ASKED | {"reason": " "}).content.decode()

    assert page.index('id="reason"') < page.index('id="refused"') < page.index('id="grace"')


def test_olga_reads_that_a_deletion_is_scheduled(console: Client, acme: Tenant) -> None:
    page = " ".join(console.get(address(scheduled(acme, days=3))).content.decode().split())

    assert "acme</a> is scheduled for deletion." in page


def test_who_may_only_look_deletes_nothing(browser: Callable[..., Client], acme: Tenant) -> None:
    viewer = CustomUser.objects.create_user(
        username="vera", email="vera@platform.example", password=None, is_staff=True
    )
    viewer.user_permissions.add(Permission.objects.get(codename="view_tenant"))
    client = browser(None, viewer)

    assert "Schedule deletion" not in client.get(address(acme)).content.decode()
    assert client.post(address(acme), ASKED).status_code == 403
    assert stored(acme).state == "active"
    nobody = CustomUser.objects.create_user(
        username="nora", email="nora@platform.example", password=None, is_staff=True
    )
    assert browser(None, nobody).get(address(acme)).status_code == 403


def test_on_a_tenants_host_there_is_no_such_page(
    browser: Callable[..., Client], acme: Tenant, ann: CustomUser
) -> None:
    client = browser(acme, ann)

    assert client.get(address(acme)).status_code == 404
    assert client.post(address(acme), ASKED).status_code == 404
    assert stored(acme).state == "active"


@pytest.mark.parametrize(
    ("state", "advice"),
    [("deletion_scheduled", "tenant undelete acme"), ("deleting", "Choose another one.")],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["really", "rehearsed"])
def test_to_create_what_is_on_its_way_out_is_a_conflict_that_says_what_to_do(
    acme: Tenant, run: Run, state: str, advice: str, more: tuple[str, ...]
) -> None:
    scheduled(acme)
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    ran = run("create", "acme", *more)

    assert (ran.status, ran.stdout) == (4, "")
    assert advice in ran.stderr
    assert stored(acme).state == state
