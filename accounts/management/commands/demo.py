"""``manage.py demo``: two tenants to look around in."""

import logging
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import demo


class Command(BaseCommand):
    """Seeds the demo tenants and says how to get in."""

    help = (
        "Make the demo tenants acme and globex, with people and real activity, unless they are "
        "there, and print addresses and credentials. Refused in production."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, then print."""
        if settings.TENANTRY_PRODUCTION:
            raise CommandError(
                "the demo has a password that everybody knows, so it is refused in production. "
                "Make a real tenant: manage.py tenant create SLUG"
            )
        logging.getLogger("tenantry.requests").setLevel(logging.WARNING)
        for line in demo.seed():
            self.stderr.write(line)
        self.stdout.write("Demo, with the password: " + demo.PASSWORD)
        for url, people in demo.doors():
            self.stdout.write(f"  {url:<36} {people}")
        if demo.mail_directory():
            self.stdout.write(f"Mail is written to {demo.mail_directory()}")
