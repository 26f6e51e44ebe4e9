"""Django's own ``migrate``, in one schema after the other: one app, backwards, faked, pruned.

What an operator does by hand once in a while. It is right rather than fast: nothing is replayed.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tenants import contenttypes, hosts
from tenants.backend.base import PUBLIC
from tenants.errors import InvalidInput, NotFound
from tenants.fleet import lag
from tenants.fleet.lag import Member
from tenants.fleet.locking import FleetLock
from tenants.fleet.public import migrate_schema
from tenants.fleet.report import Failure, NotMigrated, Report
from tenants.owner import owner_in

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scope:
    """Which schemas: the platform's, the tenants', or of those only some, by their slugs."""

    public: bool = True
    tenants: bool = True
    only: tuple[str, ...] = ()


def scope_of(asked: argparse.Namespace) -> Scope:
    """Return which schemas the options mean.

    Raises ``InvalidInput`` for options that contradict each other or are not ours, ``NotFound`` for
    a schema that no tenant has.
    """
    if asked.executor or asked.parallel:
        raise InvalidInput("--executor and --parallel are django-tenants' own.", "Use --jobs N.")
    if asked.schema_name is None:
        return Scope(asked.shared or not asked.tenant, asked.tenant or not asked.shared)
    if asked.shared:
        raise InvalidInput("--shared and --schema contradict each other.", "Use one of them.")
    if asked.schema_name == PUBLIC:
        return Scope(tenants=False)
    for member in lag.members():
        if member.schema_name == asked.schema_name:
            return Scope(public=False, only=(member.slug,))
    raise NotFound(
        f"no tenant has the schema {asked.schema_name[:80]!r}.",
        "`manage.py tenant show SLUG` says which it has.",
    )


def migrate(scope: Scope, options: dict[str, Any], *, wait: bool, say: Say) -> None:
    """Run Django's ``migrate`` with these options in each schema of the scope.

    A tenant that fails keeps what was done in it until then, and the others go on. Raises
    ``NotMigrated`` in the end if one failed.
    """
    report = Report(jobs=1)
    with FleetLock(wait=wait, say=say):
        members = lag.members(scope.only) if scope.tenants else []
        if scope.public:
            migrate_schema(PUBLIC, say=say, **options)
        report.tenants = len(members)
        for member in members:
            say(f"tenant {member.slug}")
            error = member.trouble or _migrate(member, options, say)
            if error:
                report.failures.append(Failure(member.slug, error, (), is_served=False))
    hosts.forget_hosts()
    if report.failures:
        for failure in report.failures:
            say(f"{failure.slug}: {failure.error}")
        raise NotMigrated(report)


def would_change(scope: Scope, options: dict[str, Any], *, say: Say) -> bool:
    """Let Django look, with ``--plan`` or ``--check``; returns whether a check failed anywhere."""
    members = lag.members(scope.only) if scope.tenants else []
    schemas = {PUBLIC: "the platform"} if scope.public else {}
    schemas |= {m.schema_name: f"tenant {m.slug}" for m in members if not m.trouble}
    found = any(member.trouble for member in members)
    for schema_name, shown in schemas.items():
        if options["plan"]:
            say(shown)
        try:
            migrate_schema(schema_name, **options)
        except SystemExit:
            found = True
    return found


def _migrate(member: Member, options: dict[str, Any], say: Say) -> str:
    """Migrate one tenant; return what went wrong, if something did."""
    try:
        migrate_schema(member.schema_name, say=say, **options)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    finally:
        contenttypes.forget(member.schema_name)
        _note(member)
    return ""


def _note(member: Member) -> None:
    """Store what the tenant lacks now, unless the column for it is gone itself."""
    with owner_in(PUBLIC) as connection, connection.cursor() as cursor:
        cursor.execute(_KNOWS_LACKS)
        if cursor.fetchone():
            lacks = lag.lacking_now(connection, member.schema_name)
            cursor.execute(_LACKS, [json.dumps(lacks), str(member.id)])


_KNOWS_LACKS: Final = """
SELECT true FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass('public.tenants_tenant') AND attname = 'lacks' AND NOT attisdropped"""
_LACKS: Final = "UPDATE public.tenants_tenant SET lacks = %s::jsonb WHERE id = %s::uuid"
