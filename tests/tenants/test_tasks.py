"""Background work happens in the tenant it was sent for, or not at all (T9)."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, Task
from django.db import connection

from accounts.models import CustomUser
from activity import context
from activity.context import Actor, ActorKind, Channel, Context
from config.celery import app as celery_app
from tenants.context import current_tenant, enter_platform, enter_tenant
from tenants.errors import TenantUnavailable
from tenants.models import Tenant
from tenants.tasks import PlatformTask, TenantTask


class Sent:
    """A task of each kind that tells where it ran."""

    def __init__(self) -> None:
        self.app = Celery("tests", set_as_current=False, task_always_eager=True)
        self.app.conf.task_eager_propagates = True
        self.ran: list[tuple[str | None, list[str]]] = []
        self.tenant = self._task(TenantTask, "tests.tenant")
        self.platform = self._task(PlatformTask, "tests.platform")

    def _task(self, base: type[Task], name: str) -> Any:
        def look(stumble: bool = False) -> None:
            self.look(stumble)

        return self.app.task(base=base, name=name, shared=False, lazy=False)(look)

    def look(self, stumble: bool) -> None:
        tenant = current_tenant()
        names = list(CustomUser.objects.values_list("username", flat=True))
        self.ran.append((tenant.slug if tenant else None, names))
        if stumble:
            raise ZeroDivisionError


@pytest.fixture
def sent(db: None) -> Iterator[Sent]:
    """Tasks that are run as a worker runs them, in this process."""
    tasks = Sent()
    yield tasks
    tasks.app.close()


def place() -> tuple[Tenant | None, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schemas(true)")
        return current_tenant(), list(cursor.fetchone()[0])


def test_a_task_runs_in_the_tenant_it_was_sent_for(
    sent: Sent, acme: Tenant, globex: Tenant
) -> None:
    sent.tenant.delay(tenant_id=str(acme.pk))
    sent.tenant.apply_async(kwargs={"tenant_id": str(globex.pk)})

    assert sent.ran == [("acme", ["ann", "bob", "cleo"]), ("globex", ["sam", "tess", "uwe"])]


def test_the_tenant_one_is_in_does_not_choose_the_tasks(
    sent: Sent, acme: Tenant, globex: Tenant
) -> None:
    with enter_tenant(acme):
        sent.tenant.delay(tenant_id=str(globex.pk))
        assert place() == (acme, ["pg_catalog", acme.schema_name])
        with pytest.raises(TenantUnavailable):
            sent.tenant.delay()

    assert [slug for slug, _ in sent.ran] == ["globex"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"tenant_id": None},
        {"tenant_id": ""},
        {"tenant_id": "acme"},
        {"tenant_id": "public"},
        {"tenant_id": "1"},
        {"tenant_id": 0},
        {"tenant_id": "' OR 1=1 --"},
        {"tenant_id": "x" * 100_000},
        {"tenant_id": "\0"},
        {"tenant_id": ["01a20699-f32a-736a-b1ae-3baaccfc3d9b"]},
        {"tenant_id": {}},
        {"tenant_id": str(uuid.UUID(int=0))},
        {"tenant_id": "0f3c1b52-7a0e-4d53-9b0e-6a4c8a1f2d11"},
        {"schema_name": "public", "_schema_name": "public"},
    ],
    ids=lambda value: str(value)[:40],
)
def test_without_a_tenant_that_there_is_the_body_never_runs(
    sent: Sent, acme: Tenant, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TenantUnavailable) as refusal:
        sent.tenant.apply_async(kwargs=arguments)

    assert sent.ran == []
    assert len(str(refusal.value)) < 300
    assert place() == (None, ["pg_catalog", "public"])


def test_a_tenant_passed_by_position_is_not_guessed_at(sent: Sent, acme: Tenant) -> None:
    with pytest.raises(TenantUnavailable, match="without the tenant"):
        sent.tenant.delay(str(acme.pk))

    assert sent.ran == []


def test_a_header_does_not_choose_the_tenant(sent: Sent, acme: Tenant) -> None:
    with pytest.raises(TenantUnavailable):
        sent.tenant.apply_async(headers={"_schema_name": acme.schema_name})

    assert sent.ran == []


@pytest.mark.parametrize("state", [s for s in Tenant.State if s != Tenant.State.ACTIVE])
def test_a_tenant_that_is_not_served_is_not_worked_for(
    sent: Sent, acme: Tenant, state: str
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    with pytest.raises(TenantUnavailable):
        sent.tenant.delay(tenant_id=str(acme.pk))

    assert sent.ran == []


@pytest.mark.parametrize(
    "damage",
    [
        "COMMENT ON SCHEMA {acme.schema_name} IS 'tenantry:{globex.pk}'",
        "COMMENT ON SCHEMA {acme.schema_name} IS NULL",
        "ALTER SCHEMA {acme.schema_name} RENAME TO elsewhere",
    ],
)
def test_a_schema_that_is_not_the_tenants_own_is_not_entered(
    sent: Sent, acme: Tenant, globex: Tenant, damage: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(damage.format(acme=acme, globex=globex))

    with pytest.raises(TenantUnavailable):
        sent.tenant.delay(tenant_id=str(acme.pk))

    assert sent.ran == []


@pytest.mark.parametrize("stumble", [False, True])
def test_after_a_task_one_is_where_one_was(
    sent: Sent, acme: Tenant, globex: Tenant, stumble: bool
) -> None:
    def send() -> None:
        try:
            sent.tenant.delay(stumble=stumble, tenant_id=str(globex.pk))
        except ZeroDivisionError:
            assert stumble

    send()
    assert place() == (None, ["pg_catalog", "public"])
    with enter_tenant(acme):
        send()
        assert place() == (acme, ["pg_catalog", acme.schema_name])


def test_a_task_of_the_platform_runs_there_wherever_it_was_sent_from(
    sent: Sent, acme: Tenant, operator: CustomUser
) -> None:
    with enter_tenant(acme):
        sent.platform.delay()
        assert place() == (acme, ["pg_catalog", acme.schema_name])
        with pytest.raises(ZeroDivisionError):
            sent.platform.delay(stumble=True)
        assert place() == (acme, ["pg_catalog", acme.schema_name])

    assert sent.ran == [(None, ["olga"])] * 2


def test_every_task_says_where_it_acts() -> None:
    """All but the sign of life, which touches no table."""
    from config.celery import app

    app.loader.import_default_modules()
    ours = {
        name: task
        for name, task in app.tasks.items()
        if not name.startswith(("celery.", "tests.")) and name != "config.worker_seen"
    }

    assert "activity.aggregate_tenant" in ours
    homeless = [name for name, task in ours.items() if not acts_somewhere(task)]
    assert homeless == []


def acts_somewhere(task: Task) -> bool:
    return isinstance(task, TenantTask | PlatformTask)


def test_work_on_one_tenant_leaves_the_other_alone(
    acme: Tenant, globex: Tenant, browser: Callable[..., Any], ann: CustomUser
) -> None:
    from activity.models import DailyTotal
    from activity.tasks import aggregate_tenant

    aggregate_tenant.delay(tenant_id=str(acme.pk))

    with enter_tenant(globex):
        assert not DailyTotal.objects.exists()
    with enter_platform():
        assert not DailyTotal.objects.exists()


def test_what_a_task_records_names_the_task_and_not_the_person_of_before(acme: Tenant) -> None:
    seen: list[Context] = []

    @celery_app.task(base=TenantTask, name="tests.circumstances")
    def look() -> None:
        seen.append(context.current())

    result = look.delay(tenant_id=str(acme.pk))

    assert seen[0].actor == Actor(ActorKind.SERVICE, label="task tests.circumstances")
    assert seen[0].channel == Channel.TASK
    assert str(seen[0].request_id) == result.id
    assert context.current().channel == Channel.COMMAND
