"""The cache: each tenant's keys are its own, and a Redis that is gone costs speed, not service."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.test import Client

from accounts.models import CustomUser
from config.cache import _PAUSE_SECONDS, TenantRedisCache
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant
from tests.conftest import PASSWORD


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Start and end with nothing remembered, also of failures."""
    TenantRedisCache.resting_until = 0.0
    cache._cache.get_client(None).flushdb()
    yield
    TenantRedisCache.resting_until = 0.0
    cache._cache.get_client(None).flushdb()


# Each place has its own


def test_what_acme_keeps_is_not_found_at_globex(acme: Tenant, globex: Tenant) -> None:
    with enter_tenant(acme):
        cache.set("greeting", "canary-of-acme")
        cache.set_many({"one": 1, "two": 2})

    for elsewhere in (enter_tenant(globex), enter_platform()):
        with elsewhere:
            assert cache.get("greeting") is None
            assert cache.get_many(["one", "two", "greeting"]) == {}
            assert not cache.has_key("greeting")
            assert not cache.touch("greeting")
            assert not cache.delete("greeting")
            assert cache.add("greeting", "mine") is True
            cache.delete_many(["one", "two"])
    with enter_tenant(acme):
        assert cache.get_many(["greeting", "one", "two"]) == {
            "greeting": "canary-of-acme",
            "one": 1,
            "two": 2,
        }


def test_numbers_are_counted_apart(acme: Tenant, globex: Tenant) -> None:
    for tenant in (acme, globex):
        with enter_tenant(tenant):
            cache.set("attempts", 0)
    with enter_tenant(acme):
        cache.incr("attempts", 5)

    with enter_tenant(globex):
        assert cache.incr("attempts") == 1


def test_a_key_cannot_be_spelled_so_that_it_is_somebody_elses(acme: Tenant, globex: Tenant) -> None:
    with enter_tenant(globex):
        cache.set("secret", "canary-of-globex")
        theirs = cache.make_key("secret")

    with enter_tenant(acme):
        for spelling in (
            theirs,
            f"../{globex.pk}:secret",
            f":1:{theirs}",
            f"{globex.pk}::1:secret",
            "*secret",
        ):
            assert cache.get(spelling) is None
            assert cache.get(spelling, version=globex.pk) is None


def test_every_key_names_its_tenant(acme: Tenant) -> None:
    with enter_tenant(acme):
        cache.set("x", 1)

    keys = cache._cache.get_client(None).keys("*")
    assert [key.decode() for key in keys] == [f"tenantry:{acme.pk}::1:x"]


def test_emptying_acmes_cache_leaves_globex_its_entries_and_sessions(
    acme: Tenant,
    globex: Tenant,
    browser: Callable[..., Client],
    ann: CustomUser,
    sam: CustomUser,
    operator: CustomUser,
) -> None:
    anns, sams, olgas = browser(acme, ann), browser(globex, sam), browser(None, operator)
    for place in (enter_tenant(acme), enter_tenant(globex), enter_platform()):
        with place:
            cache.set_many({f"key-{number}": number for number in range(1500)})

    with enter_tenant(acme):
        cache.clear()
        assert cache.get("key-1") is None

    with enter_tenant(globex):
        assert len(cache.get_many([f"key-{number}" for number in range(1500)])) == 1500
    with enter_platform():
        assert cache.get("key-1499") == 1499
    own_keys = cache._cache.get_client(None).keys(f"tenantry:{acme.pk}:*")
    assert own_keys == []
    for client in (anns, sams, olgas):
        assert client.get("/").status_code == 200


# Redis is gone


@pytest.fixture
def redis_at(settings: Any) -> Iterator[Callable[[str], None]]:
    """Return what points the cache at another place."""

    def point(location: str) -> None:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": location}}

    yield point
    client = caches["default"]._cache.get_client(None)
    client.connection_pool.disconnect()


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


GONE = "unix:///nonexistent/redis.sock"


def sign_in(tenant: Tenant) -> tuple[Client, float]:
    started = time.monotonic()
    client = Client(headers={"host": f"{tenant.slug}.localhost"})
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
    assert client.get("/admin/").status_code == 200
    return client, time.monotonic() - started


def test_without_redis_ann_signs_in_and_works(
    acme: Tenant, redis_at: Callable[[str], None], settings: Any
) -> None:
    before = settings.CACHES["default"]["LOCATION"]
    _, usual = sign_in(acme)
    redis_at(GONE)

    client, seconds = sign_in(acme)

    assert seconds < usual + 3
    redis_at(before)
    TenantRedisCache.resting_until = 0.0
    assert client.get("/admin/").status_code == 200
    with enter_tenant(acme):
        cache.set("back", 1)
        assert cache.get("back") == 1


def test_a_redis_that_hangs_costs_one_time_out_and_not_one_a_key(
    acme: Tenant, redis_at: Callable[[str], None], hanging: str
) -> None:
    _, usual = sign_in(acme)
    redis_at(hanging)

    _, seconds = sign_in(acme)

    assert 0.4 < seconds < usual + 3


def test_without_redis_a_cookie_still_opens_only_its_own_tenant(
    acme: Tenant, globex: Tenant, redis_at: Callable[[str], None], sam: CustomUser
) -> None:
    redis_at(GONE)
    client, _ = sign_in(acme)

    stranger = Client(headers={"host": "globex.localhost"})
    stranger.cookies["sessionid"] = client.cookies["sessionid"].value

    assert stranger.get("/admin/").status_code == 302


def test_without_redis_the_cache_is_an_empty_one(
    acme: Tenant, redis_at: Callable[[str], None]
) -> None:
    redis_at(GONE)

    with enter_tenant(acme):
        for _ in ("asked", "resting"):
            assert cache.get("x") is None
            assert cache.get("x", "default") == "default"
            assert cache.get("x", default="default") == "default"
            assert cache.get_many(["x"]) == {}
            assert cache.set_many({"x": 1}) == []
            assert cache.get_or_set("x", lambda: 7) == 7
            assert cache.add("x", 1) is True
            assert cache.incr("x", 3) == 3
            assert not cache.has_key("x")
            assert not cache.touch("x")
            assert not cache.delete("x")
            assert not cache.clear()
            cache.set("x", 1)
            cache.delete_many(["x"])


def test_what_somebody_adds_to_an_empty_answer_is_not_in_the_next(
    acme: Tenant, globex: Tenant, redis_at: Callable[[str], None]
) -> None:
    redis_at(GONE)
    with enter_tenant(acme):
        cache.get_many(["x"])["x"] = "canary-of-acme"
        cache.set_many({"x": 1}).append("canary-of-acme")

    with enter_tenant(globex):
        assert cache.get_many(["x"]) == {}
        assert cache.set_many({"x": 1}) == []


def test_a_redis_that_is_back_is_used_again_after_the_pause(
    acme: Tenant, redis_at: Callable[[str], None], settings: Any, monkeypatch: Any
) -> None:
    before = settings.CACHES["default"]["LOCATION"]
    now = time.monotonic()
    monkeypatch.setattr("config.cache.time", SimpleNamespace(monotonic=lambda: now))
    redis_at(GONE)
    cache.get("x")
    redis_at(before)

    cache.set("x", "too early")
    assert cache.get("x") is None
    now += _PAUSE_SECONDS + 0.1
    cache.set("x", "again")

    assert cache.get("x") == "again"
