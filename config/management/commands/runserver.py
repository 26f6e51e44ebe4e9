"""``runserver``, whose work is done in a thread of its own."""

from django.contrib.staticfiles.management.commands import runserver

from tenants.context import enter_platform


class Command(runserver.Command):
    """Django's command, which asks for migrations on the platform."""

    def check_migrations(self) -> None:
        """Warn of migrations that the platform lacks."""
        with enter_platform():
            super().check_migrations()
