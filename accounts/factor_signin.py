"""Between password and session: whoever has a second factor is asked for its code.

What is kept meanwhile is allauth's: an anonymous session that names the person, for 15 minutes. It
is worth nothing once the person is deactivated or gone, has another password, or no second factor.
"""

from typing import Any, Final

from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStage
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import second_factors
from accounts.factor_texts import said_of
from accounts.models import CustomUser
from accounts.second_factors import Verdict
from activity.recording import record

_BOUND_TO: Final = "session_hash"


class SecondFactorStage(LoginStage):  # type: ignore[misc]
    """The stage of a sign-in that asks for the code."""

    key = "second_factor"
    urlname = "second-factor-asked"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Go on where there is no second factor; elsewhere record that it is asked for."""
        person = self.login.user
        if not isinstance(person, CustomUser) or not second_factors.is_on(person):
            return None, True
        self.state[_BOUND_TO] = person.get_session_auth_hash()
        record("factor.asked", target=person)
        return redirect(self.urlname), True

    @property
    def is_good(self) -> bool:
        """Whether the person is still the one who gave the password, and may come."""
        person = self.login.user
        return (
            isinstance(person, CustomUser)
            and person.is_active
            and constant_time_compare(
                str(self.state.get(_BOUND_TO, "")), person.get_session_auth_hash()
            )
            and second_factors.is_on(person)
        )


@sensitive_post_parameters("code")
@login_stage_required(stage=SecondFactorStage.key, redirect_urlname="account_login")
@require_http_methods(["GET", "HEAD", "POST"])
def asked(request: HttpRequest) -> HttpResponse:
    """Ask for the code; with a right one, sign in."""
    stage: Any = request._login_stage  # type: ignore[attr-defined]
    if not stage.is_good:
        clear_login(request)
        messages.error(request, "That took too long, or your account has changed. Sign in again.")
        return redirect("account_login")
    said = ""
    if request.method == "POST":
        code = request.POST.get("code", "")
        verdict = second_factors.check(stage.login.user, code, at="sign-in")
        if verdict is Verdict.PASSED:
            response: HttpResponse = stage.exit()
            return response
        said = said_of(verdict)
    return render(request, "accounts/factor_asked.html", {"said": said})
