"""F07, F09, F11: PostgreSQL refuses, waits, stops or takes sides while somebody waits for a page.

Each answer is a 503 that says when to come back; nothing is half done, and others are served.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client

from accounts.models import CustomUser
from activity.jobs import counting
from activity.models import ActivityEvent
from activity.recording import record
from tenants import hosts, provisioning
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict
from tenants.fleet import public
from tenants.models import Tenant
from tenants.patience import of_a_request, patient
from tenants.requests import TenantRequest
from tests.activity.test_rollups import another_connection

View = Callable[[HttpRequest], HttpResponse]
Serve = Callable[[View], None]
PAGE = "/accounts/login/"


def query(sql: str, *params: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone() if cursor.description else None


def limits() -> tuple[str, str]:
    """What PostgreSQL itself gives the next statement."""
    sql = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    return query(sql)  # type: ignore[no-any-return]


def path() -> str:
    return str(query("SELECT current_schema()")[0])


def page(tenant: Tenant, **asked: str) -> Any:
    """Ask for a page of a tenant as anybody; what the answer streams is not read."""
    host = f"{tenant.slug}.localhost"
    answer = Client(headers={"host": host}, raise_request_exception=False).get(PAGE, asked)
    # What a worker does between two requests.
    connection.close_if_unusable_or_obsolete()
    return answer


def unavailable(answer: Any) -> bool:
    """Whether it is the page that says to come back, and nothing of what went wrong."""
    assert b"Traceback" not in answer.content
    assert b"timeout" not in answer.content
    return (answer.status_code, answer.get("Retry-After")) == (503, "5")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Let a page of every tenant be answered by a view of the test's."""

    def put(view: View) -> None:
        monkeypatch.setattr(
            "allauth.account.views.login.view_class.dispatch",
            lambda itself, request, **_: view(request),
        )

    return put


@contextmanager
def elsewhere(tenant: Tenant) -> Iterator[Any]:
    """A cursor of another connection, in a transaction that stays open until the block ends."""
    with another_connection(tenant) as own, own.cursor() as cursor:
        yield cursor


@contextmanager
def on_the_platform() -> Iterator[None]:
    """The connection is this test's own, and no transaction of a fixture's is open on it."""
    with enter_platform():
        assert not connection.in_atomic_block
        yield


def change_and(fail: Callable[[], Any]) -> View:
    """A view that adds somebody and then does what fails."""

    def view(request: HttpRequest) -> HttpResponse:
        CustomUser.objects.create_user("newcomer", "newcomer@lab.example")
        fail()
        return HttpResponse("done")

    return view


def count_of_newcomers(tenant: Tenant) -> tuple[int, int]:
    """How many there are, and how many events tell of them."""
    with enter_tenant(tenant):
        people = CustomUser.objects.filter(username__startswith="newcomer").count()
        return people, ActivityEvent.objects.filter(target_label__contains="newcomer").count()


# F07


def test_f07_a_connection_that_is_ended_amidst_a_page_is_a_503_and_the_next_is_right(
    lab: Tenant, serve: Serve
) -> None:
    def be_ended() -> None:
        pid = query("SELECT pg_backend_pid()")[0]
        with elsewhere(lab) as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        query("SELECT 1")

    serve(change_and(be_ended))
    assert unavailable(page(lab))

    # The path and the limits are said again to the connection that is new.
    serve(lambda request: HttpResponse(f"{path()} {' '.join(limits())}"))
    assert page(lab).content.decode() == f"{lab.schema_name} 3s 30s"
    assert count_of_newcomers(lab) == (0, 0)


# F09


def test_f09_a_table_that_is_locked_keeps_nobody_waiting_and_no_other_tenant(
    lab: Tenant, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "TENANTRY_STATEMENT_SECONDS", 0.2)
    serve(lambda request: HttpResponse(str(CustomUser.objects.count())))
    with elsewhere(lab) as cursor:
        # Without a limit the page would be answered when this transaction is ended.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        cursor.execute("LOCK TABLE accounts_customuser IN ACCESS EXCLUSIVE MODE")

        assert unavailable(page(lab))
        with on_the_platform():
            other = Tenant.objects.get(slug="globex")
        assert page(other).status_code == 200

    assert page(lab).status_code == 200


def test_f09_waiting_for_a_lock_ends_before_the_statement_would_have_to(lab: Tenant) -> None:
    with elsewhere(lab) as cursor, enter_tenant(lab):
        cursor.execute("LOCK TABLE accounts_customuser IN ACCESS EXCLUSIVE MODE")
        with patient(statement=600, lock=0.05), pytest.raises(OperationalError) as raised:
            CustomUser.objects.count()

    assert isinstance(raised.value.__cause__, psycopg2.errors.LockNotAvailable)


@pytest.mark.parametrize("table", ["tenants_tenant", "tenants_domain"])
def test_f09_a_table_of_the_platforms_that_is_locked_keeps_nobody_waiting_for_a_host(
    lab: Tenant, serve: Serve, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(settings, "TENANTRY_STATEMENT_SECONDS", 0.2)
    serve(lambda request: HttpResponse("done"))
    with elsewhere(lab) as cursor:
        # Without a limit the page would be answered when this transaction is ended.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        cursor.execute(f"LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE")
        hosts.forget_hosts()

        assert unavailable(page(lab))

    assert page(lab).status_code == 200
    with enter_platform():
        assert limits() == ("0", "0")


def test_f09_a_migration_of_the_platforms_gives_up_a_table_that_stays_in_use(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts, said = [], []

    def alter(*_: Any, **__: Any) -> None:
        attempts.append(limits())
        with transaction.atomic():
            query("LOCK TABLE tenants_tenant IN ACCESS EXCLUSIVE MODE")

    monkeypatch.setattr(public.SchemaMigrate, "handle", alter)
    monkeypatch.setattr(public, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(public, "PAUSES", (0.0, 0.0))
    with on_the_platform(), elsewhere(lab) as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        cursor.execute("SELECT FROM public.tenants_tenant")

        with pytest.raises(Conflict, match="stays in use") as raised:
            public.migrate_public(say=said.append)

    assert attempts == [("50ms", "0")] * 3
    assert len(said) == 2
    assert "pg_stat_activity" in raised.value.hint
    with on_the_platform():
        assert limits() == ("0", "0")


def test_f09_a_statement_that_takes_too_long_is_given_up_and_undone(
    lab: Tenant, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "TENANTRY_STATEMENT_SECONDS", 0.2)
    serve(change_and(lambda: query("SELECT pg_sleep(60)")))

    assert unavailable(page(lab))
    assert count_of_newcomers(lab) == (0, 0)


def test_f09_the_limits_are_a_requests_and_leave_with_it(lab: Tenant, serve: Serve) -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(limits())
        with transaction.atomic():
            seen.append(limits())
        with enter_platform():
            seen.append(limits())
        return HttpResponse("done")

    serve(view)
    page(lab)

    assert set(seen) == {("3s", "30s")}
    with enter_tenant(lab):
        assert limits() == ("0", "0")
        with transaction.atomic():
            assert limits() == ("0", "0")


def undone() -> None:
    """Send a statement within a savepoint, and go back to before it."""
    with transaction.atomic():
        query("SELECT 1")
        transaction.set_rollback(True)


def test_f09_an_inner_limit_ends_with_its_block_also_amidst_a_transaction(lab: Tenant) -> None:
    with enter_tenant(lab), transaction.atomic():
        with patient(statement=5, lock=2):
            assert limits() == ("2s", "5s")
            with patient(statement=1):
                assert limits()[1] == "1s"
            assert limits() == ("2s", "5s")
            undone()
            assert limits() == ("2s", "5s")
        assert limits() == ("0", "0")
        undone()
        assert limits() == ("0", "0")


@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_f09_what_an_inner_block_does_not_say_stays_as_it_is_around_it(
    lab: Tenant, around: Callable[[], AbstractContextManager[None]]
) -> None:
    with enter_tenant(lab), around():
        with patient(statement=5, lock=2):
            with patient(statement=1):
                assert limits() == ("2s", "1s")
            with patient(lock=10):
                assert limits() == ("10s", "5s")
        with patient(statement=5):
            with patient(lock=2):
                assert limits() == ("2s", "5s")
            assert limits() == ("0", "5s")
        assert limits() == ("0", "0")


def test_f09_what_undoes_a_tenant_waits_as_long_as_it_means_to_in_a_request_too(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []

    def listen(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        if str(sql).startswith("DROP SCHEMA"):
            heard.append(limits())
        return execute(sql, *rest)

    def fail(*_: Any) -> None:
        raise RuntimeError("no administrator today")

    monkeypatch.setattr(provisioning, "_appoint", fail)
    monkeypatch.setattr("tenants.spares.claim", lambda: None)
    with (
        enter_platform(),
        of_a_request(),
        connection.execute_wrapper(listen),
        pytest.raises(RuntimeError),
    ):
        provisioning.create(TenantRequest(slug="undone", name="Undone"))

    assert heard == [("10s", "30s")]


def test_f09_counting_gives_up_early_and_the_page_goes_on(
    lab: Tenant, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_PATIENCE", 0.05)
    with enter_tenant(lab):
        record("session.started")
        slow = ActivityEvent.objects.extra(where=["pg_sleep(60) IS NOT NULL"])

    def view(request: HttpRequest) -> HttpResponse:
        found = counting.count(slow)
        return HttpResponse(f"{found.is_exact} {limits()[1]}")

    serve(view)
    assert page(lab).content == b"False 30s"


def test_f09_a_server_that_has_no_connection_left_is_a_503(
    lab: Tenant, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"nobody_more_{lab.schema_name}"
    with enter_platform():
        query(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    try:
        ours = connection.get_connection_params()
        monkeypatch.setattr(
            connection, "get_connection_params", lambda: ours | {"user": role, "password": "x"}
        )
        connection.close()
        serve(lambda request: HttpResponse(path()))

        assert unavailable(page(lab))

        monkeypatch.undo()
        serve(lambda request: HttpResponse(path()))
        assert page(lab).status_code == 200
    finally:
        monkeypatch.undo()
        with enter_platform():
            query(f"DROP ROLE {role}")


# F11


def test_f11_of_two_pages_that_wait_for_each_other_one_is_done_and_one_undone(
    lab: Tenant, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody may give up waiting before PostgreSQL has looked for deadlocks.
    monkeypatch.setattr(settings, "TENANTRY_STATEMENT_SECONDS", 600.0)
    with enter_tenant(lab):
        both = [
            CustomUser.objects.create_user(name, f"{name}@lab.example").pk for name in ("p0", "p1")
        ]
    orders = {"newcomer-0": both, "newcomer-1": both[::-1]}
    each_has_one = threading.Barrier(2, timeout=60)

    def view(request: HttpRequest) -> HttpResponse:
        name = request.GET["name"]
        CustomUser.objects.create_user(name, f"{name}@lab.example")
        for key in orders[name]:
            query("SELECT FROM accounts_customuser WHERE id = %s FOR UPDATE", key)
            with suppress(threading.BrokenBarrierError):
                each_has_one.wait()
            each_has_one.abort()
        return HttpResponse("done")

    def ask(name: str) -> Any:
        try:
            return page(lab, name=name)
        finally:
            connection.close()

    serve(view)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, orders))

    [chosen] = [answer for answer in answers if answer.status_code != 200]
    assert unavailable(chosen)
    assert count_of_newcomers(lab) == (1, 1)
