"""Undoing what making a tenant has done so far, by request or by archive."""

from typing import Final

import structlog
from django_tenants.utils import quote_schema_name

from tenants import operations
from tenants.hosts import owned
from tenants.models import Operation, Tenant
from tenants.owner import owner_alias, owner_cursor, require_owner
from tenants.patience import patient
from tenants.plans import Work, unmade

logger = structlog.get_logger("tenantry.provisioning")

_LOCK_SECONDS: Final = 10
"""How long undoing waits for whoever uses the schema. Left behind, it is found by ``doctor``."""


def undo(work: Work) -> None:
    """Remove what was made so far; the names are free again."""
    tenant = unmade(work)
    if owned(Tenant.objects.filter(pk=tenant.pk)):
        require_owner("drop the schema that was made")
        # If the caller's transaction has written there, it waits for us: nobody would end that.
        with patient(lock=_LOCK_SECONDS, using=owner_alias()), owner_cursor() as cursor:
            cursor.execute(f"DROP SCHEMA {quote_schema_name(tenant.schema_name)} CASCADE")
    tenant.delete()


def undo_quietly(operation: Operation) -> None:
    """Leave nothing. What cannot be undone now, because the database is away, stays resumable."""
    try:
        operations.cancel(operation)
    except Exception:
        logger.warning("unfinished tenant left", operation=str(operation.pk), exc_info=True)
