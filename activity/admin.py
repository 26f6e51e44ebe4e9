"""The record in the panel: a list to filter and search, and a page for each event. Read-only."""

from typing import Any, ClassVar, Final

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
    search_fields = ("actor_label", "target_label", "action", "=actor_id", "=target_id")
    search_help_text = "Person, role or action, such as ann or user.created"
    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    actions = None
    fieldsets = (
        (None, {"fields": ("what", "when", "action", "outcome", "severity", "reason")}),
        ("Before and after", {"fields": ("before_and_after", "more")}),
        ("Who", {"fields": ("actor_label", "actor_kind", "actor_id", "on_behalf_of_label")}),
        ("What it was done to", {"fields": ("target_label", "target_type", "target_id")}),
        ("From where", {"fields": ("ip", "user_agent", "channel", "session_ref", "same_request")}),
        ("Identity", {"fields": ("id", "schema_version")}),
    )

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
        query = request.GET.copy()
        del query["export"]
        request.GET = query  # type: ignore[assignment]
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            raise InvalidInput("a filter of this list means nothing.", _CHOOSE_AGAIN) from None
        listed: QuerySet[ActivityEvent] = shown.get_queryset(request)
        filters = dict(query.lists())
        return downloads.events(listed.order_by("id"), form, filters)

    def changelist_denied(self, request: HttpRequest) -> HttpResponse:
        """Refuse, as the admin does."""
        from django.core.exceptions import PermissionDenied

        raise PermissionDenied

    @display(description="When", ordering="id")
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

    @display(description="Same request")
    def same_request(self, event: ActivityEvent) -> Any:
        """A link to everything that one request did."""
        return format_html(
            '<a class="underline" href="../../?request_id__exact={0}">{0}</a>', event.request_id
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
