"""Putting an archive's rows into a fresh schema: all of them, in one transaction, or none."""

from typing import Any

from django.db import DataError, IntegrityError, transaction

from tenants import contenttypes, privileges, schemas
from tenants.archive import building, contents
from tenants.archive.format import SETTINGS
from tenants.archive.reading import Archive
from tenants.errors import InvalidInput
from tenants.models import Tenant
from tenants.owner import owner_alias, owner_in
from tenants.quoting import identifier, qualified


def fill(tenant: Tenant, archive: Archive) -> None:
    """Make the schema and put the rows in, in one transaction of the owner's.

    Raises ``InvalidInput`` for rows that cannot be.
    """
    schema = tenant.schema_name
    try:
        with transaction.atomic(using=owner_alias()):
            building.build(tenant, archive.manifest)
            with owner_in("public") as owner, owner.cursor() as cursor:
                _copy(cursor, schema, archive)
            if not building.is_current(archive.manifest):
                with owner_in(schema) as owner:
                    schemas.migrate(lambda *_: None, using=owner_alias())
                    privileges.restrict(owner, schema)
    except (DataError, IntegrityError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            f"the archive holds rows that cannot be: {reason}.", "Export the tenant again."
        ) from None
    finally:
        contenttypes.forget(schema)


def _copy(cursor: Any, schema: str, archive: Archive) -> None:
    tables = building.tables_of(schema, cursor)
    # What the fresh schema's own rows left to be checked would keep tables from being changed.
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        # Ours, not those of foreign keys: an event keeps its time, transaction and cluster.
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    cursor.execute(f"TRUNCATE {', '.join(tables)}")
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    for statement in SETTINGS:
        cursor.execute(statement)
    for part in archive.manifest.tables:
        columns = ", ".join(identifier(column.name) for column in part.columns)
        target = qualified(schema, part.name)
        with archive.rows_of(part) as rows:
            statement = f"COPY {target} ({columns}) FROM STDIN (FORMAT text, ENCODING 'UTF8')"
            with cursor.db.wrap_database_errors:
                cursor.copy_expert(statement, rows)
        _refuse_other_count(cursor, target, part.name, part.rows)
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    _refuse_other_migrations(cursor, schema, archive)
    _set_sequences(cursor, schema, archive)
    for table in tables:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _refuse_other_count(cursor: Any, target: str, name: str, rows: int) -> None:
    cursor.execute(f"SELECT count(*) FROM {target}")  # noqa: S608
    [found] = cursor.fetchone()
    if found != rows:
        raise InvalidInput(
            f"the archive holds {found} rows of {name} and says {rows}.", "Export the tenant again."
        )


def _refuse_other_migrations(cursor: Any, schema: str, archive: Archive) -> None:
    if contents.migrations(cursor, schema) != sorted(archive.manifest.migrations):
        raise InvalidInput(
            "the archive's migrations are not those that its manifest names.",
            "Export the tenant again.",
        )


def _set_sequences(cursor: Any, schema: str, archive: Archive) -> None:
    following = {(found.table, found.column): found.next for found in archive.manifest.sequences}
    for built, name in list(contents.sequences(cursor, schema)):
        number = following[built.table, built.column]
        # As if the last one had been given, which is also what an export asks for.
        cursor.execute(
            "SELECT setval(%s::regclass, %s, %s)",
            [qualified(schema, name), max(number - 1, 1), number > 1],
        )
