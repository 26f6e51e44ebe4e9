"""``tenant list`` and ``tenant show``."""

import argparse

from django.db.models import Prefetch

from tenants.commandline import Output, Verb
from tenants.context import enter_platform
from tenants.directory import tenant_called
from tenants.domains import state_of, with_state
from tenants.models import Domain, Tenant
from tenants.verbs.described import described


class List(Verb):
    """Show all tenants."""

    name = "list"
    help = "List tenants."
    examples = ("tenant list", "tenant list --state suspended --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the filter."""
        parser.add_argument("--state", choices=Tenant.State.values, help="only in this state")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print a row or an object for each."""
        with enter_platform():
            tenants = Tenant.objects.prefetch_related(
                Prefetch("domains", with_state(Domain.objects.all())), "former_slugs"
            )
            if options.state:
                tenants = tenants.filter(state=options.state)
            rows = [(tenant, list(tenant.domains.all())) for tenant in tenants]
        if output.as_json:
            output.document([described(tenant, domains) for tenant, domains in rows])
            return
        output.table(
            ("SLUG", "STATE", "NAME", "DOMAINS"),
            (
                (t.slug, t.get_state_display(), t.name, " ".join(_word(d) for d in domains))
                for t, domains in rows
            ),
            empty=f"No tenant is {Tenant(state=options.state).condition}."
            if options.state
            else "There are no tenants. Make one: manage.py tenant create SLUG",
        )


def _word(domain: Domain) -> str:
    """A host, with its state where it is not simply served."""
    state = state_of(domain)
    return domain.domain if state in ("primary", "served") else f"{domain.domain} ({state})"


class Show(Verb):
    """Show one tenant."""

    name = "show"
    help = "Show one tenant."
    examples = ("tenant show acme", "tenant show acme --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        parser.add_argument("slug")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print it."""
        description = described(tenant_called(options.slug))
        if output.as_json:
            output.document(description)
            return
        for key, value in description.items():
            shown = " ".join(value) if isinstance(value, list) else value
            output.say(f"{key.replace('_', ' '):<12} {shown}")
