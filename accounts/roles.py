"""Roles, which Django calls groups, in the panel of a tenant."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts import past
from accounts.models import one_line
from accounts.support import serving
from activity.history_pages import GuardedHistory
from activity.reading.links import LinkedToRecord
from activity.reverting import Preview
from tenants.errors import Conflict
from tenants.sites import SoundList, tenant_site


class PermissionsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Permissions as boxes to tick, in words."""

    def label_from_instance(self, permission: Any) -> str:
        """Return what the permission allows."""
        return past.in_words(permission)


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A role, whose name shows on a page as it is written: Django's model takes any."""

    def clean_name(self) -> str:
        """Refuse what cannot be seen, such as marks that turn text around."""
        name = str(self.cleaned_data["name"])
        one_line(name)
        return name


class GroupAdmin(  # type: ignore[misc]
    LinkedToRecord,
    SoundList,
    GuardedHistory,
    DjangoGroupAdmin,
    ModelAdmin,  # type: ignore[misc]
):
    """Roles: what the people who have them may do in the panel."""

    form = RoleForm
    list_display = ("name", "members", "permission_count")
    fieldsets = ((None, {"fields": ("name", "permissions")}),)
    past_fieldsets = ((None, {"fields": ("name", "permissions_then")}),)
    search_help_text = "Name of the role"
    object_history_list_template = "panel/history_list.html"
    show_full_result_count = False
    filter_horizontal = ()
    # What the panel offers: permissions to do what it has no page for would mislead.
    _offered: ClassVar[dict[str, list[str]]] = {
        "accounts": ["view_customuser", "add_customuser", "change_customuser", "delete_customuser"],
        "auth": ["view_group"],
        "activity": [
            *("view_activityevent", "erase_person", "disclose_person"),
            *("change_retention", "change_hold", "revert_history", "oversee_schedules"),
        ],
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """Return roles with how many have them and how much they allow."""
        queryset: QuerySet[Group] = super().get_queryset(request)
        return queryset.annotate(
            member_total=Count("user", distinct=True),
            permission_total=Count("permissions", distinct=True),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is known of the role's past on a page of its history."""
        fieldsets = super().get_fieldsets(request, obj)
        if past.version_of(obj):
            return [*self.past_fieldsets, *fieldsets[len(self.fieldsets) :]]
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show what was, and offer nothing of it to be ticked."""
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "permissions_then"] if past.version_of(obj) else fields

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
        return _may_change(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave changing roles to administrators."""
        return _may_change(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave removing roles to administrators."""
        return _may_change(request)

    def refuse_taking_back(self, row: Any, shown: Preview) -> None:
        """Keep a name out that no form takes."""
        try:
            for change in shown.changes:
                one_line(change.then)
        except ValidationError as error:
            raise Conflict(" ".join(error.messages), "Nothing was changed.") from None

    @display(description="Permissions")
    def permissions_then(self, group: Any) -> str:
        """What the role allowed, on a page of its history."""
        return past.permissions_then(past.version_of(group))

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


def _may_change(request: HttpRequest) -> bool:
    """Tell whether somebody is an administrator, and not in the place of one for support."""
    is_administrator = bool(request.user.is_superuser)  # type: ignore[union-attr]
    return is_administrator and not serving.in_force(request)


tenant_site.register(Group, GroupAdmin)
