"""Spare schemas: claimed once, given back by a rollback, never of another release."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction

from tenants import provisioning, spares
from tenants.blueprint import blueprint
from tenants.context import enter_platform
from tenants.hosts import owned
from tenants.models import Blueprint, SpareSchema, Tenant
from tenants.names import new_schema_name
from tenants.requests import TenantRequest
from tenants.tasks import fill_spares


@pytest.fixture
def platform(db: None) -> Iterator[None]:
    """Run the whole test on the platform."""
    with enter_platform():
        yield


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(r"SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 't\_%'")
        return {name for (name,) in cursor.fetchall()}


def test_a_spare_becomes_a_tenant_without_any_change_to_its_schema(
    platform: None, settings: Any
) -> None:
    settings.TENANTRY_SPARE_SCHEMAS = 1
    assert spares.fill(1) == 1
    before = schemas()
    claimed = spares.claim()
    assert claimed is not None
    assert schemas() == before
    tenant = Tenant.objects.create(
        pk=claimed.tenant_id, schema_name=claimed.schema_name, slug="initech", state="active"
    )
    assert owned(Tenant.objects.filter(pk=tenant.pk)) == tenant
    assert not SpareSchema.objects.exists()


@pytest.mark.parametrize("spare", [1, 0])
def test_a_tenant_that_the_release_before_makes_notes_what_it_lacks(
    platform: None, settings: Any, spare: int
) -> None:
    """Its own blueprint is of before, and the fleet may be migrated: nobody will look again."""
    settings.TENANTRY_SPARE_SCHEMAS = spare
    spares.fill(spare)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO public.django_migrations (app, name, applied)"
            " VALUES ('accounts', '0099_it''s_next', now()), ('activity', '0099_next', now())"
        )

    made = provisioning.create(TenantRequest(slug="initech", admin_email="a@initech.example"))

    lacks = ["accounts.0099_it's_next", "activity.0099_next"]
    assert made.tenant.lacks == lacks
    assert Tenant.objects.get(pk=made.tenant.pk).lacks == lacks
    assert made.tenant.is_active


@pytest.mark.parametrize("spare", [1, 0])
def test_a_tenant_that_this_release_makes_lacks_nothing(
    platform: None, settings: Any, spare: int
) -> None:
    settings.TENANTRY_SPARE_SCHEMAS = spare
    spares.fill(spare)

    made = provisioning.create(TenantRequest(slug="initech"))

    assert made.tenant.lacks == Tenant.objects.get(pk=made.tenant.pk).lacks == []


def test_filling_builds_what_is_missing_and_no_more(platform: None) -> None:
    assert spares.fill(2) == 2
    assert spares.fill(2) == 0
    assert spares.fill(3) == 1
    assert spares.fill(0) == 0
    names = set(SpareSchema.objects.values_list("schema_name", flat=True))
    assert len(names) == 3
    assert names <= schemas()


def test_the_oldest_is_claimed_first_and_an_empty_pool_gives_nothing(
    platform: None, settings: Any
) -> None:
    settings.TENANTRY_SPARE_SCHEMAS = 2
    spares.fill(2)
    oldest, newest = SpareSchema.objects.order_by("built_at")
    claims = [spares.claim() for _ in range(3)]
    assert [c and c.schema_name for c in claims] == [oldest.pk, newest.pk, None]


def test_a_rollback_gives_the_spare_back(platform: None, settings: Any) -> None:
    settings.TENANTRY_SPARE_SCHEMAS = 1
    spares.fill(1)
    with transaction.atomic():
        first = spares.claim()
        transaction.set_rollback(True)
    assert first is not None
    assert spares.claim() == first


def test_turned_off_nothing_is_claimed_and_what_is_left_is_dropped(
    platform: None, settings: Any
) -> None:
    settings.TENANTRY_SPARE_SCHEMAS = 1
    before = schemas()
    spares.fill(1)
    settings.TENANTRY_SPARE_SCHEMAS = 0
    assert spares.claim() is None
    assert fill_spares() == 0
    assert schemas() == before
    assert not SpareSchema.objects.exists()


@pytest.mark.parametrize("spoil", ["dropped", "remarked"])
def test_a_spare_whose_schema_is_not_its_own_is_not_claimed(
    platform: None, settings: Any, spoil: str
) -> None:
    settings.TENANTRY_SPARE_SCHEMAS = 1
    spares.fill(1)
    name = SpareSchema.objects.get().schema_name
    with connection.cursor() as cursor:
        if spoil == "dropped":
            cursor.execute(f"DROP SCHEMA {name} CASCADE")
        else:
            cursor.execute(f"COMMENT ON SCHEMA {name} IS 'tenantry:{uuid.uuid4()}'")
    assert spares.claim() is None


class TestReleases:
    @pytest.fixture
    def earlier(self, platform: None, settings: Any) -> SpareSchema:
        """A spare of the release before."""
        settings.TENANTRY_SPARE_SCHEMAS = 1
        spares.fill(1)
        Blueprint.objects.create(fingerprint="0" * 64, statements=[], built_at="2020-01-01T00:00Z")
        SpareSchema.objects.update(fingerprint="0" * 64)
        return SpareSchema.objects.get()

    def test_a_spare_of_another_release_is_not_claimed(self, earlier: SpareSchema) -> None:
        assert spares.claim() is None

    def test_an_earlier_ones_is_dropped_with_its_schema(self, earlier: SpareSchema) -> None:
        assert spares.discard_stale() == 1
        assert earlier.schema_name not in schemas()
        assert not SpareSchema.objects.exists()

    def test_a_later_ones_stays(self, earlier: SpareSchema) -> None:
        Blueprint.objects.filter(pk="0" * 64).update(built_at="2999-01-01T00:00Z")
        assert spares.discard_stale() == 0
        assert earlier.schema_name in schemas()

    def test_the_worker_replaces_it(self, earlier: SpareSchema) -> None:
        assert fill_spares() == 1
        assert SpareSchema.objects.get().fingerprint == blueprint().fingerprint

    def test_a_schema_that_a_tenant_has_is_never_dropped(
        self, earlier: SpareSchema, acme: Tenant
    ) -> None:
        SpareSchema.objects.filter(pk=earlier.pk).update(schema_name=acme.schema_name)
        spares.discard_stale()
        assert acme.schema_name in schemas()


class TestTogether:
    """What only other connections can show; each cleans up what it committed."""

    @pytest.fixture
    def committed(self, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
        with django_db_blocker.unblock():
            with enter_platform():
                yield
                for name in list(SpareSchema.objects.values_list("pk", flat=True)):
                    spares.discard(name)
                Blueprint.objects.all().delete()
            connection.close()

    def run(self, processes: int, function: Callable[[], Any]) -> list[Any]:
        start = Barrier(processes)

        def on_own_connection() -> Any:
            try:
                start.wait(timeout=30)
                with enter_platform():
                    return function()
            finally:
                connection.close()

        with ThreadPoolExecutor(processes) as pool:
            futures = [pool.submit(on_own_connection) for _ in range(processes)]
            return [future.result(timeout=120) for future in futures]

    def test_four_who_fill_at_once_build_as_many_as_one_would(self, committed: None) -> None:
        built = self.run(4, lambda: spares.fill(3))
        assert sum(built) == 3
        assert SpareSchema.objects.count() == 3
        assert Blueprint.objects.count() == 1

    def test_eight_who_claim_at_once_get_different_ones(
        self, committed: None, settings: Any
    ) -> None:
        spares.fill(5)
        settings.TENANTRY_SPARE_SCHEMAS = 5
        # Filling what was just claimed would give the late ones a spare, too.
        settings.CELERY_TASK_ALWAYS_EAGER = False

        def claim() -> Any:
            with transaction.atomic():
                claimed = spares.claim()
                # Nothing is dropped here, and the pool is not asked to be filled.
                connection.run_on_commit = []
                return claimed

        claims = [claimed for claimed in self.run(8, claim) if claimed]
        try:
            assert len(claims) == 5
            assert len({claimed.schema_name for claimed in claims}) == 5
        finally:
            with connection.cursor() as cursor:
                for claimed in claims:
                    cursor.execute(f"DROP SCHEMA {claimed.schema_name} CASCADE")


def test_a_claim_asks_for_more_and_stands_when_nobody_hears(
    platform: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    from kombu.exceptions import OperationalError

    settings.TENANTRY_SPARE_SCHEMAS = 1
    spares.fill(1)
    with django_capture_on_commit_callbacks(execute=True):
        assert spares.claim() is not None
    assert SpareSchema.objects.count() == 1, "the hint was not followed"

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError

    monkeypatch.setattr("celery.canvas.Signature.apply_async", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        assert spares.claim() is not None
    assert new_schema_name() not in schemas()
