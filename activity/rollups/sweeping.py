"""Which records have segments that are not counted, asked of the platform's own tables alone.

The sealer leaves each record's size in ``public``, and whoever counts leaves there how far they
are, each in the transaction of its work. One statement compares them: PostgreSQL is the queue, and
a message that is lost is sent again by the next sweep.
"""

import time
from datetime import UTC, datetime
from typing import Any, Final

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from activity.rollups.counting import RULES
from tenants.context import PLATFORM, enter_platform
from tenants.models import Tenant

_LOOKED: Final = "rollups-looked"
_KEPT_SECONDS: Final = 3_600

# Behind, counted in other days than its tenant's or by older rules, or being counted anew.
_BEHIND: Final = """
SELECT head.record FROM public.tenants_recordhead head
LEFT JOIN public.tenants_recordrollup told ON told.record = head.record
LEFT JOIN public.tenants_tenant tenant ON tenant.id::text = head.record
WHERE (head.record = %(platform)s OR tenant.state = ANY (%(living)s))
AND (told.size IS NULL OR told.size < head.size OR told.is_rebuilding
     OR told.rules < %(rules)s OR told.zone <> coalesce(tenant.time_zone, %(zone)s))
ORDER BY told.folded_at NULLS FIRST
"""


def behind() -> list[str]:
    """Return the records to count, a tenant's UUID or ``platform``; the longest waiting first."""
    with enter_platform(), connection.cursor() as cursor:
        looked = time.time()
        zone = timezone.get_default_timezone_name()
        asked: dict[str, Any] = {
            "platform": PLATFORM,
            "zone": zone,
            "rules": RULES,
            "living": [*map(str, Tenant.LIVING)],
        }
        cursor.execute(_BEHIND, asked)
        found = [record for (record,) in cursor.fetchall()]
        cache.set(_LOOKED, looked, _KEPT_SECONDS)
    return found


def looked_at() -> datetime | None:
    """Return when a sweep last looked for what is new, ``None`` when none was within the hour."""
    with enter_platform():
        looked = cache.get(_LOOKED)
    return datetime.fromtimestamp(looked, UTC) if looked else None
