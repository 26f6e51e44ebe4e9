"""How allauth behaves here."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse

from activity.recording import record
from activity.requests import client_ip
from tenants.context import current_tenant


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """People are added by administrators; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return that nobody may sign up."""
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return the panel for those who may open it, their own account for the others."""
        return reverse("admin:index") if request.user.is_staff else reverse("home")  # type: ignore[union-attr]

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that rate limits count, the same that the record says."""
        return client_ip(request) or ""

    def send_password_reset_mail(self, user: Any, email: str, context: dict[str, Any]) -> Any:
        """Record the request, then send the mail."""
        record("user.password_reset_requested", target=user)
        return super().send_password_reset_mail(user, email, context)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send mail that names the place it is from."""
        tenant = current_tenant()
        place = tenant.name if tenant else "the platform"
        super().send_mail(template_prefix, email, {"place": place, **context})

