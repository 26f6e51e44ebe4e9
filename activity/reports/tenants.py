"""Reports of all tenants, for operators: from the figures that each counting leaves in ``public``.

No tenant's schema is opened, and what is read has numbers alone. In a tenant there are none of
these reports. Days are those of each tenant.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db import connection

from activity.reports import parameters
from activity.reports.registry import (
    Asked,
    Chart,
    Column,
    Definition,
    Draw,
    Kind,
    Row,
    Source,
    register,
)
from tenants.context import current_tenant
from tenants.errors import NotInTenant

PERMISSION: Final = "tenants.view_tenant"
FIGURES: Final = ("events", "sign_ins", "failures", "people", "changes")
PAST_DAYS: Final = 28
"""How many days before a day are a tenant's own past."""
_LEAST_PAST_DAYS: Final = 7

_PER_DAY: Final = """
SELECT day, count(*) FILTER (WHERE figure.events > 0), sum(events)::bigint, sum(sign_ins)::bigint,
       sum(failures)::bigint, sum(people)::bigint, sum(changes)::bigint
FROM public.tenants_tenantfigure figure
JOIN public.tenants_tenant tenant ON tenant.id::text = figure.record
WHERE day BETWEEN %(since)s AND %(until)s GROUP BY day
"""

_PER_TENANT: Final = """
SELECT tenant.slug, tenant.name, tenant.state, coalesce(sum(events), 0)::bigint,
       coalesce(sum(sign_ins), 0)::bigint, coalesce(sum(failures), 0)::bigint,
       coalesce(max(people), 0)::bigint, coalesce(sum(changes), 0)::bigint, max(day)
FROM public.tenants_tenant tenant
LEFT JOIN public.tenants_tenantfigure figure ON figure.record = tenant.id::text
    AND day BETWEEN %(since)s AND %(until)s
WHERE tenant.state <> 'deleted'
GROUP BY tenant.id ORDER BY 4 DESC, tenant.slug LIMIT %(most)s
"""

# Days without a row are days without events. A tenant's past begins when it was made.
_OUTLIERS: Final = f"""
WITH place AS (
    SELECT id::text AS record, slug, (created_at AT TIME ZONE time_zone)::date AS born
    FROM public.tenants_tenant WHERE state = 'active'
), figure AS (
    SELECT record, slug, born, each.day::date AS day, name, coalesce(value, 0) AS value
    FROM place
    CROSS JOIN generate_series(%(first)s::date, %(until)s::date, interval '1 day') AS each (day)
    LEFT JOIN public.tenants_tenantfigure known USING (record, day)
    CROSS JOIN LATERAL (VALUES ('events', events), ('sign_ins', sign_ins),
        ('failures', failures), ('people', people), ('changes', changes)) AS one (name, value)
    WHERE each.day >= born
), compared AS (
    SELECT slug, day, name, value, avg(value) OVER past AS usual, count(*) OVER past AS days
    FROM figure
    WINDOW past AS (PARTITION BY record, name ORDER BY day
        ROWS BETWEEN {PAST_DAYS} PRECEDING AND 1 PRECEDING)
)
SELECT slug, day, name, CASE WHEN value > usual THEN 'more' ELSE 'less' END, value,
       round(usual, 1)::float
FROM compared
WHERE day >= %(since)s AND days >= {_LEAST_PAST_DAYS}
AND (value >= %(least)s AND value > %(times)s * usual
     OR usual >= %(least)s AND value * %(times)s < usual)
ORDER BY day DESC, greatest(value, usual) DESC, slug, name LIMIT %(most)s
"""  # noqa: S608 (our own words)


def _fetched(statement: str, asked: Asked, **values: Any) -> list[Row]:
    # Twice, since what is at stake are the others' figures: there is no such report in a tenant.
    if current_tenant() is not None:
        raise NotInTenant("reports of all tenants are the platform's.", "Ask there.")
    days = {"since": asked.period.since, "until": asked.period.until}
    with connection.cursor() as cursor:
        cursor.execute(statement, {**days, "most": asked.most, **values})
        rows: list[Row] = cursor.fetchall()
    return rows


def _per_day(asked: Asked) -> Iterable[Row]:
    known = {row[0]: row for row in _fetched(_PER_DAY, asked)}
    return (known.get(day, (day, 0, 0, 0, 0, 0, 0)) for day in asked.period.days)


def _per_tenant(asked: Asked) -> Iterable[Row]:
    return _fetched(_PER_TENANT, asked)


def _outliers(asked: Asked) -> Iterable[Row]:
    first = asked.period.since - timedelta(PAST_DAYS)
    return _fetched(_OUTLIERS, asked, first=first, least=asked["least"], times=asked["times"])


_SUMS: Final = (
    Column("events", "Events", Kind.COUNT, "events"),
    Column("sign_ins", "Sign-ins", Kind.COUNT, "sign-ins"),
    Column("failed_sign_ins", "Failed sign-ins", Kind.COUNT, "attempts"),
)
_CHANGES: Final = Column("changes", "Changes to people and roles", Kind.COUNT, "changes")
_TENANT: Final = Column("tenant", "Tenant")

register(
    Definition(
        name="all-tenants",
        title="All tenants by day",
        about="All tenants",
        sentence="What happened in all tenants together. Days are those of each tenant.",
        columns=(
            Column("day", "Day", Kind.DAY),
            Column("tenants", "Tenants with events", Kind.COUNT, "tenants"),
            *_SUMS,
            Column("people", "People", Kind.COUNT, "people"),
            _CHANGES,
        ),
        rows=_per_day,
        reads=Source.PLATFORM,
        chart=Chart(Draw.TIME, "day", ("events",)),
        permission=PERMISSION,
        is_for_operators=True,
    ),
    Definition(
        name="tenants",
        title="Tenants",
        about="All tenants",
        sentence="What happened in each tenant, those with most first.",
        columns=(
            _TENANT,
            Column("name", "Name"),
            Column("state", "State"),
            *_SUMS,
            Column("most_people", "People on the busiest day", Kind.COUNT, "people"),
            _CHANGES,
            Column("last_day", "Last day with events", Kind.DAY),
        ),
        rows=_per_tenant,
        reads=Source.PLATFORM,
        chart=Chart(Draw.RANKS, "tenant", ("events",)),
        permission=PERMISSION,
        is_for_operators=True,
    ),
    Definition(
        name="tenant-outliers",
        title="Tenants that are not as usual",
        about="All tenants",
        sentence=(
            "Days on which a figure of a tenant was many times, or a small part of, what it was on"
            f" average in that tenant's {PAST_DAYS} days before; of tenants that are a week old."
        ),
        columns=(
            _TENANT,
            Column("day", "Day", Kind.DAY),
            Column("figure", "Figure"),
            Column("is", "Than usual"),
            Column("value", "On that day", Kind.COUNT, "as the figure"),
            Column("usual", "Usually", Kind.SHARE, "a day"),
        ),
        rows=_outliers,
        reads=Source.PLATFORM,
        parameters=(
            parameters.number(
                "times", "Times", "How many times the usual is worth a row.",
                least=2, most=1_000, usual=3,
            ),
            parameters.number(
                "least", "At least", "Smaller figures are left out.",
                least=1, most=1_000_000_000, usual=20,
            ),
        ),
        permission=PERMISSION,
        is_for_operators=True,
    ),
)  # fmt: skip
