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
    """Two such arrays added up: past its end each has its total."""
    array = f"{name}_through"
    places = ", ".join(
        f"coalesce(tally.{array}[{n}], tally.{name})"
        f" + coalesce(EXCLUDED.{array}[{n}], EXCLUDED.{name})"
        for n in range(1, 32)
    )
    return (
        f"{array} = CASE WHEN EXCLUDED.{array} = '{{}}' THEN tally.{array}"
        f" WHEN tally.{array} = '{{}}' THEN EXCLUDED.{array} ELSE (ARRAY[{places}])"
        f"[:greatest(cardinality(tally.{array}), cardinality(EXCLUDED.{array}))] END,"
        f" {name} = tally.{name} + EXCLUDED.{name}"
    )


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
)
{then}
"""


_COUNTED_AS: Final = """
INSERT INTO activity_dailytotal AS total (build, action, day, outcome, facet, events)
SELECT %(build)s, '', day, '', span, count(*) FROM ({first}) AS first GROUP BY day, span
ON CONFLICT (build, action, day, outcome, facet)
DO UPDATE SET events = total.events + EXCLUDED.events
"""

# What a statement reads it reads as it was before: whom the tallies know already.
_KNOWN: Final = """
SELECT FROM activity_monthlytally known
WHERE known.build = %(build)s AND known.kind = 'person' AND known.subject = fresh.subject
"""

_DAYS_OF_WEEK: Final = """
((1 << (least(week.first + 6, (known.month + interval '1 month')::date - 1)
        - greatest(week.first, known.month) + 1)) - 1) << (greatest(week.first, known.month)
        - known.month)
"""
"""The bits of a month's days that are in a week."""

_FIRST: Final = f"""
SELECT subject, day, 'day' AS span FROM fresh WHERE NOT EXISTS ({_KNOWN}
    AND known.month = date_trunc('month', fresh.day)::date
    AND known.days & (1 << (extract(day FROM fresh.day)::int - 1)) <> 0)
UNION ALL
SELECT subject, day, 'month' FROM (
    SELECT subject, min(day) AS day FROM fresh GROUP BY subject, date_trunc('month', day)
) AS fresh WHERE NOT EXISTS ({_KNOWN} AND known.month = date_trunc('month', fresh.day)::date)
UNION ALL
SELECT subject, day, 'week' FROM (
    SELECT subject, min(day) AS day FROM fresh GROUP BY subject, date_trunc('week', day)
) AS fresh, LATERAL (SELECT date_trunc('week', fresh.day)::date AS first) AS week
WHERE NOT EXISTS ({_KNOWN}
    AND known.month IN (date_trunc('month', week.first)::date,
                        date_trunc('month', week.first + 6)::date)
    AND known.days & ({_DAYS_OF_WEEK}) <> 0)
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
