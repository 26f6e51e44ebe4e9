"""Choosing a password, and whether programs that act as the person go on.

A new password ends a person's other sessions: who else may be in there is the same person by name.
An API token was made on purpose and is no session, so it is asked for (OWASP ASVS 5.0, 7.4.3).
"""

from typing import Any

from allauth.account import forms as allauth
from allauth.account.forms import default_token_generator
from django import forms
from django.db import transaction
from django.utils import timezone

from accounts import api_tokens, passwords
from accounts.models import CustomUser
from activity import context
from activity.requests import actor_of


class _MayEndTokens(forms.Form):
    """Asks whoever has API tokens whether these end too."""

    end_tokens = forms.BooleanField(required=False, label="End my API tokens too")
    user: CustomUser | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        count = api_tokens.good_tokens(self.user, timezone.now()).count() if self.user else 0
        if not count:
            del self.fields["end_tokens"]
            return
        one = count == 1
        self.fields["end_tokens"].help_text = (
            f"{'One token of yours goes' if one else f'{count} tokens of yours go'} on working "
            "otherwise. Tick it if somebody else may know your password."
        )

    def save(self) -> None:
        """Keep the password, and end the tokens if that was asked for; both or neither."""
        assert self.user is not None
        with transaction.atomic():
            super().save()  # type: ignore[misc]
            if self.cleaned_data.get("end_tokens"):
                # Who comes by a link is nobody yet.
                with context.telling(actor=actor_of(self.user)):
                    api_tokens.revoke_all(self.user)


class ChangePasswordForm(_MayEndTokens, allauth.ChangePasswordForm):  # type: ignore[misc]
    """Another password for whoever knows the present one."""


class ResetPasswordKeyForm(_MayEndTokens, allauth.ResetPasswordKeyForm):  # type: ignore[misc]
    """A password for whoever came by the link that was mailed to them."""

    @transaction.atomic
    def save(self) -> None:
        """Keep the password if the link is good still, once nobody else changes the account."""
        assert self.user is not None
        stored = CustomUser.objects.select_for_update(no_key=True).filter(pk=self.user.pk).first()
        if stored is not None and not default_token_generator.check_token(stored, self.temp_key):
            raise passwords.PasswordChanged
        super().save()
