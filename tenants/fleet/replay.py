"""A script, sent to one tenant as one message, which is one transaction.

The message begins by making sure that the tenant is still as it was when the script was chosen for
it, and ends by saying that it lacks nothing any more. So there is no moment at which it is half
migrated, or said to be what it is not, whatever kills whom.
"""

import re
from dataclasses import dataclass
from typing import Final

from django_tenants.utils import quote_schema_name

from tenants import contenttypes
from tenants.fleet.bounds import Bounds
from tenants.fleet.lag import DIGEST, Member
from tenants.operations import lock_of
from tenants.owner import owner_in
from tenants.quoting import literal

CHANGED: Final = "TN001"
"""SQLSTATE of a tenant that somebody has migrated, replaced or ended meanwhile."""


_PUBLIC: Final = re.compile(r"\bpublic\"?\.", re.IGNORECASE)


@dataclass(frozen=True)
class Script:
    """What Django sent in one tenant, and the migrations that it noted, as app and name."""

    statements: tuple[str, ...]
    applied: tuple[tuple[str, str], ...]

    @property
    def touches_public(self) -> bool:
        """Whether it changes something that is not the tenant's alone."""
        return any(_PUBLIC.search(statement) for statement in self.statements)


def replay(script: Script, member: Member, bounds: Bounds) -> None:
    """Do in one tenant what was done in another that was in the same state."""
    # The bookkeeping is in the message too. That it may be lost with the server's last moments is
    # harmless: what it did is lost with it, and the run ends with a commit that is waited for.
    message = "\n;\n".join(
        (
            "SET LOCAL synchronous_commit = off",
            guard(member, bounds),
            *script.statements,
            *([_noted(script)] if script.applied else []),
            lacks_nothing(member),
        )
    )
    with owner_in(member.schema_name) as connection, connection.cursor() as cursor:
        cursor.execute(message)
    contenttypes.forget(member.schema_name)


def guard(member: Member, bounds: Bounds) -> str:
    """Return what begins a transaction that migrates a tenant.

    It bounds the waiting, keeps everybody else from working on the tenant, and fails with
    ``CHANGED`` unless the schema is the tenant's own and still has applied what it had.
    """
    schema = quote_schema_name(member.schema_name)
    lock = lock_of(member.id)
    applied = (
        f"SELECT {DIGEST} FROM {schema}.django_migrations"  # noqa: S608 (quoted)
        if member.has_table
        else f"SELECT to_regclass('{schema}.django_migrations')::text"
    )
    digest = f"'{member.digest}'" if member.digest else "NULL"
    return f"""{bounds.sql()}
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('{lock}', 0));
DO $guard$ BEGIN
IF pg_catalog.obj_description(to_regnamespace('{schema}')::oid, 'pg_namespace')
       IS DISTINCT FROM 'tenantry:{member.id}' THEN
    RAISE EXCEPTION 'the schema is gone, or another tenant''s' USING ERRCODE = '{CHANGED}';
ELSIF ({applied}) IS DISTINCT FROM {digest} THEN
    RAISE EXCEPTION 'somebody else has migrated the schema' USING ERRCODE = '{CHANGED}';
END IF; END $guard$"""  # noqa: S608 (names are ours or quoted)


def lacks_nothing(member: Member) -> str:
    """Return what notes that a tenant has every migration."""
    noted = "UPDATE public.tenants_tenant SET lacks = '[]' WHERE lacks <> '[]'"
    return f"{noted} AND id = '{member.id}'"


def _noted(script: Script) -> str:
    rows = ", ".join("({}, {}, now())".format(*map(literal, pair)) for pair in script.applied)
    return f"INSERT INTO django_migrations (app, name, applied) VALUES {rows}"  # noqa: S608
