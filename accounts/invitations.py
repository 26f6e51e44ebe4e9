"""One-time links with which people choose their own password.

Nobody else ever knows it: not the administrator who adds them, not the operator who appoints them
(OWASP ASVS 5.0, 6.4.1 and 6.4.6). The link is allauth's for resetting a password: it dies when it
is used, when the person signs in, changes their address, or after ``PASSWORD_RESET_TIMEOUT``.
"""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts.api_tokens import revoke_all
from accounts.devices import end_others
from accounts.mails import Told, send, send_later
from accounts.models import CustomUser
from activity.recording import record
from tenants.context import current_tenant
from tenants.hosts import absolute_url


def link_for(user: CustomUser) -> str:
    """Return a one-time link on the host of the place one is in."""
    token = default_token_generator.make_token(user)
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(user), "key": token},
        urlconf=settings.ROOT_URLCONF,
    )
    return absolute_url(path, current_tenant())


def invite(user: CustomUser, told: Told = lambda _: None) -> None:
    """Send somebody who was added a link to choose a password, and record it.

    The mail leaves after the commit. ``told`` hears then whether the mail server took it, so that
    whoever added them can be told.
    """
    record("user.invited", target=user)
    send_later(user, "invitation", "Your account at {place}", told, link=link_for(user))


def force_new_password(user: CustomUser, told: Told = lambda _: None) -> tuple[int, int]:
    """Void somebody's password, end sessions and API tokens at once, and send them a link.

    Returns how many sessions and tokens ended; of the mail ``told`` hears as with ``invite``. For
    when somebody else may know the password.
    """
    with transaction.atomic():
        sessions = end_others(user, None)
        tokens = revoke_all(user)
        user.set_unusable_password()
        user.save(update_fields=["password"])
        invite(user, told)
        return sessions, tokens


def send_reset_link(user: CustomUser) -> bool:
    """Send somebody who forgot theirs a link to choose a new password."""
    return send(user, "reset", "Choose a new password for {place}", link=link_for(user))
