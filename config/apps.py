"""Start-up of the project itself."""

from django.apps import AppConfig


class TenantryConfig(AppConfig):
    """Makes the deployment checks and the Celery app known wherever Django runs."""

    name = "config"
    verbose_name = "Tenantry"

    def ready(self) -> None:
        """Register the checks, and let tasks that are sent from anywhere find their broker.

        Not in ``config/__init__.py``: the runner and the embedded servers import that, and stay
        small.
        """
        from config import celery, checks  # noqa: F401
