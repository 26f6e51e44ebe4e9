"""Start-up of the tenants app."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Installs what makes the rest of Django right with a schema per tenant."""

    name = "tenants"
    verbose_name = "Tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Key the ContentType cache by schema, bind objects, and keep the hosts' cache fresh."""
        from tenants import (  # noqa: F401
            admin,
            checks,
            contenttypes,
            hosts,
            provisioning,
            purging,
            remembering,
            timeline,
        )
        from tenants.archive import loading  # noqa: F401
        from tenants.fleet import resuming

        contenttypes.install()
        remembering.install()
        hosts.connect()
        resuming.register()
