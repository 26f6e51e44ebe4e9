"""Where a verification begins that does not begin at the beginning."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Max, Sum

from activity.models import Segment
from tenants.errors import InvalidInput

Since = int | date
"""The number of an event, from 0, or a day in UTC."""


@dataclass(frozen=True)
class Start:
    """What lies before the first segment that is looked at."""

    last: Segment | None = None
    segments: int = 0
    size: int = 0
    cut: int = 0
    positions: dict[int, tuple[int, Any]] = field(default_factory=dict)
    """Of each database cluster: the last event that was sealed."""

    @property
    def note(self) -> str:
        """The checkpoint that the first one follows."""
        return self.last.note if self.last else ""


def parsed(text: str) -> Since:
    """Return what ``--since`` says. Raises ``InvalidInput``."""
    if re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--since cannot be {text[:60]!r}.",
            "Give a day such as 2026-11-01, or the number of an event, from 0.",
        ) from None
    if day > datetime.now(UTC).date():
        raise InvalidInput(f"--since {day} is in the future.", "Give a day in UTC that has begun.")
    return day


def found(since: Since | None) -> Start:
    """Return where to begin: before the segment that holds an event, or a day's first ones.

    An event is sealed after it happened, so those of a day are not in segments sealed before it. A
    day on which nothing was sealed any more begins at the end. Raises ``InvalidInput`` for the
    number of an event that is not sealed.
    """
    segments = Segment.objects.order_by("number")
    if not since:
        return Start()
    if isinstance(since, int):
        first = segments.filter(first__lte=since).last()
        if first is None or since >= first.size:
            raise _past(since)
    else:
        first = segments.filter(sealed_at__gte=datetime.combine(since, time.min, UTC)).first()
    before = segments.filter(number__lt=first.number) if first else segments
    last = before.last()
    if last is None:
        return Start()
    return Start(
        last=last,
        segments=last.number,
        size=last.size,
        cut=before.aggregate(cut=Sum("cut"))["cut"],
        positions=_positions(before),
    )


def _positions(segments: Any) -> dict[int, tuple[int, Any]]:
    newest = segments.order_by().values("cluster").annotate(newest=Max("number"))
    chosen = Segment.objects.filter(number__in=[one["newest"] for one in newest])
    return {one.cluster: (one.xid, one.event_id) for one in chosen}


def _past(number: int) -> InvalidInput:
    last = Segment.objects.order_by("-number").first()
    return InvalidInput(
        f"--since {number} is past what is sealed: {last.size if last else 0} events.",
        "Begin earlier, or leave it out.",
    )
