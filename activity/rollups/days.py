# ruff: noqa: S608 (our own words)
"""What is counted of a day as a whole and not of its events one by one, as SQL.

Rows of daily totals without an action. By ``day``, ``week`` and ``month`` they count people, each
in the first of their days; by ``network`` and ``name`` they say how many failed sign-ins one of
these had at most. Each goes on from what has been added to tallies (``activity.rollups.tallying``).
"""

from typing import Final

_INSERT: Final = """
INSERT INTO activity_dailytotal AS total (build, action, day, outcome, facet, events)
SELECT %(build)s, '', day, '', {facet}, {events} FROM ({rows}) AS one GROUP BY day{facets}
ON CONFLICT (build, action, day, outcome, facet) DO UPDATE SET events = {sum}
"""


def _people(rows: str) -> str:
    """People counted by day and span."""
    return _INSERT.format(
        facet="span",
        events="count(*)",
        rows=rows,
        facets=", span",
        sum="total.events + EXCLUDED.events",
    )


def _days_of_week(month: str) -> str:
    """The bits of a month's days that are in a week."""
    first = f"greatest(week, {month})"
    last = f"least(week + 6, ({month} + interval '1 month')::date - 1)"
    return f"(((1 << ({last} - {first} + 1)) - 1) << ({first} - {month}))"


def _was_here(month: str) -> str:
    """The days of a week that a tally of a month had before: a statement does not see its own."""
    return f"""coalesce((SELECT known.days & {_days_of_week("known.month")}
        FROM activity_monthlytally known WHERE known.build = %(build)s AND known.kind = 'person'
        AND known.month = {month} AND known.subject = active.subject), 0)"""


_MONTHS_OF_WEEK: Final = ("date_trunc('month', week)::date", "date_trunc('month', week + 6)::date")

# Of each person the days that their tally did not have before. A week that is in two months is
# asked of both.
FIRST: Final = _people(f"""
WITH active AS MATERIALIZED (
    SELECT subject, month, known, month + n AS day, date_trunc('week', month + n)::date AS week
    FROM added, generate_series(0, 30) AS n WHERE days <> known AND days & ~known & (1 << n) <> 0
)
SELECT subject, day, 'day' AS span FROM active
UNION ALL
SELECT subject, min(day), 'month' FROM active WHERE known = 0 GROUP BY subject, month
UNION ALL
SELECT subject, min(day), 'week' FROM active GROUP BY subject, week
HAVING CASE WHEN {_MONTHS_OF_WEEK[0]} = {_MONTHS_OF_WEEK[1]}
    THEN bool_and(known & {_days_of_week("month")} = 0)
    ELSE {" + ".join(map(_was_here, _MONTHS_OF_WEEK))} = 0 END
""")
"""People whom their day, week or month has for the first time."""

PEOPLE_OF_TALLIES: Final = _people("""
WITH active AS MATERIALIZED (
    SELECT subject, month + n AS day FROM activity_monthlytally, generate_series(0, 30) AS n
    WHERE build = %(build)s AND kind = 'person' AND days & (1 << n) <> 0
)
SELECT subject, day, 'day' AS span FROM active
UNION ALL
SELECT subject, min(day), 'week' FROM active GROUP BY subject, date_trunc('week', day)
UNION ALL
SELECT subject, min(day), 'month' FROM active GROUP BY subject, date_trunc('month', day)
""")
"""The rows that count people, from tallies alone: for those that were taken over."""


def most(facet: str) -> str:
    """Of each day of a run, how many there were of whichever has most of what was added to."""
    return _INSERT.format(
        facet=f"'{facet}'",
        events="max(n)",
        rows="""
SELECT one.day, coalesce(through[at], total)
    - CASE at WHEN 1 THEN 0 ELSE coalesce(through[at - 1], total) END AS n
FROM (
    SELECT day, date_trunc('month', day)::date AS month, extract(day FROM day)::int AS at
    FROM unnest(%(days)s::date[]) AS day
) AS one JOIN added ON added.month = one.month WHERE subject <> '' AND total > 0""",
        facets=" HAVING max(n) > 0",
        sum="greatest(total.events, EXCLUDED.events)",
    )
