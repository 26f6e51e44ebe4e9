"""What may be replayed, and what is written down."""

import uuid
from typing import Any

import pytest
from django.db import connection, migrations, models, transaction
from django.db.migrations.migration import Migration
from django.db.models.signals import post_migrate

from tenants.context import enter_tenant
from tenants.fleet.rendering import Recording, why_not
from tenants.fleet.rights import others_listen
from tenants.models import Tenant


def plan(*operations: Any, atomic: bool = True, app_label: str = "accounts") -> list[Migration]:
    migration = Migration("0002_next", app_label)
    migration.operations = list(operations)
    migration.atomic = atomic
    return [migration]


def new(**options: Any) -> Any:
    return models.CharField(max_length=36, **options)


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("customuser", "x", new(default="")),
        migrations.AddField("customuser", "x", models.JSONField(default=dict)),
        migrations.AddField("customuser", "x", new(default=uuid.uuid4, db_default="")),
        migrations.AlterModelOptions("customuser", {}),
        migrations.RunSQL("UPDATE auth_group SET name = name"),
        migrations.RunSQL("-- why\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        migrations.RunSQL([("DELETE FROM auth_group WHERE name = %s", ["x"]), "DROP TABLE x"]),
        migrations.RunSQL(migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            [migrations.AddField("customuser", "x", new(null=True))],
            [migrations.RunPython(migrations.RunPython.noop)],
        ),
    ],
)
def test_what_is_rendered_from_models_or_static_is_replayed(operation: Any) -> None:
    assert why_not(plan(operation)) == ""


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (migrations.RunPython(migrations.RunPython.noop), "has a RunPython"),
        (
            migrations.SeparateDatabaseAndState([migrations.RunPython(migrations.RunPython.noop)]),
            "has a RunPython",
        ),
        (migrations.AddField("customuser", "x", new(default=uuid.uuid4)), "made up"),
        (migrations.AlterField("customuser", "x", new(default=lambda: "x")), "made up"),
        (migrations.RenameModel("customuser", "person"), "renames a model"),
        (migrations.RunSQL("SELECT setval('x', 1)"), "not made of changes alone"),
        (migrations.RunSQL("WITH x AS (SELECT 1) DELETE FROM y"), "not made of changes alone"),
        (migrations.RunSQL("CREATE INDEX CONCURRENTLY x ON y (z)"), "not made of changes alone"),
        (migrations.RunSQL("UPDATE x SET y = 1; COMMIT"), "not made of changes alone"),
        (migrations.RunSQL("ALTER ROLE x SET search_path = y"), "not made of changes alone"),
    ],
)
def test_what_looks_at_rows_or_makes_values_up_is_not(operation: Any, reason: str) -> None:
    assert reason in why_not(plan(operation))


def test_what_is_not_atomic_is_not() -> None:
    assert "is not atomic" in why_not(plan(atomic=False))


def test_an_unknown_operation_is_not_unless_it_says_so() -> None:
    class Own(migrations.RunPython):
        pass

    own = Own(migrations.RunPython.noop)
    assert "has a Own" in why_not(plan(own))
    own.replayable = True  # type: ignore[attr-defined]
    assert why_not(plan(own)) == ""


def test_an_app_without_tables_in_tenants_does_not_count() -> None:
    assert why_not(plan(migrations.RunPython(migrations.RunPython.noop), app_label="tenants")) == ""


def test_somebody_who_listens_to_migrations_is_noticed() -> None:
    def listener(**_: Any) -> None:
        pass

    assert not others_listen()
    post_migrate.connect(listener)
    try:
        assert others_listen()
    finally:
        post_migrate.disconnect(listener)
    assert not others_listen()


def test_changes_are_written_down_with_their_values_and_nothing_else(in_acme: Tenant) -> None:
    recording = Recording()
    with connection.execute_wrapper(recording), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("SET LOCAL lock_timeout = 0")
        cursor.execute("INSERT INTO auth_group (name) VALUES (%s)", ["it's 100%"])
        cursor.execute("COMMENT ON TABLE auth_group IS '100%'")
        with transaction.atomic():
            cursor.execute("DELETE FROM auth_group")
            transaction.set_rollback(True)
        with transaction.atomic():
            cursor.execute("UPDATE auth_group SET name = name")

    assert recording.statements == [
        "INSERT INTO auth_group (name) VALUES ('it''s 100%')",
        "COMMENT ON TABLE auth_group IS '100%'",
        "UPDATE auth_group SET name = name",
    ]
    assert recording.trouble == ""


def test_what_names_the_tenant_is_no_script_for_others(acme: Tenant) -> None:
    recording = Recording()
    with enter_tenant(acme), connection.execute_wrapper(recording):
        connection.cursor().execute(f"COMMENT ON TABLE {acme.schema_name}.auth_group IS 'x'")
    recording.check_relative(acme.schema_name, str(acme.pk))

    assert "names the tenant" in recording.trouble
