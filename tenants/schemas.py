"""Bringing the schema that a connection is in to the newest state, by Django's migrations."""

from collections.abc import Callable

from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

Progress = Callable[[str, int, int], None]
"""Called with what was just done, how many steps are done, and how many there are."""


def migrate(on_progress: Progress, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Run the migrations that the schema lacks, content types and permissions included."""
    connection = connections[using]
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    executor.progress_callback = _counting(on_progress, len(plan))
    state = executor._create_project_state(  # type: ignore[attr-defined]
        with_applied_migrations=True
    )
    emit_pre_migrate_signal(0, False, using, apps=state.apps, plan=plan)
    after = executor.migrate(executor.loader.graph.leaf_nodes(), plan=plan, state=state.clone())
    after.clear_delayed_apps_cache()
    # Content types and permissions are made by receivers of this signal.
    emit_post_migrate_signal(0, False, using, apps=after.apps, plan=plan)


def _counting(on_progress: Progress, total: int) -> Callable[..., None]:
    done = 0

    def progress(action: str, migration: object = None, fake: bool = False) -> None:
        nonlocal done
        if action == "apply_success":
            done += 1
            on_progress(str(migration), done, total)

    return progress
