"""What roll-ups do when somebody is erased or events are cut: figures stay, names go.

An event that is emptied no longer says how many attempts it stood for, by which method they were
and from which network. The number says nothing about anybody and is kept aside, so that a recount
still comes to the same totals. Method and network are not: what was counted of them stays, and
whoever counts anew finds them unknown.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from activity.models import MonthlyTally, RollupCursor
from activity.models.rollups import Kind
from activity.rollups import cursors, rebuilding
from activity.rollups.folding import fold

_KEEP: Final = """
INSERT INTO activity_monthlytally (build, kind, month, subject, label, days, events, sign_ins,
    failures, changes, last_at, events_through, sign_ins_through, failures_through, changes_through)
SELECT 0, 'flood', date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date, id::text, '', 0,
    least(greatest((details -> 'count')::numeric, 1), 2000000000)::int, 0, 0, 0, occurred_at,
    '{}', '{}', '{}', '{}'
FROM activity_activityevent
WHERE (target_id = %s OR id = ANY (%s::uuid[])) AND target_salt IS NOT NULL
AND outcome <> 'success' AND jsonb_typeof(details -> 'count') = 'number'
ON CONFLICT DO NOTHING
"""


def keep_counts(person_id: str, ids: Iterable[Any]) -> None:
    """Keep how many attempts events stand for that are about to be emptied.

    Those about a person, and those with ``ids``; in the transaction that empties them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [person_id, [str(one) for one in ids]])


def rename(person_id: str, name: str, mentioning: str) -> dict[str, int]:
    """Put ``name`` in the place of somebody's, and nothing where a label mentions them.

    ``mentioning`` is a regular expression for that. Waits for whoever is counting, who may have
    read the name; whoever counts after this reads events that are emptied, if they are.
    """
    with transaction.atomic():
        cursors.lock()
        own = Q(kind=Kind.PERSON, subject=person_id) | Q(
            kind=Kind.OBJECT, subject=f"user:{person_id}"
        )
        own |= Q(kind=Kind.ADMIN, subject__endswith=f" {person_id}")
        rows = MonthlyTally.objects.filter(own).exclude(label=name).update(label=name)
        rows += MonthlyTally.objects.filter(label__iregex=mentioning).update(label="")
    return {MonthlyTally._meta.db_table: rows}


def count_before_cut() -> None:
    """Count all that is sealed, and end what is being counted anew, in the transaction that cuts.

    The cursors stay locked until it ends: nobody begins to count anew what is about to be cut.
    """
    cursors.lock()
    now = timezone.now()
    fold(now)
    rebuilding.finish(now)


def note_cut(before: datetime) -> None:
    """Note that events older than ``before`` were cut: the figures of their days stay as they are.

    In the transaction that cuts, in which the cursors are locked and nothing is counted anew.
    """
    [served] = cursors.lock()
    zone = ZoneInfo(served.zone)
    day = before.astimezone(zone).date()
    if served.cut_day is not None and day <= served.cut_day:
        return
    end = datetime.combine(day + timedelta(1), time.min, zone)
    RollupCursor.objects.filter(pk=served.pk).update(cut_day=day, cut_at=end)
