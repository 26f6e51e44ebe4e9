"""Group I of the hazards, as far as the connection decides: I04–I13, each beside its twin.

A scenario runs on our engine, where it must go right, and on django-tenants' own, where it is shown
to go wrong: a test that no engine could fail would show nothing.
"""

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import SynchronousOnlyOperation
from django.db import (
    DatabaseError,
    NotSupportedError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from django.test import Client
from django_tenants.models import TenantMixin
from django_tenants.postgresql_backend.base import DatabaseWrapper as StockWrapper
from django_tenants.utils import schema_context, tenant_context
from hypothesis import settings as trials
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from accounts.models import CustomUser
from tenants import contenttypes
from tenants.backend.base import DatabaseWrapper
from tenants.checks import settings_fail_closed
from tenants.context import current_scope, enter_platform, enter_tenant, is_nowhere
from tenants.errors import NotInTenant
from tenants.models import Tenant
from tests.content_types import other_content_types

Elsewhere = Callable[..., Any]
Enter = Callable[[Tenant], AbstractContextManager[Any]]
WAIT = 60


def path() -> list[str]:
    """Where PostgreSQL itself says that this thread's statements look for tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schemas(false)")
        return list(cursor.fetchone()[0])


def people() -> list[str]:
    return list(CustomUser.objects.order_by("username").values_list("username", flat=True))


OF_ACME, OF_GLOBEX = ["ann", "bob", "cleo"], ["sam", "tess", "uwe"]


@contextmanager
def stock_engine(**options: Any) -> Iterator[StockWrapper]:
    """Give this thread a default connection of django-tenants' own engine."""
    wrapper = StockWrapper({**connections.settings["default"], **options}, "default")
    ours = connections["default"]
    connections["default"] = wrapper
    try:
        yield wrapper
    finally:
        wrapper.close()
        connections["default"] = ours


def on_stock(scenario: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        with stock_engine():
            return scenario(*arguments)

    return run


def in_two_threads(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    def run(function: Callable[[], Any]) -> Any:
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(run, first), pool.submit(run, second)
        return one.result(WAIT), other.result(WAIT)


# I04: two threads share a decorated function


def who_is_where(acme: Tenant, globex: Tenant, visit: Callable[..., Any], enter: Enter) -> Any:
    """Two threads, each in a tenant of its own, call one function that visits Acme meanwhile."""
    together = threading.Barrier(2, timeout=WAIT)

    def be_in(tenant: Tenant) -> list[str]:
        with enter(tenant):
            together.wait()
            visit(together)
            together.wait()
            return path()

    return in_two_threads(lambda: be_in(acme), lambda: be_in(globex))


def test_i04_a_function_that_enters_may_be_shared_by_threads(acme: Tenant, globex: Tenant) -> None:
    def visit(together: threading.Barrier) -> None:
        with enter_tenant(acme):
            together.wait()
            assert people() == OF_ACME
            together.wait()

    ends = who_is_where(acme, globex, visit, enter_tenant)

    assert ends == ([acme.schema_name], [globex.schema_name])


def test_i04_the_librarys_decorator_is_shared_with_what_it_remembers(
    acme: Tenant, globex: Tenant
) -> None:
    @tenant_context(acme)
    def visit(together: threading.Barrier) -> None:
        together.wait()

    @contextmanager
    def enter(tenant: Tenant) -> Iterator[None]:
        with stock_engine() as wrapper:
            wrapper.set_tenant(tenant)
            yield

    first, second = who_is_where(acme, globex, visit, enter)

    assert first == second, "the one who left last has taken the other along"


# I05: ``with tenant:`` in two threads


class StockTenant:
    """The library's tenant, as far as ``with`` is concerned."""

    def __init__(self, schema_name: str) -> None:
        self.schema_name = schema_name
        self._previous_tenant: list[Any] = []

    activate = TenantMixin.activate
    deactivate = classmethod(TenantMixin.deactivate.__func__)
    __enter__ = TenantMixin.__enter__
    __exit__ = TenantMixin.__exit__


def test_i05_a_tenant_is_no_block(acme: Tenant) -> None:
    with pytest.raises(TypeError), acme:  # type: ignore[attr-defined]
        pytest.fail("the block must not run")


def test_i05_two_threads_that_use_one_tenant_as_a_block_leave_for_each_others_place(
    acme: Tenant, globex: Tenant
) -> None:
    shared = StockTenant(acme.schema_name)
    entered, left = threading.Event(), threading.Event()

    def begin_first() -> list[str]:
        with stock_engine() as wrapper:
            wrapper.set_tenant(acme)
            with shared:
                assert entered.wait(WAIT)
            left.set()
            return path()[:1]

    def end_last() -> list[str]:
        with stock_engine() as wrapper:
            wrapper.set_tenant(globex)
            while not shared._previous_tenant:
                threading.Event().wait(0.001)
            with shared:
                entered.set()
                assert left.wait(WAIT)
            return path()[:1]

    ends = in_two_threads(begin_first, end_last)

    assert ends == ([globex.schema_name], [acme.schema_name])


def test_i05_two_threads_may_enter_one_tenant_at_once(acme: Tenant, globex: Tenant) -> None:
    together = threading.Barrier(2, timeout=WAIT)

    def visit(home: Tenant) -> list[list[str]]:
        found = []
        with enter_tenant(home):
            for _ in range(20):
                together.wait()
                with enter_tenant(acme):
                    found.append(people())
                found.append(people())
        return found

    in_acme, in_globex = in_two_threads(lambda: visit(acme), lambda: visit(globex))

    assert in_acme == [OF_ACME, OF_ACME] * 20
    assert in_globex == [OF_ACME, OF_GLOBEX] * 20


# I06: a thread that was started inside a request


def path_in_a_thread() -> Any:
    def ask() -> Any:
        try:
            return path()
        except NotInTenant as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result(WAIT)


def test_i06_a_thread_inside_a_tenant_is_refused(acme: Tenant) -> None:
    with enter_tenant(acme):
        refused = path_in_a_thread()

    assert isinstance(refused, NotInTenant)
    assert "enter_tenant()" in refused.hint


def test_i06_with_the_library_it_reads_public(acme: Tenant, elsewhere: Elsewhere) -> None:
    def ask() -> Any:
        with stock_engine() as wrapper:
            wrapper.set_tenant(acme)
            ours = connections.settings["default"]
            stock = {**ours, "ENGINE": "django_tenants.postgresql_backend"}
            connections.settings["default"] = stock
            try:
                return path_in_a_thread()
            finally:
                connections.settings["default"] = ours

    assert elsewhere(ask) == ["public"]


def test_i06_a_page_whose_view_starts_a_thread_answers_with_an_error(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view(request: Any) -> None:
        answer = path_in_a_thread()
        raise answer

    monkeypatch.setattr(
        "allauth.account.views.login.view_class.dispatch", lambda s, r, **k: view(r)
    )
    client = Client(headers={"host": "acme.localhost"}, raise_request_exception=False)

    response = client.get("/accounts/login/")

    assert response.status_code == 500
    assert b"enter_tenant" not in response.content


def test_i06_an_error_before_the_host_is_known_has_its_page(
    db: None, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere
) -> None:
    def fail(host: str) -> None:
        raise RuntimeError

    monkeypatch.setattr("tenants.middleware.answer_for", fail)

    def ask() -> int:
        client = Client(headers={"host": "acme.localhost"}, raise_request_exception=False)
        return int(client.get("/").status_code)

    assert elsewhere(ask) == 500


# I07: event loops


def start_up_complaints() -> set[str | None]:
    return {problem.id for problem in settings_fail_closed()}


def test_i07_asgi_is_refused_at_start_up(settings: Any) -> None:
    assert "tenants.E004" not in start_up_complaints()

    settings.ASGI_APPLICATION = "config.asgi.application"

    assert "tenants.E004" in start_up_complaints()


@pytest.mark.parametrize("enter", [enter_tenant, lambda _: enter_platform()])
def test_i07_nobody_enters_in_the_thread_of_an_event_loop(
    acme: Tenant, elsewhere: Elsewhere, enter: Enter
) -> None:
    async def view() -> None:
        with enter(acme):
            pytest.fail("the block must not run")

    def serve() -> bool:
        with pytest.raises(SynchronousOnlyOperation, match="event loop"):
            asyncio.run(view())
        return is_nowhere()

    assert elsewhere(serve)


def visit_slowly(tenant: Tenant) -> tuple[list[str], list[str]]:
    with enter_tenant(tenant):
        first = people()
        threading.Event().wait(0.02)
        return first, path()


@pytest.mark.parametrize("thread_sensitive", [True, False])
def test_i07_what_runs_beside_the_loop_is_in_its_own_tenant(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere, thread_sensitive: bool
) -> None:
    def visit(tenant: Tenant) -> Any:
        try:
            return visit_slowly(tenant)
        finally:
            connection.close()

    async def gather() -> Any:
        ask = sync_to_async(visit, thread_sensitive=thread_sensitive)
        return await asyncio.gather(*(ask(tenant) for tenant in [acme, globex] * 4))

    found = elsewhere(lambda: asyncio.run(gather()))

    assert found == [(OF_ACME, [acme.schema_name]), (OF_GLOBEX, [globex.schema_name])] * 4


@pytest.mark.parametrize("thread_sensitive", [True, False])
def test_i07_what_was_entered_outside_the_loop_is_not_what_runs_beside_it(
    acme: Tenant, elsewhere: Elsewhere, thread_sensitive: bool
) -> None:
    async def ask() -> Any:
        return await sync_to_async(path_in_a_thread, thread_sensitive=thread_sensitive)()

    def serve() -> Any:
        with enter_tenant(acme):
            return asyncio.run(ask())

    assert isinstance(elsewhere(serve), NotInTenant)


def test_i07_with_the_library_two_tasks_of_a_loop_move_each_other(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere
) -> None:
    async def visit(tenant: Tenant) -> str:
        with schema_context(tenant.schema_name):
            await asyncio.sleep(0)
            return str(connection.schema_name)  # type: ignore[attr-defined]

    async def gather() -> list[str]:
        # A task has the connection that the one who started it has used already.
        connections["default"] = StockWrapper({**connections.settings["default"]}, "default")
        return await asyncio.gather(visit(acme), visit(globex))

    in_acme, in_globex = elsewhere(lambda: asyncio.run(gather()))

    assert in_acme == globex.schema_name
    assert in_globex == "public"


# I08: a second alias


def path_of(alias: Any) -> list[str]:
    with alias.cursor() as cursor:
        cursor.execute("SELECT current_schemas(false)")
        return list(cursor.fetchone()[0])


def test_i08_a_second_alias_is_nowhere_until_somebody_enters(acme: Tenant) -> None:
    replica = DatabaseWrapper({**connections.settings["default"]}, "replica")
    with enter_tenant(acme), pytest.raises(NotInTenant, match='"replica"'):
        path_of(replica)
    replica.set_tenant(acme)
    try:
        assert path_of(replica) == [acme.schema_name]
    finally:
        replica.close()


def test_i08_with_the_library_it_reads_public(acme: Tenant) -> None:
    replica = StockWrapper({**connections.settings["default"]}, "replica")
    try:
        with enter_tenant(acme):
            assert path_of(replica) == ["public"]
    finally:
        replica.close()


# I09, I10: a schema that is not there, a table that is missing


def ask_a_ghost() -> int:
    connection.set_schema("ghost")  # type: ignore[attr-defined]
    return CustomUser.objects.count()


def test_i09_a_schema_that_is_not_there_is_neither_read_nor_written(elsewhere: Elsewhere) -> None:
    def write() -> None:
        connection.set_schema("ghost")  # type: ignore[attr-defined]
        Group.objects.create(name="nobody")

    for access in (ask_a_ghost, write):
        with pytest.raises(ProgrammingError, match="does not exist"):
            elsewhere(access)


def test_i09_with_the_library_public_is_read(elsewhere: Elsewhere) -> None:
    assert elsewhere(on_stock(ask_a_ghost)) == 0


def write_without_the_table(tenant: Tenant) -> int:
    """Add a group to a tenant whose table of groups is missing; say how many public has then."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {tenant.schema_name}.auth_group CASCADE")
        connection.set_tenant(tenant)  # type: ignore[attr-defined]
        try:
            Group.objects.create(name="astray")
            connection.set_schema_to_public()  # type: ignore[attr-defined]
            return Group.objects.filter(name="astray").count()
        finally:
            transaction.set_rollback(True)


def test_i10_a_missing_table_is_an_error(acme: Tenant, elsewhere: Elsewhere) -> None:
    def write() -> int:
        with enter_platform():
            return write_without_the_table(acme)

    with pytest.raises(ProgrammingError, match='"auth_group" does not exist'):
        elsewhere(write)


def test_i10_with_the_library_publics_is_written(acme: Tenant, elsewhere: Elsewhere) -> None:
    assert elsewhere(on_stock(write_without_the_table), acme) == 1


# I11: content types


def mixed_up(acme: Tenant, globex: Tenant, stay: Enter) -> bool:
    """Tell whether a thread got an id that another has just cached for another tenant."""
    entered, cached = threading.Event(), threading.Event()

    def cache_those_of_acme() -> None:
        assert entered.wait(WAIT)
        with stay(acme):
            ContentType.objects.get_for_model(CustomUser)
        cached.set()

    def read_those_of_globex() -> bool:
        with stay(globex), other_content_types():
            entered.set()
            assert cached.wait(WAIT)
            stored = ContentType.objects.filter(app_label="accounts", model="customuser")
            return ContentType.objects.get_for_model(CustomUser).pk != stored.get().pk

    return bool(in_two_threads(cache_those_of_acme, read_those_of_globex)[1])


def test_i11_content_types_are_cached_for_each_schema(acme: Tenant, globex: Tenant) -> None:
    contenttypes.forget(globex.schema_name)
    try:
        assert not mixed_up(acme, globex, enter_tenant)
    finally:
        contenttypes.forget(globex.schema_name)


def test_i11_with_the_library_a_thread_gets_anothers_content_types(
    acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ContentType.objects, "_cache", {})

    @contextmanager
    def stay(tenant: Tenant) -> Iterator[None]:
        with stock_engine() as wrapper:
            wrapper.set_tenant(tenant)
            yield

    assert mixed_up(acme, globex, stay)


# I12: a rollback after a switch


def roll_back_after_a_switch(acme: Tenant, globex: Tenant) -> list[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        connection.set_tenant(acme)  # type: ignore[attr-defined]
        path()
        cursor.execute("SAVEPOINT here")
        connection.set_tenant(globex)  # type: ignore[attr-defined]
        path()
        cursor.execute("ROLLBACK TO SAVEPOINT here")
        return path()[:1]


def commit_what_was_rolled_back(acme: Tenant, globex: Tenant) -> list[str]:
    connection.set_tenant(acme)  # type: ignore[attr-defined]
    path()
    connection.set_tenant(globex)  # type: ignore[attr-defined]
    with transaction.atomic(), suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    return path()[:1]


def keep_a_cursor(acme: Tenant, globex: Tenant) -> list[str]:
    connection.set_tenant(acme)  # type: ignore[attr-defined]
    with connection.cursor() as kept:
        connection.set_tenant(globex)  # type: ignore[attr-defined]
        kept.execute("SELECT current_schema()")
        return list(kept.fetchone())


def copy_by_a_kept_cursor(acme: Tenant, globex: Tenant) -> list[str]:
    connection.set_tenant(acme)  # type: ignore[attr-defined]
    out = io.StringIO()
    with connection.cursor() as kept:
        connection.set_tenant(globex)  # type: ignore[attr-defined]
        kept.copy_expert("COPY (SELECT current_schema()) TO STDOUT", out)
    return [out.getvalue().strip()]


STALE = [
    roll_back_after_a_switch,
    commit_what_was_rolled_back,
    keep_a_cursor,
    copy_by_a_kept_cursor,
]


@pytest.mark.parametrize("scenario", STALE, ids=lambda s: s.__name__)
def test_i12_the_path_is_that_of_the_tenant_one_is_in(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere, scenario: Callable[..., Any]
) -> None:
    assert elsewhere(scenario, acme, globex) == [globex.schema_name]


@pytest.mark.parametrize("scenario", STALE, ids=lambda s: s.__name__)
def test_i12_with_the_library_it_is_that_of_the_tenant_before(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere, settings: Any, scenario: Callable[..., Any]
) -> None:
    settings.TENANT_LIMIT_SET_CALLS = True

    assert elsewhere(on_stock(scenario), acme, globex) == [acme.schema_name]


# I13: any walk at all


class StumbleError(Exception):
    """What goes wrong inside a block."""


class Walk(RuleBasedStateMachine):
    """Somebody who does, in any order, all that could move the path."""

    tenants: tuple[Tenant, ...]

    def __init__(self) -> None:
        super().__init__()
        connection.close()
        # Each block with the schema that is entered in it; ``None`` is nowhere.
        self.blocks: list[tuple[Any, str | None]] = [(None, None)]
        self.savepoints: list[tuple[int, str]] = []
        self.kept: Any = None
        self.counter = 0

    @property
    def schema(self) -> str | None:
        return self.blocks[-1][1]

    @property
    def is_broken(self) -> bool:
        own = connection.connection
        failed = own is not None and own.info.transaction_status == 3
        return failed or connection.needs_rollback

    @property
    def can_ask(self) -> bool:
        return self.schema is not None and not self.is_broken

    def _enter(self, block: Any, schema: str | None) -> None:
        block.__enter__()
        self.blocks.append((block, schema))

    @precondition(lambda self: len(self.blocks) < 8)
    @rule(number=st.integers(0, 1))
    def enter(self, number: int) -> None:
        tenant = self.tenants[number]
        self._enter(enter_tenant(tenant), tenant.schema_name)

    @precondition(lambda self: len(self.blocks) < 8)
    @rule()
    def enter_the_platform(self) -> None:
        self._enter(enter_platform(), "public")

    @precondition(lambda self: len(self.blocks) < 8 and not self.is_broken)
    @rule(savepoint=st.booleans())
    def begin(self, savepoint: bool) -> None:
        self._enter(transaction.atomic(savepoint=savepoint), self.schema)

    @precondition(lambda self: len(self.blocks) > 1)
    @rule(stumble=st.booleans())
    def leave(self, stumble: bool) -> None:
        block, _ = self.blocks.pop()
        self.savepoints = [point for point in self.savepoints if point[0] <= len(self.blocks)]
        error = StumbleError() if stumble else None
        with suppress(StumbleError, DatabaseError):
            block.__exit__(type(error) if error else None, error, None)

    @precondition(lambda self: self.can_ask and connection.in_atomic_block)
    @rule()
    def mark_by_hand(self) -> None:
        self.counter += 1
        self.savepoints.append((len(self.blocks), f"by_hand_{self.counter}"))
        with connection.cursor() as cursor:
            cursor.execute(f"SAVEPOINT by_hand_{self.counter}")

    @precondition(
        lambda self: self.can_ask and self.savepoints and self.savepoints[-1][0] == len(self.blocks)
    )
    @rule(form=st.sampled_from(["{}", "SELECT 1; {}", "-- back\n{}"]), keep=st.booleans())
    def go_back_by_hand(self, form: str, keep: bool) -> None:
        name = self.savepoints[-1][1]
        if not keep:
            self.savepoints.pop()
        with connection.cursor() as cursor:
            cursor.execute(form.format(f"ROLLBACK TO SAVEPOINT {name}"))

    @precondition(lambda self: self.can_ask)
    @rule(
        sql=st.sampled_from(
            [
                "SET search_path = public",
                "SET LOCAL search_path = pg_catalog",
                "RESET search_path",
                "SELECT set_config('search_path', 'public', false)",
            ]
        )
    )
    def meddle(self, sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    @precondition(lambda self: self.can_ask)
    @rule()
    def fail_and_swallow(self) -> None:
        with connection.cursor() as cursor, pytest.raises(DatabaseError):
            cursor.execute("SELECT 1/0")

    @precondition(lambda self: self.can_ask)
    @rule()
    def be_refused(self) -> None:
        with connection.cursor() as cursor, pytest.raises(NotSupportedError):
            cursor.execute("ROLLBACK; SELECT 1")

    @precondition(lambda self: not connection.in_atomic_block)
    @rule()
    def reconnect(self) -> None:
        connection.close()
        self.kept = None

    @rule()
    def keep_a_cursor(self) -> None:
        if self.kept is None and not self.is_broken:
            self.kept = connection.cursor()

    @precondition(lambda self: self.schema is None and not self.is_broken)
    @rule()
    def be_nowhere(self) -> None:
        with pytest.raises(NotInTenant):
            path()
        with pytest.raises(NotInTenant):
            current_scope()

    @precondition(lambda self: self.can_ask)
    @rule()
    def look(self) -> None:
        assert path() == [self.schema]

    @precondition(lambda self: self.can_ask and self.kept is not None)
    @rule(sql=st.sampled_from(["SELECT current_schemas(false)", b"SELECT current_schemas(false)"]))
    def look_by_a_kept_cursor(self, sql: Any) -> None:
        self.kept.execute(sql)
        assert self.kept.fetchone()[0] == [self.schema]

    @precondition(lambda self: self.can_ask)
    @rule()
    def look_by_copy(self) -> None:
        out = io.StringIO()
        with connection.cursor() as cursor:
            cursor.copy_expert("COPY (SELECT current_schemas(false)) TO STDOUT", out)
        assert out.getvalue() == f"{{{self.schema}}}\n"

    @precondition(lambda self: self.can_ask)
    @rule()
    def look_by_stream(self) -> None:
        with connection.chunked_cursor() as cursor:
            cursor.execute("SELECT current_schemas(false)")
            assert cursor.fetchone()[0] == [self.schema]

    @precondition(lambda self: self.can_ask)
    @rule()
    def look_in_many_statements(self) -> None:
        with connection.cursor() as cursor:
            # Divides by zero anywhere else; the driver drops what it reads.
            check = "SELECT 1 / (current_schemas(false) = ARRAY[%s]::name[])::int"
            cursor.executemany(check, [[self.schema], [self.schema]])
            cursor.execute("SELECT 1; SELECT current_schemas(false)")
            assert cursor.fetchone()[0] == [self.schema]

    def teardown(self) -> None:
        while len(self.blocks) > 1:
            self.leave(stumble=False)
        assert is_nowhere()


def test_i13_whatever_one_does_statements_are_read_where_one_is(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere
) -> None:
    walk = type("Walk", (Walk,), {"tenants": (acme, globex)})
    many = trials(max_examples=150, stateful_step_count=40, deadline=None, database=None)

    elsewhere(run_state_machine_as_test, walk, settings=many)


def test_i13_nothing_of_a_walk_is_left_on_the_connection(
    acme: Tenant, globex: Tenant, elsewhere: Elsewhere
) -> None:
    def left() -> str:
        with ExitStack() as stack:
            for tenant in (acme, globex):
                stack.enter_context(enter_tenant(tenant))
                people()
                with transaction.atomic():
                    people()
        with connection.connection.cursor() as raw:
            raw.execute("SHOW search_path")
            return str(raw.fetchone()[0])

    assert elsewhere(left) == '""'
