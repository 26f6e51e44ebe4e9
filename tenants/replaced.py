"""Commands of django-tenants that bypass how tenants are made, entered and ended here."""

import sys
from typing import Any, ClassVar, NoReturn

from django.core.management.base import BaseCommand, CommandError


class ReplacedCommand(BaseCommand):
    """Does nothing but name what to use instead, whatever arguments it is given."""

    why: ClassVar[str]
    instead: ClassVar[str]
    requires_system_checks = []

    @property
    def sentence(self) -> str:
        """What is wrong with the command, and what to do."""
        return f"error: this command {self.why}. Use {self.instead}."

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Refuse with the exit status of a wrong command line, before reading the arguments."""
        self.stderr.write(self.sentence)
        sys.exit(2)

    def handle(self, *args: Any, **options: Any) -> NoReturn:
        """Refuse when called from Python."""
        raise CommandError(self.sentence, returncode=2)
