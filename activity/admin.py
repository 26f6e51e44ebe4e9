"""The record in the panel: a list to filter and search, and a page for each event. Read-only."""

import json
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from activity import downloads, viewing
from activity.events import COLUMNS, sentence
from activity.exporters import offered
from activity.models import ActivityEvent
from activity.reading.events import of_request
from activity.reading.filters import SENT, written
from activity.reading.lists import PLACES, EventList
from activity.reading.paging import SIZE
from activity.reading.query import FILTERS, about, by
from activity.reading.saved import visible_to
from activity.reading.saved_pages import SavedSearchPages, with_link
from tenants.errors import InvalidInput
from tenants.sites import SoundList, platform_site, tenant_site

_CHOOSE_AGAIN: Final = "Open the list again and choose its filters there."


class ActivityEventAdmin(SavedSearchPages, SoundList, ModelAdmin):  # type: ignore[misc]
    """What happened, newest first."""

    list_display = ("when", "what", "ip", "channel", "outcome_label")
    list_display_links = ("what",)
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = SIZE
    show_full_result_count = False
    actions = None
    fieldsets = (
        (None, {"fields": ("when", "before_and_after", "more", "reason", "more_of")}),
        ("What", {"fields": ("action", "outcome", "severity", "target_label")}),
        ("Who", {"fields": ("actor_label", "actor_kind", "on_behalf_of_label")}),
        ("From where", {"fields": ("ip", "user_agent", "channel", "session_ref")}),
        ("As it is stored", {"fields": ("id", "raw")}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The list that is found by key."""
        return EventList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show an event under the sentence that it is."""
        event = self.get_object(request, object_id)
        title = {"title": sentence(event)} if event else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**title, **(extra_context or {})}
        )
        if event:
            viewing.event_viewed(event)
        return response

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds to the record by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes the record."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody removes from the record."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything is."""
        return [name for _, options in self.fieldsets for name in options["fields"]]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Show the list, or the same list as a file when ``?export=csv`` is added."""
        if any("\0" in value for _, values in request.GET.lists() for value in values):
            raise InvalidInput("a filter holds a NUL character.", _CHOOSE_AGAIN)
        if SENT in request.GET:
            search = written(request.GET)
            asked = f"?{urlencode({'q': search})}" if search else ""
            return redirect(f"{request.path}{asked}")
        form = request.GET.get("export")
        if form is not None:
            return self._export(request, form)
        reads = self.has_view_permission(request)
        context = {
            "background": self._in_background(request, "csv"),
            "exports": [(name, self._with(request, name)) for name in offered()],
            "searches": [with_link(one) for one in visible_to(request.user)] if reads else [],
            "terms": FILTERS.items(),
        }
        response: HttpResponse = super().changelist_view(
            request, {**context, **(extra_context or {})}
        )
        return viewing.list_viewed(request, response)

    @staticmethod
    def _with(request: HttpRequest, form: str) -> str:
        query = request.GET.copy()
        query["export"] = form
        return f"?{query.urlencode()}"

    @staticmethod
    def _in_background(request: HttpRequest, form: str, **more: Any) -> str:
        asked = {"q": request.GET.get("q", ""), "format": form, **more}
        given = urlencode({name: value for name, value in asked.items() if value}, doseq=True)
        return f"{reverse('export-new')}?{given}"

    def _export(self, request: HttpRequest, form: str) -> HttpResponseBase:
        if not self.has_view_permission(request):
            return self.changelist_denied(request)
        if form == "bundle":
            return downloads.bundle()
        query = request.GET.copy()
        compress, columns = query.get("compress", ""), query.get("columns", "")
        # A file has the whole list, wherever the page began from which it was asked for.
        for name in ("export", "compress", "columns", "now", *PLACES):
            query.pop(name, None)
        at_once = "now" in request.GET or form not in offered()
        request.GET = query  # type: ignore[assignment]
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            raise InvalidInput("a filter of this list means nothing.", _CHOOSE_AGAIN) from None
        if shown.search_error:
            raise shown.search_error
        listed: QuerySet[ActivityEvent] = shown.queryset
        chosen = [name for name in columns.split(",") if name]
        if not at_once and downloads.is_large(listed):
            more = {"compress": compress, "columns": chosen, "large": "1"}
            return redirect(self._in_background(request, form, **more))
        return downloads.events(listed, form, {"q": shown.query}, compress=compress, columns=chosen)

    def changelist_denied(self, request: HttpRequest) -> HttpResponse:
        """Refuse, as the admin does."""
        from django.core.exceptions import PermissionDenied

        raise PermissionDenied

    @display(description="When")
    def when(self, event: ActivityEvent) -> Any:
        """The reader's time, with UTC to hover over."""
        from django.utils.timezone import localtime

        local = localtime(event.occurred_at)
        return format_html(
            '<time class="whitespace-nowrap" datetime="{0}" title="{0}">{1}</time>',
            event.occurred_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            local.strftime("%Y-%m-%d %H:%M:%S"),
        )

    @display(description="What")
    def what(self, event: ActivityEvent) -> str:
        """The event as a sentence."""
        return sentence(event)

    @display(
        description="Outcome",
        label={"success": "success", "failure": "warning", "denied": "danger"},
    )
    def outcome_label(self, event: ActivityEvent) -> str:
        """One word with a colour."""
        return event.outcome

    @display(description="Before and after")
    def before_and_after(self, event: ActivityEvent) -> Any:
        """What changed, field by field."""
        if not event.changes:
            return "Nothing changed."
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td class="t-before">{}</td>'
            '<td class="t-after">{}</td></tr>',
            (
                (field.replace("_", " "), _shown(old), _shown(new))
                for field, (old, new) in event.changes.items()
            ),
        )
        return format_html(
            '<table class="record-changes"><thead><tr><th scope="col">Field</th>'
            '<th scope="col">Before</th><th scope="col">After</th></tr></thead>'
            "<tbody>{}</tbody></table>",
            rows,
        )

    @display(description="More")
    def more(self, event: ActivityEvent) -> str:
        """Whatever else belongs to this kind of event."""
        return ", ".join(f"{name}: {_shown(value)}" for name, value in event.details.items()) or "–"

    @display(description="As JSON")
    def raw(self, event: ActivityEvent) -> Any:
        """Every column that leaves the house, to be copied."""
        columns = {name: getattr(event, name) for name in COLUMNS}
        return format_html(
            '<details class="t-raw"><summary>Show it all</summary><pre tabindex="0">{}</pre>'
            "</details>",
            json.dumps(columns, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2),
        )

    @display(description="More of the record")
    def more_of(self, event: ActivityEvent) -> Any:
        """Links to everything that this actor did, and that was done to this object."""
        asked = [("everything in this request", of_request(event))]
        if event.actor_id:
            asked.append(("everything this actor did", by(event.actor_kind, event.actor_id)))
        if event.target_id:
            asked.append(
                ("everything about this object", about(event.target_type, event.target_id))
            )
        links = [(title, urlencode({"q": search})) for title, search in asked]
        return (
            format_html_join(" · ", '<a class="underline" href="../../?{1}">{0}</a>', links) or "–"
        )


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


for site in (tenant_site, platform_site):
    site.register(ActivityEvent, ActivityEventAdmin)
