"""The list of events in the panel: the search, the panel's filters, and where a page begins."""

import uuid
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.views import ChangeList

from activity.actions import FAMILIES, names
from activity.context import Channel
from activity.models import Outcome
from activity.periods import parse_day
from activity.reading.events import first_id_at, narrow
from activity.reading.paging import SIZE, Cursor, page
from activity.reading.query import InvalidQuery, Query, Term, parse
from tenants.errors import InvalidInput

PLACES: Final = ("before", "after", "date")
"""The parameters that say where a page begins. Another filter begins with the newest again."""


class EventList(ChangeList):  # type: ignore[misc]
    """The list, in pages by key: it knows what is older and newer, and not how many there are."""

    search_error: InvalidInput | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Return every event of the search and the filters, or none for a search with an error."""
        for place in PLACES:
            self.params.pop(place, None)
            self.filter_params.pop(place, None)
        try:
            self.search = parse(self.query)
            self.cursor = _cursor(request)
        except InvalidInput as error:
            self.search_error, self.search, self.cursor = error, Query(), Cursor()
        found = super().get_queryset(request, exclude_parameters)
        return found.none() if self.search_error else narrow(found, self.search)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Newest first, always: that is the order in which pages are found."""
        return ["-id"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and count nothing."""
        chosen, narrowed = _chosen(self.filter_params)
        whole = Query((*self.search.terms, *chosen))
        self.page = page(self.queryset, whole, self.cursor, narrowed=narrowed)
        self.result_list = self.page.events
        self.result_count = len(self.page.events)
        self.full_result_count = None
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

    @property
    def newest_link(self) -> str:
        """The first page of the same search."""
        return str(self.get_query_string())

    @property
    def older_link(self) -> str:
        """The next page, or nothing."""
        return self.get_query_string({"before": self.page.older}) if self.page.older else ""

    @property
    def newer_link(self) -> str:
        """The page before, or nothing."""
        return self.get_query_string({"after": self.page.newer}) if self.page.newer else ""

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What a form sends along to ask the same of another day."""
        return [(name, value) for name, values in self.filter_params.items() for value in values]

    @property
    def stopped_at(self) -> datetime | None:
        """How far a page has looked that stopped before it was full."""
        stop = self.page.stopped_at
        moment = (stop.int >> 80) / 1_000 if stop else None
        return None if moment is None else datetime.fromtimestamp(moment, UTC)


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


def _chosen(parameters: dict[str, list[str]]) -> tuple[list[Term], bool]:
    """Return the panel's filters as terms, and whether there are others beside them."""
    terms: list[Term] = []
    others = False
    for name, values in parameters.items():
        if name == "q":
            continue
        value = values[-1]
        match name.removesuffix("__exact"):
            case "family" if value in FAMILIES:
                terms.append(Term("family", names(value)))
            case "action":
                terms.append(Term("action", [value]))
            case "outcome" if value in Outcome.values:
                terms.append(Term("outcome", value))
            case "channel" if value in [*Channel]:
                terms.append(Term("channel", value))
            case "actor_id" | "target_id":
                terms.append(Term(name, value))
            case _:
                others = True
    return terms, others
