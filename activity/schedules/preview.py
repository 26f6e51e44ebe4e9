"""What a schedule would do, shown before it is kept: when it runs, and what its file would hold.

Rows of the record are shown to nobody who may not read them, and that they were is recorded.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.utils.timezone import localtime

from activity import viewing
from activity.events import between
from activity.exporters import safe_cell
from activity.exporting.statements import columns_called
from activity.jobs.sources import checked, source_called
from activity.periods import Period, zone_name
from activity.reading.events import narrow
from activity.reading.query import parse
from activity.reports import REPORTS, build
from activity.schedules import wishes
from activity.schedules.cron import cron_called, upcoming
from activity.schedules.planning import zone_called
from activity.schedules.wishes import EVENTS, Wish

RUNS: Final = 5
ROWS: Final = 5
MOST_COUNTED: Final = 100_000
"""Events that are counted; past it a preview says that there are more."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The next runs as the clocks of the place show them, and a file as a run would make it now.

    ``rows`` is up to ``MOST_COUNTED``, and ``None`` for what has no rows, such as a document;
    ``has_more`` says that there are more than that. ``has_period`` is false of what is of the
    moment of a run.
    """

    words: str
    zone: str
    runs: tuple[datetime, ...]
    period: Period
    has_period: bool
    columns: tuple[str, ...]
    first: tuple[tuple[Any, ...], ...]
    rows: int | None
    has_more: bool

    @property
    def document(self) -> dict[str, Any]:
        """The preview as JSON documents have it."""
        return {
            "runs": [localtime(run, run.tzinfo) for run in self.runs],
            "time_zone": self.zone,
            "since": self.period.since,
            "until": self.period.until,
            "columns": self.columns,
            "rows": self.rows,
            "has_more": self.has_more,
            "first": [dict(zip(self.columns, row, strict=True)) for row in self.first],
        }


def preview(wish: Wish, person: Any, *, now: datetime | None = None) -> Preview:
    """Return what a wish would come to, and record that ``person`` looked at that.

    ``None`` is an operator at a command, whose looks are not recorded. Raises ``PermissionDenied``
    for whom may not read what it is of, ``InvalidInput`` for a wish that cannot be kept.
    """
    if person is not None and not person.has_perm(wishes.permission_for(wish.source)):
        raise PermissionDenied
    wishes.sound(wish)
    now = now or timezone.now()
    zone = zone_called(zone_name())
    cron = cron_called(wish.cron)
    period = wishes.period_of(wish, now.astimezone(zone).date())
    made = _events if wish.source == EVENTS else _report if wish.source in REPORTS else _other
    # The days that a search names are the organisation's, whoever previews it.
    with timezone.override(zone):
        columns, first, rows = made(wish, period, person is not None)
    return Preview(
        words=cron.words,
        zone=zone.key,
        runs=tuple(upcoming(cron.text, now, zone, RUNS)),
        period=period,
        has_period=wishes.has_period(wish.source),
        columns=columns,
        first=first,
        rows=None if rows is None else min(rows, MOST_COUNTED),
        has_more=rows is not None and rows > MOST_COUNTED,
    )


Rows = tuple[tuple[str, ...], tuple[tuple[Any, ...], ...], int | None]


def _report(wish: Wish, period: Period, is_view: bool) -> Rows:
    report = build(wish.source, period, wish.parameters)
    if is_view:
        viewing.report_viewed(report)
    return tuple(report.columns), tuple(report.rows[:ROWS]), len(report.rows)


def _other(wish: Wish, period: Period, _: bool) -> Rows:
    """A bundle or a document: how much is in it, as far as that is known before. None is shown."""
    asked = checked(wishes.asked_for(wish, period))
    return (), (), source_called(wish.source).expect(asked).rows


def _events(wish: Wish, period: Period, is_view: bool) -> Rows:
    """Oldest first, as in the file."""
    columns = columns_called(wish.columns)
    events = narrow(between(period), parse(wish.search))
    first = tuple(
        tuple(safe_cell(cell) for cell in row) for row in events.values_list(*columns)[:ROWS]
    )
    count = events[: MOST_COUNTED + 1].count()
    if is_view:
        viewing.events_viewed(wish.search, period)
    return columns, first, count
