# ruff: noqa: S608 (our own words)
"""What is counted, as SQL: the rules of every figure in one place.

Statements count a run of consecutive segments of one cluster into one build. They take the
parameters of ``activity.rollups.folding.Run``. One statement for each kind of figure: each reads
the run once and only the columns it needs, which is faster than to carry all of them along.
"""

from typing import Final

from activity.actions import names

ADMIN_ACTIONS: Final = names("user", "group")
"""What changes people and roles."""

CHANGES: Final = [
    name
    for name in names("user", "email", "group", "token", "tenant", "domain")
    if name.rpartition(".")[2] not in {"exported", "invited", "password_reset_requested", "refused"}
]
"""What changes an object, when it succeeds."""

SIGN_IN: Final = "session.started"
SIGN_INS: Final = (SIGN_IN, "session.failed")

_LOCAL: Final = "(occurred_at AT TIME ZONE %(zone)s)::date"

DAY: Final = f"""CASE WHEN %(cut_at)s::timestamptz IS NULL THEN {_LOCAL}
    WHEN occurred_at < %(cut_at)s THEN least({_LOCAL}, %(cut_day)s::date)
    ELSE greatest({_LOCAL}, %(cut_day)s::date + 1) END"""
"""The local day. Those whose figures stay end at one moment, in whatever zone they were counted,
and the next day begins there: no moment is in two days, and none is in no day."""

# A flood of failures is one event with a count; a view is one act, however often. Of an erased
# flood the count was kept aside (activity.rollups.erased).
WEIGHT: Final = """CASE
    WHEN outcome = 'success' THEN 1
    WHEN jsonb_typeof(details -> 'count') = 'number'
        THEN least(greatest((details -> 'count')::numeric, 1), 2000000000)::int
    WHEN target_salt IS NULL THEN coalesce((
        SELECT flood.events FROM activity_monthlytally flood
        WHERE flood.build = 0 AND flood.kind = 'flood'
        AND flood.month = date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date
        AND flood.subject = event.id::text), 1)
    ELSE 1 END"""

FACET: Final = """left(CASE
    WHEN action IN ('session.started', 'session.failed') THEN coalesce(details ->> 'method', '')
    WHEN action LIKE 'export.%%' THEN coalesce(details ->> 'format', '')
    ELSE '' END, 32)"""

NETWORK: Final = """coalesce(network(set_masklen(ip,
    CASE family(ip) WHEN 4 THEN 24 ELSE 48 END))::text, '')"""

NOBODY: Final = "'erased-' || right({}, 8)"
"""What an erased person is called: ``activity.forgetting.people.pseudonym``."""

_ACTOR: Final = (
    "CASE WHEN actor_salt IS NULL AND actor_id <> ''"
    f" THEN {NOBODY.format('actor_id')} ELSE actor_label END"
)
_TARGET: Final = (
    "CASE WHEN target_salt IS NOT NULL THEN target_label"
    f" WHEN target_type = 'user' THEN {NOBODY.format('target_id')} ELSE '' END"
)

# OFFSET keeps PostgreSQL from walking an index by action or by actor for the sake of grouping: in
# its order the rows of a run are scattered over the table.
EVENTS: Final = f"""(
        SELECT *, {WEIGHT} AS weight FROM activity_activityevent event
        WHERE cluster = %(cluster)s
        AND xid BETWEEN %(after_xid)s AND %(xid)s
        AND (xid, id) > (%(after_xid)s, %(after_id)s::uuid)
        AND (xid, id) <= (%(xid)s, %(id)s::uuid)
        AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
        OFFSET 0
    ) AS event"""

TOTALS: Final = f"""
INSERT INTO activity_dailytotal AS total (build, action, day, outcome, facet, events)
SELECT %(build)s, action, {DAY}, outcome, {FACET}, sum(weight) FROM {EVENTS}
GROUP BY 2, 3, 4, 5
ON CONFLICT (build, action, day, outcome, facet)
DO UPDATE SET events = total.events + EXCLUDED.events
RETURNING day
"""

COUNTS: Final = ("events", "sign_ins", "failures", "changes")


def _newest(label: str, salt: str) -> str:
    """The label of the newest event that still has one."""
    rank = f"CASE WHEN {salt} IS NULL THEN '0' ELSE '1' END"
    return f"""substr(max(({rank} || event.id || {label}) COLLATE "C"), 38)"""


def _fresh(subject: str, label: str, counted: dict[str, str], condition: str) -> str:
    """What a run has of each subject and day."""
    counts = ", ".join(f"{counted.get(name, '0')}::int AS {name}" for name in COUNTS)
    return (
        f"SELECT {subject} AS subject, {DAY} AS day, {label} AS label, {counts},"
        f" max(occurred_at) AS last_at FROM {EVENTS} WHERE {condition} GROUP BY 1, 2"
    )


def _through(name: str) -> str:
    """How many through each day, up to the last one that adds something."""
    days = ", ".join(f"coalesce(sum({name}) FILTER (WHERE at <= {n}), 0)" for n in range(1, 32))
    return (
        f"CASE WHEN max({name}) > 0 THEN"
        f" (ARRAY[{days}]::int[])[:max(at) FILTER (WHERE {name} > 0)] ELSE '{{}}' END"
    )


def _added(name: str) -> str:
    """Two such arrays added up: past its end each has its total.

    Nearly always only one day is added to, the last one or one after it: what is before stays.
    """
    array = f"{name}_through"
    old, new = f"tally.{array}", f"EXCLUDED.{array}"
    return f"""{array} = CASE WHEN {new} = '{{}}' THEN {old} WHEN {old} = '{{}}' THEN {new}
        WHEN EXCLUDED.days & EXCLUDED.days - 1 = 0 AND cardinality({old}) <= cardinality({new})
        THEN {old}[:cardinality({new}) - 1] || array_fill(tally.{name},
            ARRAY[greatest(cardinality({new}) - 1 - cardinality({old}), 0)])
            || tally.{name} + EXCLUDED.{name}
        ELSE (SELECT array_agg(coalesce(old, tally.{name}) + coalesce(new, EXCLUDED.{name}))
            FROM unnest({old}, {new}) AS both_of (old, new)) END,
        {name} = tally.{name} + EXCLUDED.{name}"""


def _summed(name: str) -> str:
    """Two numbers added up that have no array in a kind: planning those would take longer."""
    return f"{name} = tally.{name} + EXCLUDED.{name}"


def _tallied(kind: str, arrays: tuple[str, ...], fresh: str, then: str) -> str:
    """Add what is fresh to the tallies, and go on with ``then``, which may read ``fresh``."""
    columns = ", ".join(COUNTS)
    through = ", ".join(_through(name) if name in arrays else "'{}'" for name in COUNTS)
    return f"""
WITH fresh AS MATERIALIZED ({fresh}), months AS (
    SELECT subject, date_trunc('month', day)::date AS month, extract(day FROM day)::int AS at,
           label, {columns}, last_at FROM fresh
), added AS (
    INSERT INTO activity_monthlytally AS tally
        (build, kind, month, subject, label, days, last_at, {columns},
         {", ".join(f"{name}_through" for name in COUNTS)})
    SELECT %(build)s, '{kind}', month, subject, (array_agg(label ORDER BY at DESC))[1],
           bit_or(1 << (at - 1)), max(last_at),
           {", ".join(f"sum({name})" for name in COUNTS)}, {through}
    FROM months GROUP BY month, subject
    ON CONFLICT (build, kind, month, subject) DO UPDATE SET
        {", ".join(_added(name) if name in arrays else _summed(name) for name in COUNTS)},
        days = tally.days | EXCLUDED.days, last_at = greatest(tally.last_at, EXCLUDED.last_at),
        label = CASE WHEN EXCLUDED.label = '' OR EXCLUDED.label LIKE 'erased-%%'
            THEN coalesce(nullif(tally.label, ''), EXCLUDED.label) ELSE EXCLUDED.label END
    RETURNING subject, month, days, coalesce(old.days, 0) AS known
)
{then}
"""


_COUNTED_AS: Final = """
INSERT INTO activity_dailytotal AS total (build, action, day, outcome, facet, events)
SELECT %(build)s, '', day, '', span, count(*) FROM ({first}) AS first GROUP BY day, span
ON CONFLICT (build, action, day, outcome, facet)
DO UPDATE SET events = total.events + EXCLUDED.events
"""

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
_FIRST: Final = f"""
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
"""

PEOPLE_OF_TALLIES: Final = _COUNTED_AS.replace(
    "{first}",
    """
WITH active AS MATERIALIZED (
    SELECT subject, month + n AS day FROM activity_monthlytally, generate_series(0, 30) AS n
    WHERE build = %(build)s AND kind = 'person' AND days & (1 << n) <> 0
)
SELECT subject, day, 'day' AS span FROM active
UNION ALL
SELECT subject, min(day), 'week' FROM active GROUP BY subject, date_trunc('week', day)
UNION ALL
SELECT subject, min(day), 'month' FROM active GROUP BY subject, date_trunc('month', day)
""",
)
"""The rows that count people, from tallies alone: for those that were taken over."""


def _sum(condition: str) -> str:
    return f"coalesce(sum(weight) FILTER (WHERE {condition}), 0)"


_PEOPLE: Final = _fresh(
    "actor_id",
    _newest(_ACTOR, "actor_salt"),
    {
        "events": "sum(weight)",
        "sign_ins": _sum(f"action = '{SIGN_IN}' AND outcome = 'success'"),
        "failures": _sum("outcome <> 'success'"),
        "changes": _sum("action = ANY (%(admin)s) AND outcome = 'success'"),
    },
    "actor_kind = 'person'",
)

_ADMIN: Final = _fresh(
    "actor_kind || ' ' || action || ' ' || actor_id",
    _newest(_ACTOR, "actor_salt"),
    {"events": "sum(weight)"},
    "action = ANY (%(admin)s)",
)

_NETWORKS: Final = _fresh(
    NETWORK,
    "''",
    {
        "events": "sum(weight)",
        "sign_ins": _sum("outcome = 'success'"),
        "failures": _sum("outcome <> 'success'"),
    },
    f"action IN {SIGN_INS!r}",
)

_OBJECTS: Final = _fresh(
    "target_type || ':' || target_id",
    _newest(_TARGET, "target_salt"),
    {"events": "count(*)", "changes": "count(*)"},
    "action = ANY (%(changes)s) AND outcome = 'success' AND target_id <> ''",
)

STATEMENTS: Final = (
    TOTALS,
    _tallied("person", COUNTS, _PEOPLE, _COUNTED_AS.replace("{first}", _FIRST)),
    _tallied("admin", ("events",), _ADMIN, "SELECT"),
    _tallied("network", ("sign_ins", "failures"), _NETWORKS, "SELECT"),
    _tallied("object", ("changes",), _OBJECTS, "SELECT"),
)
"""What counts a run, in this order: people who are new are told from tallies as they were."""
