"""Everybody's API tokens, in the panel and in the console: to be seen, and to be ended."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.api_tokens import revoke
from accounts.models import ApiToken
from accounts.support import serving
from tenants.sites import SoundList, platform_site, tenant_site


class ApiTokenAdmin(SoundList, ModelAdmin):  # type: ignore[misc]
    """The tokens, for administrators alone. People make their own; nobody makes another's."""

    list_display = ("name", "beginning", "user", "scopes", "state_label", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "beginning", "user__username", "user__email")
    search_help_text = "Name, beginning, or whose"
    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    actions: ClassVar[Any] = ["revoke"]
    fields = (
        *("name", "beginning", "user", "scopes", "state_label"),
        *("created_at", "expires_at", "last_used_at", "revoked_at"),
    )
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave tokens to administrators: whose programs run where is nobody else's business."""
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever sees them may end them; under support access they are only seen."""
        return self.has_view_permission(request) and not serving.in_force(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody makes a token for somebody else: then two would know it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A token is what it was made."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The row stays, so that what presents the token later can be named."""
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow no filters: not digests, letter by letter."""
        return False

    @display(
        description="State", label={"good": "success", "revoked": "danger", "expired": "warning"}
    )
    def state_label(self, token: ApiToken) -> str:
        """One word."""
        return token.state

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """End the chosen tokens at once."""
        ended = sum(revoke(token) for token in queryset.select_related("user"))
        messages.success(request, f"{ended} {'token' if ended == 1 else 'tokens'} revoked.")


for site in (tenant_site, platform_site):
    site.register(ApiToken, ApiTokenAdmin)
