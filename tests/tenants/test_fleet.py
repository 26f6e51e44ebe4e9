"""Bringing a fleet up to date: who is behind, what is replayed, and what it leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenants.models import Tenant
from tests.fleet import ADDS_A_COLUMN, COLUMN, NEWEST, RUNS_PYTHON, Fleet, copy_of
from tests.tenants.conftest import Run


@pytest.fixture(scope="module")
def four(
    scratch_platform: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Four tenants, made from nothing by one run."""
    with copy_of(scratch_platform, tmp_path_factory.mktemp("four"), "four") as fleet:
        fleet.add(4)
        made = fleet.run("tenant", "migrate", "--json")
        assert made.status == 0, made.stderr
        assert (made.document["migrated"], made.document["replayed"]) == (4, 3)
        yield fleet


@pytest.fixture
def fleet(four: Fleet) -> Iterator[Fleet]:
    """The same four for each test, as they were."""
    yield four
    four.reset()


@pytest.fixture
def copy(four: Fleet, tmp_path: Path) -> Iterator[Fleet]:
    """A copy of them, for a test that leaves what nobody can undo."""
    # A database that somebody is in cannot be copied.
    four.leave()
    with copy_of(four.environment, tmp_path) as fleet:
        yield fleet
    four.join()


def test_nothing_to_do_is_said_and_leaves_no_operation(fleet: Fleet) -> None:
    before = fleet.operations()
    for argv in (["tenant", "migrate"], ["migrate"], ["migrate_schemas", "--tenant"]):
        ran = fleet.run(*argv)

        assert (ran.status, ran.stdout) == (0, "nothing to do: 4 tenants have every migration\n")
    assert fleet.operations() == before


def test_a_column_is_added_by_django_in_one_tenant_and_replayed_in_the_others(
    fleet: Fleet,
) -> None:
    ran = fleet.run("tenant", "migrate", "--json", release=fleet.release())

    assert ran.status == 0, ran.stderr
    assert ran.document["public"] == ran.document["migrations"] == ["accounts.0099_next"]
    assert (ran.document["executed"], ran.document["replayed"]) == (1, 3)
    assert set(fleet.states().values()) == {"new"}
    assert fleet.lacks() == {}
    assert fleet.operations()[-1][:2] == ("finished", 1)


MANY_THINGS = """
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import tenants.uuid7


class Migration(migrations.Migration):
    dependencies = [("accounts", "NEWEST")]
    operations = [
        migrations.CreateModel(
            "Badge",
            [
                ("id", models.UUIDField(primary_key=True, db_default=tenants.uuid7.UUIDv7())),
                ("title", models.CharField(max_length=20)),
                ("rank", models.IntegerField(default=1)),
                ("owner", models.ForeignKey(
                    settings.AUTH_USER_MODEL, on_delete=django.db.models.deletion.CASCADE
                )),
            ],
            options={"permissions": [("award_badge", "Can award O'Badge 100%")]},
        ),
        migrations.AddField("customuser", "nickname", models.CharField(max_length=50, default="")),
        migrations.AddField(
            "historicalcustomuser", "nickname", models.CharField(max_length=50, default="it's 5%")
        ),
        migrations.AlterField("badge", "rank", models.BigIntegerField(null=True)),
        migrations.AddIndex("badge", models.Index(fields=["title"], name="badge_by_title")),
        migrations.AddConstraint("badge", models.CheckConstraint(
            condition=~models.Q(title__contains="%"), name="badge_title_is_plain"
        )),
        migrations.RunSQL(
            ["COMMENT ON TABLE accounts_badge IS 'for 100% of %s'",
             ("UPDATE auth_group SET name = name || %s", ["!"])]
        ),
        migrations.AlterModelOptions("badge", {
            "verbose_name": "medal", "permissions": [("award_badge", "Can award medals")],
        }),
        migrations.AlterModelOptions("customuser", {"verbose_name": "member"}),
        pgtrigger.migrations.AddTrigger("badge", pgtrigger.compiler.Trigger(
            name="keep",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func="RAISE EXCEPTION 'kept; %', OLD.title;", hash="0" * 40, operation="DELETE",
                pgid="pgtrigger_keep_00000", table="accounts_badge", when="BEFORE",
            ),
        )),
    ]
""".replace("NEWEST", NEWEST)

CATALOGUE = """
SELECT 'column', table_name || '.' || column_name, ordinal_position || data_type
       || coalesce(column_default, '-') || is_nullable || coalesce(identity_generation, '-')
FROM information_schema.columns WHERE table_schema = %(schema)s
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = to_regnamespace(%(schema)s)
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = %(schema)s
UNION ALL
SELECT 'trigger', t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = to_regnamespace(%(schema)s) AND NOT t.tgisinternal
UNION ALL
SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
WHERE pronamespace = to_regnamespace(%(schema)s)
UNION ALL
SELECT 'comment', c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c
WHERE c.relnamespace = to_regnamespace(%(schema)s) AND obj_description(c.oid, 'pg_class') <> ''
ORDER BY 1, 2, 3"""


def everything_in(fleet: Fleet, slug: str) -> list[Any]:
    """The schema's objects, and the rows that migrations make, without what differs by design."""
    schema = fleet.schemas[slug]
    fleet.cursor.execute(CATALOGUE, {"schema": schema})
    objects = [
        tuple(str(part).replace(schema, "SCHEMA") for part in row)
        for row in fleet.cursor.fetchall()
    ]
    rows = fleet.ask(
        f"SELECT t.app_label, t.model, p.codename, p.name FROM {schema}.django_content_type t"
        f" LEFT JOIN {schema}.auth_permission p ON p.content_type_id = t.id ORDER BY 1, 2, 3"
    )
    applied = fleet.ask(f"SELECT app, name FROM {schema}.django_migrations ORDER BY id")
    groups = fleet.ask(f"SELECT name FROM {schema}.auth_group")
    return [*objects, *rows, *applied, *groups]


def test_what_is_replayed_equals_what_django_makes(copy: Fleet) -> None:
    copy.group("Readers")
    ran = copy.run("tenant", "migrate", "--json", release=copy.release(MANY_THINGS))

    assert ran.status == 0, ran.stderr
    assert (ran.document["executed"], ran.document["replayed"]) == (1, 3)
    first, *others = [everything_in(copy, slug) for slug in copy.slugs]
    assert ("accounts", "badge", "award_badge", "Can award medals") in first
    assert ("accounts", "badge", "view_badge", "Can view medal") in first
    assert ("accounts", "customuser", "view_customuser", "Can view member") in first
    assert ("Readers!",) in first
    for other in others:
        assert other == first


def test_without_replay_django_makes_the_same_everywhere(copy: Fleet) -> None:
    release = copy.release(MANY_THINGS)
    one = copy.run("tenant", "migrate", "--only", "tenant-03", "--no-replay", release=release)
    rest = copy.run("migrate", "--jobs", "2", release=release)

    assert (one.status, rest.status) == (0, 0), one.stderr + rest.stderr
    assert everything_in(copy, "tenant-03") == everything_in(copy, "tenant-04")


def test_what_runs_python_runs_in_every_tenant(fleet: Fleet) -> None:
    fleet.group("Readers")
    ran = fleet.run("tenant", "migrate", "--json", release=fleet.release(RUNS_PYTHON))

    assert ran.status == 0, ran.stderr
    assert (ran.document["executed"], ran.document["how"]) == (4, "executed")
    assert ran.document["why_executed"] == ["accounts.0099_next has a RunPython"]
    for slug in fleet.slugs:
        assert fleet.groups(slug) == ["Readers", "Founders of Readers"]


def test_what_django_runs_is_one_transaction_whatever_the_number_of_migrations(
    copy: Fleet,
) -> None:
    release = copy.release(RUNS_PYTHON, before=ADDS_A_COLUMN.replace(COLUMN, "motto"))
    copy.group("Readers")
    people = f"{copy.schemas['tenant-02']}.accounts_customuser"
    copy.ask(f"ALTER TABLE {people} ADD {COLUMN} text")
    ran = copy.run("tenant", "migrate", "--json", release=release)
    copy.ask(f"ALTER TABLE {people} DROP {COLUMN}")

    assert ran.document["migrations"] == ["accounts.0098_before", "accounts.0099_next"]
    assert [failure["tenant"] for failure in ran.document["failures"]] == ["tenant-02"]
    assert copy.groups("tenant-02") == ["Readers"]
    assert copy.lacks() == {"tenant-02": ran.document["migrations"]}
    assert copy.ask(
        "SELECT count(*) FROM information_schema.columns"
        " WHERE table_schema = %s AND column_name = 'motto'",
        copy.schemas["tenant-02"],
    ) == [(0,)]


def test_a_value_that_is_made_up_differs_between_tenants(fleet: Fleet) -> None:
    release = fleet.release(
        ADDS_A_COLUMN.replace('default="", db_default=""', "default=uuid.uuid4").replace(
            "from django.db", "import uuid\n\nfrom django.db", 1
        )
    )
    ran = fleet.run("tenant", "migrate", "--json", release=release)

    assert ran.document["executed"] == 4
    assert "made up" in ran.document["why_executed"][0]


def test_a_dry_run_says_who_is_behind_and_changes_nothing(fleet: Fleet) -> None:
    release = fleet.release()
    plain = fleet.run("tenant", "migrate", "--dry-run", release=release)
    document = fleet.run("tenant", "migrate", "--dry-run", "--json", release=release).document

    assert plain.stdout.splitlines() == [
        "the platform lacks accounts.0099_next",
        "4 tenants (tenant-01, tenant-02, tenant-03, tenant-04) lack accounts.0099_next; replayed",
    ]
    assert document["groups"][0]["migrations"] == ["accounts.0099_next"]
    assert set(fleet.states().values()) == {"old"}
    assert fleet.lacks() == {}


def test_check_fails_while_any_schema_is_behind(fleet: Fleet) -> None:
    release = fleet.release()

    assert fleet.run("migrate", "--check").status == 0
    assert fleet.run("migrate", "--check", release=release).status == 1
    assert fleet.run("migrate", release=release).status == 0
    assert fleet.run("migrate", "--check", release=release).status == 0
    schema = fleet.schemas["tenant-04"]
    fleet.ask(f"DELETE FROM {schema}.django_migrations WHERE name = '0099_next'")
    behind = fleet.run("migrate", "--check", "--plan", release=release)
    assert behind.status == 1
    assert "1 tenants (tenant-04) lack accounts.0099_next" in behind.stdout


def test_only_those_that_were_named_are_migrated(fleet: Fleet) -> None:
    release = fleet.release()
    named = fleet.run("tenant", "migrate", "--only", "tenant-02", release=release)
    schema = fleet.schemas["tenant-04"]
    by_schema = fleet.run("migrate_schemas", "--schema", schema, release=release)

    assert (named.status, by_schema.status) == (0, 0), by_schema.stderr
    assert [slug for slug, state in fleet.states().items() if state == "new"] == [
        "tenant-02",
        "tenant-04",
    ]
    # Nobody has looked at the others, so nothing is said of them.
    assert fleet.lacks() == {}


def test_one_app_goes_back_and_forth_in_every_schema(fleet: Fleet) -> None:
    release = fleet.release()
    assert fleet.run("migrate", release=release).status == 0
    back = fleet.run("migrate", "accounts", NEWEST, release=release)

    assert back.status == 0, back.stderr
    assert set(fleet.states().values()) == {"old"}
    assert fleet.lacks() == {slug: ["accounts.0099_next"] for slug in fleet.slugs}
    assert fleet.run("migrate", "accounts", release=release).status == 0
    assert set(fleet.states().values()) == {"new"}
    assert fleet.lacks() == {}


def test_the_platform_alone_can_be_migrated_and_the_tenants_not_before_it(fleet: Fleet) -> None:
    release = fleet.release()
    before = fleet.run("migrate", "--tenant", release=release)
    shared = fleet.run("migrate", "--shared", release=release)

    assert before.status == 4
    assert "the platform's own schema is behind" in before.stderr
    assert shared.status == 0, shared.stderr
    assert set(fleet.states().values()) == {"old"}
    assert fleet.run("migrate", "--tenant", release=release).status == 0
    assert set(fleet.states().values()) == {"new"}


class TestCanary:
    def test_it_goes_first(self, fleet: Fleet) -> None:
        ran = fleet.run("tenant", "migrate", "--canary", "tenant-04", release=fleet.release())
        [(first,)] = fleet.ask(
            " UNION ALL ".join(
                f"SELECT '{slug}' AS slug, applied FROM {schema}.django_migrations"
                " WHERE name = '0099_next'"
                for slug, schema in fleet.schemas.items()
            ).join(("SELECT slug FROM (", ") AS t ORDER BY applied LIMIT 1"))
        )

        assert ran.status == 0, ran.stderr
        assert first == "tenant-04"

    def test_nobody_follows_when_it_fails(self, fleet: Fleet) -> None:
        schema = fleet.schemas["tenant-04"]
        fleet.ask(f"ALTER TABLE {schema}.accounts_customuser ADD {COLUMN} text")
        ran = fleet.run("tenant", "migrate", "--canary", "tenant-04", release=fleet.release())

        assert ran.status == 1
        assert 'the canary "tenant-04" could not be migrated' in ran.stderr
        fleet.ask(f"ALTER TABLE {schema}.accounts_customuser DROP {COLUMN}")
        assert set(fleet.states().values()) == {"old"}
        assert fleet.operations()[-1][0] == "failed"

    def test_one_that_does_not_exist_is_refused(self, fleet: Fleet) -> None:
        ran = fleet.run("tenant", "migrate", "--canary", "tenant-44")

        assert ran.status == 3
        assert "Did you mean tenant-04?" in ran.stderr


def test_a_schema_that_is_missing_or_anothers_is_named_and_left_alone(copy: Fleet) -> None:
    copy.ask(f"COMMENT ON SCHEMA {copy.schemas['tenant-02']} IS 'tenantry:another'")
    copy.ask(f"DROP SCHEMA {copy.schemas['tenant-03']} CASCADE")
    ran = copy.run("tenant", "migrate", "--json", release=copy.release())

    assert ran.status == 1
    assert [failure["tenant"] for failure in ran.document["failures"]] == ["tenant-02", "tenant-03"]
    assert ran.document["migrated"] == 2
    del copy.schemas["tenant-03"]
    assert copy.states()["tenant-02"] == "old"


def test_tenants_without_a_schema_yet_or_any_more_are_not_missed(copy: Fleet) -> None:
    copy.ask(f"DROP SCHEMA {copy.schemas['tenant-03']} CASCADE")
    for state in ("requested", "provisioning", "deleting", "deleted"):
        copy.ask("UPDATE tenants_tenant SET state = %s WHERE slug = 'tenant-03'", state)
        ran = copy.run("tenant", "migrate")

        assert (ran.status, ran.stdout) == (0, "nothing to do: 3 tenants have every migration\n")


@pytest.mark.parametrize("state", ["suspended", "deletion_scheduled"])
def test_tenants_that_are_not_served_are_migrated_too(fleet: Fleet, state: str) -> None:
    fleet.ask("UPDATE tenants_tenant SET state = %s WHERE slug = 'tenant-03'", state)

    assert fleet.run("tenant", "migrate", release=fleet.release()).status == 0
    assert fleet.states()["tenant-03"] == "new"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            ["tenant", "migrate", "--jobs", "-1"],
            "-1 tenants at once are not possible.",
        ),
        (["tenant", "migrate", "--jobs", "0"], "0 tenants at once are not possible. Use 1 to 64."),
        (["tenant", "migrate", "--statement-seconds", "-1"], "no time that a statement can take"),
        (["migrate", "--executor", "multiprocessing"], "django-tenants' own. Use --jobs N."),
        (["migrate", "--shared", "--schema", "public"], "contradict each other"),
        (
            ["tenant", "migrate", "--only", "tenant-01", "--canary", "tenant-02"],
            'the canary "tenant-02" is not among the tenants to migrate.',
        ),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    fleet: Fleet, argv: list[str], sentence: str
) -> None:
    ran = fleet.run(*argv)

    assert ran.status == 2
    assert sentence in ran.stderr


@pytest.mark.parametrize("command", ["migrate", "migrate_schemas"])
@pytest.mark.parametrize("name", ["1", "acme", "T_ABC", 'x"; --', "pg_catalog"])
def test_a_schema_is_named_exactly(acme: Tenant, run: Run, command: str, name: str) -> None:
    ran = run(f"--schema={name}", command=command)

    assert ran.status == 3
    assert f"no tenant has the schema {name!r}" in ran.stderr
