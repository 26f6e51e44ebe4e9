"""The mail that says that support access was opened: to administrators, and to the person.

The announcement that counts is the event. A mail server that is down keeps nobody from helping.
"""

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.mails import send
from accounts.models import CustomUser
from tenants import support
from tenants.context import current_tenant, enter_tenant
from tenants.hosts import absolute_url
from tenants.models import SupportAccess


def announce_later(access: SupportAccess) -> None:
    """Have the mails sent by a worker when it is open; without a broker, send them here."""

    def announce_now() -> None:
        from accounts.tasks import announce_support

        try:
            announce_support.delay(access_id=str(access.pk), tenant_id=str(access.tenant_id))
        except OperationalError:
            with enter_tenant(access.tenant):
                announce(str(access.pk))

    transaction.on_commit(announce_now)


def announce(access_id: str) -> int:
    """Mail everybody who is to know; returns how many mails were taken. Called in the tenant."""
    access = support.access_with(access_id)
    tenant = current_tenant()
    if tenant is None or access.tenant_id != tenant.pk:
        return 0
    told = CustomUser.objects.active().filter(Q(is_superuser=True) | Q(public_id=access.person_id))
    people = list(told.order_by("pk"))
    person = next((str(one) for one in people if one.public_id == access.person_id), "")
    sent = 0
    for one in people:
        with timezone.override(one.zone):
            sent += send(
                one,
                "support",
                "Support access to {place} was opened",
                access=access,
                person=person,
                is_person=one.public_id == access.person_id,
                link=absolute_url(_path_for(one), tenant),
            )
    return sent


def _path_for(user: CustomUser) -> str:
    name = "support-panel" if user.is_superuser else "own-activity"
    return reverse(name, urlconf=settings.ROOT_URLCONF)
