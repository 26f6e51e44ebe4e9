"""Mail to a person about their account."""

from collections.abc import Callable
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from accounts.models import CustomUser
from tenants.context import current_tenant

logger = structlog.get_logger("tenantry.mail")


Told = Callable[[bool], None]
"""Is told whether the mail server took a mail."""


def send(user: CustomUser, template: str, subject: str, **more: Any) -> bool:
    """Send somebody a mail, as text and as HTML; returns whether the mail server took it.

    ``template`` is one of ``accounts/email``; ``subject`` may name the ``{place}``.
    """
    return _sent(_written(user, template, subject, more), template)


def send_later(user: CustomUser, template: str, subject: str, told: Told, **more: Any) -> None:
    """Write a mail now and send it after the commit; ``told`` hears then what became of it.

    Whoever else wants the rows of the transaction does not wait for a mail server.
    """
    message = _written(user, template, subject, more)
    transaction.on_commit(lambda: told(_sent(message, template)))


def _written(
    user: CustomUser, template: str, subject: str, more: dict[str, Any]
) -> EmailMultiAlternatives:
    tenant = current_tenant()
    place = tenant.name if tenant else "the platform"
    context = {"user": user, "place": place, **more}
    message = EmailMultiAlternatives(
        subject=subject.format(place=place),
        body=render_to_string(f"accounts/email/{template}.txt", context),
        to=[user.email],
    )
    message.attach_alternative(
        render_to_string(f"accounts/email/{template}.html", context), "text/html"
    )
    return message


def _sent(message: EmailMultiAlternatives, template: str) -> bool:
    if not settings.TENANTRY_SENDS_MAIL:
        return False
    try:
        message.send()
    except (OSError, SMTPException) as error:
        logger.error("mail not sent", template=template, error=str(error))
        return False
    return True
