"""Which tenants have something to seal."""

import uuid
from typing import Final

from django.db import connection
from django_tenants.utils import quote_schema_name

from tenants.context import enter_platform
from tenants.models import Tenant
from tenants.quoting import literal

_CHUNK: Final = 100
"""Tenants that one statement asks: more would take PostgreSQL longer to plan, not less."""

# The first event past the last segment that cannot be overtaken any more: one step into an index.
_ONE = """
SELECT {tenant}::uuid FROM (SELECT) AS one WHERE EXISTS (
    SELECT FROM {schema}.activity_activityevent AS event
    WHERE cluster = (SELECT cluster FROM horizon) AND xid < (SELECT xid FROM horizon)
    AND (xid, id) > (
        coalesce((SELECT xid FROM {schema}.activity_segment
                  WHERE cluster = (SELECT cluster FROM horizon)
                  ORDER BY number DESC LIMIT 1), -1),
        coalesce((SELECT event_id FROM {schema}.activity_segment
                  WHERE cluster = (SELECT cluster FROM horizon)
                  ORDER BY number DESC LIMIT 1), '00000000-0000-0000-0000-000000000000')
    )
)
"""

_HORIZON = """
WITH horizon AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid,
           (SELECT system_identifier FROM pg_control_system()) AS cluster
)
"""


def unsealed_tenants() -> list[uuid.UUID]:
    """Return the active tenants that have committed events past their last segment."""
    found: list[uuid.UUID] = []
    with enter_platform(), connection.cursor() as cursor:
        tenants = list(Tenant.objects.active().values_list("pk", "schema_name"))
        for at in range(0, len(tenants), _CHUNK):
            probes = [
                _ONE.format(tenant=literal(str(pk)), schema=quote_schema_name(schema))
                for pk, schema in tenants[at : at + _CHUNK]
            ]
            cursor.execute(_HORIZON + " UNION ALL ".join(probes))
            found += [pk for (pk,) in cursor.fetchall()]
    return found
