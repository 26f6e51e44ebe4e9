# ruff: noqa: S608 (our own words)
"""What is counted, as SQL: the rules of every figure in one place.

Statements count a run of consecutive segments of one cluster into one build. They take the
parameters of ``activity.rollups.folding``. One statement for each kind of figure: each reads
the run once and only the columns it needs, which is faster than to carry all of them along.
"""

from typing import Final

from activity.actions import names
from activity.rollups import days
from activity.rollups.tallying import COUNTS, Rows, of_one_day, of_places, tallied, yearly

RULES: Final = 3
"""Which rules these are. Figures that were counted by others are counted anew."""

RANKS: Final = 2
"""Since which rules people have tallies of years, and days know their most."""

_CHANGES_NOTHING: Final = frozenset(
    {"exported", "invited", "password_rehashed", "password_reset_requested", "refused"}
)


def _changing(*families: str) -> list[str]:
    """Return the actions of families but those after which all is as it was."""
    return [name for name in names(*families) if name.partition(".")[2] not in _CHANGES_NOTHING]


ADMIN_ACTIONS: Final = _changing("user", "group")
"""What changes people and roles."""

CHANGES: Final = _changing("user", "email", "group", "token", "tenant", "domain")
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

ACCOUNT: Final = "coalesce(nullif(target_id, ''), details ->> 'identifier_hash')"
"""Whose sign-in failed: an account, or a name that nobody has, as a hash. May be unknown."""

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


# An account is one of 1,024 groups of accounts: that none of a group was tried often says as much
# of each, and a list of names that somebody made up does not become as many rows.
_NAMES: Final = _fresh(
    f"""(SELECT ((get_byte(hash, 0) << 2) | (get_byte(hash, 1) >> 6))::text
        FROM sha256(convert_to({ACCOUNT}, 'UTF8')) AS hash)""",
    "''",
    {"events": "sum(weight)"},
    f"action = 'session.failed' AND {ACCOUNT} IS NOT NULL",
)


def _tallies(rows: Rows) -> tuple[str, ...]:
    both = ("sign_ins", "failures")
    return (
        tallied("person", COUNTS, _PEOPLE, rows, beside=yearly(rows), then=days.FIRST),
        tallied("admin", ("events",), _ADMIN, rows, then="SELECT"),
        tallied("network", both, _NETWORKS, rows, then=days.most("network")),
        tallied("object", ("changes",), _OBJECTS, rows, then="SELECT"),
        tallied("name", ("events",), _NAMES, rows, then=days.most("name")),
    )


TALLIES: Final = _tallies(of_places)
"""What counts a run, after its totals."""

TALLIES_OF_ONE_DAY: Final = _tallies(of_one_day)
"""What counts a run of which all events are of one local day, as they are but for a backlog."""
