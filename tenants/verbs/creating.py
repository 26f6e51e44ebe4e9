"""``tenant create``."""

import argparse

from django.conf import settings

from tenants import provisioning, requests
from tenants.commandline import Output, Verb
from tenants.hosts import absolute_url
from tenants.models import Tenant
from tenants.requests import TenantRequest
from tenants.verbs.described import appointed, described, say_appointed


class Create(Verb):
    """Provision a tenant."""

    name = "create"
    help = "Provision a tenant: its schema, its address and, if wanted, its first administrator."
    examples = (
        "tenant create acme --name 'Acme Inc.' --admin-email ann@acme.example",
        "tenant create globex --domain people.globex.example --timezone Europe/Berlin --json",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("slug", help="the name in the address: 3-32 characters a-z, 0-9, -")
        parser.add_argument("--name", default="", help="what people call it; default: the slug")
        parser.add_argument(
            "--domain",
            action="append",
            default=[],
            help="a further host name, for which you vouch: served at once; may be repeated",
        )
        parser.add_argument("--admin-email", default="", help="make this address an administrator")
        parser.add_argument(
            "--timezone", default="", help="such as Europe/Berlin; default: the platform's"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Create, or say that it is there already."""
        request = TenantRequest(
            slug=options.slug,
            name=options.name,
            domains=tuple(options.domain),
            time_zone=options.timezone,
            admin_email=options.admin_email,
        )
        if options.dry_run:
            self._rehearse(request, output)
            return
        made = self._with_progress(request, output)
        if output.as_json:
            output.document(
                {
                    "created": made.created,
                    "tenant": described(made.tenant),
                    "administrator": appointed(made.administrator),
                }
            )
            return
        verb = "created" if made.created else "exists already:"
        if made.tenant.state in (Tenant.State.REQUESTED, Tenant.State.PROVISIONING):
            verb = "requested, a worker makes it:"
        output.say(f"{verb} {made.tenant.slug} ({made.tenant.get_state_display()})")
        output.say(f"  {absolute_url('/admin/', made.tenant)}")
        say_appointed(output, made.administrator)
        if options.admin_email and not made.created:
            # Somebody else's tenant may have this slug: it gets no new administrator by mistake.
            output.say(
                "Nothing was changed. To make somebody an administrator of it: "
                f"manage.py tenant superuser {made.tenant.slug} --username NAME --email ADDRESS"
            )

    def _with_progress(self, request: TenantRequest, output: Output) -> provisioning.Provisioned:
        with output.progress("schema") as progress:
            return provisioning.create(request, on_progress=progress)

    def _rehearse(self, request: TenantRequest, output: Output) -> None:
        request = requests.check(request)
        tenant = requests.existing(request)
        if output.as_json:
            output.document(
                {"dry_run": True, "would_create": tenant is None, "request": vars(request)}
            )
            return
        if tenant:
            output.say(f"would do nothing: {tenant.slug} exists already.")
            return
        zone = request.time_zone or settings.TIME_ZONE
        output.say(f"would create {request.slug} ({request.name}), {zone}")
        for domain in request.domains:
            output.say(f"  with the domain {domain}")
        if request.admin_email:
            output.say(f"  with the administrator {request.admin_email}")
