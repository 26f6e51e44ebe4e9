"""Start-up of the project itself."""

from django.apps import AppConfig


class TenantryConfig(AppConfig):
    """Makes the deployment checks and the Celery app known wherever Django runs."""

    name = "config"
    verbose_name = "Tenantry"

    def ready(self) -> None:
        """Register the checks and what deletion empties; let tasks find their broker.

        Not in ``config/__init__.py``: the runner and the embedded servers import that, and stay
        small.
        """
        from config import cache, celery, checks  # noqa: F401
        from tenants import purging

        purging.register("cache keys", cache.empty_for)
