"""Making tenants: whole or not at all, once however often it is asked for."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.db import DatabaseError, connection, migrations
from django.db.models.functions import Now

from accounts.models import CustomUser
from activity.models import ActivityEvent
from tenants import lifecycle, operations, provisioning, spares
from tenants.context import current_tenant, enter_platform, enter_tenant, enter_unserved
from tenants.errors import Conflict, InvalidInput
from tenants.models import Blueprint, Domain, Operation, Tenant
from tenants.names import is_schema_name
from tenants.requests import TenantRequest, check
from tests.fleet import NEWEST


def everything() -> tuple[Any, ...]:
    """All that making a tenant could leave behind."""
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace ORDER BY 1")
        schemas = cursor.fetchall()
        # That something was tried and given up is recorded.
        events = ActivityEvent.objects.exclude(action="operation.cancelled")
        rows = (Tenant.objects.count(), Domain.objects.count(), events.count())
        return schemas, rows, Operation.objects.unfinished().count()


def given_up() -> list[str]:
    """What the platform's record says of operations that were given up."""
    with enter_platform():
        cancelled = ActivityEvent.objects.filter(action="operation.cancelled")
        return [f"{event.target_label}: {event.details}" for event in cancelled]


def comment_on(schema: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", [schema])
        return str(cursor.fetchone()[0])


# Whole


def test_a_tenant_is_made_whole(db: None) -> None:
    made = provisioning.create(
        TenantRequest(
            slug="initech",
            name="Initech Ltd.",
            domains=("People.Initech.Example.",),
            time_zone="Europe/Berlin",
            admin_email="Peter@Initech.Example",
        )
    )

    tenant = Tenant.objects.get(slug="initech")
    assert made.created
    assert (tenant.name, tenant.time_zone, tenant.state) == (
        "Initech Ltd.",
        "Europe/Berlin",
        "active",
    )
    assert is_schema_name(tenant.schema_name)
    assert comment_on(tenant.schema_name) == f"tenantry:{tenant.pk}"
    assert list(tenant.domains.values_list("domain", "is_primary")) == [
        ("initech.localhost", True),
        ("people.initech.example", False),
    ]
    assert made.administrator
    assert made.administrator.link.startswith("http://initech.localhost:8000/accounts/")
    with enter_tenant(tenant):
        peter = CustomUser.objects.get()
        assert (peter.username, peter.email) == ("peter", "peter@initech.example")
        assert peter.is_superuser
        assert peter.is_staff
        assert not peter.has_usable_password()


def test_the_birth_is_in_both_records_and_in_nobody_elses(db: None, acme: Tenant) -> None:
    tenant = provisioning.create(TenantRequest(slug="initech", admin_email="p@x.example")).tenant

    def births() -> int:
        born = ActivityEvent.objects.filter(action="tenant.created", target_id=str(tenant.pk))
        return born.count()

    assert births() == 1
    with enter_tenant(tenant):
        assert births() == 1
        assert ActivityEvent.objects.filter(action="user.created").count() == 1
    with enter_tenant(acme):
        assert births() == 0


@pytest.mark.parametrize("spare", [True, False])
def test_a_host_it_is_made_with_is_in_both_records_as_vouched_for(
    db: None, spare: bool, recorded: Callable[..., list[ActivityEvent]]
) -> None:
    if spare:
        spares.fill(1)
    request = TenantRequest(slug="initech", domains=("a.example", "b.example"))
    tenant = provisioning.create(request).tenant

    with enter_platform():
        platforms = list(ActivityEvent.objects.filter(target_id=tenant.pk).order_by("id"))
    for events in (recorded(tenant), platforms):
        told = [(e.action, e.details) for e in events if e.action.startswith("tenant.")]
        assert told == [
            ("tenant.created", {}),
            ("tenant.domain_added", {"host": "a.example"}),
            ("tenant.domain_verified", {"host": "a.example", "proof": "vouched"}),
            ("tenant.domain_added", {"host": "b.example"}),
            ("tenant.domain_verified", {"host": "b.example", "proof": "vouched"}),
        ]


def test_defaults_are_the_slug_as_name_and_the_platforms_time_zone(db: None) -> None:
    tenant = provisioning.create(TenantRequest(slug="initech")).tenant

    assert (tenant.name, tenant.time_zone) == ("initech", "UTC")
    assert list(tenant.domains.values_list("domain", flat=True)) == ["initech.localhost"]


def test_a_host_of_the_platform_is_no_tenants_domain(db: None, settings: Any) -> None:
    settings.TENANTRY_PLATFORM_HOSTS = frozenset({"localhost", "console.example.com"})

    with pytest.raises(InvalidInput, match="platform's own"):
        check(TenantRequest(slug="initech", domains=("Console.Example.com",)))


def test_two_tenants_never_share_a_schema(acme: Tenant, globex: Tenant) -> None:
    assert acme.schema_name != globex.schema_name
    assert "acme" not in acme.schema_name


def test_progress_counts_up_to_the_end(db: None) -> None:
    steps: list[tuple[str, int, int]] = []

    provisioning.create(TenantRequest(slug="initech"), on_progress=lambda *s: steps.append(s))

    total = steps[0][2]
    assert [done for _, done, _ in steps] == list(range(1, total + 1))


# Once


def test_asking_again_changes_nothing(db: None) -> None:
    request = TenantRequest(slug="initech", name="Initech", domains=("initech.example",))
    first = provisioning.create(request)
    before = everything()

    again = provisioning.create(request)
    without_details = provisioning.create(TenantRequest(slug="initech"))

    assert not again.created
    assert not without_details.created
    assert first.tenant == again.tenant == without_details.tenant
    assert everything() == before


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (TenantRequest(slug="acme", name="Another"), 'the slug "acme" is taken'),
        (TenantRequest(slug="acme", domains=("new.example",)), 'the slug "acme" is taken'),
        (TenantRequest(slug="initech", domains=("globex.example",)), "is taken by another"),
        (TenantRequest(slug="initech", domains=("GLOBEX.Example.",)), "is taken by another"),
        (TenantRequest(slug="acme", domains=("globex.example",)), "is taken by another"),
    ],
)
def test_what_is_somebody_elses_is_refused(
    acme: Tenant, globex: Tenant, wanted: TenantRequest, sentence: str
) -> None:
    Domain.objects.create(tenant=globex, domain="globex.example", verified_at=Now())
    before = everything()

    with pytest.raises(Conflict, match=sentence):
        provisioning.create(wanted)

    assert everything() == before


# Or not at all


@pytest.mark.parametrize(
    "wanted",
    [
        TenantRequest(slug=""),
        TenantRequest(slug="Acme"),
        TenantRequest(slug="../x"),
        TenantRequest(slug="admin"),
        TenantRequest(slug="x" * 33),
        TenantRequest(slug="initech", name="x" * 201),
        TenantRequest(slug="initech", name="two\nlines"),
        TenantRequest(slug="initech", name="right\u202eto left"),
        TenantRequest(slug="initech", name="nul\0"),
        TenantRequest(slug="initech", time_zone="Mars/Olympus"),
        TenantRequest(slug="initech", time_zone="../../etc/passwd"),
        TenantRequest(slug="initech", time_zone="Europe"),
        TenantRequest(slug="initech", time_zone="UTC\0"),
        TenantRequest(slug="initech", time_zone="x" * 10_000),
        TenantRequest(slug="initech", time_zone="zone.tab"),
        TenantRequest(slug="initech", admin_email="nobody"),
        TenantRequest(slug="initech", admin_email=" "),
        TenantRequest(slug="initech", admin_email="a@b@c.example"),
        TenantRequest(slug="initech", admin_email="a\0@c.example"),
        TenantRequest(slug="initech", admin_email=f"{'a' * 300}@c.example"),
        TenantRequest(slug="initech", domains=("ok.example", "http://x.example/")),
        TenantRequest(slug="initech", domains=("10.0.0.1",)),
        TenantRequest(slug="initech", domains=("",)),
        TenantRequest(slug="initech", domains=("globex.localhost",)),
        TenantRequest(slug="initech", domains=("localhost",)),
        TenantRequest(slug="initech", domains=("LOCALHOST.",)),
        TenantRequest(slug="initech", domains=("a.b.localhost",)),
    ],
    ids=lambda wanted: repr(wanted)[14:90],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(db: None, wanted: TenantRequest) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        provisioning.create(wanted)

    assert str(refusal.value).strip()
    assert len(str(refusal.value)) < 500
    assert everything() == before


@pytest.fixture
def broken_record() -> Iterator[None]:
    """Let the record refuse what happens to tenants, at the very end of making one."""

    def refuse(**_: Any) -> None:
        raise DatabaseError("no space left on device")

    lifecycle.changed.connect(refuse, sender=Tenant)
    yield
    lifecycle.changed.disconnect(refuse, sender=Tenant)


def test_without_its_event_there_is_no_tenant(db: None, broken_record: None) -> None:
    before = everything()

    with pytest.raises(DatabaseError, match="no space left"):
        provisioning.create(TenantRequest(slug="initech", admin_email="peter@initech.example"))

    assert everything() == before
    [said] = given_up()
    assert said.startswith("create of initech")
    assert "no space left" in said
    assert current_tenant() is None


def test_a_migration_that_fails_leaves_nothing(db: None, monkeypatch: Any) -> None:
    last = import_module(f"accounts.migrations.{NEWEST}").Migration
    broken = [*last.operations, migrations.RunSQL("SELECT 1/0")]
    monkeypatch.setattr(last, "operations", broken)
    # There is no blueprint of a release that was just deployed.
    Blueprint.objects.all().delete()
    before = everything()

    with pytest.raises(DatabaseError, match="division by zero"):
        provisioning.create(TenantRequest(slug="initech"))

    assert everything() == before
    assert current_tenant() is None
    monkeypatch.undo()
    assert provisioning.create(TenantRequest(slug="initech")).created


def test_an_administrator_who_cannot_be_made_leaves_nothing(db: None, monkeypatch: Any) -> None:
    def refuse(self: CustomUser, *args: Any, **kwargs: Any) -> None:
        raise DatabaseError("refused")

    monkeypatch.setattr(CustomUser, "save", refuse)
    before = everything()

    with pytest.raises(DatabaseError, match="refused"):
        provisioning.create(TenantRequest(slug="initech", admin_email="peter@initech.example"))

    assert everything() == before


# What the schema is made of (T12)


def catalog(query: str, tenant: Tenant) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"schema": tenant.schema_name})
        return list(cursor.fetchall())


def test_nothing_in_the_schema_refers_to_another(acme: Tenant) -> None:
    foreign_keys = catalog(
        """
        SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint AS c
        JOIN pg_class AS target ON target.oid = confrelid
        WHERE contype = 'f' AND connamespace = to_regnamespace(%(schema)s)
        AND target.relnamespace <> connamespace
        """,
        acme,
    )
    trigger_functions = catalog(
        """
        SELECT tgname, tgfoid::regproc::text FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE NOT tgisinternal AND relnamespace = to_regnamespace(%(schema)s)
        AND pronamespace <> relnamespace
        """,
        acme,
    )
    defaults = catalog(
        """
        SELECT sequence.oid::regclass::text FROM pg_attrdef
        JOIN pg_class AS owner ON owner.oid = adrelid
        JOIN pg_depend ON pg_depend.objid = pg_attrdef.oid
        JOIN pg_class AS sequence ON sequence.oid = refobjid AND sequence.relkind = 'S'
        WHERE owner.relnamespace = to_regnamespace(%(schema)s)
        AND sequence.relnamespace <> owner.relnamespace
        """,
        acme,
    )

    assert foreign_keys == trigger_functions == defaults == []


def test_every_table_has_a_key_that_no_node_of_a_cluster_runs_out_of(acme: Tenant) -> None:
    keys = catalog(
        """
        SELECT relname, coalesce(array_agg(atttypid::regtype::text ORDER BY attnum)
               FILTER (WHERE attnum IS NOT NULL), '{}')
        FROM pg_class
        LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary
        LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum = ANY (indkey)
        WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p')
        GROUP BY relname
        """,
        acme,
    )
    one_row = {"activity_rollupcursor"}
    single = {"bigint", "uuid", "character varying"}

    assert len(keys) > 15
    wrong = {
        table: types
        for table, types in keys
        if table not in one_row
        and (not types or "integer" in types or (len(types) == 1 and types[0] not in single))
    }
    assert wrong == {}


def test_no_column_refers_to_a_key_with_fewer_bits(acme: Tenant) -> None:
    narrower = catalog(
        """
        SELECT conrelid::regclass::text, conname FROM pg_constraint
        JOIN pg_attribute AS mine ON mine.attrelid = conrelid AND mine.attnum = conkey[1]
        JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = confkey[1]
        WHERE contype = 'f' AND connamespace = to_regnamespace(%(schema)s)
        AND mine.atttypid <> theirs.atttypid
        """,
        acme,
    )

    assert narrower == []


@pytest.mark.parametrize("state", ["active", "suspended", "deletion_scheduled"])
def test_whoever_lives_in_a_tenant_is_safe_from_the_operation_that_made_it(
    acme: Tenant, state: str
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=state)
    left = operations.begin(Operation.Kind.CREATE, acme, {})

    with pytest.raises(Conflict, match="left as it is"):
        operations.carry_on(left)
    with pytest.raises(Conflict, match="left as it is"):
        operations.cancel(left)

    assert Tenant.objects.get(pk=acme.pk).state == state
    with enter_unserved(acme):
        assert CustomUser.objects.count() == 3
