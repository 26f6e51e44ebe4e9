"""``migrate_schemas``: the platform's schema, then every tenant's."""

from django.core.management.commands import makemigrations
from django_tenants.management.commands.migrate_schemas import MigrateSchemasCommand


class Command(MigrateSchemasCommand):  # type: ignore[misc]
    """django-tenants' command, which detects changes with the same class as makemigrations.

    pgtrigger teaches makemigrations about triggers, and Django insists (commands.E001) that both
    see the same.
    """

    autodetector = makemigrations.Command.autodetector
