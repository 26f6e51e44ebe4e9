"""Background work about people. Tasks load, call one function and return."""

from importlib import import_module

from celery import shared_task
from django.conf import settings

from tenants.tasks import PlatformTask, TenantTask, for_each_active_tenant


@shared_task(base=TenantTask, name="accounts.clear_sessions_of_tenant")
def clear_sessions_of_tenant() -> None:
    """Delete one tenant's sessions that have expired."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


@shared_task(base=PlatformTask, name="accounts.clear_sessions")
def clear_sessions() -> int:
    """Have expired sessions deleted, the platform's and every active tenant's; returns how many."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return for_each_active_tenant(clear_sessions_of_tenant)
