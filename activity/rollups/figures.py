"""What operators see of a record without entering its place: a row of numbers for each day.

Written in the transaction that counts, from what that has just counted, as totals and not as what
is added: told twice they are the same (``docs/adr/0038-reports-are-registered.md``).
"""

from collections.abc import Collection
from datetime import date
from typing import Final

from django.db import connection, transaction

from activity.periods import Period, last_day
from activity.rollups import counting, cursors
from tenants.context import current_scope, enter_platform
from tenants.models import RecordRollup, Tenant, TenantFigure, TenantMonth

_TOLD: Final = f"""
INSERT INTO public.tenants_tenantfigure AS told
    (day, record, events, sign_ins, failures, people, changes)
SELECT day, %(record)s,
    coalesce(sum(events) FILTER (WHERE action > ''), 0),
    coalesce(sum(events) FILTER (WHERE action = '{counting.SIGN_INS[0]}'), 0),
    coalesce(sum(events) FILTER (WHERE action = '{counting.SIGN_INS[1]}'), 0),
    coalesce(sum(events) FILTER (WHERE action = '' AND facet = 'day'), 0),
    coalesce(sum(events) FILTER (WHERE action = ANY (%(admin)s)), 0)
FROM activity_dailytotal
WHERE build = {cursors.SERVED} AND (%(days)s::date[] IS NULL OR day = ANY (%(days)s::date[]))
GROUP BY day
ON CONFLICT (day, record) DO UPDATE SET
    events = EXCLUDED.events, sign_ins = EXCLUDED.sign_ins, failures = EXCLUDED.failures,
    people = EXCLUDED.people, changes = EXCLUDED.changes
"""  # noqa: S608 (our own words)

# Each day by itself: a range would be walked for all records.
_TOLD_MONTHS: Final = """
INSERT INTO public.tenants_tenantmonth AS told
    (month, record, events, sign_ins, failures, most_people, changes, last_day)
SELECT date_trunc('month', day)::date, record, sum(events), sum(sign_ins), sum(failures),
    max(people), sum(changes), max(day)
FROM public.tenants_tenantfigure
WHERE record = %(record)s AND (%(days)s::date[] IS NULL OR day = ANY (%(days)s::date[]))
GROUP BY 1, record
ON CONFLICT (month, record) DO UPDATE SET
    events = EXCLUDED.events, sign_ins = EXCLUDED.sign_ins, failures = EXCLUDED.failures,
    most_people = EXCLUDED.most_people, changes = EXCLUDED.changes, last_day = EXCLUDED.last_day
"""

_FORGOTTEN: Final = """
WITH days AS (DELETE FROM public.tenants_tenantfigure WHERE record = %(record)s)
DELETE FROM public.tenants_tenantmonth WHERE record = %(record)s
"""


def tell(days: Collection[date]) -> None:
    """Tell the platform what was counted on some days, in the place one is in."""
    if days:
        _tell(sorted(days))


def tell_all() -> None:
    """Tell all days anew: after they were counted anew, or came with an import."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FORGOTTEN, {"record": current_scope()})
        _tell(None)


def _tell(days: list[date] | None) -> None:
    asked = {"record": current_scope(), "admin": counting.ADMIN_ACTIONS, "days": days}
    with connection.cursor() as cursor:
        cursor.execute(_TOLD, asked)
        cursor.execute(_TOLD_MONTHS, {**asked, "days": days and _months_of(days)})


def _months_of(days: list[date]) -> list[date]:
    """Return all days of the months that some days are in."""
    months = sorted({day.replace(day=1) for day in days})
    return [day for month in months for day in Period(month, last_day(month)).days]


def forget(tenant: Tenant) -> int:
    """Remove the figures of a tenant that is deleted, and how far and in which zone it was counted.

    Returns how many rows those were.
    """
    with enter_platform():
        told = RecordRollup.objects.filter(record=str(tenant.pk)).delete()[0]
        for model in (TenantFigure, TenantMonth):
            told += model._default_manager.filter(record=str(tenant.pk)).delete()[0]
        return told
