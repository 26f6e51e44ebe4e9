"""``tenant rename``."""

import argparse

from tenants import renaming
from tenants.commandline import Output, Verb
from tenants.directory import tenant_called
from tenants.hosts import absolute_url
from tenants.verbs.described import described


class Rename(Verb):
    """Call a tenant otherwise."""

    name = "rename"
    help = (
        "Give a tenant another slug, and so another default host. The old slug stays reserved for "
        "it, and the old host redirects."
    )
    examples = (
        "tenant rename acme acme-group",
        "tenant rename acme acme-group --name 'Acme Group'",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare from what to what."""
        parser.add_argument("slug", help="as it is called now")
        parser.add_argument("new", help="the new slug: 3-32 characters a-z, 0-9, -")
        parser.add_argument("--name", default="", help="what people call it from now on")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Rename it, or say that it is called so already."""
        tenant = tenant_called(options.slug)
        done = renaming.rename(tenant, options.new, name=options.name, dry_run=options.dry_run)
        if output.as_json:
            output.document(
                {
                    "changed": done.changed,
                    "dry_run": options.dry_run,
                    "former_slug": done.former_slug,
                    "tenant": described(done.tenant),
                }
            )
        elif not done.changed:
            output.say(f"already called so: {done.tenant.slug} ({done.tenant.name})")
        elif options.dry_run:
            output.say(f"would rename {done.former_slug} to {done.tenant.slug}")
        else:
            output.say(f"renamed {done.former_slug} to {done.tenant.slug} ({done.tenant.name})")
            output.say(f"  {absolute_url('/admin/', done.tenant)}")
            if done.former_slug != done.tenant.slug:
                output.say("The old address redirects. People sign in again at the new one.")
