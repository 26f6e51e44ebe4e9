"""Management commands act on the platform, unless they enter a tenant."""

from django.apps import apps
from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand


class PlatformUtility(ManagementUtility):
    """Django's command line, whose main thread is on the platform when a command begins."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Return the command. The apps are loaded by now, and none of it has run."""
        command = super().fetch_command(subcommand)
        if apps.ready:
            from tenants.context import start_on_platform

            start_on_platform()
        return command


def execute_on_platform(arguments: list[str]) -> None:
    """Run the command that ``arguments``, with the program's name before it, name."""
    PlatformUtility(arguments).execute()
