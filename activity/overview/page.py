"""The panel's first page."""

from typing import Any

from django.http import HttpRequest

from activity.overview.choosing import MOST_DAYS, SPANS, USUAL, choose, in_words
from activity.overview.dashboard import dashboard


def contribute(request: HttpRequest) -> dict[str, Any]:
    """Return the overview's context; nothing for those who may not read the record."""
    if not request.user.has_perm("activity.view_activityevent"):  # type: ignore[union-attr]
        return {"overview": None}
    chosen = choose(request.GET, USUAL, MOST_DAYS)
    shown = dashboard(chosen.period)
    return {
        "overview": shown,
        "chosen": chosen,
        "status": 400 if chosen.error else 200,
        "spans": SPANS,
        "period_in_words": in_words(chosen.period),
        "before_in_words": in_words(shown.before),
    }
