"""The record in the panel: a list to filter and search, and a page for each event. Read-only."""

from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from activity import downloads
from activity.actions import FAMILIES, names
from activity.events import sentence
from activity.exporters import FORMATS
from activity.models import ActivityEvent, Outcome
from activity.reading.lists import PLACES, EventList
from activity.reading.paging import SIZE
from activity.reading.query import about
from tenants.errors import InvalidInput
from tenants.sites import SoundList, platform_site, tenant_site

_CHOOSE_AGAIN: Final = "Open the list again and choose its filters there."


class SilentLog:
    """An admin whose changes are in the record, and therefore not also in Django's log."""

    def log_addition(self, *args: Any) -> None:
        """Write nothing."""

    def log_change(self, *args: Any) -> None:
        """Write nothing."""

    def log_deletions(self, *args: Any) -> None:
        """Write nothing."""


class FamilyFilter(admin.SimpleListFilter):
    """Events by family."""

    title = "what"
    parameter_name = "family"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the families."""
        return [(family, family.capitalize()) for family in FAMILIES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the events of the chosen family."""
        if self.value() in FAMILIES:
            return queryset.filter(action__in=names(str(self.value())))
        return queryset


class OutcomeFilter(admin.SimpleListFilter):
    """Events by how they ended."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the outcomes."""
        return list(Outcome.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the events of the chosen outcome."""
        return queryset.filter(outcome=self.value()) if self.value() in Outcome else queryset


class ActivityEventAdmin(SoundList, ModelAdmin):  # type: ignore[misc]
    """What happened, newest first."""

    list_display = ("when", "what", "ip", "channel", "outcome_label")
    list_display_links = ("what",)
    list_filter: ClassVar[Any] = [FamilyFilter, OutcomeFilter, "severity", "channel"]
    list_filter_submit = False
    # The list reads the search itself; the theme shows the box only where there are fields.
    search_fields = ("action",)
    search_help_text = "ann, or actor:ann action:user.*"
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = SIZE
    show_full_result_count = False
    actions = None
    fieldsets = (
        (None, {"fields": ("what", "when", "action", "outcome", "severity", "reason", "more_of")}),
        ("Before and after", {"fields": ("before_and_after", "more")}),
        ("Who", {"fields": ("actor_label", "actor_kind", "actor_id", "on_behalf_of_label")}),
        ("What it was done to", {"fields": ("target_label", "target_type", "target_id")}),
        ("From where", {"fields": ("ip", "user_agent", "channel", "session_ref", "same_request")}),
        ("Identity", {"fields": ("id", "schema_version")}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The list that is found by key."""
        return EventList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Leave the search to the list, which can say what is wrong with it."""
        return queryset, False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show an event under the sentence that it is."""
        event = self.get_object(request, object_id)
        title = {"title": sentence(event)} if event else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**title, **(extra_context or {})}
        )
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

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow the links that the panel itself makes, and nothing else."""
        return lookup in {
            "request_id__exact",
            "request_id",
            "actor_id",
            "target_id",
            "action",
            "action__in",
            "occurred_at__gte",
            "occurred_at__lt",
            *("family", "outcome", "severity__exact", "channel__exact"),
        }

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Show the list, or the same list as a file when ``?export=csv`` is added."""
        if any("\0" in value for _, values in request.GET.lists() for value in values):
            raise InvalidInput("a filter holds a NUL character.", _CHOOSE_AGAIN)
        form = request.GET.get("export")
        if form is not None:
            return self._export(request, form)
        exports = [(name, self._with(request, name)) for name in FORMATS]
        response: HttpResponse = super().changelist_view(
            request, {"exports": exports, **(extra_context or {})}
        )
        return response

    @staticmethod
    def _with(request: HttpRequest, form: str) -> str:
        query = request.GET.copy()
        query["export"] = form
        return f"?{query.urlencode()}"

    def _export(self, request: HttpRequest, form: str) -> HttpResponseBase:
        if not self.has_view_permission(request):
            return self.changelist_denied(request)
        if form == "bundle":
            return downloads.bundle()
        query = request.GET.copy()
        # A file has the whole list, wherever the page began from which it was asked for.
        for name in ("export", *PLACES):
            query.pop(name, None)
        request.GET = query  # type: ignore[assignment]
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            raise InvalidInput("a filter of this list means nothing.", _CHOOSE_AGAIN) from None
        if shown.search_error:
            raise shown.search_error
        listed: QuerySet[ActivityEvent] = shown.queryset
        filters = dict(query.lists())
        return downloads.events(listed.order_by("id"), form, filters)

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
            '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>',
            ((field, _shown(old), _shown(new)) for field, (old, new) in event.changes.items()),
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

    @display(description="More of the record")
    def more_of(self, event: ActivityEvent) -> Any:
        """Links to everything that this actor did, and that was done to this object."""
        links = []
        if event.actor_id:
            links.append(("everything this actor did", f"actor_id={quote(event.actor_id)}"))
        if event.target_id:
            links.append(
                (
                    "everything about this object",
                    urlencode({"q": about(event.target_type, event.target_id)}),
                )
            )
        return (
            format_html_join(" · ", '<a class="underline" href="../../?{1}">{0}</a>', links) or "–"
        )

    @display(description="Same request")
    def same_request(self, event: ActivityEvent) -> Any:
        """A link to everything that one request did."""
        return format_html(
            '<a class="underline" href="../../?q=request:{0}">{0}</a>', event.request_id
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
