"""Writing a tenant into an archive: one moment of all its tables, at constant memory."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction

from tenants import operations
from tenants.archive import contents
from tenants.archive import format as archive_format
from tenants.archive.container import Writer, sealed
from tenants.archive.contents import Shape
from tenants.archive.format import (
    MANIFEST,
    PRODUCT_VERSION,
    SETTINGS,
    Facts,
    LeftOut,
    Manifest,
    Table,
)
from tenants.commandline import Progress
from tenants.context import enter_platform, enter_unserved
from tenants.errors import TenantUnavailable
from tenants.files import written_privately
from tenants.hosts import owned
from tenants.lifecycle import announce
from tenants.models import Operation, Tenant
from tenants.moments import one_moment
from tenants.quoting import identifier, qualified


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote. ``sha256`` is of the manifest, which has one for each table."""

    rows: int
    tables: int
    sha256: str


def export(tenant: Tenant, path: Path | None, *, on_progress: Progress | None = None) -> Exported:
    """Write everything of a tenant to a file, or to standard output.

    The export is in both records before the file is there. Raises ``TenantUnavailable`` for a
    tenant that is not whole, ``TenantryError`` where the file cannot be written.
    """
    with enter_platform():
        current = owned(Tenant.objects.filter(pk=tenant.pk))
    if current is None or not current.is_living:
        raise TenantUnavailable(
            f'the tenant "{tenant.slug}" is {tenant.condition}, or its schema is not its own.',
            "Only a tenant that is whole can be exported.",
        )
    report = on_progress or (lambda *_: None)
    _prepare(current)
    with written_privately(path) as file:
        with sealed(file) as writer, _one_moment(current) as cursor:
            manifest = _write_tables(writer, current, cursor, report)
            content = archive_format.written(manifest)
            with writer.member(MANIFEST) as member:
                member.write(content)
        exported = Exported(
            rows=manifest.rows,
            tables=len(manifest.tables),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        _record(current, exported)
    return exported


def _prepare(tenant: Tenant) -> None:
    with enter_unserved(tenant), transaction.atomic():
        for prepare in contents.before_export:
            prepare()


@contextmanager
def _one_moment(tenant: Tenant) -> Iterator[Any]:
    """Yield a cursor in the tenant that sees one moment, and writes nothing."""
    with enter_unserved(tenant), one_moment(read_only=True, durable=True) as cursor:
        for statement in SETTINGS:
            cursor.execute(statement)
        yield cursor


def _write_tables(writer: Writer, tenant: Tenant, cursor: Any, report: Progress) -> Manifest:
    cursor.execute("SELECT now(), current_setting('server_version_num')::int / 10000")
    exported_at, postgresql = cursor.fetchone()
    facts = _facts(tenant, cursor)
    left_out = contents.left_out()
    migrations = contents.migrations(cursor, tenant.schema_name)
    shapes = contents.shapes(cursor, tenant.schema_name)
    # All of a tenant's names are our own apps'; one that a manifest cannot hold is an error here.
    moving = [shape for shape in shapes if shape.name not in left_out]
    tables = []
    for position, shape in enumerate(moving):
        tables.append(_write_table(writer, tenant, cursor, shape))
        report(shape.name, position + 1, len(moving))
    return Manifest(
        product="Tenantry",
        version=PRODUCT_VERSION,
        postgresql=postgresql,
        exported_at=exported_at,
        tenant=facts,
        migrations=migrations,
        tables=tables,
        # After the rows: a number that was given meanwhile is then not given again.
        sequences=[found for found, _ in contents.sequences(cursor, tenant.schema_name)],
        left_out=[
            LeftOut(table=shape.name, why=left_out[shape.name])
            for shape in shapes
            if shape.name in left_out
        ],
    )


def _facts(tenant: Tenant, cursor: Any) -> Facts:
    """What the platform knows, as it was in the same moment as the rows."""
    cursor.execute(
        "SELECT slug, name, time_zone, coalesce(nullif(restored_state, ''), state), created_at,"
        " allows_support FROM public.tenants_tenant WHERE id = %s",
        [tenant.pk],
    )
    slug, name, time_zone, state, created_at, allows_support = cursor.fetchone()
    cursor.execute(
        "SELECT domain FROM public.tenants_domain WHERE tenant_id = %s"
        " AND verified_at IS NOT NULL ORDER BY domain",
        [tenant.pk],
    )
    below = f".{settings.TENANTRY_BASE_DOMAIN}"
    return Facts(
        id=tenant.pk,
        slug=slug,
        name=name,
        time_zone=time_zone,
        state=state,
        created_at=created_at,
        allows_support=allows_support,
        # Those below the platform's own domain follow from the slug, wherever it is imported.
        domains=[domain for (domain,) in cursor.fetchall() if not domain.endswith(below)],
    )


def _write_table(writer: Writer, tenant: Tenant, cursor: Any, shape: Shape) -> Table:
    columns = ", ".join(identifier(column.name) for column in shape.columns)
    source = f"SELECT {columns} FROM {qualified(tenant.schema_name, shape.name)}"  # noqa: S608
    if shape.key:
        # Equal rows make equal files.
        source += f" ORDER BY {', '.join(identifier(name) for name in shape.key)}"
    with writer.member(archive_format.member_of(shape.name)) as member:
        counted = _Counted(member)
        cursor.copy_expert(f"COPY ({source}) TO STDOUT (FORMAT text, ENCODING 'UTF8')", counted)
    return Table(
        name=shape.name,
        columns=list(shape.columns),
        rows=counted.rows,
        bytes=counted.bytes,
        sha256=counted.digest.hexdigest(),
    )


class _Counted:
    """Passes the rows of a COPY on, and knows how many they were."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.bytes = self.rows = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        # Each row ends with one; those in values are written as \n.
        self.rows += data.count(b"\n")
        return self._file.write(data)


def _record(tenant: Tenant, exported: Exported) -> None:
    counts = {"rows": exported.rows, "tables": exported.tables}
    details = {**counts, "manifest_sha256": exported.sha256}
    with enter_platform(), transaction.atomic():
        operations.finished(Operation.Kind.EXPORT, tenant, {}, details)
        announce(tenant, "exported", details=details)
