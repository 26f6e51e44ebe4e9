"""Mail to a person about their account."""

from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from accounts.models import CustomUser
from tenants.context import current_tenant

logger = structlog.get_logger("tenantry.mail")


def send(user: CustomUser, template: str, subject: str, **more: Any) -> bool:
    """Send somebody a mail, as text and as HTML; returns whether the mail server took it.

    ``template`` is one of ``accounts/email``; ``subject`` may name the ``{place}``.
    """
    if not settings.TENANTRY_SENDS_MAIL:
        return False
    tenant = current_tenant()
    place = tenant.name if tenant else "the platform"
    context = {"user": user, "place": place, **more}
    try:
        send_mail(
            subject=subject.format(place=place),
            message=render_to_string(f"accounts/email/{template}.txt", context),
            html_message=render_to_string(f"accounts/email/{template}.html", context),
            from_email=None,
            recipient_list=[user.email],
        )
    except (OSError, SMTPException) as error:
        logger.error("mail not sent", template=template, error=str(error))
        return False
    return True
