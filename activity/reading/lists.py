"""The list of events in the panel: what is searched for, and where a page begins."""

import uuid
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import IGNORED_PARAMS
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.http import urlencode
from unfold.views import ChangeList

from activity.periods import parse_day
from activity.reading.events import first_id_at, narrow
from activity.reading.filters import Chip, FilterForm, chips
from activity.reading.paging import SIZE, Cursor, page
from activity.reading.query import InvalidQuery, Query, parse
from tenants.errors import InvalidInput

PLACES: Final = ("before", "after", "date")
"""The parameters that say where a page begins. Another search begins with the newest again."""


class EventList(ChangeList):  # type: ignore[misc]
    """The list, in pages by key: it knows what is older and newer, and not how many there are."""

    search_error: InvalidInput | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Return every event of the search, or none for a search with an error.

        The search is all that there is to ask: the panel's own filters are written into it.
        """
        if not set(self.filter_params) <= {*IGNORED_PARAMS, *PLACES}:
            raise IncorrectLookupParameters
        for place in PLACES:
            self.params.pop(place, None)
        self.filter_specs: list[Any] = []
        try:
            self.search = parse(self.query)
            self.cursor = _cursor(request)
        except InvalidInput as error:
            self.search_error, self.search, self.cursor = error, Query(), Cursor()
            return self.root_queryset.none()
        return narrow(self.root_queryset, self.search).order_by("-id")

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Newest first, always: that is the order in which pages are found."""
        return ["-id"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and count nothing."""
        self.page = page(self.queryset, self.search, self.cursor)
        self.result_list = self.page.events
        # Equal, so that the theme does not show the number of a page's events as that of all.
        self.result_count = self.full_result_count = len(self.page.events)
        self.show_full_result_count = False
        self.show_admin_actions = self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.page.events, SIZE)

    @property
    def pointed(self) -> str:
        """The search with a caret under what is wrong in it, if that is where it is."""
        return self.search_error.pointed if isinstance(self.search_error, InvalidQuery) else ""

    @property
    def problem(self) -> str:
        """What is wrong, and what to do about it, in one line."""
        error = self.search_error
        said = error.problem if isinstance(error, InvalidQuery) else error.message if error else ""
        return f"{said} {error.hint}" if error else ""

    @cached_property
    def filter_form(self) -> FilterForm:
        """The filters, filled in with what the search says."""
        return FilterForm.of(self.search)

    @property
    def chips(self) -> list[Chip]:
        """What is searched for, term by term, each with the list without it."""
        return chips(self.search)

    @property
    def newest_link(self) -> str:
        """The first page of the same search."""
        return f"?{urlencode({'q': self.query})}" if self.query else "?"

    @property
    def older_link(self) -> str:
        """The next page, or nothing."""
        return str(self.get_query_string({"before": self.page.older})) if self.page.older else ""

    @property
    def newer_link(self) -> str:
        """The page before, or nothing."""
        return str(self.get_query_string({"after": self.page.newer})) if self.page.newer else ""

    @property
    def stopped_at(self) -> datetime | None:
        """How far a page has looked that stopped before it was full."""
        stop = self.page.stopped_at
        moment = (stop.int >> 80) / 1_000 if stop else None
        return None if moment is None else datetime.fromtimestamp(moment, UTC)

    @property
    def is_first_page(self) -> bool:
        """Tell whether this is where the list begins, and not a page further on."""
        return self.cursor == Cursor()


def _cursor(request: HttpRequest) -> Cursor:
    """Return where the page begins; raises ``InvalidInput`` for a day that is none."""
    try:
        before, after = (
            uuid.UUID(request.GET[name]) if request.GET.get(name) else None
            for name in ("before", "after")
        )
    except ValueError:
        raise IncorrectLookupParameters from None
    day = parse_day(request.GET.get("date", ""), "the date")
    if day is not None and before is None and after is None:
        midnight = datetime.combine(day + timedelta(1), time.min)
        before = first_id_at(midnight.replace(tzinfo=timezone.get_current_timezone()))
    return Cursor(before=None if after else before, after=after)
