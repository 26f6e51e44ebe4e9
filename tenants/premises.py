"""What belongs to no tenant: schemas nobody owns, spares, blueprint, privileges, catalogs."""

import uuid
from collections.abc import Iterator
from typing import Any, Final

from tenants import privileges, spares
from tenants.backend.base import PUBLIC
from tenants.blueprint import blueprint
from tenants.catalog import SEED_TABLES, Catalog, Key, describe, differences
from tenants.findings import Finding, Repair, running
from tenants.fingerprint import current_fingerprint
from tenants.hosts import marker_of
from tenants.models import Blueprint, Operation, SpareSchema, Tenant
from tenants.names import SCHEMA_NAME_PATTERN
from tenants.owner import owner_alias, owner_in
from tenants.quoting import identifier

_MANY_RELATIONS: Final = 10_000
"""Above so many, about a hundred tenants, plans that were made without statistics hurt."""

_CATALOGS: Final = ("pg_class", "pg_attribute", "pg_index", "pg_constraint", "pg_depend", "pg_type")


def inspect(wanted: Catalog) -> list[Finding]:
    """Return what is wrong with the platform. ``wanted`` is what a schema consists of."""
    with owner_in(PUBLIC) as connection:
        return [
            *_blueprint(),
            *_migrations(connection, wanted),
            *_spares(connection, wanted),
            *_orphans(connection),
            *_making(connection),
            *_statistics(connection),
        ]


def schemas_marked(connection: Any, marker: str) -> list[str]:
    """Return the names of the schemas that carry a marker."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname FROM pg_catalog.pg_namespace"
            " WHERE obj_description(oid, 'pg_namespace') = %s ORDER BY nspname",
            [marker],
        )
        return [name for (name,) in cursor.fetchall()]


def _blueprint() -> Iterator[Finding]:
    blueprints = Blueprint.objects.using(owner_alias())
    if not blueprints.filter(pk=current_fingerprint()).exists():
        known = "only of earlier releases" if blueprints.exists() else "not there"
        sentence = f"the blueprint is {known}: the next tenant waits until it is built"
        yield Finding("", "blueprint-missing", sentence, _build)


def _build(_: Any) -> None:
    blueprint()


def _migrations(connection: Any, wanted: Catalog) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT format('%s.%s', app, name) FROM public.django_migrations")
        there = {name for (name,) in cursor.fetchall()}
    needed = {key.name for key, _ in wanted.of_kind("row", "django_migrations")}
    missing = sorted(needed - there)
    if missing:
        sentence = f"the platform's schema lacks migrations: {', '.join(missing)[:300]}"
        yield Finding("", "migrations-missing", sentence)


def _spares(connection: Any, wanted: Catalog) -> Iterator[Finding]:
    for spare in SpareSchema.objects.using(owner_alias()):
        trouble = _trouble(connection, spare, wanted)
        if trouble:
            code, sentence = trouble
            yield Finding("", code, f"the spare {spare.pk} {sentence}", _discarding(spare.pk))


def _discarding(name: str) -> Repair:
    def discard(_: Any) -> None:
        spares.discard(name)

    return discard


def _trouble(connection: Any, spare: SpareSchema, wanted: Catalog) -> tuple[str, str] | None:
    if spare.fingerprint != current_fingerprint():
        return "spare-stale", "is of another release"
    catalog = describe(connection, spare.schema_name)
    if not catalog:
        return "spare-gone", "has no schema"
    if spare.schema_name not in schemas_marked(connection, marker_of(Tenant(pk=spare.tenant_id))):
        return "spare-foreign", "does not carry its own marker"
    found = differences(catalog, wanted)
    return ("spare-damaged", f"is not as it was made: {found[0]}") if found else None


def _orphans(connection: Any) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace"
            " WHERE nspname ~ %s AND NOT EXISTS (SELECT FROM public.tenants_tenant"
            "     WHERE schema_name = nspname AND state <> 'deleted')"
            " AND NOT EXISTS (SELECT FROM public.tenants_spareschema WHERE schema_name = nspname)"
            " ORDER BY nspname",
            [f"^{SCHEMA_NAME_PATTERN}$"],
        )
        orphans = cursor.fetchall()
    for name, marker in orphans:
        filled = _filled(connection, name)
        owner = _owner(marker)
        if filled:
            sentence = f"the schema {name} is nobody's, and has rows in {', '.join(filled)[:200]}"
        elif owner:
            sentence = f"the schema {name} is marked as that of {owner.slug}, which has another"
        else:
            sentence = f"the schema {name} is nobody's, and empty"
        drop = None if filled or owner else _dropping(name)
        yield Finding("", "schema-orphaned", sentence, drop)


def _owner(marker: str | None) -> Tenant | None:
    try:
        key = uuid.UUID((marker or "").partition(":")[2])
    except ValueError:
        return None
    living = Tenant.objects.using(owner_alias()).exclude(state=Tenant.State.DELETED)
    return living.filter(pk=key).first()


def _filled(connection: Any, name: str) -> list[str]:
    """The tables of a schema that hold rows which did not come with it."""
    tables = [key.name for key in describe(connection, name) if _may_hold_people(key)]
    if not tables:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT %s WHERE EXISTS (SELECT FROM {name}.{identifier(table)})"
                for table in tables
            ),
            tables,
        )
        return [table for (table,) in cursor.fetchall()]


def _may_hold_people(key: Key) -> bool:
    return key.kind in ("table", "view") and key.name not in SEED_TABLES


def _dropping(name: str) -> Repair:
    def drop(cursor: Any) -> None:
        making = [Operation.Kind.CREATE, Operation.Kind.IMPORT]
        unfinished = Operation.objects.using(owner_alias()).unfinished()
        if unfinished.filter(kind__in=making).exists():
            # It may be the schema of a tenant that is being made at this moment.
            return
        cursor.execute(f"DROP SCHEMA {name} CASCADE")

    return drop


def _making(connection: Any) -> Iterator[Finding]:
    role = privileges.run_time_role()
    if role is None:
        return
    with connection.cursor() as cursor:
        statements = privileges.making(cursor, role)
    if statements is not None:
        sentence = f"{role}, who serves people, may make schemas, or temporary tables and types"
        if not statements:
            sentence += ": whoever owns the database must take CREATE and TEMPORARY away"
        yield Finding("", "database-open", sentence, running(statements) if statements else None)


def _statistics(connection: Any) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_stat_sys_tables WHERE schemaname = 'pg_catalog'"
            " AND relname = ANY(%s) AND last_analyze IS NULL AND last_autoanalyze IS NULL"
            " AND (SELECT count(*) FROM pg_catalog.pg_class) > %s ORDER BY relname",
            [list(_CATALOGS), _MANY_RELATIONS],
        )
        never = [name for (name,) in cursor.fetchall()]
    if never:
        sentence = f"PostgreSQL has no statistics of {', '.join(never)}, so it plans badly"
        analyze = [f"ANALYZE pg_catalog.{name}" for name in never]
        yield Finding("", "catalogs-not-analyzed", sentence, running(analyze))
