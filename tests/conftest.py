"""The cast, and the ground it stands on: real PostgreSQL, real Redis, two tenants.

Ann owns Acme, Bob is on her team and may read the record, Cleo works there and may do nothing.
Sam owns Globex, has the same primary key as Ann, and must never see anything of Acme. Each
tenant holds a canary that must not turn up at the other.

The tenants and the cast are made once a run; each test's changes are rolled back.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.core.handlers.base import BaseHandler
from django.db import connection, transaction
from django.db.models import Q
from django.test import Client
from django.test.utils import setup_databases, teardown_databases
from django.utils import timezone

from accounts.models import CustomUser
from activity.models import ActivityEvent
from config.environment import CHECKOUT
from config.servers import join_if_embedded
from tenants import hosts, provisioning
from tenants.context import enter_platform, enter_tenant, start_on_platform
from tenants.models import Tenant
from tenants.requests import TenantRequest
from tests.databases import drop_database

PASSWORD = "correct horse battery staple"
CANARY = {"acme": "canary-of-acme", "globex": "canary-of-globex"}


def pytest_sessionstart() -> None:
    """Start the embedded servers, unless the environment names others.

    Tests begin on the platform, as commands do. Threads that they start are nowhere.
    """
    join_if_embedded()
    start_on_platform()


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
def django_db_setup(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest
) -> Iterator[None]:
    """Provision the two tenants, through the door that operators use."""
    made: list[Any] = []
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        # pytest-django makes a database only when a test of the run asks for ``db``. Tests that
        # commit do not, and alone they would meet the developer's own.
        if connection.settings_dict["NAME"] != connection.creation._get_test_db_name():
            made = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        cache._cache.get_client(None).flushdb()  # type: ignore[attr-defined]
        for slug in ("acme", "globex"):
            request = TenantRequest(slug=slug, name=slug.capitalize())
            _populate(provisioning.create(request).tenant)
    yield
    if made:
        with django_db_blocker.unblock():  # type: ignore[attr-defined]
            teardown_databases(made, verbosity=0)


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


@pytest.fixture
def elsewhere(db: None) -> Callable[..., Any]:
    """Return what runs a function as another process would: on a connection of its own.

    It does not see what the test has not committed, and what it writes itself is committed.
    """

    def run(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        def on_own_connection() -> Any:
            try:
                return function(*arguments, **options)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(on_own_connection).result(timeout=60)

    return run


@pytest.fixture(scope="session")
def migrated_platform(django_db_setup: None) -> Iterator[dict[str, str]]:
    """Yield the environment of a platform in a database of its own, to be copied and not used."""
    name = f"{settings.DATABASES['default']['NAME']}_scratch"
    place = settings.DATABASES["default"]
    user = quote(place["USER"], safe="") + (
        f":{quote(place['PASSWORD'], safe='')}" if place["PASSWORD"] else ""
    )
    port = f":{place['PORT']}" if place["PORT"] else ""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": f"postgresql://{user}@{quote(place['HOST'], safe='')}{port}/{name}",
        "REDIS_URL": settings.REDIS_URL,
    }
    template = {**environment, "DATABASE_URL": f"{environment['DATABASE_URL']}_template"}
    with _database(f"{name}_template"):
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=CHECKOUT,
            env=template,
            check=True,
            timeout=120,
        )
        yield environment


@pytest.fixture(scope="module")
def scratch_platform(migrated_platform: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield the environment of a platform without tenants, in a database of the module's own.

    For tests that kill or race real processes, where nothing can be rolled back.
    """
    name = f"{settings.DATABASES['default']['NAME']}_scratch"
    with _database(name, template=f"{name}_template") as cursor:
        # Settings of a database are not copied with it.
        cursor.execute(f"ALTER DATABASE \"{name}\" SET search_path = ''")
        yield migrated_platform


@contextmanager
def _database(name: str, template: str = "template1") -> Iterator[Any]:
    """Make a database for the block; yield a cursor of another one."""
    with closing(psycopg2.connect(**_dsn(settings.DATABASES["default"], "postgres"))) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            drop_database(cursor, name)
            try:
                cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
                yield cursor
            finally:
                drop_database(cursor, name)


def _dsn(place: dict[str, Any], name: str) -> dict[str, Any]:
    dsn = {"host": place["HOST"], "port": place["PORT"], "user": place["USER"], "dbname": name}
    return {**dsn, "password": place["PASSWORD"]}


@pytest.fixture
def scratch(scratch_platform: dict[str, str]) -> Iterator[Any]:
    """Yield a cursor in the scratch platform's database; each statement commits."""
    name = f"{settings.DATABASES['default']['NAME']}_scratch"
    # A session that does not say where it is finds no table.
    dsn = {**_dsn(settings.DATABASES["default"], name), "options": "-c search_path=public"}
    with closing(psycopg2.connect(**dsn)) as own:
        own.autocommit = True
        with own.cursor() as cursor:
            yield cursor


@pytest.fixture
def recorded(db: None) -> Callable[..., list[ActivityEvent]]:
    """Return what reads a tenant's record: its events, oldest first, of some actions or of all."""

    def read(tenant: Tenant, *actions: str) -> list[ActivityEvent]:
        with enter_tenant(tenant):
            events = ActivityEvent.objects.order_by("id")
            return list(events.filter(action__in=actions) if actions else events)

    return read


@pytest.fixture
def broken(db: None) -> Callable[[Tenant, str], None]:
    """Return what makes a tenant's record refuse the events of an action."""

    def break_it(tenant: Tenant, action: str) -> None:
        with enter_tenant(tenant), connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE activity_activityevent ADD CONSTRAINT broken"
                f" CHECK (action <> '{action}') NOT VALID"
            )

    return break_it


@pytest.fixture
def commits(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    """Do what waits for the commit of a request as soon as its view is done, as if it committed."""
    make_view_atomic = BaseHandler.make_view_atomic

    def make(self: BaseHandler, view: Callable[..., Any]) -> Callable[..., Any]:
        atomic = make_view_atomic(self, view)

        def committed(*given: Any, **named: Any) -> Any:
            with django_capture_on_commit_callbacks(execute=True):
                return atomic(*given, **named)

        return committed

    monkeypatch.setattr(BaseHandler, "make_view_atomic", make)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it stay one moment in Python, so that no midnight passes between two looks at the clock.

    The database's clock goes on.
    """
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)


@pytest.fixture
def no_attempts_yet(acme: Tenant, globex: Tenant) -> None:
    """Forget attempts to sign in that earlier tests made: Redis does not roll back."""
    for tenant in (acme, globex):
        with enter_tenant(tenant):
            cache.clear()


def empty(cursor: Any, *tables: str) -> None:
    """Empty tables of the platform and what refers to them, past the triggers that record them."""
    recorded = ("tenants_tenant", "tenants_domain", "tenants_operation", "tenants_supportaccess")
    for state in ("DISABLE", "ENABLE"):
        for table in recorded:
            cursor.execute(f"ALTER TABLE public.{table} {state} TRIGGER USER")
        if state == "DISABLE":
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")


def remove_without_trace(tenant: Tenant, last: ActivityEvent | None = None) -> None:
    """Remove a tenant as if it had never been, tombstone and record included.

    With ``last`` the platform's record ends with that event again.
    """
    with enter_platform(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA IF EXISTS "{tenant.schema_name}" CASCADE')
        # Whatever table refers to a tenant, those that come later too.
        referring = [
            (relation.related_model._meta.db_table, relation.field.column)
            for relation in Tenant._meta.related_objects
        ]
        for table, column in (*referring, ("tenants_tenant", "id")):
            cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", [tenant.pk])
        # These name a tenant without referring to it.
        cursor.execute("DELETE FROM tenants_tally WHERE tenant_id = %s", [tenant.pk])
        cursor.execute("DELETE FROM tenants_due WHERE place = %s", [str(tenant.pk)])
        # That it is removed past the platform is told when the transaction ends.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        # The platform's record is append-only, for tests too. What of it was sealed meanwhile is
        # unsealed: the seals would tell of what is taken away here.
        record = ("activity_activityevent", "activity_segment", "activity_tile")
        heads = ("tenants_recordhead", "tenants_dailycheckpoint", "tenants_recordcheck")
        for table in (*record, *heads):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        gone = Q(target_id=str(tenant.pk))
        ActivityEvent.objects.filter(gone | Q(pk__gt=last.pk) if last else gone).delete()
        for table in record[1:]:
            cursor.execute(f"DELETE FROM {table}")
        for table in heads:
            cursor.execute(
                f"DELETE FROM {table} WHERE record IN ('platform', %s)", [str(tenant.pk)]
            )
        for table in (*record, *heads):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.fixture
def lab(django_db_setup: None, django_db_blocker: Any) -> Iterator[Tenant]:
    """Yield a tenant in which everything is committed, gone without a trace when the test ends.

    For what only committed transactions have: folding, racing, other processes. Its days are
    Berlin's. Such a test uses no fixture that rolls back.
    """
    with django_db_blocker.unblock():
        slug = f"lab-{secrets.token_hex(4)}"
        request = TenantRequest(slug=slug, name="Lab", time_zone="Europe/Berlin")
        with enter_platform():
            last = ActivityEvent.objects.order_by("pk").last()
        tenant = provisioning.create(request).tenant
        try:
            yield tenant
        finally:
            remove_without_trace(tenant, last)
            connection.close()
