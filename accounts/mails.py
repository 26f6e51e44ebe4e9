"""Mail to a person about their account."""

from collections.abc import Callable
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.devices import name_of
from accounts.models import CustomUser
from activity import context
from activity.context import Actor, ActorKind
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


def tell_changed(user: CustomUser, thing: str, what: str, *, by: Actor | None = None) -> None:
    """Mail somebody that their ``thing`` was changed, and from where, since it may not be they.

    Of what somebody else did, ``by``, they are told who it was: addresses and devices are theirs.
    """
    now = context.current()
    here = {} if by else {"ip": now.ip, "device": name_of(now.user_agent) if now.user_agent else ""}
    send(
        user,
        "changed",
        f"Your {thing} at {{place}}",
        thing=thing,
        what=what,
        at=timezone.now(),
        by=_named(by) if by else "",
        **here,
    )


def _named(actor: Actor) -> str:
    # Accounts and names of the operators' machines are for the operators.
    is_of_operators = actor.kind in (ActorKind.COMMAND, ActorKind.DATABASE)
    return "an operator" if is_of_operators else actor.label


def _written(
    user: CustomUser, template: str, subject: str, more: dict[str, Any]
) -> EmailMultiAlternatives:
    tenant = current_tenant()
    place = tenant.name if tenant else "the platform"
    shown = {"user": user, "place": place, **more}
    # Who reads it may live elsewhere than whoever caused it.
    with timezone.override(user.zone):
        text = render_to_string(f"accounts/email/{template}.txt", shown)
        page = render_to_string(f"accounts/email/{template}.html", shown)
    message = EmailMultiAlternatives(subject.format(place=place), text, to=[user.email])
    message.attach_alternative(page, "text/html")
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
