"""Operations in the operators' console: what is done to tenants, step by step."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from tenants import operations
from tenants.errors import TenantryError
from tenants.models import Operation
from tenants.sites import SoundList, platform_site

_COLOURS = {
    "waiting": "info",
    "running": "info",
    "failed": "danger",
    "finished": "success",
}


def steps_of(operation: Operation) -> SafeString:
    """Return the steps as one line: those that are done, the one that comes next, the others."""

    def mark(position: int) -> str:
        if position < operation.done:
            return "✓"
        is_next = position == operation.done and operation.is_unfinished
        return "→" if is_next else "·"

    steps = ((mark(position), name) for position, name in enumerate(operation.steps))
    return format_html_join(" ", '<span class="whitespace-nowrap">{} {}</span>', steps)


class ReadOnly:
    """Rows that nobody writes by hand: they are what happened."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operations begin where somebody asks for them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What changes an operation is carrying it on, or giving it up."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What happened stays."""
        return False

    @admin.display(description="Kind", ordering="kind")
    def what(self, operation: Operation) -> SafeString:
        """What is done, on one line."""
        kind = capfirst(operation.get_kind_display())
        return format_html('<span class="whitespace-nowrap">{}</span>', kind)

    @display(description="State", label=_COLOURS)  # type: ignore[untyped-decorator]
    def state_label(self, operation: Operation) -> str:
        """One word with a colour."""
        return operation.state

    @admin.display(description="Steps")
    def timeline(self, operation: Operation) -> SafeString:
        """How far it is."""
        return steps_of(operation)

    @admin.display(description="Asked for by")
    def asked_by(self, operation: Operation) -> str:
        """Who asked for it."""
        return str(operation.actor.get("label", ""))

    @admin.display(description="Error")
    def said(self, operation: Operation) -> SafeString:
        """What stopped the last attempt, as it was said."""
        return format_html('<span class="break-words">{}</span>', operation.error or "–")


class OperationInline(ReadOnly, TabularInline):  # type: ignore[misc]
    """The operations of one tenant, newest first, on the tenant's page."""

    model = Operation
    fields = ("what", "state_label", "timeline", "attempt", "said", "asked_by", "requested_at")
    readonly_fields = fields
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True
    hide_title = True
    ordering = ("-id",)
    verbose_name_plural = "Operations"


class OperationAdmin(ReadOnly, SoundList, ModelAdmin):  # type: ignore[misc]
    """All operations, with what can be done about those that stopped."""

    list_display = (
        "what",
        "tenant",
        "state_label",
        "timeline",
        "attempt",
        "asked_by",
        "requested_at",
        "finished_at",
    )
    list_filter = ("state", "kind")
    search_fields = ("tenant__slug", "tenant__name", "error")
    search_help_text = "Tenant or error"
    list_select_related = ("tenant",)
    show_full_result_count = False
    fields = (
        "kind",
        "tenant",
        "state_label",
        "timeline",
        "attempt",
        "said",
        "what_to_do",
        "asked_by",
        "requested_at",
        "started_at",
        "touched_at",
        "finished_at",
    )
    readonly_fields = fields
    actions: ClassVar[Any] = ["carry_on", "cancel"]

    change_form_outer_after_template = "console/operation.html"

    @admin.display(description="What to do")
    def what_to_do(self, operation: Operation) -> str:
        """Where an operation that stopped is carried on."""
        if operation.state != Operation.State.FAILED:
            return "–"
        return (
            "Do away with what stopped it. Then let it be carried on, here or with:"
            f" manage.py tenant operations --resume {operation.pk}"
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one operation, with buttons that do what the list's actions do."""
        operation = self.get_object(request, object_id)
        can = {
            "may_act": self.has_act_permission(request),
            "can_be_undone": operation is not None and operations.can_be_undone(operation),
        }
        response: HttpResponse = super().change_view(
            request, object_id, form_url, can | (extra_context or {})
        )
        return response

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may carry on and give up."""
        return request.user.has_perm("tenants.change_operation")  # type: ignore[union-attr]

    @admin.action(description="Carry on")
    def carry_on(self, request: HttpRequest, queryset: QuerySet[Operation]) -> None:
        """Hand the chosen operations to a worker: a page cannot wait for them."""

        def hand_over(operation: Operation) -> str:
            operations.retry(operation)
            return "a worker carries it on."

        self._each(request, queryset, hand_over)

    @admin.action(description="Give up and undo")
    def cancel(self, request: HttpRequest, queryset: QuerySet[Operation]) -> None:
        """Undo what the chosen operations did so far."""

        def give_up(operation: Operation) -> str:
            operations.cancel(operation)
            return "given up; what it had done is undone."

        self._each(request, queryset, give_up)

    carry_on.allowed_permissions = ("act",)  # type: ignore[attr-defined]
    cancel.allowed_permissions = ("act",)  # type: ignore[attr-defined]

    def _each(
        self, request: HttpRequest, chosen: QuerySet[Operation], act: Callable[[Operation], str]
    ) -> None:
        for operation in chosen.select_related("tenant"):
            what = f"{operation.get_kind_display()} of {operation.tenant or 'all tenants'}"
            try:
                done = act(operation)
            except TenantryError as error:
                messages.error(request, f"{what}: {error}")
            else:
                messages.success(request, f"{what}: {done}")


platform_site.register(Operation, OperationAdmin)
