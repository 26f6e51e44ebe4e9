"""Days, weeks and months, as rows of reports are of them."""

from datetime import date, timedelta
from typing import Final

from activity.periods import Period
from activity.reports import parameters

BY: Final = parameters.choice(
    "by", "By", "Which span of time a row is of; weeks begin on Mondays.", ("day", "week", "month")
)


def beginning(day: date, span: str) -> date:
    """Return the first day of the span, ``day``, ``week`` or ``month``, that a day is in."""
    if span == "week":
        return day - timedelta(day.weekday())
    return day.replace(day=1) if span == "month" else day


def spans(period: Period, span: str) -> list[date]:
    """Return the first day of every span that a period touches, oldest first."""
    return list(dict.fromkeys(beginning(day, span) for day in period.days))
