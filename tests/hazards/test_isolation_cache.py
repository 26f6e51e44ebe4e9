"""I15, I17: what was computed for one tenant is not served to the next, wherever it is kept."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, engines
from django.test import RequestFactory
from django.utils.functional import cached_property
from django.views.decorators.cache import cache_page

from accounts.models import CustomUser
from tenants.context import enter_platform, enter_tenant
from tenants.errors import TenantMismatch
from tests.conftest import CANARY


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Begin and end with nothing remembered."""
    cache._cache.get_client(None).flushdb()  # type: ignore[attr-defined]
    yield
    cache._cache.get_client(None).flushdb()  # type: ignore[attr-defined]


def _who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(CustomUser.objects.order_by("pk")[0].display_name)


def _visit_all(acme: Any, globex: Any, visit: Callable[[], str]) -> None:
    """Warm up in Acme, then look in Globex, on the platform, and in both again."""
    for _ in range(2):
        with enter_tenant(acme):
            assert CANARY["acme"] in visit()
        with enter_tenant(globex):
            said = visit()
            assert CANARY["globex"] in said
            assert CANARY["acme"] not in said
        with enter_platform():
            assert not any(canary in visit() for canary in CANARY.values())


def test_i15_a_cached_page_is_the_tenants_own(acme, globex, operator):
    asked = []
    page = cache_page(60)(lambda request: asked.append(1) or _who(request))
    # The very same address: a proxy or a mistake can make hosts equal.
    request = RequestFactory().get("/who", headers={"host": "same.localhost"})

    _visit_all(acme, globex, lambda: page(request).content.decode())

    # Once in each of the three places: it was cached, and not shared.
    assert len(asked) == 3


def test_i15_a_template_fragment_is_the_tenants_own(acme, globex, operator):
    template = Template(
        "{% load cache %}{% cache 60 greeting %}{{ who }}{% endcache %}",
        engine=engines["django"].engine,
    )

    def render() -> str:
        return template.render(Context({"who": CustomUser.objects.order_by("pk")[0].display_name}))

    _visit_all(acme, globex, render)


def test_i15_get_or_set_and_every_alias_are_the_tenants_own(acme, globex, operator):
    def remembered() -> str:
        return " ".join(
            str(
                caches[alias].get_or_set(
                    "who", lambda: CustomUser.objects.order_by("pk")[0].display_name, 60
                )
            )
            for alias in caches
        )

    _visit_all(acme, globex, remembered)


def test_i15_a_query_set_that_an_object_keeps_is_refused_in_the_next_tenant(acme, globex):
    class Directory:
        @cached_property
        def people(self) -> Any:
            return CustomUser.objects.order_by("pk")

        @cached_property
        def owner(self) -> CustomUser:
            return CustomUser.objects.order_by("pk")[0]

    directory = Directory()
    with enter_tenant(acme):
        assert directory.people[0] == directory.owner
    with enter_tenant(globex):
        for use in (
            lambda: list(directory.people),
            lambda: directory.owner.refresh_from_db(),
            lambda: list(directory.owner.groups.all()),
        ):
            with pytest.raises(TenantMismatch):
                use()


def test_i15_a_cached_instance_is_good_only_where_it_was_put(acme, globex):
    with enter_tenant(acme):
        cache.set("owner", CustomUser.objects.get(username="ann"))
        cached = cache.get("owner")
        cached.save()
    with enter_tenant(globex):
        assert cache.get("owner") is None
        with pytest.raises(TenantMismatch):
            cached.save()


def test_i17_emptying_one_cache_empties_no_other(acme, globex):
    places = (enter_tenant(acme), enter_tenant(globex), enter_platform())
    for place in places:
        with place:
            cache.set("key", "value")
    for alias in caches:
        with enter_tenant(acme):
            caches[alias].clear()
            assert cache.get("key") is None
    for place in (enter_tenant(globex), enter_platform()):
        with place:
            assert cache.get("key") == "value"


def test_i17_twin_the_cache_of_django_serves_the_next_tenant(acme, globex, settings):
    """The same page with Django's own cache: Globex reads Acme's."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "twin"}
    }
    page = cache_page(60)(_who)
    request = RequestFactory().get("/who", headers={"host": "same.localhost"})
    with enter_tenant(acme):
        page(request)
    with enter_tenant(globex):
        assert CANARY["acme"] in page(request).content.decode()
