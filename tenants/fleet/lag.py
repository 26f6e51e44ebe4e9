"""Who is behind.

The truth is each schema's own ``django_migrations``. Asking a thousand schemas takes a tenth of a
second: one statement finds the schemas, and one for every hundred of them says in a digest what
each has applied. Schemas with equal digests are in the same state, so what they lack is computed
once for all of them.

Of ``public`` only columns are read that it had from the first migration on: the platform's own
schema may be behind too when this is asked.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from django.db.migrations.migration import Migration
from django_tenants.utils import quote_schema_name

from tenants.asking import ask_each
from tenants.backend.base import PUBLIC
from tenants.fleet.graph import Applied, Graph, name_of
from tenants.models import Tenant
from tenants.owner import owner_in

DIGEST: Final = "md5(string_agg(app || '.' || name, ',' ORDER BY app, name))"
"""SQL: says of the rows of a ``django_migrations`` what is applied. ``NULL`` when nothing is."""

# Those that have a schema only while somebody is making or ending it.
_MAY_LACK_A_SCHEMA: Final = (Tenant.State.REQUESTED, Tenant.State.PROVISIONING)
_ENDED: Final = (Tenant.State.DELETING, Tenant.State.DELETED)

_MEMBERS: Final = """
SELECT t.id, t.slug, t.schema_name, t.state, c.oid IS NOT NULL,
       pg_catalog.obj_description(n.oid, 'pg_namespace') = 'tenantry:' || t.id
FROM public.tenants_tenant t
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema_name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'django_migrations'
WHERE t.state <> ALL (%s)
ORDER BY t.slug
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A tenant, as far as migrating its schema goes."""

    id: UUID
    slug: str
    schema_name: str
    has_table: bool
    trouble: str = ""
    """Why its schema cannot be migrated at all; empty when it can."""
    digest: str | None = None
    """What its schema has applied; ``None`` for nothing."""


@dataclass(frozen=True)
class Group:
    """Tenants in the same state, and the migrations that all of them lack, in their order."""

    members: tuple[Member, ...]
    plan: tuple[Migration, ...]

    @property
    def names(self) -> list[str]:
        """The migrations as ``app.name``."""
        return [name_of(migration) for migration in self.plan]


@dataclass(frozen=True)
class Survey:
    """The fleet: how many there are, who is behind, and who cannot be migrated."""

    total: int
    groups: tuple[Group, ...]
    broken: tuple[Member, ...]

    @property
    def lagging(self) -> list[Member]:
        """All members that are behind and can be migrated."""
        return [member for group in self.groups for member in group.members]


def public_plan() -> tuple[Migration, ...]:
    """Return the migrations that the platform's own schema lacks, in their order."""
    with owner_in(PUBLIC) as connection, connection.cursor() as cursor:
        return Graph(_applied(cursor, PUBLIC) if _has_tables(cursor, PUBLIC) else {}).missing()


def members(slugs: Collection[str] = ()) -> list[Member]:
    """Return the tenants that have a schema, or should have one: all, or those of some slugs.

    Those that are being made without a schema yet, and those that are ended, are left out.
    """
    with owner_in(PUBLIC) as connection, connection.cursor() as cursor:
        if not _has_tables(cursor, PUBLIC, "tenants_tenant"):
            return []
        cursor.execute(_MEMBERS, [list(map(str, _ENDED))])
        found = [member for row in cursor.fetchall() if (member := _member(row))]
    return [member for member in found if not slugs or member.slug in slugs]


def survey(slugs: Collection[str] = ()) -> Survey:
    """Ask every tenant's schema, or those of some tenants, what it has applied."""
    chosen = members(slugs)
    by_state: defaultdict[tuple[bool, str | None], list[Member]] = defaultdict(list)
    for member in _with_digests([member for member in chosen if not member.trouble]):
        by_state[member.has_table, member.digest].append(member)
    with owner_in(PUBLIC) as connection, connection.cursor() as cursor:
        groups = [
            Group(tuple(alike), Graph(_applied_by(cursor, alike[0])).missing())
            for alike in by_state.values()
        ]
    return Survey(
        total=len(chosen),
        groups=tuple(group for group in groups if group.plan),
        broken=tuple(m for m in chosen if m.trouble),
    )


def lacking_now(connection: Any, schema_name: str) -> list[str]:
    """Return what one schema lacks, as ``app.name``, seen in the connection's own transaction."""
    with connection.cursor() as cursor:
        has_table = _has_tables(cursor, schema_name)
        return [
            name_of(migration)
            for migration in Graph(_applied(cursor, schema_name) if has_table else {}).missing()
        ]


def _member(row: tuple[Any, ...]) -> Member | None:
    key, slug, schema_name, state, has_table, is_own = row
    if is_own is None and state in _MAY_LACK_A_SCHEMA:
        return None
    trouble = "" if is_own else "its schema is missing or another tenant's"
    return Member(key, slug, schema_name, has_table, trouble)


def _with_digests(members: list[Member]) -> list[Member]:
    found = _digests([member.schema_name for member in members if member.has_table])
    return [replace(member, digest=found.get(member.schema_name)) for member in members]


def _digests(names: list[str]) -> dict[str, str | None]:
    question = f"SELECT {{record}}, {DIGEST} FROM {{schema}}.django_migrations"  # noqa: S608
    places = ((name, name) for name in names)
    with owner_in(PUBLIC) as connection, connection.cursor() as cursor:
        # The setting and the question are one message, and so one transaction.
        return dict(ask_each(cursor, question, places, before="SET LOCAL jit = off; "))


def _applied_by(cursor: Any, member: Member) -> Applied:
    return _applied(cursor, member.schema_name) if member.has_table else {}


def _applied(cursor: Any, schema_name: str) -> Applied:
    schema = quote_schema_name(schema_name)
    cursor.execute(f"SELECT app, name FROM {schema}.django_migrations")  # noqa: S608 (quoted)
    return dict.fromkeys(cursor.fetchall())


def _has_tables(cursor: Any, schema_name: str, *tables: str) -> bool:
    names: Iterable[str] = tables or ("django_migrations",)
    cursor.execute(
        "SELECT count(*) FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s)",
        [schema_name, list(names)],
    )
    return bool(cursor.fetchone()[0] == len(list(names)))
