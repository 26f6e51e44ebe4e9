"""Destroying a tenant, in steps that survive a ``kill -9``.

What a tenant has outside its schema is known above: each place is registered with the function
that empties it.
"""

from collections.abc import Callable
from typing import Any, Final

from django.db.models.functions import Now
from django_tenants.utils import quote_schema_name

from tenants import certificates, contenttypes, plans
from tenants.errors import Conflict, TenantryError
from tenants.hosts import SchemaComment, marker_of
from tenants.lifecycle import announce
from tenants.models import Operation, Tenant
from tenants.names import is_schema_name
from tenants.owner import owner_alias, owner_cursor, owner_in
from tenants.patience import patient
from tenants.plans import Plan, Step, Work
from tenants.quoting import qualified

_LOCK_SECONDS: Final = 60
"""How long purging waits for statements that still read the schema before it gives up."""

Emptied = Callable[[Tenant], int]
"""Destroys what a place holds of a tenant; returns how much that was. Safe to repeat.

Raises when it cannot be known that all of it is gone.
"""

_places: dict[str, Emptied] = {}


def register(place: str, emptied: Emptied) -> None:
    """Name a place outside the schema that purging empties. The last registration holds."""
    _places[place] = emptied


def _tenant_of(work: Work) -> Tenant:
    if work.tenant is None or work.tenant.state != Tenant.State.DELETING:
        raise TenantryError("the operation has no tenant that is being deleted.", "Look at it.")
    return work.tenant


def _count(work: Work) -> None:
    """Store how much there is while it is there, on its own: the next step's word may be lost."""
    schema = _schema_of(_tenant_of(work))
    with owner_in("public") as owner, owner.cursor() as cursor:
        work.result["rows"] = _rows_in(cursor, schema) if schema else {}


def _drop(work: Work) -> None:
    """Drop the schema, counted once more: a process that had not noticed may have written."""
    schema = _schema_of(_tenant_of(work))
    if schema is None:
        return
    with patient(lock=_LOCK_SECONDS, using=owner_alias()), owner_cursor() as cursor:
        tables = [qualified(schema, table) for table in _tables_in(cursor, schema)]
        if tables:
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        work.result["rows"] = _rows_in(cursor, schema)
        cursor.execute(f"DROP SCHEMA {quote_schema_name(schema)} CASCADE")
    contenttypes.forget(schema)


def _schema_of(tenant: Tenant) -> str | None:
    """Return the schema to be dropped, ``None`` when it is gone; never one that is not its own."""
    marks = Tenant.objects.annotate(marker=SchemaComment("schema_name"))
    marker = marks.values_list("marker", flat=True).get(pk=tenant.pk)
    with owner_in("public") as owner, owner.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", [tenant.schema_name])
        [exists] = cursor.fetchone()
    if not exists:
        return None
    if marker != marker_of(tenant) or not is_schema_name(tenant.schema_name):
        raise Conflict(
            f'the schema of the tenant "{tenant.slug}" does not carry its mark.',
            "Find out whose it is; without it the deletion can be carried on.",
        )
    return tenant.schema_name


def _tables_in(cursor: Any, schema_name: str) -> list[str]:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        " AND relkind IN ('r', 'p') ORDER BY relname",
        [schema_name],
    )
    return [name for (name,) in cursor.fetchall()]


def _rows_in(cursor: Any, schema_name: str) -> dict[str, int]:
    rows = {}
    for table in _tables_in(cursor, schema_name):
        cursor.execute(f"SELECT count(*) FROM {qualified(schema_name, table)}")  # noqa: S608
        [rows[table]] = cursor.fetchone()
    return rows


def _empty_places(work: Work) -> None:
    tenant = _tenant_of(work)
    work.result["places"] = {place: emptied(tenant) for place, emptied in sorted(_places.items())}


def _certify(work: Work) -> None:
    """Leave the row without what it said of anybody, and the certificate."""
    tenant = _tenant_of(work)
    operation = work.operation
    now = Tenant.objects.annotate(now=Now()).values_list("now", flat=True).get(pk=tenant.pk)
    certificate = certificates.issue(
        tenant,
        reason=str(work.request.get("reason", "")),
        actor=str(operation.actor.get("label", "")),
        counts={"rows": work.result.get("rows", {}), **work.result.get("places", {})},
        deleted_at=now,
    )
    tenant.domains.all().delete()
    others = Operation.objects.filter(tenant=tenant).exclude(pk=operation.pk)
    others.unfinished().update(state=Operation.State.CANCELLED, finished_at=Now())
    # Addresses of administrators, names, reasons: what somebody once asked for.
    others.update(request={}, result={}, error="")
    tenant.name, tenant.time_zone, tenant.lacks = tenant.slug, "UTC", []
    tenant.state, tenant.restored_state, tenant.purge_after = Tenant.State.DELETED, "", None
    tenant.save()
    announce(
        tenant,
        "deleted",
        certificate.reason,
        details={"certificate_sha256": certificate.digest},
    )


plans.register(
    Operation.Kind.PURGE,
    Plan(
        steps=(
            Step("count", _count),
            Step("schema", _drop),
            Step("places", _empty_places),
            Step("certificate", _certify),
        )
    ),
)
