"""The panel's first page: is anything wrong, who is active, what changed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from activity import reports
from activity.events import sentence
from activity.models import ActivityEvent
from activity.periods import Period, last_days
from activity.reports import ADMIN_ACTIONS, Report
from activity.sealing import checking
from tenants.context import current_scope

SPANS: Final = {"1": "Today", "7": "7 days", "30": "30 days", "90": "90 days"}
DEFAULT_SPAN: Final = "7"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number, the same of the period before, and where its rows are."""

    title: str
    value: int
    before: int
    link: str
    is_warning: bool = False

    @property
    def change(self) -> str:
        """How it compares, as words."""
        if self.value == self.before:
            return "as before"
        return f"{self.value - self.before:+d} on the period before"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One day of a chart: its value, and its share of the highest, in percent."""

    label: str
    value: int
    percent: float


def contribute(request: HttpRequest) -> dict[str, Any]:
    """Return the overview's context; nothing for those who may not read the record."""
    if not request.user.has_perm("activity.view_activityevent"):  # type: ignore[union-attr]
        return {"overview": None}
    span = request.GET.get("days", DEFAULT_SPAN)
    period = last_days(int(span if span in SPANS else DEFAULT_SPAN))
    return {
        "overview": overview(period, span if span in SPANS else DEFAULT_SPAN),
        "check": checking.state(current_scope()),
        "overdue": timezone.now() - checking.OVERDUE,
    }


def overview(period: Period, span: str) -> dict[str, Any]:
    """Return the figures, the chart and the last changes of a period."""
    length = len(period.days)
    both = Period(period.since - timedelta(length), period.until)
    shown = ("sign-ins", "failed-sign-ins", "admin-changes", "active-users")
    sign_ins, failures, changes, people = reports.build_all(shown, both)
    return {
        "span": span,
        "spans": SPANS,
        "period": period,
        "as_of": sign_ins.as_of,
        "figures": [
            _figure("Sign-ins", sign_ins, "sign_ins", period, "session.started"),
            _figure("Failed sign-ins", failures, "failed_sign_ins", period, "session.failed"),
            _figure("Changes to people and roles", changes, "changes", period, *ADMIN_ACTIONS),
        ],
        "people": bars(people, period),
        "sign_ins": bars(sign_ins, period),
        "changes": [
            {"event": event, "sentence": sentence(event)}
            for event in ActivityEvent.objects.filter(action__in=ADMIN_ACTIONS)[:10]
        ],
    }


def _figure(title: str, report: Report, column: str, period: Period, *actions: str) -> Figure:
    """Return a column's sum, linked to the very events that it counts."""
    position = report.columns.index(column)
    now = sum(row[position] for row in report.rows if row[0] >= period.since)
    search = (
        f"action:{','.join(actions)} since:{period.start.isoformat(timespec='minutes')}"
        f" until:{period.end.isoformat(timespec='minutes')}"
    )
    link = reverse("admin:activity_activityevent_changelist")
    before = report.total(column) - now
    return Figure(
        title=title,
        value=now,
        before=before,
        link=f"{link}?{urlencode({'q': search})}",
        is_warning=title.startswith("Failed") and now > max(before, 4),
    )


def bars(report: Report, period: Period) -> list[Bar]:
    """Return a daily report's rows of a period as bars."""
    rows = [(row[0], row[1]) for row in report.rows if row[0] >= period.since]
    highest = max((value for _, value in rows), default=0) or 1
    return [
        Bar(label=f"{day:%d %b}", value=value, percent=round(100 * value / highest, 1))
        for day, value in rows
    ]
