"""A person's own API tokens: which there are, a new one, and the end of one."""

import uuid

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_tokens import DAYS, SCOPES, USUAL_DAYS, good_tokens, make, revoke
from accounts.models import ApiToken, CustomUser


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a new token is called, may do, and how long it lasts."""

    scopes = forms.MultipleChoiceField(
        choices=SCOPES.items(),
        initial=["record:read"],
        widget=forms.CheckboxSelectMultiple,
        label="May",
        help_text="Never more than you may yourself.",
    )
    days = forms.TypedChoiceField(
        choices=[(days, f"{days} days") for days in DAYS],
        initial=USUAL_DAYS,
        coerce=int,
        label="Expires in",
    )

    class Meta:
        model = ApiToken
        fields = ("name",)


@login_required
@require_safe
@never_cache
def tokens(request: HttpRequest) -> HttpResponse:
    """List the tokens that are good."""
    listed = good_tokens(_person(request), timezone.now())
    return render(request, "accounts/tokens.html", {"tokens": listed, "scopes": SCOPES})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required
@never_cache
def new_token(request: HttpRequest) -> HttpResponse:
    """Make a token, for somebody who has given their password just now, and show it this once."""
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        token, text = make(_person(request), given["name"], given["scopes"], given["days"])
        return render(request, "accounts/token_made.html", {"token": token, "text": text})
    return render(request, "accounts/token_new.html", {"form": form})


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """End one of one's own tokens; somebody else's is not there."""
    token = _person(request).api_tokens.filter(pk=token_id).first()
    if token is None:
        raise Http404
    revoke(token)
    messages.success(request, f"The token {token} was revoked.")
    return redirect("api-tokens")


def _person(request: HttpRequest) -> CustomUser:
    assert isinstance(request.user, CustomUser)
    return request.user
