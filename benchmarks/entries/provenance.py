"""What it costs that instances and query sets remember their tenant.

One process with `tenants.remembering` installed and one without it read the same 1,000 people of
one tenant, and write them. The first is what the rest of Django does anyway.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Entry, Goal
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.provenance"
_PEOPLE = 1_000
_SLUG = "crowd"


@contextmanager
def _inside() -> Iterator[None]:
    """Be inside the tenant of these people, making it first if need be."""
    from accounts.models import CustomUser
    from tenants.context import enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    with enter_tenant(create(TenantRequest(slug=_SLUG)).tenant):
        if not CustomUser.objects.exists():
            CustomUser.objects.bulk_create(_people())
        yield


def _people() -> list[Any]:
    from accounts.models import CustomUser

    names = [f"person-{number}" for number in range(_PEOPLE)]
    return [CustomUser(username=name, email=f"{name}@example.com") for name in names]


def _list() -> None:
    from accounts.models import CustomUser

    if len(list(CustomUser.objects.all())) != _PEOPLE:
        raise RuntimeError("some people are missing")


def _get() -> None:
    from accounts.models import CustomUser

    for _ in range(100):
        CustomUser.objects.get(username="person-7")


def _bulk() -> None:
    from django.contrib.auth.models import Group

    with transaction.atomic():
        Group.objects.bulk_create([Group(name=f"role {number}") for number in range(_PEOPLE)])
        transaction.set_rollback(True)


_REPEATS = {_list: 20, _get: 3, _bulk: 5}


def _turns(act: Callable[[], None], *, is_on: bool) -> Turns:
    """Yield how many milliseconds ``act`` takes."""
    from tenants import remembering

    if not is_on:
        remembering.uninstall()
    with _inside():
        for _ in range(3):
            act()
        yield None
        times = _REPEATS[act]
        while True:
            started = time.perf_counter()
            for _ in range(times):
                act()
            yield (time.perf_counter() - started) * 1000 / times


def list_bare() -> Turns:
    """Read 1,000 people that remember nothing."""
    yield from _turns(_list, is_on=False)


def list_bound() -> Turns:
    """Read 1,000 people that remember their tenant."""
    yield from _turns(_list, is_on=True)


def get_bare() -> Turns:
    """Read a hundred times one person, who remembers nothing."""
    yield from _turns(_get, is_on=False)


def get_bound() -> Turns:
    """Read a hundred times one person, who remembers their tenant."""
    yield from _turns(_get, is_on=True)


def bulk_bare() -> Turns:
    """Make and insert 1,000 roles that remember nothing."""
    yield from _turns(_bulk, is_on=False)


def bulk_bound() -> Turns:
    """Make and insert 1,000 roles that remember their tenant before they are saved."""
    yield from _turns(_bulk, is_on=True)


def _entry(name: str, what: str, goal: Goal | None = None) -> Entry:
    return Entry(
        name=f"provenance-{name}",
        sentence=f"What remembering the tenant costs {what}.",
        unit="ms",
        more_is_better=False,
        rounds=25,
        contestants=[
            contestant("without", TENANTRY, f"{_HERE}:{name}_bare"),
            contestant("with", TENANTRY, f"{_HERE}:{name}_bound"),
        ],
        goal=goal,
    )


ENTRIES = [
    _entry("list", f"a list of {_PEOPLE:,} people", Goal("with", 1.02)),
    _entry("get", "reading one person, a hundred times"),
    _entry("bulk", f"making and inserting {_PEOPLE:,} roles"),
]
