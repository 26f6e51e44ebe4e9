"""``migrate_schemas``: the platform's schema, then every tenant's."""

from typing import Any

from django.core.management.commands import makemigrations
from django.db import connection
from django_tenants.management.commands.migrate_schemas import MigrateSchemasCommand

from tenants.backend.defaults import close_default_path
from tenants.context import enter_platform


class Command(MigrateSchemasCommand):  # type: ignore[misc]
    """django-tenants' command, which detects changes with the same class as makemigrations.

    pgtrigger teaches makemigrations about triggers, and Django insists (commands.E001) that both
    see the same.
    """

    autodetector = makemigrations.Command.autodetector

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then see to it that nobody who never said where they are finds a table."""
        with enter_platform():
            super().handle(*args, **options)
            close_default_path(connection)
