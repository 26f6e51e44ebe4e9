# ruff: noqa: S608 (our own words)
"""How fresh counts are added to tallies, as SQL.

An array says how many there were through each place: of a month's tally a place is a day, of a
year's a month. A statement names what is fresh ``fresh``, and has in ``added`` what became of it.
"""

from collections.abc import Callable
from typing import Final

COUNTS: Final = ("events", "sign_ins", "failures", "changes")

Rows = Callable[[tuple[str, ...], str], str]
"""Makes rows of tallies, with arrays of some counts, from a table of fresh ones."""


def of_places(arrays: tuple[str, ...], source: str) -> str:
    """The rows of tallies that are fresh, of any days."""
    through = ", ".join(_through(name) if name in arrays else "'{}'" for name in COUNTS)
    return f"""month, subject, (array_agg(label ORDER BY at DESC))[1],
        bit_or(1 << (at - 1)), max(last_at),
        {", ".join(f"sum({name})" for name in COUNTS)}, {through}
    FROM {source} GROUP BY month, subject"""


def of_one_day(arrays: tuple[str, ...], source: str) -> str:
    """The same when all that is fresh is of one day: to group takes longer than all else then."""
    through = ", ".join(
        f"CASE WHEN {name} > 0 THEN array_fill(0, ARRAY[at - 1]) || {name} ELSE '{{}}' END"
        if name in arrays
        else "'{}'"
        for name in COUNTS
    )
    return f"""month, subject, label, 1 << (at - 1), last_at, {", ".join(COUNTS)}, {through}
    FROM {source}"""


def _through(name: str) -> str:
    """How many through each place, up to the last one that adds something."""
    places = ", ".join(f"coalesce(sum({name}) FILTER (WHERE at <= {n}), 0)" for n in range(1, 32))
    return (
        f"CASE WHEN max({name}) > 0 THEN"
        f" (ARRAY[{places}]::int[])[:max(at) FILTER (WHERE {name} > 0)] ELSE '{{}}' END"
    )


def _sum_of(name: str) -> str:
    return f"{name} = tally.{name} + EXCLUDED.{name}"


def _sum_through(name: str) -> str:
    """Two arrays added up: past its end each has its total.

    Nearly always only one place is added to, the last one or one after it: what is before stays.
    """
    array = f"{name}_through"
    old, new = f"tally.{array}", f"EXCLUDED.{array}"
    return f"""{array} = CASE WHEN {new} = '{{}}' THEN {old} WHEN {old} = '{{}}' THEN {new}
        WHEN EXCLUDED.days & EXCLUDED.days - 1 = 0 AND cardinality({old}) <= cardinality({new})
        THEN {old}[:cardinality({new}) - 1] || array_fill(tally.{name},
            ARRAY[greatest(cardinality({new}) - 1 - cardinality({old}), 0)])
            || tally.{name} + EXCLUDED.{name}
        ELSE (SELECT array_agg(coalesce(old, tally.{name}) + coalesce(new, EXCLUDED.{name}))
            FROM unnest({old}, {new}) AS both_of (old, new)) END, {_sum_of(name)}"""


def _upsert(kind: str, arrays: tuple[str, ...], rows: str) -> str:
    sums = ", ".join(_sum_through(name) if name in arrays else _sum_of(name) for name in COUNTS)
    return f"""
    INSERT INTO activity_monthlytally AS tally (build, kind, month, subject, label, days, last_at,
        {", ".join(COUNTS)}, {", ".join(f"{name}_through" for name in COUNTS)})
    SELECT %(build)s, '{kind}', {rows}
    ON CONFLICT (build, kind, month, subject) DO UPDATE SET {sums},
        days = tally.days | EXCLUDED.days, last_at = greatest(tally.last_at, EXCLUDED.last_at),
        label = CASE WHEN EXCLUDED.label = '' OR EXCLUDED.label LIKE 'erased-%%'
            THEN coalesce(nullif(tally.label, ''), EXCLUDED.label) ELSE EXCLUDED.label END"""


def tallied(
    kind: str, arrays: tuple[str, ...], fresh: str, rows: Rows, *, beside: str = "", then: str
) -> str:
    """Add what is fresh to the tallies of months, do what is ``beside`` that, and then ``then``.

    That may read ``added``: whose tallies of which months, their ``days`` and those they had
    before as ``known``, their ``total`` of the last count that has an array, and it as ``through``.
    """
    return f"""
WITH fresh AS MATERIALIZED ({fresh}), months AS (
    SELECT subject, date_trunc('month', day)::date AS month, extract(day FROM day)::int AS at,
           label, {", ".join(COUNTS)}, last_at FROM fresh
), added AS ({_upsert(kind, arrays, rows(arrays, "months"))}
    RETURNING subject, month, days, coalesce(old.days, 0) AS known,
        {arrays[-1]} AS total, {arrays[-1]}_through AS through
){", " + beside if beside else ""}
{then}
"""


# Of years there is only what people are ranked by.
_YEARS: Final = """
    SELECT subject, date_trunc('year', {day})::date AS month, extract(month FROM {day})::int AS at,
           '' AS label, events, 0 AS sign_ins, 0 AS failures, 0 AS changes, last_at FROM {source}"""


def yearly(rows: Rows) -> str:
    """Add what is fresh of people to their tallies of years, as a part of a statement."""
    years = _YEARS.format(day="day", source="fresh")
    added = _upsert("year", ("events",), rows(("events",), "years"))
    return f"years AS ({years}), of_years AS ({added})"


_OF_PEOPLE: Final = """activity_monthlytally
    WHERE build = %(build)s AND kind = 'person'"""

YEARS_OF_TALLIES: Final = f"""
WITH years AS ({_YEARS.format(day="month", source=_OF_PEOPLE)})
{_upsert("year", ("events",), of_places(("events",), "years"))}
"""
"""The tallies of years, from those of months alone: for those that were taken over."""
