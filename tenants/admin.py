"""Tenants in the operators' console. On a tenant's host there is no such page."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from tenants import (
    administrators,
    deletion_pages,
    domain_pages,
    lifecycle,
    provisioning,
    requests,
)
from tenants.domains import customers_host, state_of, with_state
from tenants.errors import TenantryError
from tenants.models import Domain, Tenant
from tenants.names import check_name, check_slug
from tenants.requests import TenantRequest
from tenants.sites import SoundList, platform_site, warnings
from tenants.timeline import OperationInline


class TenantCreationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Asks for what ``manage.py tenant create`` asks for, and refuses what it refuses."""

    domain = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="A host name of the customer's own, beside the default one. You vouch for it: it "
        "is served at once, without a proof, and both records say so.",
    )
    admin_email = forms.EmailField(
        required=False,
        label="Administrator's e-mail",
        widget=UnfoldAdminEmailInputWidget,
        help_text="Becomes the first administrator; the link to choose a password is shown next.",
    )

    class Meta:
        model = Tenant
        fields: ClassVar[Any] = ["slug", "name", "time_zone"]

    _checks: ClassVar[dict[str, Callable[[str], object]]] = {
        "slug": check_slug,
        "name": check_name,
        "time_zone": requests.check_time_zone,
        "domain": customers_host,
        "admin_email": lambda email: administrators.check(None, email=email, password=None),
    }

    def wanted(self) -> TenantRequest:
        """Return what the form asks for."""
        data = self.cleaned_data
        return TenantRequest(
            slug=data.get("slug", ""),
            name=data.get("name", ""),
            domains=(data["domain"],) if data.get("domain") else (),
            time_zone=data.get("time_zone", ""),
            admin_email=data.get("admin_email", ""),
        )

    def clean(self) -> dict[str, Any]:
        """Check everything that creating will check, while the page can still be corrected."""
        data: dict[str, Any] = super().clean() or {}
        for field, check in self._checks.items():
            if data.get(field):
                with self._refusing(field):
                    check(data[field])
        # Of a slug that is taken the model's own check tells.
        if not self.errors and not Tenant.objects.filter(slug=data["slug"]).exists():
            with self._refusing(None):
                requests.existing(requests.check(self.wanted()))
        return data

    @contextmanager
    def _refusing(self, field: str | None) -> Iterator[None]:
        """Say beside the field what is refused in the block: it is then checked no further."""
        try:
            yield
        except TenantryError as error:
            self.add_error(field, error.shown)


class TenantAdmin(SoundList, ModelAdmin):  # type: ignore[misc]
    """The tenants of this platform."""

    list_display = ("slug", "name", "state_label", "hosts", "time_zone", "created_at")
    list_filter = ("state",)
    search_fields = ("slug", "name", "domains__domain")
    search_help_text = "Slug, name or domain"
    actions: ClassVar[Any] = ["suspend", "resume"]
    actions_detail: ClassVar[Any] = ["open_domains", "open_support", "open_deletion"]
    show_full_result_count = False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the tenants, below what is wrong with the platform."""
        if request.method == "GET":
            for sentences in warnings:
                for sentence in sentences():
                    messages.error(request, sentence)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def get_urls(self) -> Any:
        """Put the page of a tenant's domains before the address that takes any text for a key."""
        page = transaction.non_atomic_requests(self.admin_site.admin_view(domain_pages.page))
        return [
            path("<uuid:object_id>/domains/", page, name="tenants_tenant_domains"),
            path(
                "<uuid:object_id>/deletion/",
                self.admin_site.admin_view(deletion_pages.page),
                name="tenants_tenant_deletion",
            ),
            *super().get_urls(),
        ]

    @action(description="Domains", url_path="open-domains", permissions=["view"])
    def open_domains(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the tenant's domains."""
        return redirect("admin:tenants_tenant_domains", object_id=object_id)

    @action(description="Support access", url_path="open-support", permissions=["view"])
    def open_support(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to support access, a page of the app that knows people."""
        return redirect("tenant-support", object_id=object_id)

    @action(description="Deletion", url_path="open-deletion", permissions=["view"])
    def open_deletion(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the tenant's end."""
        return redirect("admin:tenants_tenant_deletion", object_id=object_id)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what was done to a tenant; nothing was to one that is asked for."""
        return [] if obj is None else [OperationInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """Return tenants with their domains, in two queries for a page."""
        queryset: QuerySet[Tenant] = super().get_queryset(request)
        return queryset.prefetch_related(Prefetch("domains", with_state(Domain.objects.all())))

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the form that asks for what creating needs."""
        if obj is None:
            kwargs["form"] = TenantCreationForm
        return super().get_form(request, obj, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what creating asks for, or what there is to see."""
        if obj is None:
            fields: tuple[str, ...] = ("slug", "name", "time_zone", "domain", "admin_email")
        else:
            fields = ("slug", "name", "state", "hosts", "time_zone", "schema_name", "created_at")
        return [(None, {"fields": fields})]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show tenants; what changes them are actions, each of which is recorded."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deleting a row here would leave a schema with people in it."""
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may suspend and resume."""
        return request.user.has_perm("tenants.change_tenant")  # type: ignore[union-attr]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Provision, as the command does."""
        made = provisioning.create(form.wanted())
        obj.__dict__.update(made.tenant.__dict__)
        if made.administrator and made.administrator.link:
            messages.info(
                request,
                f"One-time link for {made.administrator.email} to choose a password: "
                f"{made.administrator.link}",
            )

    @display(description="State", label={"active": "success", "suspended": "danger"})
    def state_label(self, tenant: Tenant) -> str:
        """One word with a colour."""
        return tenant.state

    @display(description="Domains")
    def hosts(self, tenant: Tenant) -> str:
        """The host names, the primary one first; those that are not served say so."""
        words = {"redirects": " (redirects)", "claimed": " (claimed)", "expired": " (expired)"}
        return ", ".join(
            f"{domain.domain}{words.get(state_of(domain), '')}" for domain in tenant.domains.all()
        )

    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        """Stop serving the chosen tenants."""
        self._each(request, queryset, lifecycle.suspend, "suspended")

    def resume(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        """Serve the chosen tenants again."""
        self._each(request, queryset, lifecycle.resume, "resumed")

    suspend.allowed_permissions = ("act",)  # type: ignore[attr-defined]
    resume.allowed_permissions = ("act",)  # type: ignore[attr-defined]

    def _each(self, request: HttpRequest, tenants: Any, move: Any, done: str) -> None:
        for tenant in tenants:
            try:
                changed = move(tenant)
            except TenantryError as error:
                messages.error(request, error.shown)
            else:
                word = done if changed else f"already {done}"
                messages.success(request, f"{tenant.slug}: {word}.")


platform_site.register(Tenant, TenantAdmin)
