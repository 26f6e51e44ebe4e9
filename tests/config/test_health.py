"""Whether Tenantry answers, and whether it is ready: on any host, without any tenant."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import CustomUser
from config import health
from config.cache import TenantRedisCache
from config.celery import WORKER_SEEN_KEY, worker_seen
from tenants.context import current_tenant, enter_platform
from tenants.models import Tenant

HOSTS = ["localhost", "acme.localhost", "nobody.localhost", "10.0.0.1:8000", "???", ""]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing remembered of what was ready."""
    health._migrated.clear()
    TenantRedisCache.resting_until = 0.0
    yield
    health._migrated.clear()
    TenantRedisCache.resting_until = 0.0
    cache.delete(WORKER_SEEN_KEY)


def ask(path: str, host: str = "localhost") -> tuple[int, Any]:
    response = Client(headers={"host": host}).get(path)
    return response.status_code, response.json()


def ready() -> tuple[int, dict[str, str]]:
    status, document = ask("/readyz")
    assert document["status"] == ("ready" if status == 200 else "not ready")
    return status, document["checks"]


ALL_WELL = {"database": "ok", "migrations": "ok", "redis": "ok", "worker": "ok"}


@pytest.mark.parametrize("host", HOSTS)
def test_it_says_on_any_host_that_it_is_alive(host: str) -> None:
    """Without a database: this test may not touch one."""
    assert ask("/healthz", host) == (200, {"status": "alive"})


@pytest.mark.parametrize("host", HOSTS)
def test_it_says_on_any_host_that_it_is_ready(db: None, host: str) -> None:
    worker_seen()

    assert ask("/readyz", host) == (200, {"status": "ready", "checks": ALL_WELL})


def test_a_worker_that_nobody_has_seen_is_named(db: None) -> None:
    assert ready() == (503, ALL_WELL | {"worker": "not seen"})

    worker_seen()

    assert ready() == (200, ALL_WELL)


def test_a_worker_is_not_believed_to_live_for_ever(db: None) -> None:
    worker_seen()

    client = cache._cache.get_client(None)
    assert 0 < client.ttl(cache.make_key(WORKER_SEEN_KEY)) <= 90


def test_migrations_that_lag_are_named(db: None) -> None:
    worker_seen()
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("activity", "0001_initial")

    status, checks = ready()

    assert status == 503
    assert checks["migrations"].endswith("not applied")
    recorder.record_applied("activity", "0001_initial")
    assert ready() == (200, ALL_WELL)


def test_that_all_is_migrated_is_found_out_once(db: None) -> None:
    ready()

    with CaptureQueriesContext(connection) as queries:
        ready()

    assert not any("django_migrations" in query["sql"] for query in queries)


def test_a_redis_that_is_gone_is_named(db: None, settings: Any) -> None:
    location = "unix:///nonexistent/redis.sock"
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": location}}

    status, checks = ready()

    assert status == 503
    assert checks["redis"] == "failed: ConnectionError"
    assert checks["database"] == "ok"


def test_a_database_that_is_gone_is_named_and_nothing_of_it_is_told(
    db: None, elsewhere: Callable[..., Any]
) -> None:
    def ask_without_database() -> tuple[int, dict[str, str]]:
        before = connection.settings_dict
        connection.settings_dict = {**before, "HOST": "127.0.0.1", "PORT": "1"}
        try:
            return ready()
        finally:
            connection.settings_dict = before

    status, checks = elsewhere(ask_without_database)

    assert status == 503
    assert checks["database"] == checks["migrations"] == "failed: OperationalError"
    assert checks["redis"] == "ok"


def test_no_tenant_and_nobody_is_looked_up(
    acme: Tenant, browser: Callable[..., Client], ann: CustomUser
) -> None:
    client = browser(acme, ann)

    with CaptureQueriesContext(connection) as queries:
        client.get("/healthz")
        client.get("/readyz")

    statements = " ".join(query["sql"] for query in queries)
    assert acme.schema_name not in statements
    assert "tenants_" not in statements
    assert "session" not in statements
    assert current_tenant() is None


def test_a_suspended_tenants_host_is_as_healthy_as_any(acme: Tenant) -> None:
    with enter_platform():
        Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.SUSPENDED)

    assert ask("/healthz", "acme.localhost")[0] == 200


def test_a_path_that_only_begins_like_it_is_another_page(db: None) -> None:
    for path in ("/healthz/", "/healthz2", "/accounts/healthz"):
        assert Client(headers={"host": "localhost"}).get(path).status_code in (301, 404)
