"""Links to the form of a new schedule, filled with what somebody looks at now."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.urls import reverse
from django.utils.http import urlencode

from activity.jobs.sources import title_of
from activity.models.schedules import LONGEST_NAME
from activity.periods import period_between
from activity.schedules.spans import span_like
from tenants.errors import InvalidInput

FILLED: Final = (
    *("name", "source", "search", "columns", "parameters"),
    *("form", "compression", "span", "days"),
)
"""Fields of the form that a link may fill in."""


def link_to(
    source: str,
    filters: Mapping[str, str],
    form: str = "",
    compression: str = "",
    columns: Sequence[str] = (),
) -> str:
    """Return a link to the form for a schedule of the same, of days like those.

    ``filters`` are as of an export: ``q``, ``since``, ``until``, and the parameters of a report.
    """
    asked = {name: value for name, value in filters.items() if value}
    since, until = asked.pop("since", ""), asked.pop("until", "")
    title = title_of(source)
    values = {
        "name": (title[:1].upper() + title[1:])[:LONGEST_NAME],
        "source": source,
        "search": asked.pop("q", ""),
        "parameters": ", ".join(f"{name}={value}" for name, value in asked.items()),
        "form": form,
        "compression": compression,
        "columns": ", ".join(columns),
        **_days(since, until),
    }
    filled = {name: value for name, value in values.items() if value}
    return f"{reverse('schedule-new')}?{urlencode(filled)}"


def _days(since: str, until: str) -> dict[str, str]:
    """Return what the form has for days that are as many as those, and lie like them."""
    if not (since and until):
        return {}
    try:
        span = span_like(period_between(since, until)).text
    except InvalidInput:
        return {}
    days = span.removeprefix("last-")
    return {"span": "last", "days": days} if days != span else {"span": span}
