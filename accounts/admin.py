"""People and roles, in the panel of a tenant and in the operators' console."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import format_html
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.forms import CustomUserChangeForm, CustomUserCreationForm, RolesForm
from accounts.invitations import invite
from accounts.models import CustomUser
from activity.admin import SilentLog
from tenants.sites import platform_site, tenant_site


class StateFilter(admin.SimpleListFilter):
    """People by whether they may come, and whether they do."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("active", "Active"), ("deactivated", "Deactivated"), ("never", "Never signed in")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the people of the chosen state."""
        match self.value():
            case "active":
                return queryset.active()
            case "deactivated":
                return queryset.deactivated()
            case "never":
                return queryset.never_signed_in()
        return queryset


class PowerFilter(admin.SimpleListFilter):
    """People by what they may do."""

    title = "power"
    parameter_name = "power"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("administrators", "Administrators"), ("panel", "May open the panel")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the people of the chosen power."""
        match self.value():
            case "administrators":
                return queryset.administrators()
            case "panel":
                return queryset.panel_users()
        return queryset


class GuardedHistory(SimpleHistoryAdmin):  # type: ignore[misc]
    """History pages on which only administrators put a row back as it was.

    The library lets whoever may view a row post any old version of it, changed as they like, and
    with the powers it had then.
    """

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the power to put back with administrators, and from their own rows."""
        return not request.user.is_superuser or obj == request.user  # type: ignore[union-attr]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Show what was changed; an id that is no number belongs to nothing."""
        _refuse_non_numbers(object_id)
        return super().history_view(request, object_id, extra_context)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> Any:
        """Show a row as it was, or put it back; a row that is gone stays gone."""
        _refuse_non_numbers(object_id, version_id)
        if request.method == "POST":
            row = get_object_or_404(self.model, pk=object_id)
            if self.revert_disabled(request, row) or not self.has_change_permission(request, row):
                raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)


def _refuse_non_numbers(*texts: str) -> None:
    if not all(text.isascii() and text.isdecimal() for text in texts):
        raise Http404


class CustomUserAdmin(SilentLog, GuardedHistory, ModelAdmin):  # type: ignore[misc]
    """The people of one organisation."""

    form = CustomUserChangeForm
    add_form = CustomUserCreationForm
    list_display = ("person", "email", "state", "power", "roles", "last_seen")
    list_display_links = ("person",)
    list_filter = (StateFilter, PowerFilter, ("groups", admin.RelatedOnlyFieldListFilter))
    search_fields = ("username", "email", "display_name")
    search_help_text = "Name, user name or e-mail"
    ordering = ("username",)
    list_per_page = 50
    show_full_result_count = False
    readonly_fields = ("public_id", "last_login", "last_seen", "date_joined")
    actions: ClassVar[Any] = ["activate", "deactivate"]
    actions_detail: ClassVar[Any] = ["send_link"]
    history_list_display = ("actor_label",)
    object_history_list_template = "panel/history_list.html"
    warn_unsaved_form = True

    _identity = ("username", "email", "display_name", "time_zone")
    fieldsets = (
        ("Who", {"fields": _identity}),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "roles")}),
        ("Seen", {"fields": ("last_login", "last_seen", "date_joined", "public_id")}),
    )
    add_fieldsets = (
        (
            "Who",
            {
                "fields": _identity,
                "description": "They get a mail with a link to choose their own password.",
            },
        ),
        ("What they may do", {"fields": ("is_staff", "is_superuser", "roles")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomUser]:
        """Return people with their roles, in two queries for a page."""
        queryset: QuerySet[CustomUser] = super().get_queryset(request)
        return queryset.prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return fewer fields for adding than for changing."""
        return self.fieldsets if obj else self.add_fieldsets

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[RolesForm]:
        """Return the form for adding or for changing."""
        form: type[RolesForm] = self.form if obj else self.add_form
        # The admin leaves out what may only be read, but of declared fields only its own form's.
        readonly = self.get_readonly_fields(request, obj)
        hidden = dict.fromkeys(name for name in readonly if name in form.declared_fields)
        kwargs["form"] = type(form.__name__, (form,), hidden)
        form = super().get_form(request, obj, change=change, **kwargs)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave power over power to administrators, and nobody the power to lock themselves out."""
        fields = [*super().get_readonly_fields(request, obj)]
        is_self = obj is not None and obj.pk == request.user.pk
        if is_self:
            fields += ["is_active"]
        if is_self or not request.user.is_superuser:  # type: ignore[union-attr]
            fields += ["is_staff", "is_superuser"]
        if not request.user.is_superuser:  # type: ignore[union-attr]
            fields += ["roles"]
        return fields

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Keep hashes from being guessed letter by letter, as Django's own admin of users does."""
        return not lookup.startswith("password") and bool(
            super().lookup_allowed(lookup, value, request)
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep people who are no administrators from changing one who is."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep administrators from those who are none, and everybody from deleting themselves."""
        allowed: bool = super().has_delete_permission(request, obj)
        is_self = obj is not None and obj.pk == request.user.pk
        return allowed and _may_touch(request, obj) and not is_self

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and send a link to whoever is new."""
        super().save_model(request, obj, form, change)
        if not change:
            self._invite(request, obj)

    @staticmethod
    def _invite(request: HttpRequest, user: CustomUser) -> None:
        if invite(user):
            messages.success(request, f"{user.email} was sent a link to choose a password.")
        else:
            messages.error(
                request,
                f"The mail to {user.email} could not be sent. Try again from their page: "
                "Send link to choose a password.",
            )

    @display(description="Person", ordering="username", header=True)
    def person(self, user: CustomUser) -> Any:
        """Name and, below it, user name."""
        return [str(user), user.username if user.display_name else ""]

    @display(
        description="State",
        ordering="is_active",
        label={"Active": "success", "Deactivated": "danger", "Invited": "info"},
    )
    def state(self, user: CustomUser) -> str:
        """One word."""
        if not user.is_active:
            return "Deactivated"
        return "Active" if user.last_login else "Invited"

    @display(description="Power", ordering="is_superuser")
    def power(self, user: CustomUser) -> str:
        """One word."""
        if user.is_superuser:
            return "Administrator"
        return "Panel" if user.is_staff else "–"

    @display(description="Roles")
    def roles(self, user: CustomUser) -> str:
        """The names of the roles."""
        return ", ".join(group.name for group in user.groups.all()) or "–"

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[CustomUser]) -> None:
        """Let the chosen people sign in again."""
        self._set_active(request, queryset, to=True)

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[CustomUser]) -> None:
        """Keep the chosen people from signing in; their open sessions end at once."""
        self._set_active(request, queryset, to=False)

    def _set_active(
        self, request: HttpRequest, queryset: QuerySet[CustomUser], *, to: bool
    ) -> None:
        chosen = queryset.exclude(is_active=to)
        allowed = [
            user for user in chosen if _may_touch(request, user) and user.pk != request.user.pk
        ]
        kept = chosen.count() - len(allowed)
        for user in allowed:
            user.is_active = to
            user.save(update_fields=["is_active"])
        done = "activated" if to else "deactivated"
        messages.success(request, f"{len(allowed)} {_people(len(allowed))} {done}.")
        if kept:
            messages.warning(
                request,
                f"{kept} {_people(kept)} left as before: yourself, or administrators whom only an "
                "administrator may change.",
            )

    @action(description="Send link to choose a password", url_path="send-link", icon="mail")
    def send_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether to mail somebody a one-time link, then do it.

        The theme makes actions links, and following a link must not send anything.
        """
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        if request.method == "POST":
            self._invite(request, user)
            return redirect("admin:accounts_customuser_change", object_id)
        context = {**self.admin_site.each_context(request), "title": str(user), "person": user}
        return render(request, "accounts/send_link.html", context)


def _may_touch(request: HttpRequest, user: Any) -> bool:
    """Tell whether somebody may change ``user``: nobody who may do more than they may themselves.

    Changing an address and asking for a link is taking an account over, with all that it may do.
    """
    me = request.user
    assert isinstance(me, CustomUser)
    if user is None or me.is_superuser or user.pk == me.pk:
        return True
    # From the rows, since a deactivated person "has" no permissions but can be reactivated.
    theirs = Permission.objects.filter(Q(group__user=user) | Q(user=user))
    names = theirs.values_list("content_type__app_label", "codename")
    held = {f"{app}.{codename}" for app, codename in names}
    return not user.is_superuser and held <= me.get_all_permissions()


def _people(count: int) -> str:
    return "person" if count == 1 else "people"


class PermissionsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Permissions as boxes to tick, in words."""

    def label_from_instance(self, permission: Any) -> str:
        """Return what the permission allows, without app and model."""
        return str(permission.name).replace("group", "role")


class GroupAdmin(SilentLog, GuardedHistory, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Roles: what the people who have them may do in the panel."""

    list_display = ("name", "members", "permission_count")
    search_help_text = "Name of the role"
    object_history_list_template = "panel/history_list.html"
    show_full_result_count = False
    filter_horizontal = ()
    # What the panel offers: permissions to do what it has no page for would mislead.
    _offered: ClassVar[dict[str, list[str]]] = {
        "accounts": ["view_customuser", "add_customuser", "change_customuser", "delete_customuser"],
        "auth": ["view_group"],
        "activity": ["view_activityevent"],
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """Return roles with how many have them and how much they allow."""
        queryset: QuerySet[Group] = super().get_queryset(request)
        return queryset.annotate(
            member_total=Count("user", distinct=True),
            permission_total=Count("permissions", distinct=True),
        )

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        """Offer the permissions that mean something here."""
        if db_field.name == "permissions":
            names = [name for offered in self._offered.values() for name in offered]
            kwargs["queryset"] = Permission.objects.filter(
                content_type__app_label__in=self._offered, codename__in=names
            )
            kwargs["form_class"] = PermissionsField
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
            return db_field.formfield(**kwargs)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leave making roles to administrators: a role can hold any power."""
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave changing roles to administrators."""
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave removing roles to administrators."""
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    @display(description="People", ordering="member_total")
    def members(self, group: Any) -> Any:
        """How many have the role, linked to who."""
        return format_html(
            '<a class="underline" href="../../accounts/customuser/?groups__id__exact={}">{}</a>',
            group.pk,
            group.member_total,
        )

    @display(description="Permissions", ordering="permission_total")
    def permission_count(self, group: Any) -> int:
        """How much the role allows."""
        return int(group.permission_total)


for site in (tenant_site, platform_site):
    site.register(CustomUser, CustomUserAdmin)
tenant_site.register(Group, GroupAdmin)
