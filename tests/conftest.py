"""The cast, and the ground it stands on: real PostgreSQL, real Redis, two tenants.

Ann owns Acme, Bob is on her team and may read the record, Cleo works there and may do nothing.
Sam owns Globex, has the same primary key as Ann, and must never see anything of Acme. Each
tenant holds a canary that must not turn up at the other.

The tenants and the cast are made once a run; each test's changes are rolled back.
"""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.test import Client

from accounts.models import CustomUser
from config.servers import join_if_embedded
from tenants import hosts, provisioning
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant

PASSWORD = "correct horse battery staple"  # noqa: S105
CANARY = {"acme": "canary-of-acme", "globex": "canary-of-globex"}


def pytest_sessionstart() -> None:
    """Start the embedded servers, unless the environment names others."""
    join_if_embedded()


def _person(username: str, tenant: Tenant, **fields: object) -> CustomUser:
    return CustomUser.objects.create_user(
        username=username,
        email=f"{username}@{tenant.slug}.example",
        password=PASSWORD,
        display_name=f"{username.capitalize()} {CANARY[tenant.slug]}",
        **fields,
    )


def _populate(tenant: Tenant) -> None:
    with enter_tenant(tenant):
        owner, teammate, colleague = {
            "acme": ("ann", "bob", "cleo"),
            "globex": ("sam", "tess", "uwe"),
        }[tenant.slug]
        _person(owner, tenant, is_staff=True, is_superuser=True)
        readers = Group.objects.create(name=f"Readers {CANARY[tenant.slug]}")
        readers.permissions.set(
            Permission.objects.filter(codename__in=["view_activityevent", "view_customuser"])
        )
        _person(teammate, tenant, is_staff=True).groups.add(readers)
        _person(colleague, tenant)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> None:
    """Provision the two tenants, through the door that operators use."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        cache._cache.get_client(None).flushdb()  # type: ignore[attr-defined]
        for slug in ("acme", "globex"):
            request = provisioning.TenantRequest(slug=slug, name=slug.capitalize())
            _populate(provisioning.create(request).tenant)


@pytest.fixture(autouse=True)
def _fresh_process_state() -> Iterator[None]:
    """What a process remembers between requests, a test must not inherit."""
    hosts.forget_hosts()
    yield
    hosts.forget_hosts()


@pytest.fixture
def acme(db: None) -> Tenant:
    """The tenant that tests are about."""
    return Tenant.objects.get(slug="acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    """The other one."""
    return Tenant.objects.get(slug="globex")


@pytest.fixture
def in_acme(acme: Tenant) -> Iterator[Tenant]:
    """Run the whole test inside Acme."""
    with enter_tenant(acme):
        yield acme


def _user(tenant: Tenant, username: str) -> CustomUser:
    with enter_tenant(tenant):
        return CustomUser.objects.get(username=username)


@pytest.fixture
def ann(acme: Tenant) -> CustomUser:
    """Owns Acme: its administrator."""
    return _user(acme, "ann")


@pytest.fixture
def bob(acme: Tenant) -> CustomUser:
    """On Ann's team: opens the panel, reads people and the record, changes nothing."""
    return _user(acme, "bob")


@pytest.fixture
def cleo(acme: Tenant) -> CustomUser:
    """Works at Acme and may not open the panel."""
    return _user(acme, "cleo")


@pytest.fixture
def sam(globex: Tenant) -> CustomUser:
    """Owns Globex: a stranger to Acme, with Ann's primary key."""
    return _user(globex, "sam")


@pytest.fixture
def operator(db: None) -> CustomUser:
    """Runs the platform."""
    with enter_platform():
        return CustomUser.objects.create_superuser("olga", "olga@platform.example", PASSWORD)


Browser = Callable[..., Client]


@pytest.fixture
def browser() -> Browser:
    """Return a function that opens a browser on a tenant's host, signed in as somebody or not."""

    def open_browser(tenant: Tenant | None, user: CustomUser | None = None) -> Client:
        host = f"{tenant.slug}.localhost" if tenant else "localhost"
        client = Client(headers={"host": f"{host}:8000"})
        if user is not None:
            with enter_tenant(tenant) if tenant else enter_platform():
                client.force_login(user)
        return client

    return open_browser
