"""What the role that serves people may do, where another role owns the schemas.

It reads and writes rows, and nothing else: it makes, changes and drops no table, disables no
trigger, and can only add to what is append-only. Nor does it make anything temporary: a type of
that kind is found before PostgreSQL's own by whatever does not name a schema. One role for all
tenants, not one each: roles are the server's, every connection pool would split by them, and a
schema's name is no secret to a process that serves all of them anyway. What keeps tenants apart is
the path (``docs/adr/0003-the-tenant-alone-on-the-search-path.md``).
"""

from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django_tenants.utils import quote_schema_name

from tenants.names import SCHEMA_NAME_PATTERN
from tenants.owner import OWNER_ALIAS, owner_alias, owner_cursor
from tenants.quoting import identifier

APPEND_ONLY: Final[set[str]] = set()
"""Tables from which the run-time role may take nothing away. Apps add theirs."""

_WHAT: Final = (
    "USAGE ON SCHEMAS",
    "SELECT, INSERT, UPDATE, DELETE ON TABLES",
    "USAGE, SELECT, UPDATE ON SEQUENCES",
)

# Schemas in which the role lacks a right on a table, or has one that it must not have.
_WRONG: Final = """
SELECT nspname FROM pg_namespace AS schema
WHERE (nspname = 'public' OR nspname ~ %(ours)s)
AND (
    NOT has_schema_privilege(%(role)s, schema.oid, 'USAGE')
    OR has_schema_privilege(%(role)s, schema.oid, 'CREATE')
    OR EXISTS (
        SELECT FROM pg_class WHERE relnamespace = schema.oid AND relkind IN ('r', 'p')
        AND (
            NOT has_table_privilege(%(role)s, pg_class.oid, 'SELECT')
            OR NOT has_table_privilege(%(role)s, pg_class.oid, 'INSERT')
            OR CASE
                WHEN relname = ANY (%(append_only)s)
                -- Listed together it means: any of them.
                THEN has_table_privilege(%(role)s, pg_class.oid, 'UPDATE, DELETE, TRUNCATE')
                ELSE NOT has_table_privilege(%(role)s, pg_class.oid, 'UPDATE')
                    OR NOT has_table_privilege(%(role)s, pg_class.oid, 'DELETE')
            END
        )
    )
)
ORDER BY nspname
"""

_DATABASE: Final = """
SELECT datname, pg_catalog.pg_has_role(datdba, 'USAGE'),
       pg_catalog.has_database_privilege(%s, oid, 'CREATE, TEMPORARY')
FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
"""


def run_time_role() -> str | None:
    """Return the name of the role that serves people; ``None`` where the owner itself does."""
    if owner_alias() == DEFAULT_DB_ALIAS:
        return None
    role = settings.DATABASES[DEFAULT_DB_ALIAS]["USER"]
    return str(role) if role != settings.DATABASES[OWNER_ALIAS]["USER"] else None


def of_new_tables(role: str) -> list[str]:
    """Return the statements by which tables that are made from now on are open to the role."""
    whom = identifier(role)
    return [
        *(f"ALTER DEFAULT PRIVILEGES GRANT {what} TO {whom}" for what in _WHAT),
        # PostgreSQL 15 and later grant it to nobody; databases that came from before do.
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ]


def of_schema(schema_name: str, role: str, append_only: list[str]) -> list[str]:
    """Return the statements that give the role what it may do in a schema, and no more."""
    schema, whom = quote_schema_name(schema_name), identifier(role)
    return [
        f"GRANT USAGE ON SCHEMA {schema} TO {whom}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {whom}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {whom}",
        f"GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {whom}",
        *restrictions(schema_name, role, append_only),
    ]


def restrictions(schema_name: str, role: str, append_only: list[str]) -> list[str]:
    """Return the statements that take back what new tables are given and some must not have."""
    schema, whom = quote_schema_name(schema_name), identifier(role)
    return [
        f"REVOKE UPDATE, DELETE, TRUNCATE ON {schema}.{identifier(table)} FROM {whom}"
        for table in append_only
    ]


def of_database(name: str, role: str) -> list[str]:
    """Return the statements after which the role makes no schema, and nothing temporary.

    Everybody may make what is temporary until it is taken from PUBLIC.
    """
    whom = f"PUBLIC, {identifier(role)}"
    return [f"REVOKE CREATE, TEMPORARY ON DATABASE {identifier(name)} FROM {whom}"]


def making(cursor: Any, role: str) -> list[str] | None:
    """Return the statements that keep a role from making things; ``None`` if it makes none.

    None of them where it is not up to the owner of the schemas, who does not own the database.
    """
    cursor.execute(_DATABASE, [role])
    name, is_owner, may_make = cursor.fetchone()
    if not may_make:
        return None
    return of_database(name, role) if is_owner else []


def restrict(connection: Any, schema_name: str) -> None:
    """Close the append-only tables of a schema that was just made."""
    role = run_time_role()
    if role is None:
        return
    with connection.cursor() as cursor:
        for statement in restrictions(schema_name, role, sorted(APPEND_ONLY)):
            cursor.execute(statement)


def settle() -> list[str]:
    """Give the run-time role what it may do everywhere; returns the schemas that were not so.

    Part of every migration: cheap when nothing is to do, and what makes an existing deployment
    ready for two roles.
    """
    role = run_time_role()
    if role is None:
        return []
    with owner_cursor() as cursor:
        for statement in (*of_new_tables(role), *(making(cursor, role) or ())):
            cursor.execute(statement)
        cursor.execute(_WRONG, _asked(role))
        wrong = [name for (name,) in cursor.fetchall()]
    for schema_name in wrong:
        # One transaction each: the locks of a thousand schemas in one would be too many.
        with owner_cursor() as cursor:
            tables = _append_only_in(cursor, schema_name)
            for statement in of_schema(schema_name, role, tables):
                cursor.execute(statement)
    return wrong


def _asked(role: str) -> dict[str, Any]:
    ours = f"^{SCHEMA_NAME_PATTERN}$"
    return {"role": role, "append_only": sorted(APPEND_ONLY), "ours": ours}


def _append_only_in(cursor: Any, schema_name: str) -> list[str]:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        " AND relkind IN ('r', 'p') AND relname = ANY (%s) ORDER BY relname",
        [f'"{schema_name}"', sorted(APPEND_ONLY)],
    )
    return [name for (name,) in cursor.fetchall()]
