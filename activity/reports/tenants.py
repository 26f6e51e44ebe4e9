"""Reports of all tenants, for operators: from the figures that each counting leaves in ``public``.

No tenant's schema is opened, and what is read has numbers alone. In a tenant there are none of
these reports. Days are those of each tenant.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db import connection

from activity.periods import split
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

# Figures end with their tenant, so what is there is of tenants that are.
_PER_DAY: Final = """
SELECT day, count(*) FILTER (WHERE events > 0), sum(events)::bigint, sum(sign_ins)::bigint,
       sum(failures)::bigint, sum(people)::bigint, sum(changes)::bigint
FROM public.tenants_tenantfigure
WHERE day BETWEEN %(since)s AND %(until)s AND record <> 'platform' GROUP BY day
"""

_PER_TENANT: Final = """
WITH part AS (
    SELECT record, events, sign_ins, failures, most_people AS people, changes, last_day
    FROM public.tenants_tenantmonth WHERE month = ANY (%(months)s::date[])
    UNION ALL
    SELECT record, events, sign_ins, failures, people, changes, day
    FROM public.tenants_tenantfigure WHERE day = ANY (%(days)s::date[])
), figure AS (
    SELECT record, sum(events)::bigint AS events, sum(sign_ins)::bigint AS sign_ins,
           sum(failures)::bigint AS failures, max(people) AS people,
           sum(changes)::bigint AS changes, max(last_day) AS last_day
    FROM part GROUP BY record
)
SELECT tenant.slug, tenant.name, tenant.state, coalesce(events, 0), coalesce(sign_ins, 0),
       coalesce(failures, 0), coalesce(people, 0), coalesce(changes, 0), last_day
FROM public.tenants_tenant tenant LEFT JOIN figure ON figure.record = tenant.id::text
WHERE tenant.state <> 'deleted'
ORDER BY 4 DESC, tenant.slug LIMIT %(most)s
"""

_ZEROS: Final = ", ".join("0" for _ in FIGURES)
_PAST_SUMS: Final = ", ".join(
    f"coalesce(sum({name}) OVER past, 0) AS past_{name}" for name in FIGURES
)
_EACH: Final = ", ".join(f"('{name}', {name}, past_{name})" for name in FIGURES)

# Days without a row are days without events. Only those are made up that can be compared with
# something: up to as many as the past has, after a day that has a row. A tenant's past begins when
# it was made.
_OUTLIERS: Final = f"""
WITH known AS MATERIALIZED (
    SELECT record, day, {", ".join(f"{name}::int" for name in FIGURES)},
        lead(day, 1, %(until)s::date + 1) OVER (PARTITION BY record ORDER BY day) AS next
    FROM public.tenants_tenantfigure WHERE day BETWEEN %(first)s AND %(until)s
), figure AS (
    SELECT record, day, {", ".join(FIGURES)} FROM known
    UNION ALL
    SELECT record, day + silent, {_ZEROS}
    FROM known, generate_series(1, least(next - day - 1, {PAST_DAYS})) AS silent
), compared AS (
    SELECT record, day, {", ".join(FIGURES)}, {_PAST_SUMS} FROM figure
    WINDOW past AS (PARTITION BY record ORDER BY day
        RANGE BETWEEN '{PAST_DAYS} days' PRECEDING AND '1 day' PRECEDING)
), place AS (
    SELECT id::text AS record, slug,
        greatest((created_at AT TIME ZONE time_zone)::date, %(first)s::date) AS born
    FROM public.tenants_tenant WHERE state = 'active'
)
SELECT slug, day, name, CASE WHEN value * days > past THEN 'more' ELSE 'less' END, value,
       round(past::numeric / days, 1)::float
FROM compared JOIN place USING (record)
CROSS JOIN LATERAL (SELECT least(day - born, {PAST_DAYS}) AS days) AS counted
CROSS JOIN LATERAL (VALUES {_EACH}) AS one (name, value, past)
WHERE day >= %(since)s AND days >= {_LEAST_PAST_DAYS}
AND (value >= %(least)s AND value::bigint * days > %(times)s * past
     OR past >= %(least)s * days AND value::bigint * %(times)s * days < past)
ORDER BY day DESC, greatest(value::bigint * days, past) DESC, slug, name LIMIT %(most)s
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
    months, parts = split(asked.period)
    days = [day for part in parts for day in part.days]
    return _fetched(_PER_TENANT, asked, months=months, days=days)


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
            Column("usual", "Usually", Kind.NUMBER, "a day"),
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
