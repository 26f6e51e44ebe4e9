"""A tenant that was really exported, and ways to spoil a copy of its archive."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client

from accounts.models import CustomUser
from activity import rollups
from activity.models import ActivityEvent
from activity.recording import record
from activity.sealing import sealer
from tenants import blueprint, provisioning
from tenants.archive.format import SEAL_LENGTH
from tenants.archive.writing import export
from tenants.context import enter_platform, enter_tenant, enter_unserved
from tenants.models import Domain, Operation, Tenant
from tenants.requests import TenantRequest
from tests.activity.settling import settled
from tests.conftest import PASSWORD, remove_without_trace

Members = dict[str, bytes]
Rows = dict[str, list[str]]
SLUG = "initech"
LEFT_OUT = {"django_session", "account_emailconfirmation"}


@dataclass(frozen=True)
class Sample:
    """A tenant that was exported and is gone: its file, and what its tables held."""

    path: Path
    tenant: Tenant
    rows: Rows
    sequences: dict[str, int]

    @property
    def content(self) -> bytes:
        return self.path.read_bytes()


def rows_of(tenant: Tenant) -> Rows:
    """Every row of every table of a tenant, as text."""
    rows: Rows = {}
    with enter_unserved(tenant), connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'")
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = to_regnamespace(%s)",
            [tenant.schema_name],
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{tenant.schema_name}"."{table}" t ORDER BY 1')
            rows[table] = [text for (text,) in cursor.fetchall()]
    return rows


def sequences_of(tenant: Tenant) -> dict[str, int]:
    with enter_unserved(tenant), connection.cursor() as cursor:
        cursor.execute(
            "SELECT sequencename, coalesce(last_value + 1, 1) FROM pg_sequences"
            " WHERE schemaname = %s",
            [tenant.schema_name],
        )
        return dict(cursor.fetchall())


def populate(tenant: Tenant, browser: Client) -> None:
    """People, roles, a history, events, roll-ups, and text that is hard to carry."""
    with enter_tenant(tenant):
        peter = CustomUser.objects.create_user(
            username="peter", email="peter@initech.example", password=PASSWORD, is_staff=True
        )
        Group.objects.create(name="gone").delete()
        readers = Group.objects.create(name="Leser\tund \\N \\. \"quoted\", 'too'")
        readers.permissions.set(Permission.objects.filter(codename="view_activityevent"))
        peter.groups.add(readers)
        for number in range(30):
            user = CustomUser.objects.create_user(
                username=f"person{number}",
                email=f"p{number}@initech.example",
                password=None,
                display_name=f"Ünï\u2603 {number}",
            )
            user.display_name = ""
            user.save()
        details = {"format": "tab\tnew\\line", "rows": 7}
        record("export.finished", details=details, reason="\\.")
        sealer.seal_now()
        rollups.fold_now()
        record("session.started", reason="not counted yet")
    browser.post("/accounts/login/", {"login": "peter", "password": PASSWORD})


@pytest.fixture(scope="module")
def sample(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Sample:
    """Export a tenant that had a life, then remove it without a trace."""
    with django_db_blocker.unblock():
        with enter_platform():
            # Kept, so that the tests which are rolled back need not make it again.
            blueprint.blueprint()
            request = TenantRequest(
                slug=SLUG, name="Initech", time_zone="Europe/Berlin", domains=("initech.example",)
            )
            tenant = provisioning.create(request).tenant
        try:
            populate(tenant, Client(headers={"host": f"{SLUG}.localhost:8000"}))
            path = tmp_path_factory.mktemp("archive") / "initech.tenant"
            # The fold that an export begins with, so that what is compared is what is exported.
            with enter_tenant(tenant):
                sealer.seal_now()
                rollups.fold_now()
                record("session.started", reason="after the last fold")
                # Sealed by the export, not by the import: what is compared is what is exported.
                settled()
            export(tenant, path)
            rows, sequences = rows_of(tenant), sequences_of(tenant)
        finally:
            remove_without_trace(tenant)
            connection.close()
    # The export is in the record after its own snapshot, and no part of it.
    rows["activity_activityevent"] = [
        row for row in rows["activity_activityevent"] if "tenant.exported" not in row
    ]
    return Sample(path, tenant, rows, sequences)


def nothing_was_made(sample: Sample) -> bool:
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace"
            " WHERE obj_description(oid, 'pg_namespace') = %s",
            [f"tenantry:{sample.tenant.pk}"],
        )
        return not (
            cursor.fetchall()
            or Tenant.objects.filter(pk=sample.tenant.pk).exists()
            or Domain.objects.filter(domain__contains=SLUG).exists()
            or Operation.objects.filter(kind__in=["import", "create"]).exclude(
                tenant__slug__in=["acme", "globex"]
            )
            or ActivityEvent.objects.filter(target_id=str(sample.tenant.pk)).exists()
        )


def members_of(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: list[tuple[str, bytes]]) -> bytes:
    """The archive of these members, sealed anew: what somebody makes who knows the format."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = 0 if name == "tenantry-archive" else 8
            archive.writestr(info, content)
        archive.comment = b"0" * SEAL_LENGTH
    body = file.getvalue()[:-SEAL_LENGTH]
    return body + hashlib.sha256(body).hexdigest().encode()


def forged(content: bytes, change: Callable[[dict[str, Any], Members], None]) -> bytes:
    """The archive with manifest and members changed, and every digest right again."""
    members = members_of(content)
    manifest = json.loads(members.pop("manifest.json"))
    change(manifest, members)
    for table in manifest["tables"]:
        rows = members.get(f"tables/{table['name']}.copy")
        if rows is not None:
            table["bytes"] = len(rows)
            table["sha256"] = hashlib.sha256(rows).hexdigest()
    ordered = [*members.items(), ("manifest.json", json.dumps(manifest).encode())]
    return packed(ordered)


def table_of(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(t for t in manifest["tables"] if t["name"] == name)
    return found
