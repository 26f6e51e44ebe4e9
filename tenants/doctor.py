"""Whether every tenant's schema is what this release makes, and what to do where it is not.

A schema is described from PostgreSQL's catalogs and compared with one that the blueprint has just
made. What is found is a sentence; what can be repaired without losing anything carries a repair.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction

from tenants import findings, premises, remedies
from tenants.backend.base import PUBLIC
from tenants.blueprint import blueprint, replayed
from tenants.catalog import SCHEMA, Catalog, Difference, Key, describe, differences
from tenants.context import enter_platform
from tenants.findings import Finding, running
from tenants.hosts import SchemaComment, marker_of
from tenants.models import Domain, Tenant
from tenants.operations import lock_of
from tenants.owner import owner_alias, owner_in, require_owner
from tenants.quoting import identifier, literal


@dataclass(frozen=True)
class Examination:
    """What is left wrong, and what was repaired."""

    left: list[Finding]
    repaired: list[Finding]


def expected() -> Catalog:
    """Return what a schema of this release consists of. Stores nothing, not even a blueprint.

    Raises ``TenantryError`` in a process that cannot make one to look at.
    """
    require_owner("compare schemas with one that it makes")
    with owner_in(PUBLIC), transaction.atomic(using=owner_alias()):
        catalog = replayed(blueprint())
        transaction.set_rollback(True, using=owner_alias())
        return catalog


def examine(tenant: Tenant, wanted: Catalog, *, fix: bool = False) -> Examination:
    """Look at one tenant; repair what can be if ``fix``. ``wanted`` is from ``expected``.

    Nothing is repaired while an operation works on the tenant. Whether a repair helped is seen by
    looking again.
    """
    found = _findings(tenant, wanted)
    if not fix or not any(one.is_repairable for one in found):
        return Examination(found, [])
    with owner_in(PUBLIC) as connection, transaction.atomic(using=owner_alias()):
        if not _is_locked(connection, tenant):
            return Examination(found, [])
        for one in found:
            findings.repair(one)
        left = _findings(tenant, wanted)
        if left and all(one.code == "marker-missing" for one in left):
            # Only now is it known to be whole, and may be marked.
            for one in left:
                findings.repair(one)
            left = _findings(tenant, wanted)
    return Examination(left, [one for one in found if one not in left])


def examine_platform(wanted: Catalog, *, fix: bool = False) -> Examination:
    """Look at what belongs to no tenant; repair what can be if ``fix``."""
    found = premises.inspect(wanted)
    if not fix or not any(one.is_repairable for one in found):
        return Examination(found, [])
    for one in found:
        findings.repair(one)
    left = premises.inspect(wanted)
    return Examination(left, [one for one in found if one not in left])


def _is_locked(connection: Any, tenant: Tenant) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [lock_of(tenant.pk)]
        )
        [is_locked] = cursor.fetchone()
        return bool(is_locked)


def _findings(tenant: Tenant, wanted: Catalog) -> list[Finding]:
    # As it is now: while others were looked at, it may have been purged.
    with enter_platform():
        current = Tenant.objects.filter(pk=tenant.pk).first()
    if current is None:
        return []
    tenant = current
    if not tenant.is_living:
        return list(_unfinished(tenant))
    with owner_in(PUBLIC) as connection:
        catalog = describe(connection, tenant.schema_name)
        if not catalog:
            sentence = f"its schema {tenant.schema_name} does not exist: restore it from a backup"
            return [Finding(tenant.slug, "schema-missing", sentence)]
        found = [
            *_lagging(tenant, catalog, wanted),
            *_unknown_migrations(tenant, catalog, wanted),
        ]
        # Of a schema that lags behind, every migration would be said again, object by object.
        if not any(one.code == "migrations-missing" for one in found):
            found += _drift(tenant, catalog, wanted)
        found += _sequences_behind(connection, tenant, catalog)
    found += _hosts(tenant)
    # Last: what is not whole is not marked.
    return found + list(_marker(tenant, is_whole=not found))


def _unfinished(tenant: Tenant) -> Iterator[Finding]:
    if tenant.state == Tenant.State.DELETED:
        return
    with enter_platform():
        is_worked_on = tenant.operations.unfinished().exists()
    if not is_worked_on:
        yield Finding(
            tenant.slug,
            "stuck",
            f"it is {tenant.condition}, and no operation is working on it",
        )


def _migrations(catalog: Catalog) -> set[str]:
    return {key.name for key, _ in catalog.of_kind("row", "django_migrations")}


def _lagging(tenant: Tenant, catalog: Catalog, wanted: Catalog) -> Iterator[Finding]:
    missing = sorted(_migrations(wanted) - _migrations(catalog))
    if missing:
        number = f"{len(missing)} migrations" if len(missing) > 1 else "1 migration"
        yield Finding(
            tenant.slug, "migrations-missing", f"it lacks {number}: {', '.join(missing)[:300]}"
        )


def _unknown_migrations(tenant: Tenant, catalog: Catalog, wanted: Catalog) -> Iterator[Finding]:
    for name in sorted(_migrations(catalog) - _migrations(wanted)):
        yield Finding(
            tenant.slug,
            "migration-unknown",
            f"it has the migration {name}, which this code has not",
        )


def _drift(tenant: Tenant, catalog: Catalog, wanted: Catalog) -> Iterator[Finding]:
    listed = differences(catalog, wanted)
    for one in sorted(listed, key=remedies.stage):
        if _is_harmless(one):
            continue
        statements = remedies.remedy(one, wanted)
        repair = None
        if statements is not None:
            repair = running([line.replace(SCHEMA, tenant.schema_name) for line in statements])
        yield Finding(tenant.slug, _code(one), str(one), repair)


def _is_harmless(one: Difference) -> bool:
    # What models left behind that are gone; and migrations, which were looked at.
    return one.key.kind == "row" and (one.what == "extra" or one.key.of == "django_migrations")


def _code(one: Difference) -> str:
    if one.attribute == "enabled":
        return "trigger-disabled"
    if one.attribute == "state":
        return f"{one.key.kind}-invalid"
    if one.attribute == "privileges":
        return "privileges-changed"
    kind = one.key.of if one.key.kind == "row" else one.key.kind
    named = {"django_content_type": "content-type", "auth_permission": "permission"}
    return f"{named.get(kind, kind)}-{one.what}"


def _sequences_behind(connection: Any, tenant: Tenant, catalog: Catalog) -> Iterator[Finding]:
    """A sequence that gives out a number which a row has: the next row is refused."""
    schema = tenant.schema_name
    owned: list[tuple[str, str, str]] = []
    for key, own in catalog.of_kind("sequence"):
        table, column, _ = own.get("belongs to", ("", "", ""))
        if Key("column", table, column) in catalog:
            owned.append((key.name, table, column))
    if not owned:
        return
    query = " UNION ALL ".join(
        f"SELECT (SELECT max({identifier(column)}) FROM {schema}.{identifier(table)}),"
        " CASE WHEN is_called THEN last_value ELSE last_value - 1 END"
        f" FROM {schema}.{identifier(name)}"
        for name, table, column in owned
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    for (name, table, column), (highest, last) in zip(owned, rows, strict=True):
        if highest is not None and highest > last:
            setting = (
                f"SELECT setval('{schema}.{identifier(name)}', max({identifier(column)}))"
                f" FROM {schema}.{identifier(table)}"
            )
            yield Finding(
                tenant.slug,
                "sequence-behind",
                f"sequence {name} is at {last}, but {table}.{column} goes up to {highest}",
                running([setting]),
            )


def _hosts(tenant: Tenant) -> Iterator[Finding]:
    with enter_platform():
        served = Domain.objects.verified().filter(tenant=tenant, is_primary=True).exists()
    if tenant.is_active and not served:
        yield Finding(
            tenant.slug, "domain-missing", "it has no primary domain, so links lead nowhere"
        )


def _marker(tenant: Tenant, *, is_whole: bool) -> Iterator[Finding]:
    wanted = marker_of(tenant)
    with owner_in(PUBLIC) as connection:
        tenants = Tenant.objects.using(owner_alias()).filter(pk=tenant.pk)
        found = tenants.values_list(SchemaComment("schema_name"), flat=True).get()
        if found == wanted:
            return
        if found is not None:
            sentence = f'its schema carries the marker "{found[:80]}", which is not its own'
            yield Finding(tenant.slug, "marker-foreign", sentence)
            return
        elsewhere = premises.schemas_marked(connection, wanted)
    sentence = "its schema carries no marker, so it is not served"
    mark = f"COMMENT ON SCHEMA {tenant.schema_name} IS {literal(wanted)}"
    # Nobody else's, and what this release makes: then the name alone, which is random, says whose.
    may_mark = is_whole and not elsewhere
    if elsewhere:
        sentence += f", and {', '.join(elsewhere)} carries it"
    yield Finding(tenant.slug, "marker-missing", sentence, running([mark]) if may_mark else None)


def patients() -> list[Tenant]:
    """Return all tenants that are not gone, by slug."""
    with enter_platform():
        return list(Tenant.objects.exclude(state=Tenant.State.DELETED))


def let_go() -> None:
    """Close the owner's connection, which has cached something of every schema that was read."""
    if not connections[owner_alias()].in_atomic_block:
        connections[owner_alias()].close()
