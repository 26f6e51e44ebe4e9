"""In which tenants' records an operator is erased: in every one that is there, served or not."""

from django.db.models import QuerySet

from tenants.context import enter_platform
from tenants.errors import Conflict
from tenants.fleet.serving import lacking
from tenants.hosts import SchemaComment, marker_of
from tenants.models import Tenant


def tenants() -> list[Tenant]:
    """Return the tenants whose records this code can enter."""
    return [tenant for tenant in _with_record() if not lacking(tenant)]


def refuse_unreached() -> None:
    """Raise ``Conflict`` while the record of a tenant cannot be entered, being behind this code."""
    behind = [tenant.slug for tenant in _with_record() if lacking(tenant)]
    if behind:
        more = f" and {len(behind) - 5} more" if len(behind) > 5 else ""
        raise Conflict(
            "what is kept of the person is emptied, but for tenants that are behind this release: "
            f"{', '.join(behind[:5])}{more}.",
            "Migrate them: manage.py tenant migrate. It is looked again every night.",
        )


def _with_record() -> list[Tenant]:
    """Return tenants that have a schema of their own: no other has a record, or anybody in it."""
    # Before they live there are no events of operators' that stay, and after it none any more.
    with enter_platform():
        found: QuerySet[Tenant] = Tenant.objects.living().order_by("pk")
        marked = found.annotate(marker=SchemaComment("schema_name"))
        return [tenant for tenant in marked if tenant.marker == marker_of(tenant)]
