"""How the figures of a record do: how far they are, and whether a recount agrees."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.utils import timezone

from activity import rounds
from activity.models import Segment
from activity.rollups import comparing, cursors
from tenants.context import enter_platform
from tenants.models import RecordHead, RecordRollup

logger = structlog.get_logger("tenantry.rollups")

EVERY: Final = timedelta(hours=20)
"""Figures that were compared so lately are left alone."""
_ROUND_SECONDS: Final = 240.0
"""After so long a round begins no other record."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the figures of the place one is in do."""

    folded_at: datetime | None
    folded: int
    """How many events are counted."""
    sealed: int
    """How many there are to count."""
    zone: str
    """Whose days are counted."""
    is_rebuilding: bool
    compared_at: datetime | None
    difference: str
    """The first figure that is not what a recount said; empty when all are."""

    @property
    def behind(self) -> int:
        """How many sealed events are not counted yet."""
        return self.sealed - self.folded


@dataclass(frozen=True, slots=True)
class Fleet:
    """How the figures of all records do."""

    behind: int
    """Records that have sealed events which are not counted."""
    rebuilding: int
    differing: int
    """Records whose figures were not what a recount said."""
    oldest: datetime | None
    """When the comparison was that is longest ago."""


def of_place() -> Health:
    """Return how the figures of the place one is in do."""
    cursor = cursors.served()
    newest = Segment.objects.order_by("-number").first()
    return Health(
        folded_at=cursor.folded_at if cursor else None,
        folded=cursor.size if cursor else 0,
        sealed=newest.size if newest else 0,
        zone=cursor.zone if cursor else "",
        is_rebuilding=cursors.growing() is not None,
        compared_at=cursor.compared_at if cursor else None,
        difference=cursor.difference if cursor else "",
    )


def of_fleet() -> Fleet:
    """Return how the figures of all records do, from the platform's own tables."""
    with enter_platform():
        told = {one.record: one for one in RecordRollup.objects.all()}
        sizes = dict(RecordHead.objects.values_list("record", "size"))
        wanted = set(rounds.every_record())
    ours = [one for record, one in told.items() if record in wanted]
    compared = [one.compared_at for one in ours if one.compared_at]
    return Fleet(
        behind=sum(
            size > (told[record].size if record in told else 0)
            for record, size in sizes.items()
            if record in wanted
        ),
        rebuilding=sum(one.is_rebuilding for one in ours),
        differing=sum(bool(one.difference) for one in ours),
        oldest=min(compared, default=None),
    )


def compare_due() -> int:
    """Compare the records that wait longest, for some minutes; returns how many that were."""
    return rounds.go_round(
        due(),
        comparing.compare,
        seconds=_ROUND_SECONDS,
        busy=comparing.Busy,
        failed=_tell_failure,
    )


def due() -> list[str]:
    """Return the records to compare, the one that waits longest first."""
    now = timezone.now()
    with enter_platform():
        known = dict(RecordRollup.objects.values_list("record", "compared_at"))
        records = rounds.every_record()
    # Those that were never counted have nothing to compare; the sweep finds them.
    waiting = {record: known[record] for record in records if record in known}
    late = [record for record, at in waiting.items() if at is None or not now - EVERY < at <= now]
    return sorted(late, key=lambda record: (waiting[record] is not None, waiting[record] or now))


def _tell_failure(record: str, error: Exception) -> None:
    logger.error("figures could not be compared", record=record, exc_info=error)
