"""Being in exactly one tenant, whatever happens on the way in and out."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.db.models import F, Model
from django.test.utils import CaptureQueriesContext
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from accounts.models import CustomUser
from tenants import contenttypes
from tenants.context import (
    PLATFORM,
    current_scope,
    current_tenant,
    enter_platform,
    enter_tenant,
    enter_unserved,
    is_nowhere,
)
from tenants.errors import NotInTenant, TenantUnavailable
from tenants.models import Tenant
from tests.content_types import other_content_types

TENANT_MODELS = [
    model
    for model in apps.get_models(include_auto_created=True)
    if model._meta.managed and model._meta.app_label != "tenants"
]
each_tenant_model = pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda m: m._meta.label)


def schemas() -> list[str]:
    """Where PostgreSQL itself says that unqualified names are looked up."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schemas(true)")
        return list(cursor.fetchone()[0])


def alone(tenant: Tenant) -> list[str]:
    return ["pg_catalog", tenant.schema_name]


ON_PLATFORM = ["pg_catalog", "public"]
NOWHERE = "nowhere"


class StumbleError(Exception):
    """What goes wrong inside a block."""


def swallow_an_error() -> None:
    with connection.cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute("SELECT 1/0")


# Entering and leaving


def test_the_tenants_schema_is_alone_on_the_search_path(acme: Tenant) -> None:
    with enter_tenant(acme):
        inside = schemas()

    assert inside == alone(acme)
    assert schemas() == ON_PLATFORM


def test_each_block_leads_back_to_where_one_was(acme: Tenant, globex: Tenant) -> None:
    with enter_tenant(acme):
        with enter_tenant(globex):
            assert schemas() == alone(globex)
            with enter_platform():
                assert schemas() == ON_PLATFORM
            assert schemas() == alone(globex)
        assert schemas() == alone(acme)
    assert schemas() == ON_PLATFORM


@pytest.mark.parametrize("enter", [enter_tenant, enter_unserved])
def test_an_error_inside_leads_back_too(
    acme: Tenant, globex: Tenant, enter: Callable[[Tenant], Any]
) -> None:
    with enter_tenant(acme):
        with pytest.raises(StumbleError), enter(globex):
            raise StumbleError
        with pytest.raises(StumbleError), enter_platform():
            raise StumbleError

        assert current_tenant() == acme
        assert schemas() == alone(acme)


def pause_inside(tenant: Tenant) -> Iterator[None]:
    with enter_tenant(tenant):
        yield


def test_a_generator_that_outlives_the_block_around_it_moves_nobody(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def work() -> None:
        paused = pause_inside(acme)
        with enter_platform():
            next(paused)
        with enter_tenant(globex):
            paused.close()
            assert current_tenant() == globex
        assert is_nowhere()

    elsewhere(work)


def test_a_generator_that_is_closed_inside_another_block_leads_nowhere(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def work() -> None:
        with enter_platform():
            paused = pause_inside(acme)
            next(paused)
            with enter_tenant(globex):
                paused.close()
                with pytest.raises(NotInTenant):
                    current_tenant()

    elsewhere(work)


def test_what_waits_for_the_commit_runs_where_it_was_asked_for(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    where: list[Any] = []

    def work() -> None:
        with enter_tenant(acme), transaction.atomic():
            with enter_tenant(globex):
                transaction.on_commit(lambda: where.append(current_tenant()))
            with enter_platform():
                transaction.on_commit(lambda: where.append(current_tenant()))
            transaction.on_commit(lambda: where.append(current_tenant()))
        with enter_tenant(acme):
            transaction.on_commit(lambda: where.append(current_tenant()))

    elsewhere(work)

    assert where == [globex, None, acme, acme]


def test_an_error_after_the_commit_leads_back_too(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def stumble() -> None:
        raise StumbleError

    def work() -> None:
        with enter_tenant(acme):
            with pytest.raises(StumbleError), transaction.atomic(), enter_tenant(globex):
                transaction.on_commit(stumble)
            assert current_tenant() == acme

    elsewhere(work)


def test_the_scope_of_keys_and_signatures_is_the_tenants_uuid(acme: Tenant) -> None:
    assert current_scope() == PLATFORM

    with enter_tenant(acme):
        assert current_scope() == str(acme.pk)
        with enter_platform():
            assert current_scope() == PLATFORM
            assert current_tenant() is None


@pytest.mark.parametrize("state", [state for state in Tenant.State if state != "active"])
def test_only_an_active_tenant_can_be_entered(acme: Tenant, state: str) -> None:
    acme.state = state

    with pytest.raises(TenantUnavailable, match="Only active tenants"), enter_tenant(acme):
        pytest.fail("the block must not run")

    assert schemas() == ON_PLATFORM


@pytest.mark.parametrize("ask", [schemas, current_tenant, current_scope])
def test_a_thread_that_never_entered_is_nowhere(
    acme: Tenant, elsewhere: Callable[..., Any], ask: Callable[[], object]
) -> None:
    with enter_tenant(acme), pytest.raises(NotInTenant, match="enter_platform"):
        elsewhere(ask)


def test_a_thread_is_nowhere_again_when_its_block_ends(
    acme: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def enter_and_leave() -> tuple[bool, list[str], bool]:
        before = is_nowhere()
        with enter_tenant(acme):
            inside = schemas()
        return before, inside, is_nowhere()

    assert elsewhere(enter_and_leave) == (True, alone(acme), True)


def test_a_schema_that_was_entered_by_its_name_is_not_taken_for_the_platform(
    acme: Tenant,
) -> None:
    with enter_tenant(acme):
        connection.set_schema(acme.schema_name)

        assert schemas() == alone(acme)
        with pytest.raises(NotInTenant, match="without its tenant"):
            current_scope()


# What is missing is an error, never somebody else's (I09, I10)


def refuses_every_access(model: type[Model]) -> None:
    def insert() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'INSERT INTO "{model._meta.db_table}" DEFAULT VALUES')

    def change() -> None:
        field = model._meta.concrete_fields[-1].attname
        model._base_manager.update(**{field: F(field)})

    def remove() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'DELETE FROM "{model._meta.db_table}"')

    for access in (model._base_manager.count, insert, change, remove):
        with (
            pytest.raises(ProgrammingError, match="does not exist"),
            transaction.atomic(),
        ):
            access()


def rows_of_platform(model: type[Model]) -> list[Any]:
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(f'SELECT t::text FROM public."{model._meta.db_table}" t ORDER BY 1')
        return list(cursor.fetchall())


@each_tenant_model
def test_in_a_schema_that_is_not_there_nothing_is_read_or_written(
    operator: CustomUser, model: type[Model]
) -> None:
    ghost = Tenant(slug="ghost", schema_name="t_" + "a" * 16, state=Tenant.State.ACTIVE)
    before = rows_of_platform(model)

    with enter_tenant(ghost):
        refuses_every_access(model)

    assert rows_of_platform(model) == before


@each_tenant_model
def test_a_table_that_is_missing_is_not_replaced_by_the_platforms(
    acme: Tenant, operator: CustomUser, model: type[Model]
) -> None:
    before = rows_of_platform(model)
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TABLE {acme.schema_name}."{model._meta.db_table}" CASCADE')

    with enter_tenant(acme):
        refuses_every_access(model)

    assert rows_of_platform(model) == before


def test_the_operator_is_nobody_in_a_tenant(acme: Tenant, operator: CustomUser) -> None:
    with enter_tenant(acme):
        assert not CustomUser.objects.filter(username=operator.username).exists()


def test_ann_and_sam_have_one_key_and_are_two_people(
    acme: Tenant, globex: Tenant, ann: CustomUser, sam: CustomUser
) -> None:
    assert ann.pk == sam.pk

    with enter_tenant(globex):
        assert CustomUser.objects.get(pk=ann.pk).username == "sam"


# Rollbacks undo a SET (I12)


def test_a_savepoint_that_is_rolled_back_leaves_the_path_right(
    acme: Tenant, globex: Tenant
) -> None:
    with enter_tenant(acme):
        with transaction.atomic():
            connection.set_tenant(globex)
            assert schemas() == alone(globex)
            transaction.set_rollback(True)
        assert schemas() == alone(globex)
        connection.set_tenant(acme)
        assert schemas() == alone(acme)


def test_a_transaction_that_is_rolled_back_leaves_the_path_right(
    acme: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def roll_back() -> list[str]:
        with enter_tenant(acme):
            with transaction.atomic():
                schemas()
                transaction.set_rollback(True)
            return schemas()

    assert elsewhere(roll_back) == alone(acme)


def test_a_commit_that_turns_into_a_rollback_leaves_the_path_right(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK, and no error, once a statement has failed."""

    def carry_on() -> list[str]:
        with enter_tenant(acme):
            schemas()
        with enter_tenant(globex):
            with transaction.atomic():
                swallow_an_error()
            return schemas()

    assert elsewhere(carry_on) == alone(globex)


def test_a_new_connection_starts_where_the_old_one_was(
    acme: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def reconnect() -> list[str]:
        with enter_tenant(acme):
            schemas()
            connection.close()
            return schemas()

    assert elsewhere(reconnect) == alone(acme)


def test_a_connection_that_was_cut_is_not_trusted_with_the_path(
    acme: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def be_cut_off() -> list[str]:
        with enter_tenant(acme):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (pid,) = cursor.fetchone()
            with pytest.raises(DatabaseError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
            connection.close_if_unusable_or_obsolete()
            return schemas()

    assert elsewhere(be_cut_off) == alone(acme)


def test_a_server_side_cursor_reads_from_the_tenant(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def read(tenant: Tenant) -> list[str]:
        with enter_tenant(tenant):
            names = CustomUser.objects.values_list("username", flat=True)
            return list(names.iterator(chunk_size=1))

    assert elsewhere(read, acme) == ["ann", "bob", "cleo"]
    assert elsewhere(read, globex) == ["sam", "tess", "uwe"]


def test_a_cursor_that_is_kept_follows_the_connection(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    def first_person(cursor: Any) -> str:
        cursor.execute("SELECT min(username) FROM accounts_customuser")
        return str(cursor.fetchone()[0])

    def keep_a_cursor() -> list[str]:
        with enter_tenant(acme), connection.cursor() as kept:
            with enter_tenant(globex):
                in_globex = first_person(kept)
                CustomUser.objects.count()
            return [in_globex, first_person(kept)]

    def keep_a_cursor_and_log() -> list[str]:
        with CaptureQueriesContext(connection):
            return keep_a_cursor()

    assert elsewhere(keep_a_cursor) == ["sam", "ann"]
    assert elsewhere(keep_a_cursor_and_log) == ["sam", "ann"]


# Any walk at all (I13)


class Walk(RuleBasedStateMachine):
    """Somebody who enters, nests, fails, rolls back and reconnects in any order."""

    tenants: tuple[Tenant, ...]

    def __init__(self) -> None:
        super().__init__()
        connection.close()
        self.places: list[tuple[Any, Tenant | str]] = [(None, NOWHERE)]

    @property
    def place(self) -> Tenant | str:
        return self.places[-1][1]

    @property
    def in_transaction(self) -> bool:
        return connection.in_atomic_block

    @property
    def transaction_failed(self) -> bool:
        own = connection.connection
        return own is not None and own.info.transaction_status == 3

    def _enter(self, block: Any, place: Tenant | str) -> None:
        block.__enter__()
        self.places.append((block, place))

    @precondition(lambda self: len(self.places) < 8)
    @rule(number=st.integers(0, 1))
    def enter(self, number: int) -> None:
        tenant = self.tenants[number]
        self._enter(enter_tenant(tenant), tenant)

    @precondition(lambda self: len(self.places) < 8)
    @rule()
    def enter_the_platform(self) -> None:
        self._enter(enter_platform(), PLATFORM)

    @precondition(lambda self: len(self.places) < 8 and not self.transaction_failed)
    @rule(savepoint=st.booleans())
    def begin(self, savepoint: bool) -> None:
        self._enter(transaction.atomic(savepoint=savepoint), self.place)

    @precondition(lambda self: len(self.places) > 1)
    @rule(stumble=st.booleans())
    def leave(self, stumble: bool) -> None:
        block, _ = self.places.pop()
        error = StumbleError() if stumble else None
        # A contextmanager raises again what it was left with; a savepoint in a transaction that
        # has failed cannot be released.
        with suppress(StumbleError, DatabaseError):
            block.__exit__(type(error) if error else None, error, None)

    @property
    def is_somewhere(self) -> bool:
        return self.place is not NOWHERE

    @property
    def can_ask(self) -> bool:
        return not self.transaction_failed and not connection.needs_rollback

    @precondition(lambda self: self.can_ask and self.is_somewhere)
    @rule()
    def fail_and_swallow(self) -> None:
        swallow_an_error()

    @precondition(lambda self: not self.in_transaction and self.is_somewhere)
    @rule()
    def carry_on_after_an_error(self) -> None:
        with transaction.atomic():
            swallow_an_error()

    @precondition(lambda self: not self.in_transaction)
    @rule()
    def reconnect(self) -> None:
        connection.close()

    @precondition(lambda self: self.can_ask)
    @rule()
    def look(self) -> None:
        if not self.is_somewhere:
            with pytest.raises(NotInTenant):
                schemas()
        elif self.place == PLATFORM:
            assert schemas() == ON_PLATFORM
            assert current_tenant() is None
        else:
            assert schemas() == alone(self.place)
            assert current_tenant() == self.place

    def teardown(self) -> None:
        while len(self.places) > 1:
            self.leave(stumble=False)
        assert is_nowhere()


def test_whatever_way_one_takes_one_is_where_one_believes_to_be(
    acme: Tenant, globex: Tenant, elsewhere: Callable[..., Any]
) -> None:
    walk = type("Walk", (Walk,), {"tenants": (acme, globex)})
    trials = settings(max_examples=120, stateful_step_count=40, deadline=None, database=None)

    elsewhere(run_state_machine_as_test, walk, settings=trials)


# Content types (I11)


def test_two_threads_in_two_tenants_each_get_their_own_content_types(
    acme: Tenant, globex: Tenant
) -> None:
    together = threading.Barrier(2, timeout=20)
    found: dict[str, set[tuple[int, int]]] = {"acme": set(), "globex": set()}

    def compare(tenant: Tenant) -> None:
        for model in (CustomUser, Group, CustomUser, Group):
            together.wait()
            connection.set_tenant(tenant)
            cached = ContentType.objects.get_for_model(model).pk
            stored = ContentType.objects.filter(
                app_label=model._meta.app_label, model=model._meta.model_name
            ).values_list("pk", flat=True)[0]
            found[tenant.slug].add((cached, stored))

    def work(tenant: Tenant, shifted: bool) -> None:
        try:
            with enter_tenant(tenant):
                if shifted:
                    with other_content_types():
                        compare(tenant)
                else:
                    compare(tenant)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=work, args=(acme, False)),
        threading.Thread(target=work, args=(globex, True)),
    ]
    try:
        contenttypes.forget(acme.schema_name)
        contenttypes.forget(globex.schema_name)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        contenttypes.forget(globex.schema_name)

    assert all(cached == stored for pairs in found.values() for cached, stored in pairs)
    assert len(found["acme"]) == len(found["globex"]) == 2
    assert not found["acme"] & found["globex"]


def test_switching_keeps_what_is_known_of_content_types(
    acme: Tenant, globex: Tenant, django_assert_num_queries: Any
) -> None:
    for tenant in (acme, globex):
        with enter_tenant(tenant):
            ContentType.objects.get_for_model(CustomUser)

    with django_assert_num_queries(0):
        for tenant in (acme, globex):
            with enter_tenant(tenant):
                ContentType.objects.get_for_model(CustomUser)


def test_no_setting_puts_another_schema_behind_the_tenants() -> None:
    assert not getattr(django_settings, "PG_EXTRA_SEARCH_PATHS", [])
    assert django_settings.DATABASES["default"]["ENGINE"] == "tenants.backend"
