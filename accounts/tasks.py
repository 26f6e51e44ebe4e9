"""Background work about people. Tasks load, call one function and return."""

from importlib import import_module

from celery import shared_task
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from accounts.invitations import send_reset_link
from accounts.models import CustomUser
from accounts.support import sweeping
from accounts.support.announcing import announce
from tenants.context import current_tenant
from tenants.tasks import PlatformTask, TenantTask, for_each_active_tenant


@shared_task(base=TenantTask, name="accounts.clear_sessions_of_tenant")
def clear_sessions_of_tenant() -> None:
    """Delete one tenant's sessions that have expired."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


@shared_task(base=PlatformTask, name="accounts.clear_sessions")
def clear_sessions() -> int:
    """Have expired sessions deleted, the platform's and every active tenant's; returns how many."""
    # The tenants first: whatever is wrong on the platform keeps none of them waiting.
    tenants = for_each_active_tenant(clear_sessions_of_tenant)
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return tenants


@shared_task(base=TenantTask, name="accounts.mail_reset_link")
def mail_reset_link(user_id: int) -> None:
    """Mail one of a tenant's people a link to choose a new password."""
    send_reset_link(CustomUser.objects.get(pk=user_id))


@shared_task(base=PlatformTask, name="accounts.mail_operators_reset_link")
def mail_operators_reset_link(user_id: int) -> None:
    """Mail an operator of the platform a link to choose a new password."""
    send_reset_link(CustomUser.objects.get(pk=user_id))


@shared_task(base=TenantTask, name="accounts.announce_support")
def announce_support(access_id: str) -> int:
    """Tell a tenant's administrators that support access was opened; returns how many."""
    return announce(access_id)


@shared_task(base=PlatformTask, name="accounts.end_support")
def end_support() -> int:
    """Write down the ends of support access that nobody asked for; returns how many."""
    return sweeping.sweep()


def mail_reset_link_later(user: CustomUser) -> None:
    """Have a link mailed by a worker when the request is recorded; without a broker, mail it here.

    Only the key travels: the link is made by the worker, so that the queue holds no way in.
    """
    tenant = current_tenant()

    def send() -> None:
        try:
            if tenant:
                mail_reset_link.delay(user_id=user.pk, tenant_id=str(tenant.pk))
            else:
                mail_operators_reset_link.delay(user_id=user.pk)
        except OperationalError:
            send_reset_link(user)

    transaction.on_commit(send)
