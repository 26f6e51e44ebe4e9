"""A person's own second factor: switching it on and off, and its recovery codes."""

import base64
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import factor_codes, factor_secrets, second_factors
from accounts.factor_texts import said_of
from accounts.models import CustomUser
from accounts.second_factors import TOTP, Verdict
from tenants.errors import Conflict, InvalidInput

_OFFERED: Final = "second_factor_offered"
"""Where a session holds the secret that was shown and not confirmed yet, sealed."""

_METHODS: Final = ["GET", "HEAD", "POST"]

Page = Callable[[HttpRequest], HttpResponse]


def _password_again(page: Page) -> Page:
    """Ask for the password first, unless it was given just now.

    allauth's own decorator keeps what was posted in the session until then: here that is a code.
    """

    @wraps(page)
    def guarded(request: HttpRequest) -> HttpResponse:
        if did_recently_reauthenticate(request):
            return page(request)
        return redirect(f"{reverse('account_reauthenticate')}?next={request.path}")

    return guarded


@login_required
@require_safe
@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Say whether it is on, and since when."""
    state = second_factors.state_of(_person(request))
    return render(request, "accounts/factor.html", {"state": state})


@sensitive_post_parameters("code")
@login_required
@require_http_methods(_METHODS)
@_password_again
@never_cache
def switch_on(request: HttpRequest) -> HttpResponse:
    """Show a secret; when a code of it is given, keep it and show the recovery codes this once."""
    person = _person(request)
    if second_factors.is_on(person):
        return redirect("second-factor")
    secret = _offered(request, person)
    said = ""
    if request.method == "POST":
        try:
            codes = second_factors.switch_on(person, secret, request.POST.get("code", ""))
        except (InvalidInput, Conflict) as error:
            said = error.shown
        else:
            request.session.pop(_OFFERED, None)
            return _shown_once(request, codes, "Your second factor is on")
    address = factor_codes.address(secret, second_factors.issuer(), person.email)
    context = {
        "said": said,
        "secret": [secret[at : at + 4] for at in range(0, len(secret), 4)],
        "address": address,
        "picture": mark_safe(factor_codes.picture(address)),  # noqa: S308 (made of squares)
    }
    return render(request, "accounts/factor_on.html", context)


@sensitive_post_parameters("code")
@login_required
@require_http_methods(_METHODS)
@_password_again
@never_cache
def new_codes(request: HttpRequest) -> HttpResponse:
    """Replace the recovery codes, for somebody who gives a code."""
    said = _asked(request)
    if said is None:
        codes = second_factors.renew_codes(_person(request))
        return _shown_once(request, codes, "Your new recovery codes")
    return _ask(request, said, "Make new recovery codes?", "The old ones will not work any more.")


@sensitive_post_parameters("code")
@login_required
@require_http_methods(_METHODS)
@_password_again
@never_cache
def switch_off(request: HttpRequest) -> HttpResponse:
    """Delete it, for somebody who gives a code."""
    said = _asked(request)
    if said is None:
        second_factors.switch_off(_person(request))
        messages.success(request, "Your second factor is off: your password alone signs you in.")
        return redirect("second-factor")
    return _ask(
        request, said, "Switch the second factor off?", "Your password alone will sign you in then."
    )


def _asked(request: HttpRequest) -> str | None:
    """Return what is to be said to a code: ``None`` to a right one, nothing before there is one."""
    if request.method != "POST":
        return ""
    code = request.POST.get("code", "")
    verdict = second_factors.check(_person(request), code, at="change")
    return None if verdict is Verdict.PASSED else said_of(verdict)


def _ask(request: HttpRequest, said: str, question: str, told: str) -> HttpResponse:
    if not second_factors.is_on(_person(request)):
        return redirect("second-factor")
    context = {"said": said, "question": question, "told": told}
    return render(request, "accounts/factor_code.html", context)


def _shown_once(request: HttpRequest, codes: list[str], title: str) -> HttpResponse:
    lines = [f"Recovery codes of {_person(request).username} at {second_factors.issuer()}", *codes]
    text = base64.b64encode("\r\n".join([*lines, ""]).encode()).decode()
    file = f"data:text/plain;charset=utf-8;base64,{text}"
    context: dict[str, Any] = {"codes": codes, "title": title, "file": file}
    return render(request, "accounts/factor_codes.html", context)


def _offered(request: HttpRequest, person: CustomUser) -> str:
    """Return the secret that the session offers the person, a new one if there is none."""
    try:
        return factor_secrets.unseal(person, f"{TOTP} offered", request.session.get(_OFFERED))
    except factor_secrets.Unreadable:
        secret = factor_codes.new_secret()
        request.session[_OFFERED] = factor_secrets.seal(person, f"{TOTP} offered", secret)
        return secret


def _person(request: HttpRequest) -> CustomUser:
    assert isinstance(request.user, CustomUser)
    return request.user
