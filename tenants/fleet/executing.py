"""Django's own executor in one tenant, all of the plan in one transaction."""

from contextlib import nullcontext
from typing import Any

from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import transaction
from django.db.migrations import RenameModel
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration

from tenants import contenttypes
from tenants.fleet import rights
from tenants.fleet.bounds import Bounds
from tenants.fleet.lag import Member
from tenants.fleet.rendering import Recording
from tenants.fleet.replay import guard, lacks_nothing
from tenants.owner import owner_in

Pairs = tuple[tuple[str, str], ...]


def execute(member: Member, bounds: Bounds, recording: Recording | None = None) -> Pairs:
    """Migrate one tenant's schema to the newest state; write down in ``recording`` what was sent.

    Returns app and name of each migration that was noted as applied.

    One transaction holds all migrations, so that an error or a ``kill -9`` leaves the old state,
    unless one of them is not atomic: then each is a transaction of its own, as Django has it.
    """
    with owner_in(member.schema_name) as connection:
        executor = MigrationExecutor(connection)
        executor.loader.check_consistent_history(connection)
        targets = executor.loader.graph.leaf_nodes()
        plan = [migration for migration, _ in executor.migration_plan(targets)]
        whole = all(migration.atomic for migration in plan)
        with transaction.atomic(using=connection.alias) if whole else nullcontext():
            with connection.cursor() as cursor:
                cursor.execute(guard(member, bounds))
            before = _noted(connection) if member.has_table else ()
            with connection.execute_wrapper(recording) if recording else nullcontext():
                _migrate(executor, plan, whole=whole)
            noted = tuple(pair for pair in _noted(connection) if pair not in before)
            with connection.cursor() as cursor:
                cursor.execute(lacks_nothing(member))
    contenttypes.forget(member.schema_name)
    return noted


def _noted(connection: Any) -> Pairs:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY id")
        return tuple(cursor.fetchall())


def _migrate(executor: MigrationExecutor, plan: list[Migration], *, whole: bool) -> None:
    alias = executor.connection.alias
    signals = rights.others_listen()
    state = executor._create_project_state(  # type: ignore[attr-defined]
        with_applied_migrations=True
    )
    pairs = [(migration, False) for migration in plan]
    if signals or any(isinstance(op, RenameModel) for m in plan for op in m.operations):
        # One of its receivers adds what renames content types to the plan.
        emit_pre_migrate_signal(0, False, alias, apps=state.apps, plan=pairs)
    if whole:
        executor.progress_callback = _settle(executor.connection)
    labels = rights.touched(plan)
    after = executor.migrate(executor.loader.graph.leaf_nodes(), plan=pairs, state=state)
    if not labels and not signals:
        return
    after.clear_delayed_apps_cache()
    with executor.connection.cursor() as cursor:
        for statement, parameters in rights.statements(after.apps, labels, alias):
            cursor.execute(statement, parameters)
    if signals:
        emit_post_migrate_signal(0, False, alias, apps=after.apps, plan=pairs)


def _settle(connection: Any) -> Any:
    """Check deferred constraints after each migration, as its own COMMIT would have.

    PostgreSQL alters no table of which rows are still to be checked.
    """

    def progress(action: str, migration: object = None, fake: bool = False) -> None:
        if action == "apply_success":
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")

    return progress
