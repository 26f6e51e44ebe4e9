"""People, in the panel of a tenant and in the operators' console."""

from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts import administrators, past
from accounts.factor_admin import WithSecondFactor
from accounts.forgetting_pages import Forgettable
from accounts.forms import CustomUserChangeForm, CustomUserCreationForm, RolesForm
from accounts.invitation_admin import Invitable
from accounts.locked_admin import LockedToChange
from accounts.models import ApiToken, CustomUser
from accounts.people_filters import PowerFilter, StateFilter
from accounts.support import serving
from activity import denials
from activity.history_pages import GuardedHistory
from activity.reading.links import LinkedToRecord
from tenants.context import current_tenant
from tenants.sites import SoundList, platform_site, tenant_site

_ON_THE_PLATFORM: Final = {
    "is_superuser": "May do everything on the platform.",
    "time_zone": "Such as Europe/Berlin. Empty: the platform's.",
}
"""What is said of fields where the people are operators."""


class CustomUserAdmin(
    LockedToChange,
    Invitable,
    Forgettable,
    WithSecondFactor,
    LinkedToRecord,
    SoundList,
    GuardedHistory,
    ModelAdmin,  # type: ignore[misc]
):
    """The people of one organisation."""

    acts = True
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
    readonly_fields = ("public_id", "last_login", "last_seen", "date_joined", "second_factor")
    actions: ClassVar[Any] = ["activate", "deactivate"]
    actions_detail: ClassVar[Any] = [
        *Invitable.invitation_actions,
        *WithSecondFactor.factor_actions,
        *Forgettable.forgetting_actions,
    ]
    history_list_display = ("actor_label",)
    object_history_list_template = "panel/history_list.html"
    warn_unsaved_form = True

    _identity = ("username", "email", "display_name", "time_zone")
    fieldsets = (
        ("Who", {"fields": _identity}),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "roles")}),
        ("Signing in", {"fields": ("second_factor",)}),
        ("Seen", {"fields": ("last_login", "last_seen", "date_joined", "public_id")}),
    )
    past_fieldsets = (
        ("Who", {"fields": _identity}),
        ("What they could do", {"fields": ("is_active", "is_staff", "is_superuser", "roles_then")}),
        ("Seen", {"fields": ("date_joined", "public_id")}),
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
        """Return fewer fields for adding than for changing, and of the past what is known of it."""
        if obj is None:
            return self.add_fieldsets
        fieldsets = super().get_fieldsets(request, obj)
        if past.version_of(obj):
            return [*self.past_fieldsets, *fieldsets[len(self.fieldsets) :]]
        return fieldsets

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[RolesForm]:
        """Return the form for adding or for changing."""
        form: type[RolesForm] = self.form if obj else self.add_form
        # The admin leaves out what may only be read, but of declared fields only its own form's.
        readonly = self.get_readonly_fields(request, obj)
        hidden = dict.fromkeys(name for name in readonly if name in form.declared_fields)
        kwargs["form"] = type(form.__name__, (form,), hidden)
        if current_tenant() is None:
            kwargs["help_texts"] = _ON_THE_PLATFORM
        form = super().get_form(request, obj, change=change, **kwargs)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave power over power to administrators, and nobody the power to lock themselves out."""
        fields = [*super().get_readonly_fields(request, obj)]
        if past.version_of(obj):
            fields += ["roles", "roles_then"]
        is_self = obj is not None and obj.pk == request.user.pk
        if is_self:
            fields += ["is_active"]
        if is_self or not request.user.is_superuser:  # type: ignore[union-attr]
            fields += ["is_staff", "is_superuser"]
        if not request.user.is_superuser:  # type: ignore[union-attr]
            fields += ["roles"]
        if serving.in_force(request):
            # Nothing with which anybody comes in or may do more.
            fields += ["username", "email", "is_staff", "is_superuser", "roles"]
            fields += [] if obj is not None and obj.is_active else ["is_active"]
        return [*dict.fromkeys(fields)]

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow the filters of the list and nothing else: not hashes, letter by letter."""
        return lookup in {"state", "power", "groups__id__exact", "groups__isnull"}

    def get_actions(self, request: HttpRequest) -> Any:
        """Return what can be done with the people who are chosen; under support access one thing.

        What is refused then (``accounts.support.refusals``) is not offered.
        """
        actions = super().get_actions(request)
        if serving.in_force(request):
            return {name: act for name, act in actions.items() if name == "deactivate"}
        return actions

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> Any:
        """Return the buttons of a person's page; under support access none."""
        if serving.in_force(request):
            return []
        return super().get_actions_detail(request, object_id)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Offer no new people under support access."""
        allowed: bool = super().has_add_permission(request)
        return allowed and not serving.in_force(request)

    def has_revert_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Offer to take nobody back to what they were under support access."""
        return super().has_revert_permission(request, obj) and not serving.in_force(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep people who are no administrators from changing one who is."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep administrators from those who are none, and everybody from deleting themselves."""
        allowed: bool = super().has_delete_permission(request, obj)
        is_self = obj is not None and obj.pk == request.user.pk
        if is_self or serving.in_force(request):
            return False
        return allowed and _may_touch(request, obj)

    @staticmethod
    def may_touch(request: HttpRequest, user: CustomUser) -> bool:
        """Keep people from those who may do more."""
        return _may_touch(request, user)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say what goes with a person: their tokens do, which nobody may delete by themselves."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        lacking.discard(ApiToken._meta.verbose_name)
        return deleted, counts, lacking, protected

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the roles, the last thing that can fail, and send a link to whoever is new."""
        super().save_related(request, form, formsets, change)
        if not change:
            self.invite(request, form.instance)

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

    @display(description="Roles")
    def roles_then(self, user: CustomUser) -> str:
        """The names of the roles they had, on a page of their history."""
        return past.roles_then(past.version_of(user))

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
        chosen = [user for user in self.locked_among(queryset) if user.is_active != to]
        allowed = [
            user for user in chosen if _may_touch(request, user) and user.pk != request.user.pk
        ]
        kept = len(chosen) - len(allowed)
        for user in chosen:
            if user not in allowed:
                denials.deny(request, "not permitted", target=user)
        for user in allowed:
            if not to:
                administrators.keep_one(user)
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


def _may_touch(request: HttpRequest, user: Any) -> bool:
    """Tell whether somebody may change ``user``: nobody who may do more than they may themselves.

    Changing an address and asking for a link is taking an account over, with all that it may do.
    """
    me = request.user
    assert isinstance(me, CustomUser)
    if serving.in_force(request) and user is not None and user.is_superuser:
        # Whoever may end support access is not for it to change.
        return bool(user.pk == me.pk)
    if user is None or me.is_superuser or user.pk == me.pk:
        return True
    # From the rows, since a deactivated person "has" no permissions but can be reactivated.
    theirs = Permission.objects.filter(Q(group__user=user) | Q(user=user))
    names = theirs.values_list("content_type__app_label", "codename")
    held = {f"{app}.{codename}" for app, codename in names}
    return not user.is_superuser and held <= me.get_all_permissions()


def _people(count: int) -> str:
    return "person" if count == 1 else "people"


for site in (tenant_site, platform_site):
    site.register(CustomUser, CustomUserAdmin)
