"""Files of tenants that are not served: what was to be gone by a day is gone by that day.

Nobody can enter a suspended tenant, and no task of its own runs; its files lie outside its schema,
and it may stay suspended for years. So the platform's cleaning ends what is over there: the row,
the file, and the event of it in the tenant's own record, whose people read it when they are back.
"""

import uuid
from typing import Final

import structlog
from django.db import DatabaseError, connection

from activity.jobs import sweeping
from tenants.context import enter_platform, enter_unserved
from tenants.errors import TenantryError
from tenants.fleet.serving import require_served
from tenants.hosts import owned
from tenants.models import Tenant

logger = structlog.get_logger("tenantry.exports")

_WITH_EXPORTS: Final = """
SELECT t.id FROM public.tenants_tenant t
JOIN pg_namespace n ON n.nspname = t.schema_name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'activity_exportjob'
WHERE t.state IN ('suspended', 'deletion_scheduled') AND pg_relation_size(c.oid) > 0
ORDER BY t.id
"""


def expire() -> int:
    """Delete files of tenants that are not served and whose time is over; returns how many.

    One whose schema is missing, another's or behind this release is left alone, and keeps no other.
    """
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(_WITH_EXPORTS)
        found = [key for (key,) in cursor.fetchall()]
    count = 0
    for key in found:
        try:
            count += _expire_in(key)
        except (DatabaseError, TenantryError) as error:
            logger.warning("exports not expired", tenant=str(key), error=type(error).__name__)
    return count


def _expire_in(key: uuid.UUID) -> int:
    with enter_platform():
        tenant = owned(Tenant.objects.filter(pk=key))
    if tenant is None:
        return 0
    with enter_unserved(require_served(tenant)):
        return sweeping.expire_due()
