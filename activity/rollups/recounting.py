# ruff: noqa: S608 (our own words)
"""The rules of every figure a second time, as whoever recounts single events would say them.

They are there to disagree with ``activity.rollups.counting`` when that is wrong, so neither uses
the other's words.
"""

from typing import Final

# Each event up to the end of the last segment that is counted, of each cluster.
EVENTS: Final = """
SELECT event.*,
    CASE WHEN %(cut_day)s::date IS NULL THEN timezone(%(zone)s, occurred_at)::date
        ELSE greatest(timezone(%(zone)s, occurred_at)::date, %(cut_day)s::date + 1) END AS day,
    CASE WHEN outcome = 'success' THEN 1
        WHEN target_salt IS NULL THEN coalesce((
            SELECT kept.events FROM activity_monthlytally kept
            WHERE kept.build = 0 AND kept.subject = event.id::text
            AND kept.month = date_trunc('month', timezone('UTC', occurred_at))::date
            AND kept.kind = 'flood'), 1)
        WHEN jsonb_typeof(details -> 'count') = 'number'
            THEN least(greatest(round((details ->> 'count')::numeric), 1), 2000000000)::bigint
        ELSE 1 END AS n
FROM activity_activityevent event
JOIN (
    SELECT DISTINCT ON (cluster) cluster, xid, event_id FROM activity_segment
    WHERE number <= %(number)s ORDER BY cluster, number DESC
) AS mark ON mark.cluster = event.cluster
    AND (event.xid < mark.xid OR event.xid = mark.xid AND event.id <= mark.event_id)
WHERE %(cut_at)s::timestamptz IS NULL OR occurred_at >= %(cut_at)s
"""

JOINED: Final = """
WITH event AS ({events}), recounted AS ({recounted}), counted AS ({counted}), gone AS ({gone})
SELECT day, subject, coalesce(counted.n, 0), coalesce(recounted.n, 0)
FROM counted FULL JOIN recounted USING (day, measure, subject)
LEFT JOIN (SELECT day, measure, n FROM gone) AS gone USING (day, measure)
WHERE coalesce(counted.n, 0) - coalesce(recounted.n, 0) NOT BETWEEN 0 AND coalesce(gone.n, 0)
ORDER BY day, subject LIMIT 1
"""

_NONE_GONE: Final = "SELECT NULL::date AS day, '' AS measure, 0 AS n WHERE false"

_IN_TOTALS: Final = """
FROM activity_dailytotal
WHERE build = %(build)s AND day > coalesce(%(cut_day)s::date, '-infinity')
"""

# Of each array the differences of neighbours, which are the days'.
_IN_TALLIES: Final = """
SELECT month + at - 1 AS day, measure, subject || ' ' || measure AS subject,
    through[at] - coalesce(through[at - 1], 0) AS n
FROM activity_monthlytally
CROSS JOIN LATERAL (VALUES ('events', events_through), ('sign-ins', sign_ins_through),
    ('failures', failures_through), ('changes', changes_through)) AS of_day (measure, through)
CROSS JOIN LATERAL generate_series(1, cardinality(through)) AS at
WHERE build = %(build)s AND kind = '{kind}' AND {condition}
    AND month + at - 1 > coalesce(%(cut_day)s::date, '-infinity')
    AND through[at] <> coalesce(through[at - 1], 0)
"""


def _in_tallies(kind: str, condition: str = "true") -> str:
    return _IN_TALLIES.replace("{kind}", kind).replace("{condition}", condition)


def _recounted(subject: str, measures: dict[str, str], condition: str) -> str:
    values = ", ".join(f"('{name}', {value})" for name, value in measures.items())
    return f"""
SELECT day, measure, {subject} || ' ' || measure AS subject, sum(value) AS n
FROM event CROSS JOIN LATERAL (VALUES {values}) AS of_event (measure, value)
WHERE {condition} GROUP BY 1, 2, 3 HAVING sum(value) > 0"""


_SUCCEEDED: Final = "CASE WHEN outcome = 'success' THEN n ELSE 0 END"
_FAILED: Final = "CASE WHEN outcome <> 'success' THEN n ELSE 0 END"
_SIGNED_IN: Final = "action IN ('session.started', 'session.failed')"
_METHOD: Final = f"""left(coalesce(CASE WHEN {_SIGNED_IN} THEN details ->> 'method'
    WHEN action LIKE 'export.%%' THEN details ->> 'format' END, ''), 32)"""
_NETWORK: Final = """CASE family(ip) WHEN 4 THEN network(set_masklen(ip, 24))::text
    WHEN 6 THEN network(set_masklen(ip, 48))::text ELSE '' END"""
_OF_SIGN_INS: Final = {"sign-ins": _SUCCEEDED, "failures": _FAILED}

_PEOPLE_OR_ROLES: Final = """split_part(action, '.', 1) IN ('user', 'group') AND action NOT IN (
    'user.exported', 'user.invited', 'user.password_rehashed', 'user.password_reset_requested')"""
_OF_AN_OBJECT: Final = f"""({_PEOPLE_OR_ROLES}
    OR split_part(action, '.', 1) IN ('email', 'token', 'tenant', 'domain')
    AND action NOT IN ('token.refused', 'tenant.exported'))"""

# Each figure: counted again, as it is counted, and how much more that may be.
_FIGURES: Final = {
    "total": (
        """
        SELECT day, '' AS measure, action || ' ' || outcome AS subject, sum(n) AS n
        FROM event GROUP BY 1, 3""",
        f"""
        SELECT day, '' AS measure, action || ' ' || outcome AS subject, sum(events) AS n
        {_IN_TOTALS} AND action <> '' GROUP BY 1, 3""",
        _NONE_GONE,
    ),
    "facet": (
        f"""
        SELECT day, action || ' ' || outcome AS measure,
            action || ' ' || outcome || ' ' || {_METHOD} AS subject, sum(n) AS n
        FROM event WHERE {_METHOD} <> '' GROUP BY 1, 2, 3""",
        f"""
        SELECT day, action || ' ' || outcome AS measure,
            action || ' ' || outcome || ' ' || facet AS subject, sum(events) AS n
        {_IN_TOTALS} AND action <> '' AND facet <> '' GROUP BY 1, 2, 3""",
        """
        SELECT day, action || ' ' || outcome AS measure, sum(n) AS n
        FROM event WHERE target_salt IS NULL GROUP BY 1, 2""",
    ),
    # Each person once in each day, week and month that is whole after a cut.
    "people": (
        """
        SELECT day, '' AS measure, span AS subject, count(*) AS n FROM (
            SELECT DISTINCT span, date_trunc(span, day)::date AS day, actor_id
            FROM event, unnest(ARRAY['day', 'week', 'month']) AS span WHERE actor_kind = 'person'
        ) AS one WHERE day > coalesce(%(cut_day)s::date, '-infinity') GROUP BY 1, 3""",
        f"""
        SELECT day, '' AS measure, facet AS subject, sum(events) AS n FROM (
            SELECT date_trunc(facet, day)::date AS day, facet, events {_IN_TOTALS}
            AND action = '' AND facet IN ('day', 'week', 'month')
        ) AS one WHERE day > coalesce(%(cut_day)s::date, '-infinity') GROUP BY 1, 3""",
        _NONE_GONE,
    ),
    "person": (
        _recounted(
            "actor_id",
            {
                "events": "n",
                "sign-ins": f"CASE WHEN action = 'session.started' THEN {_SUCCEEDED} ELSE 0 END",
                "failures": _FAILED,
            },
            "actor_kind = 'person'",
        ),
        _in_tallies("person", "measure <> 'changes'"),
        _NONE_GONE,
    ),
    "network": (
        _recounted(_NETWORK, _OF_SIGN_INS, f"{_SIGNED_IN} AND ip IS NOT NULL"),
        _in_tallies("network", "subject <> ''"),
        _recounted("''", _OF_SIGN_INS, f"{_SIGNED_IN} AND ip IS NULL AND actor_salt IS NULL"),
    ),
    "networks": (
        _recounted("''", _OF_SIGN_INS, _SIGNED_IN),
        f"""
        SELECT day, measure, ' ' || measure AS subject, sum(n) AS n
        FROM ({_in_tallies("network")}) AS one GROUP BY 1, 2""",
        _NONE_GONE,
    ),
}

_GROUP: Final = """(('x' || left(encode(sha256(convert_to(
    CASE WHEN target_id <> '' THEN target_id ELSE details ->> 'identifier_hash' END,
    'UTF8')), 'hex'), 3))::bit(12) >> 2)::int::text"""


def _most(measure: str, subject: str, condition: str) -> str:
    return f"""
SELECT day, '{measure}' AS measure, 'most of one {measure}' AS subject, max(n) AS n FROM (
    SELECT day, sum(n) AS n FROM event WHERE {condition} AND {subject} IS NOT NULL
    GROUP BY day, {subject}
) AS each GROUP BY day"""


_FAILED_SIGN_IN: Final = "action = 'session.failed'"
_EMPTIED: Final = f"""
SELECT day, measure, sum(n) AS n FROM event, unnest(ARRAY['network', 'name', 'events']) AS measure
WHERE {_SIGNED_IN} AND (actor_salt IS NULL OR target_salt IS NULL) GROUP BY 1, 2"""

_RANKS: Final = {
    "year": (
        """
        SELECT date_trunc('month', day)::date AS day, '' AS measure, actor_id AS subject,
            sum(n) AS n
        FROM event WHERE actor_kind = 'person'
        AND date_trunc('month', day) > coalesce(%(cut_day)s::date, '-infinity') GROUP BY 1, 3""",
        """
        SELECT (month + (at - 1) * interval '1 month')::date AS day, '' AS measure, subject,
            through[at] - coalesce(through[at - 1], 0) AS n
        FROM (SELECT month, subject, events_through AS through FROM activity_monthlytally
            WHERE build = %(build)s AND kind = 'year') AS of_year,
            generate_series(1, cardinality(through)) AS at
        WHERE through[at] <> coalesce(through[at - 1], 0) AND
            month + (at - 1) * interval '1 month' > coalesce(%(cut_day)s::date, '-infinity')""",
        _NONE_GONE,
    ),
    "name": (
        _recounted(_GROUP, {"events": "n"}, f"{_FAILED_SIGN_IN} AND {_GROUP} IS NOT NULL"),
        _in_tallies("name"),
        _EMPTIED,
    ),
    "most": (
        f"""{_most("network", f"nullif({_NETWORK}, '')", f"{_SIGNED_IN} AND outcome <> 'success'")}
        UNION ALL {_most("name", _GROUP, _FAILED_SIGN_IN)}""",
        f"""
        SELECT day, facet AS measure, 'most of one ' || facet AS subject, events AS n {_IN_TOTALS}
        AND action = '' AND facet IN ('network', 'name')""",
        _EMPTIED,
    ),
}

_CHANGES: Final = {
    "changes": (
        _recounted(
            "actor_id", {"changes": _SUCCEEDED}, f"actor_kind = 'person' AND {_PEOPLE_OR_ROLES}"
        ),
        _in_tallies("person", "measure = 'changes'"),
        _NONE_GONE,
    ),
    "admin": (
        _recounted(
            "actor_kind || ' ' || action || ' ' || actor_id", {"events": "n"}, _PEOPLE_OR_ROLES
        ),
        _in_tallies("admin"),
        _NONE_GONE,
    ),
    "object": (
        _recounted(
            "target_type || ':' || target_id",
            {"changes": "1"},
            f"{_OF_AN_OBJECT} AND outcome = 'success' AND target_id > ''",
        ),
        _in_tallies("object"),
        _NONE_GONE,
    ),
}

FIGURES_OF_RULES: Final = {1: _FIGURES, 2: _RANKS, 3: _CHANGES}
"""Figures by the rules since which they are counted as they are here."""

# What a month's plain numbers must be.
SUMS: Final = """
SELECT month, kind || ' ' || subject, events, coalesce(events_through[cardinality(events_through)],
    0) FROM activity_monthlytally
WHERE build = %(build)s AND (
    (sign_ins, failures, changes) IS DISTINCT FROM (
        coalesce(sign_ins_through[cardinality(sign_ins_through)], 0),
        coalesce(failures_through[cardinality(failures_through)], 0),
        coalesce(changes_through[cardinality(changes_through)], 0))
    OR events <> CASE kind WHEN 'network' THEN sign_ins + failures WHEN 'object' THEN changes
        ELSE coalesce(events_through[cardinality(events_through)], 0) END
) ORDER BY month, kind, subject LIMIT 1
"""
