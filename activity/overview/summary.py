"""The overview of a period as a PDF: what the page says, for a folder or for who has no account.

It is a source of files like events and reports, called ``summary``, whose one format is ``pdf``.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from activity.models import Segment
from activity.overview.attention import Health, Notice
from activity.overview.choosing import MOST_DAYS, USUAL, in_words, period_of
from activity.overview.dashboard import Dashboard, dashboard
from activity.periods import Period, last_days, zone
from tenants.context import current_tenant
from tenants.errors import InvalidInput

NAME: Final = "summary"
TITLE: Final = "the summary of the overview"
MEDIA_TYPES: Final = {"pdf": "application/pdf"}

_REPLACED: Final = (
    "Characters that the font of this file has not are written as their codes, such as \\u674e."
)


def checked(filters: Mapping[str, str]) -> dict[str, str]:
    """Return the days of a summary in their final words: without any, the last seven.

    Raises ``InvalidInput`` for what is no period, for one of more than a year, and for any other
    filter.
    """
    for name in filters:
        if name not in ("since", "until"):
            raise InvalidInput(f"the summary has no filter {name[:40]!r}.", "Use since and until.")
    since, until = filters.get("since", ""), filters.get("until", "")
    asked = bool(since or until)
    period = period_of(since, until, MOST_DAYS) if asked else last_days(int(USUAL))
    return filters_of(period)


def filters_of(period: Period) -> dict[str, str]:
    """Return a period as the days of a summary."""
    return {"since": str(period.since), "until": str(period.until)}


def pieces(filters: Mapping[str, str], form: str) -> Iterator[bytes]:
    """Yield the file, in the place and the transaction that one is in.

    Raises ``InvalidInput`` for days that are none.
    """
    days = checked(filters)
    period = period_of(days["since"], days["until"], MOST_DAYS)
    yield printed(dashboard(period), made_at=timezone.now())


def printed(shown: Dashboard, *, made_at: datetime) -> bytes:
    """Return a dashboard as a PDF. Equal ones that are made at the same moment are equal bytes."""
    from activity.overview.printing import SOFT, Sheets

    tenant = current_tenant()
    name = tenant.name if tenant else "Tenantry"
    period = in_words(shown.period)
    paper = Sheets(
        f"{name}: summary of {period}",
        f"{name[:60]} · summary of {period}",
        made_at.astimezone(zone()),
    )
    paper.text(name, 18, bold=True, gap=1)
    paper.text(f"Summary of {period}", 13, gap=1)
    counted = (
        f"Figures as counted on {_moment(shown.as_of)}."
        if shown.as_of
        else ("Figures are not counted yet.")
    )
    paper.text(
        f"Compared with {in_words(shown.before)}. {counted} Made on {_moment(made_at)}."
        f" Days and times are those of {zone().key}.",
        8,
        color=SOFT,
    )
    _wrong(paper, shown)
    _who(paper, shown)
    _changes(paper, shown)
    _days(paper, shown)
    if paper.has_replaced:
        paper.text(_REPLACED, 7, color=SOFT)
    return paper.finished()


def _wrong(paper: Any, shown: Dashboard) -> None:
    from activity.overview.printing import BAD, GOOD, SOFT

    paper.heading("Is anything wrong?")
    for notice in shown.wrong:
        paper.text(_said(notice), bold=True, color=BAD, gap=0.5)
    if not shown.wrong:
        paper.text("Nothing is wrong.", bold=True, color=GOOD, gap=0.5)
    for notice in shown.worth_a_look:
        paper.text(f"Worth a look: {_said(notice)}", gap=0.5)
    paper.text(_trust(shown.health), 8, color=SOFT)
    paper.text(_checkpoint(), 8, color=SOFT)


def _said(notice: Notice) -> str:
    return f"{notice.sentence} {notice.advice}"


def _trust(health: Health) -> str:
    if health.checked_at is None:
        return "Record not verified yet."
    at = _moment(health.checked_at)
    if health.is_broken:
        return f"Record intact only up to event {health.events:,}, verified on {at}."
    if health.problem:
        return f"Record could not be verified, tried on {at}."
    return f"Record intact up to event {health.events:,}, verified on {at}."


def _checkpoint() -> str:
    last = Segment.objects.order_by("-number").first()
    if last is None:
        return "No checkpoint of the record yet."
    root = last.note.split("\n")[2]
    return f"Newest checkpoint: {last.size:,} events, root hash {root}."


def _who(paper: Any, shown: Dashboard) -> None:
    paper.heading("Who is active")
    paper.boxes(
        [
            (figure.title, f"{figure.value:,}", figure.change, figure.is_warning)
            for figure in shown.figures
        ]
    )
    paper.charts(shown.charts)


def _changes(paper: Any, shown: Dashboard) -> None:
    from activity.overview.printing import SOFT

    paper.heading("What changed")
    for change in shown.changes:
        paper.text(f"{_moment(change.at)}  {change.sentence}", 8, gap=0.7)
    if not shown.changes:
        paper.text("Nobody changed people or roles in this period.", color=SOFT)


def _days(paper: Any, shown: Dashboard) -> None:
    """Print the numbers of the charts: behind each is a table."""
    if not shown.charts:
        return
    paper.heading("Day by day")
    head = ["Day", *(chart.unit.capitalize() for chart in shown.charts)]
    paper.table(head, [[day, *(f"{value:,}" for value in values)] for day, values in shown.days])


def _moment(at: datetime) -> str:
    return at.astimezone(zone()).strftime("%Y-%m-%d %H:%M:%S")
