"""Adding and changing people in the panel.

No form here takes a password: whoever adds somebody sends them a link to choose their own.
"""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import Group
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import administrators
from accounts.managers import CustomUserManager
from accounts.models import CustomUser
from tenants.errors import Conflict


class RolesForm(forms.ModelForm):  # type: ignore[type-arg]
    """What adding and changing share: the person's fields, and their roles as boxes to tick."""

    # Not called "groups": the admin refuses many-to-many fields with a model of their own, and
    # memberships have one because they have a history.
    roles = forms.ModelMultipleChoiceField(
        queryset=Group.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What this person may do in the panel.",
    )

    class Meta:
        model = CustomUser
        fields: ClassVar[Any] = [
            "username",
            "email",
            "display_name",
            "time_zone",
            "is_active",
            "is_staff",
            "is_superuser",
        ]
        widgets: ClassVar[Any] = {
            "username": UnfoldAdminTextInputWidget,
            "email": UnfoldAdminEmailInputWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "roles" in self.fields:
            roles = self.fields["roles"]
            assert isinstance(roles, forms.ModelMultipleChoiceField)
            roles.queryset = Group.objects.order_by("name")
            if self.instance.pk:
                roles.initial = [group.pk for group in self.instance.groups.all()]

    def clean_username(self) -> str:
        """Return the user name as it is stored, so that a taken one is found in any case."""
        return CustomUserManager.normalize_username(self.cleaned_data["username"])

    def clean_email(self) -> str:
        """Return the address as it is stored, so that a taken one is found in any case."""
        return str(self.cleaned_data["email"]).lower()

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        if "roles" in self.cleaned_data:
            self.instance.groups.set(self.cleaned_data["roles"])


class CustomUserCreationForm(RolesForm):
    """Add a person."""

    def save(self, commit: bool = True) -> CustomUser:
        """Save somebody who cannot sign in until they have chosen a password."""
        self.instance.set_unusable_password()
        person: CustomUser = super().save(commit=commit)
        return person


class CustomUserChangeForm(RolesForm):
    """Change a person."""

    def clean(self) -> Any:
        """Keep the last administrator; the instance is still what the row is."""
        cleaned = super().clean()
        if not all(self.cleaned_data.get(power, True) for power in ("is_superuser", "is_active")):
            try:
                administrators.keep_one(self.instance)
            except Conflict as error:
                raise forms.ValidationError(error.shown) from None
        return cleaned


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What people may change about themselves."""

    class Meta:
        model = CustomUser
        fields: ClassVar[Any] = ["display_name", "time_zone"]
