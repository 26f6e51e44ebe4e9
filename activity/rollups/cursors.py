"""The cursors: which figures are served, up to where they are counted, and who is counting."""

from typing import Final

from django.db import connection
from django.db.models import Max

from activity import periods
from activity.models import RollupCursor, Segment
from activity.models.rollups import FIRST_BUILD
from activity.rollups.counting import RULES
from tenants.context import current_scope

SERVED: Final = "coalesce((SELECT build FROM activity_rollupcursor WHERE is_served), 1)"
"""SQL for the build that reports read. In their own statement, so that they read all of one."""

_TOLD: Final = """
INSERT INTO public.tenants_recordrollup AS told
    (record, number, size, zone, rules, is_rebuilding, folded_at, compared_at, difference)
SELECT %s, number, size, zone, rules, (SELECT count(*) > 1 FROM activity_rollupcursor), folded_at,
       compared_at, difference
FROM activity_rollupcursor WHERE is_served
ON CONFLICT (record) DO UPDATE SET
    number = EXCLUDED.number, size = EXCLUDED.size, zone = EXCLUDED.zone,
    rules = EXCLUDED.rules, is_rebuilding = EXCLUDED.is_rebuilding, folded_at = EXCLUDED.folded_at,
    compared_at = EXCLUDED.compared_at, difference = EXCLUDED.difference
"""


def served() -> RollupCursor | None:
    """Return the cursor of the figures that reports read; ``None`` before the first fold."""
    return RollupCursor.objects.filter(is_served=True).first()


def knows(rules: int) -> bool:
    """Tell whether the figures that reports read were counted by these rules, or newer ones."""
    return RollupCursor.objects.filter(is_served=True, rules__gte=rules).exists()


def growing() -> RollupCursor | None:
    """Return the cursor of figures that are being counted anew, if any are."""
    return RollupCursor.objects.filter(is_served=False).first()


def lock(*, wait: bool = True) -> list[RollupCursor]:
    """Return the cursors, the served one first, for as long as the transaction lasts.

    Makes the first one. Whoever counts, cuts or erases holds them; two at once take turns. Without
    ``wait`` the list is empty while somebody else has them.
    """
    if not RollupCursor.objects.exists():
        RollupCursor.objects.bulk_create(
            [RollupCursor(build=FIRST_BUILD, zone=periods.zone().key, rules=RULES)],
            ignore_conflicts=True,
        )
    cursors = RollupCursor.objects.select_for_update(skip_locked=not wait).order_by("build")
    found = sorted(cursors, key=lambda cursor: not cursor.is_served)
    return found if found and found[0].is_served else []


def newest_segment() -> int:
    """Return the number of the newest segment, 0 when nothing is sealed."""
    return Segment.objects.aggregate(newest=Max("number"))["newest"] or 0


def tell() -> None:
    """Tell the platform how far the place one is in is, in the transaction that has counted."""
    with connection.cursor() as cursor:
        cursor.execute(_TOLD, [current_scope()])
