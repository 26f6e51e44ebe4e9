"""Folding events into daily roll-ups, each event exactly once.

The cursor is a transaction id, not a time or a row id: a transaction that commits late has an old
one, and one that is still open keeps the horizon before itself. What lies between the cursor and
the horizon is committed, complete and counted by no earlier fold. Cursor and roll-ups move in one
transaction, so a crash, a second run or two at once change nothing.

Transaction ids restart in a restored cluster, so the cursor names the cluster it belongs to.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from activity import periods
from activity.models import RollupCursor


@dataclass(frozen=True, slots=True)
class Folded:
    """What one fold did: how many events it counted, and when."""

    events: int
    at: datetime


_FRESH_HERE = """
    (event.cluster = horizon.cluster AND event.xid < horizon.xid
        AND event.xid >= CASE WHEN cur.cluster = horizon.cluster THEN cur.xid ELSE 0 END)
    OR (event.cluster = cur.cluster AND event.cluster <> horizon.cluster
        AND event.xid >= cur.xid)
"""

# Where they came from all were folded but those past the cursor. Older ones may carry this very
# cluster's number, from a time when the tenant was here: they are not new.
_FRESH_ON_ARRIVAL = """
    (cur.cluster = 0 OR (event.cluster = cur.cluster AND event.xid >= cur.xid))
    AND NOT (event.cluster = horizon.cluster AND event.xid >= horizon.xid)
"""

# The horizon must be taken in the statement that reads the events, not before it: a transaction
# that starts in between could commit below it, unseen.
_FOLD = """
WITH horizon AS (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid,
           (SELECT system_identifier FROM pg_control_system()) AS cluster
), fresh AS (
    SELECT (event.occurred_at AT TIME ZONE %(zone)s)::date AS day, event.action, event.outcome,
           event.actor_kind, event.actor_id,
           -- A flood of failures is one event with a count; a view is one act, however often.
           sum(CASE WHEN event.outcome <> 'success' AND jsonb_typeof(event.details -> 'count')
               = 'number' THEN (event.details -> 'count')::bigint ELSE 1 END) AS events,
           (max(ARRAY[event.id::text, event.actor_label] COLLATE "C"))[2] AS newest_label
    FROM activity_activityevent event, horizon, activity_rollupcursor cur
    WHERE cur.id = 1
      AND ({fresh})
    GROUP BY 1, 2, 3, 4, 5
), folded AS (
    INSERT INTO activity_dailyrollup
        (day, action, outcome, actor_kind, actor_id, actor_label, events)
    SELECT day, action, outcome, actor_kind, actor_id, newest_label, events FROM fresh
    ON CONFLICT (day, action, outcome, actor_kind, actor_id) DO UPDATE
    SET events = activity_dailyrollup.events + EXCLUDED.events,
        actor_label = EXCLUDED.actor_label
    RETURNING 1
)
UPDATE activity_rollupcursor cur
SET cluster = horizon.cluster, xid = horizon.xid, folded_at = %(now)s
FROM horizon
WHERE cur.id = 1
RETURNING (SELECT coalesce(sum(events), 0)::bigint FROM fresh)
"""


def fold(now: datetime) -> Folded:
    """Count every event that has committed since the last fold, in the place one is in.

    Days are the tenant's local days. ``now`` is what the reports will name as their age.
    """
    return _fold(_FRESH_HERE, now)


def fold_now() -> None:
    """Count what has committed so far: before a tenant is exported, see ``arrive``."""
    fold(timezone.now())


def arrive() -> None:
    """Count the events that came with an import and were not counted where they came from."""
    _fold(_FRESH_ON_ARRIVAL, timezone.now())


def _fold(fresh: str, now: datetime) -> Folded:
    RollupCursor.objects.get_or_create(pk=1)
    with transaction.atomic(), connection.cursor() as cursor:
        # Two folds at once: the second waits here and then finds the cursor moved.
        RollupCursor.objects.select_for_update().get(pk=1)
        cursor.execute(_FOLD.replace("{fresh}", fresh), {"zone": periods.zone().key, "now": now})
        return Folded(events=cursor.fetchone()[0], at=now)


def folded_at() -> datetime | None:
    """Return when the roll-ups were brought up to date, or ``None`` when they never were."""
    return RollupCursor.objects.filter(pk=1).values_list("folded_at", flat=True).first()
