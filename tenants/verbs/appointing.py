"""``tenant superuser``."""

import argparse

from tenants import administrators, passwords
from tenants.commandline import Output, Verb
from tenants.directory import tenant_to_enter
from tenants.verbs.described import appointed, described, say_appointed


class Superuser(Verb):
    """Appoint an administrator."""

    name = "superuser"
    help = (
        "Make somebody an administrator of a tenant. An operator of the platform is made by "
        "`manage.py createsuperuser`."
    )
    examples = (
        "tenant superuser acme --username ann --email ann@acme.example",
        "tenant superuser acme --username ann --email ann@acme.example --password-stdin < secret",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare who, where and how they get in."""
        parser.add_argument("slug")
        parser.add_argument("--username", required=True, help="their user name; needed")
        parser.add_argument("--email", required=True, help="their address; needed")
        passwords.add_option(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Appoint them."""
        tenant = tenant_to_enter(options.slug)
        person = {
            "username": options.username,
            "email": options.email,
            "password": passwords.obtain(options),
        }
        administrators.check(tenant, **person)
        if options.dry_run:
            if output.as_json:
                output.document({"dry_run": True, "tenant": described(tenant)})
            output.say(f"would make {options.username} an administrator of {tenant.slug}")
            return
        appointment = administrators.appoint(tenant, **person)
        if output.as_json:
            output.document({"tenant": described(tenant), "administrator": appointed(appointment)})
        say_appointed(output, appointment)
