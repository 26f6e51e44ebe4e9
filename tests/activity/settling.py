"""Waiting until the record has caught up with what happened.

In a cluster of one's own it has after one step. Here other tests have transactions open, and what
is younger than the oldest of them has to wait.
"""

import time

from django.db import connection
from django.utils import timezone

from activity.models import ActivityEvent, Segment
from activity.sealing import sealer
from activity.verifying import verify

LONGEST = 120.0
"""Seconds: as long as a slow machine needs for a test beside this one."""


def until(is_done, act=lambda: None):
    """Take steps until it is done. None is taken when it is already."""
    deadline = time.monotonic() + LONGEST
    while not is_done():
        assert time.monotonic() < deadline, "it was not done within two minutes"
        time.sleep(0.02)
        act()


def seal():
    return sealer.seal(timezone.now()).events


def sealed():
    last = Segment.objects.order_by("-number").first()
    return last.size if last else 0


def settle_with_cuts():
    """Seal until every event is, of a record of which some were cut."""
    until(lambda: not verify().unsealed, seal)


def settled():
    """Wait until all that is committed could be sealed, and seal none of it."""

    def is_past_the_horizon():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(xid), 0)"
                " < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
                " FROM activity_activityevent"
                " WHERE cluster = (SELECT system_identifier FROM pg_control_system())"
            )
            return cursor.fetchone() == (True,)

    until(is_past_the_horizon)


def settle():
    """Seal every event: as one segment, unless there are more than it holds."""
    settled()
    seal()
    until(lambda: sealed() >= ActivityEvent.objects.count(), seal)
    assert sealed() == ActivityEvent.objects.count()
