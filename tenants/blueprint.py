"""The blueprint: one script for each release, from which every new tenant's schema is made.

It comes from a schema that was migrated, in a transaction that is rolled back. Before it is stored
it is replayed beside that schema, and the two are compared: a blueprint that would make anything
else than the migrations is refused (``docs/adr/0018-the-blueprint-comes-from-the-catalogs.md``).
"""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connections, transaction

from tenants import contenttypes, privileges, script
from tenants.backend.base import PUBLIC
from tenants.catalog import SCHEMA, SEED_TABLES, Catalog, describe, differences
from tenants.errors import InvalidInput, TenantryError
from tenants.fingerprint import current_fingerprint
from tenants.models import Blueprint
from tenants.names import is_schema_name, new_schema_name
from tenants.owner import owner_alias, owner_in
from tenants.quoting import identifier, literal
from tenants.schemas import migrate

__all__ = ["UnusableBlueprint", "blueprint", "current_fingerprint", "replay", "replayed"]

_KEPT: Final = 2
"""So many blueprints are kept: during a deploy the release before makes tenants too."""


class UnusableBlueprint(TenantryError):
    """The migrations make something that the blueprint could not make again, or is stale."""


def blueprint() -> Blueprint:
    """Return the blueprint of this release; makes it if there is none, which takes a second.

    It is stored by the owner's connection. Where that is the only one, and one is in a
    transaction, others who want one made wait for its end.
    """
    fingerprint = current_fingerprint()
    with owner_in(PUBLIC):
        stored = Blueprint.objects.using(owner_alias()).filter(pk=fingerprint).first()
        return stored or _made(fingerprint)


def _made(fingerprint: str) -> Blueprint:
    blueprints = Blueprint.objects.using(owner_alias())
    with transaction.atomic(using=owner_alias()):
        with connections[owner_alias()].cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('tenantry:blueprint', 0))"
            )
        stored = blueprints.filter(pk=fingerprint).first()
        if stored:
            # Somebody else made it while we waited.
            return stored
        made = blueprints.create(fingerprint=fingerprint, statements=_statements())
        made.refresh_from_db(using=owner_alias())
        others = blueprints.exclude(pk=fingerprint).order_by("-built_at")
        too_old = list(others.values_list("pk", flat=True)[_KEPT - 1 :])
        blueprints.filter(pk__in=too_old).delete()
        return made


def replay(made_from: Blueprint, schema_name: str, comment: str) -> None:
    """Make a schema with everything in it and ``comment`` on it, in one message.

    All of it happens or nothing, also outside a transaction. Raises ``UnusableBlueprint`` for a
    blueprint of another release.
    """
    if made_from.fingerprint != current_fingerprint():
        raise UnusableBlueprint(
            "the blueprint is not of this release.", "Ask for the current one: blueprint()."
        )
    with owner_in(PUBLIC) as connection:
        _replay(connection, made_from.statements, schema_name, comment)
    contenttypes.forget(schema_name)


def _replay(connection: Any, statements: Sequence[str], schema_name: str, comment: str) -> None:
    if not is_schema_name(schema_name):
        raise InvalidInput(f"{schema_name[:60]!r} is no tenant's schema.")
    message = ";\n".join(
        [
            f"CREATE SCHEMA {SCHEMA}",
            *statements,
            f"COMMENT ON SCHEMA {SCHEMA} IS {literal(comment)}",
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute(message.replace(SCHEMA, schema_name))


def replayed(made_from: Blueprint) -> Catalog:
    """Return the description of what the blueprint makes. Leaves nothing behind."""
    with owner_in(PUBLIC) as connection, transaction.atomic(using=owner_alias()):
        scratch = new_schema_name()
        replay(made_from, scratch, "")
        catalog = describe(connection, scratch)
        transaction.set_rollback(True, using=owner_alias())
        return catalog


def _statements() -> list[str]:
    """Migrate a schema, read it, and return the statements that make the same."""
    template = new_schema_name()
    with owner_in(PUBLIC) as connection, transaction.atomic(using=owner_alias()):
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE SCHEMA {template}")
            with owner_in(template):
                migrate(lambda *_: None, using=owner_alias())
                privileges.restrict(connection, template)
            expected = describe(connection, template)
            _refuse_people(connection, template, expected)
            return _proven(connection, expected, _rows(connection, template))
        finally:
            # Killed before, it is gone as well: nobody but this transaction ever saw it.
            transaction.set_rollback(True, using=owner_alias())
            contenttypes.forget(template)


def _refuse_people(connection: Any, template: str, catalog: Catalog) -> None:
    tables = [key.name for key, _ in catalog.of_kind("table") if key.name not in SEED_TABLES]
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT {literal(name)} WHERE EXISTS (SELECT FROM {template}.{identifier(name)})"
                for name in tables
            )
        )
        filled = [name for (name,) in cursor.fetchall()]
    if filled:
        raise UnusableBlueprint(
            f"migrations put rows into {', '.join(filled)}.",
            "A blueprint copies none. Make them when a tenant is provisioned.",
        )


def _proven(connection: Any, expected: Catalog, rows: Sequence[str]) -> list[str]:
    """Return statements that were seen to make what is expected."""
    structure, rules = script.structure(expected), script.rules(expected)
    statements = [*structure, *rows, *rules]
    found = differences(_tried(connection, statements), expected)
    # What the roles get by default is not written out; what differs from it is.
    grants = script.privileges(found)
    if grants:
        statements += grants
        found = differences(_tried(connection, statements), expected)
    if found:
        raise UnusableBlueprint(
            f"the blueprint cannot make what the migrations make: {found[0]}"
            f" ({len(found)} differences).",
            "Teach tenants/script.py the kind of object.",
        )
    return statements


def _tried(connection: Any, statements: Sequence[str]) -> Catalog:
    with transaction.atomic(using=owner_alias()):
        trial = new_schema_name()
        _replay(connection, statements, trial, "")
        catalog = describe(connection, trial)
        transaction.set_rollback(True, using=owner_alias())
        return catalog


_READ_ROWS: Final = f"""
SELECT 'django_migrations (id, app, name, applied)',
    string_agg(format('(%s, %L, %L, now())', id, app, name), ', ' ORDER BY id)
FROM {SCHEMA}.django_migrations
UNION ALL
SELECT 'django_content_type (id, app_label, model)',
    string_agg(format('(%s, %L, %L)', id, app_label, model), ', ' ORDER BY id)
FROM {SCHEMA}.django_content_type
UNION ALL
SELECT 'auth_permission (id, name, content_type_id, codename)',
    string_agg(format('(%s, %L, %s, %L)', id, name, content_type_id, codename), ', ' ORDER BY id)
FROM {SCHEMA}.auth_permission
"""

_READ_SEQUENCES: Final = """
SELECT string_agg(format('setval(%%L, %%s)', sequence.oid::regclass, last), ', ' ORDER BY relname)
FROM pg_class AS sequence, pg_sequence_last_value(sequence.oid) AS last
WHERE relnamespace = %s::regnamespace AND relkind = 'S' AND last IS NOT NULL
"""


def _rows(connection: Any, template: str) -> list[str]:
    """Return the statements for the rows that come with a schema, and for their sequences."""
    with connection.cursor() as cursor:
        cursor.execute(_READ_ROWS.replace(SCHEMA, template))
        statements = [
            f"INSERT INTO {SCHEMA}.{place} VALUES {values}" for place, values in cursor.fetchall()
        ]
        cursor.execute(_READ_SEQUENCES, [template])
        [sequences] = cursor.fetchone()
    return [*statements, f"SELECT {sequences}".replace(template, SCHEMA)]
