"""How allauth behaves here."""

from smtplib import SMTPException
from typing import Any, Final

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import passwords, tasks
from accounts.mails import tell_changed
from accounts.managers import CustomUserManager
from activity import signins
from activity.recording import record
from activity.requests import client_ip
from tenants.context import current_tenant

logger = structlog.get_logger("tenantry.mail")


_NEW_PASSWORD: Final = {
    "account/email/password_changed": "was changed",
    "account/email/password_reset": "was chosen with the link that was mailed to you",
    "account/email/password_set": "was chosen",
}
"""What allauth tells people of, and what became of their password."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """People are added by administrators; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return that nobody may sign up."""
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return the panel for those who may open it, their own account for the others."""
        return reverse("admin:index") if request.user.is_staff else reverse("home")  # type: ignore[union-attr]

    def is_safe_url(self, url: str | None) -> bool:
        """Return whether ``url`` stays on this very host; other hosts of ours are other places."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that rate limits count, the same that the record says."""
        return client_ip(request) or ""

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count failures per login and address, so that nobody can lock somebody else out.

        By what was typed, in one spelling, and not by whose it is: that two logins share a count
        would say that both are somebody's. The host says nothing, since each place counts alone.
        """
        typed = credentials.get("email") or credentials.get("username") or ""
        login = CustomUserManager.normalize_username(str(typed).strip())
        return f"{login}:{ratelimit.get_ip(request)}"

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Return whoever may sign in; somebody deactivated fails like those who mistype.

        allauth sends them to a page of its own, which tells that the password was right.
        """
        try:
            self.pre_authenticate(request, **credentials)
        except ValidationError:
            signins.refused(str(credentials.get("username") or credentials.get("email") or ""))
            raise
        user = authenticate(request, **credentials)
        AuthenticationBackend.unstash_authenticated_user()
        if user is None:
            self.authentication_failed(request, **credentials)
        else:
            self._rollback_login_failed_rl_usage()
        return user

    def set_password(self, user: Any, password: str) -> None:
        """Keep a new password, if the one that was checked is still theirs."""
        passwords.replace(user, password)

    def get_login_stages(self) -> list[str]:
        """Return what a sign-in goes through beyond the password: the second factor, every time."""
        return ["accounts.factor_signin.SecondFactorStage"]

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Ask for the password again where that is needed; a code is asked for on the page."""
        if not user.is_authenticated or not user.has_usable_password():
            return []
        url = reverse("account_reauthenticate")
        return [{"id": "reauthenticate", "description": "Use your password", "url": url}]

    def send_password_reset_mail(self, user: Any, email: str, context: dict[str, Any]) -> None:
        """Record the request, and have the link mailed by somebody who does not answer the page.

        How long a mail server takes would tell a stranger which addresses have an account.
        """
        record("user.password_reset_requested", target=user)
        tasks.mail_reset_link_later(user)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send mail that names the place it is from; a mail server that is down changes no page.

        Answering differently would tell a stranger which addresses have an account.
        """
        tenant = current_tenant()
        place = tenant.name if tenant else "the platform"
        try:
            super().send_mail(template_prefix, email, {"place": place, **context})
        except (OSError, SMTPException) as error:
            logger.error("mail not sent", template=template_prefix, error=str(error))

    def send_notification_mail(
        self, template_prefix: str, user: Any, context: Any = None, email: Any = None
    ) -> None:
        """Tell somebody of a new password in our own words, and in their time zone."""
        if template_prefix in _NEW_PASSWORD:
            tell_changed(user, "password", _NEW_PASSWORD[template_prefix])
        else:
            super().send_notification_mail(template_prefix, user, context, email)


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keeps allauth's own code from storing a secret: it would be in the clear."""

    def encrypt(self, text: str) -> str:
        """Refuse: secrets are sealed for a person, whom this hook does not know."""
        raise NotImplementedError("Second factors are stored by accounts.second_factors.")

    def decrypt(self, encrypted_text: str) -> str:
        """Refuse in the same way."""
        raise NotImplementedError("Second factors are read by accounts.second_factors.")
