"""A schema as it was when an archive was written, to be filled with the archive's rows."""

from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from tenants import blueprint
from tenants.archive import contents
from tenants.archive.format import Manifest
from tenants.errors import InvalidInput
from tenants.hosts import marker_of
from tenants.models import Tenant
from tenants.owner import owner_alias, owner_in
from tenants.quoting import qualified

_ADVICE = "Import it with the release that wrote it, or export the tenant again."


def refuse_unknown_migrations(manifest: Manifest) -> None:
    """Raise ``InvalidInput`` for an archive with migrations that this release does not have."""
    loader = MigrationLoader(None)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    unknown = sorted(set(manifest.migrations) - known)
    if unknown:
        raise InvalidInput(
            f"the archive needs a newer release: this one has no migration {unknown[0]}.",
            "Upgrade, then import it.",
        )
    if len(set(manifest.migrations)) != len(manifest.migrations):
        raise InvalidInput("the archive names a migration twice.", _ADVICE)


def is_current(manifest: Manifest) -> bool:
    """Tell whether the archive has the migrations of this release, neither more nor fewer."""
    newest = {f"{app}.{name}" for app, name in MigrationLoader(None).graph.nodes}
    return set(manifest.migrations) == newest


def build(tenant: Tenant, manifest: Manifest) -> None:
    """Make the tenant's schema, marked, with the archive's migrations, on the owner's connection.

    Raises ``InvalidInput`` when its tables are not those of the archive.
    """
    if is_current(manifest):
        blueprint.replay(blueprint.blueprint(), tenant.schema_name, marker_of(tenant))
    else:
        _build_older(tenant, manifest.migrations)
    with owner_in("public") as owner, owner.cursor() as cursor:
        _refuse_other_tables(cursor, tenant.schema_name, manifest)


def _build_older(tenant: Tenant, migrations: Iterable[str]) -> None:
    with owner_in("public") as owner, owner.cursor() as cursor:
        # The name is the row's, which its constraint has checked.
        cursor.execute(f"CREATE SCHEMA {tenant.schema_name}")
        cursor.execute(f"COMMENT ON SCHEMA {tenant.schema_name} IS %s", [marker_of(tenant)])
    wanted = set(migrations)
    with owner_in(tenant.schema_name):
        executor = MigrationExecutor(connections[owner_alias()])
        # What was squashed since is run as it was then.
        executor.loader.replace_migrations = False  # type: ignore[attr-defined]
        executor.loader.build_graph()
        everything = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
        plan = [
            (migration, backwards)
            for migration, backwards in everything
            if f"{migration.app_label}.{migration.name}" in wanted
        ]
        _refuse_gaps(executor, plan)
        executor.migrate(executor.loader.graph.leaf_nodes(), plan=plan)


def _refuse_gaps(executor: MigrationExecutor, plan: Iterable[Any]) -> None:
    chosen = {(migration.app_label, migration.name) for migration, _ in plan}
    for key in chosen:
        missing = set(executor.loader.graph.forwards_plan(key)) - chosen
        if missing:
            app, name = min(missing)
            raise InvalidInput(f"the archive lacks the migration {app}.{name}.", _ADVICE)


def _refuse_other_tables(cursor: Any, schema_name: str, manifest: Manifest) -> None:
    """Raise unless each table and column of the archive is in the schema, and none is missing.

    Nor may it bring rows of a table that does not move. What such a row says is true where it was
    written only: a session, a token, or the name of a file in a storage that all tenants share.
    """
    built = {shape.name: set(shape.columns) for shape in contents.shapes(cursor, schema_name)}
    given = {table.name: set(table.columns) for table in manifest.tables}
    absent = {part.table for part in manifest.left_out}
    staying = contents.left_out()
    for name in sorted(built.keys() | given.keys()):
        if name not in built:
            raise _other(f"it has a table {name}, which its migrations do not make")
        if name not in given:
            if name not in absent or name not in staying:
                raise _other(f"it lacks the table {name}")
        elif name in staying:
            raise _other(f"it has the table {name}, whose rows do not move")
        elif built[name] != given[name]:
            columns = sorted(column.name for column in built[name] ^ given[name])
            raise _other(f"its table {name} has another column {columns[0]} than it should")
    numbered = {(s.table, s.column) for s, _ in contents.sequences(cursor, schema_name)}
    if {(s.table, s.column) for s in manifest.sequences} != numbered:
        raise _other("its sequences are not those of its tables")
    if len(manifest.sequences) != len(numbered):
        raise _other("it has a sequence twice")


def _other(what: str) -> InvalidInput:
    return InvalidInput(f"the archive does not fit its own migrations: {what}.", _ADVICE)


def tables_of(schema_name: str, cursor: Any) -> list[str]:
    """Return the qualified names of a schema's tables as SQL."""
    return [qualified(schema_name, shape.name) for shape in contents.shapes(cursor, schema_name)]
