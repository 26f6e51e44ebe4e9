"""``tenant domain add``, ``verify``, ``primary``, ``remove`` and ``list``."""

import argparse
from typing import ClassVar

from tenants import domains
from tenants.commandline import Output, Verb, VerbGroup
from tenants.directory import tenant_called
from tenants.domains import Done, domains_of, expires_at, proof_of, state_of
from tenants.models import Domain, Tenant
from tenants.proofs import By
from tenants.verbs.described import described_domain


class Act(Verb):
    """Change a domain of a tenant: the shape that four verbs share."""

    can_change = True
    past: ClassVar[str]
    already: ClassVar[str]

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose and which."""
        parser.add_argument("slug")
        parser.add_argument("domain", help="a host name such as people.acme.example")

    def act(self, tenant: Tenant, options: argparse.Namespace) -> Done:
        """Do it."""
        raise NotImplementedError

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Do it, or say that it is so already."""
        tenant = tenant_called(options.slug)
        done = self.act(tenant, options)
        if output.as_json:
            output.document(
                {
                    "changed": done.changed,
                    "dry_run": options.dry_run,
                    "tenant": tenant.slug,
                    "domain": described_domain(done.domain),
                }
            )
            return
        host = done.domain.domain
        if not done.changed:
            output.say(f"already {self.already}: {host}")
        elif options.dry_run:
            output.say(f"{host} would be {self.past.rstrip(chr(58))}")
            return
        else:
            output.say(f"{self.past} {host}")
        self.explain(tenant, done, output)

    def explain(self, tenant: Tenant, done: Done, output: Output) -> None:
        """Say what comes next, if anything does."""


class Add(Act):
    """Claim a domain."""

    name = "add"
    help = (
        "Add a domain of the customer's to a tenant. It is served once it is verified: this says "
        "what the customer has to publish."
    )
    examples = (
        "tenant domain add acme people.acme.example",
        "tenant domain add acme people.acme.example --vouched",
    )
    past = "added"
    already = "added"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose, which, and whether a proof is needed."""
        super().arguments(parser)
        parser.add_argument(
            "--vouched",
            action="store_true",
            help="serve it at once, without a proof: you know that it is the customer's",
        )

    def act(self, tenant: Tenant, options: argparse.Namespace) -> Done:
        """Claim it."""
        return domains.add(tenant, options.domain, vouched=options.vouched, dry_run=options.dry_run)

    def explain(self, tenant: Tenant, done: Done, output: Output) -> None:
        """Say what to publish."""
        if done.domain.verified_at:
            output.say("It is verified and served.")
            return
        say_what_to_publish(tenant, done.domain, output)


class Verify(Act):
    """Prove a domain."""

    name = "verify"
    help = "Look whether the customer has published the proof, and serve the domain if so."
    examples = (
        "tenant domain verify acme people.acme.example",
        "tenant domain verify acme people.acme.example --by http --json",
    )
    past = "verified"
    already = "verified"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose, which, and where the proof is."""
        super().arguments(parser)
        parser.add_argument(
            "--by",
            choices=[by.value for by in By],
            default=By.DNS.value,
            help="where the proof is: a TXT record (dns, the default) or a file (http)",
        )

    def act(self, tenant: Tenant, options: argparse.Namespace) -> Done:
        """Ask for the proof."""
        return domains.verify(tenant, options.domain, by=By(options.by), dry_run=options.dry_run)


class Primary(Act):
    """Choose the primary domain."""

    name = "primary"
    help = "Make a verified domain the primary one: links in mail and on pages name it."
    examples = ("tenant domain primary acme people.acme.example",)
    past = "made primary:"
    already = "primary"

    def act(self, tenant: Tenant, options: argparse.Namespace) -> Done:
        """Make it primary."""
        return domains.make_primary(tenant, options.domain, dry_run=options.dry_run)


class Remove(Act):
    """Give a domain up."""

    name = "remove"
    help = (
        "Remove a domain, or the claim of one. If it was the primary one, the default host is "
        "primary again."
    )
    examples = ("tenant domain remove acme people.acme.example",)
    past = "removed"
    already = "removed"

    def act(self, tenant: Tenant, options: argparse.Namespace) -> Done:
        """Remove it."""
        return domains.remove(tenant, options.domain, dry_run=options.dry_run)


class List(Verb):
    """Show the domains of a tenant."""

    name = "list"
    help = "List a tenant's domains, with their states and what is to be published."
    examples = ("tenant domain list acme", "tenant domain list acme --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose."""
        parser.add_argument("slug")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print a row or an object for each."""
        tenant = tenant_called(options.slug)
        found = domains_of(tenant)
        if output.as_json:
            output.document([described_domain(domain) for domain in found])
            return
        output.table(
            ("DOMAIN", "STATE", "TO PUBLISH"),
            ((domain.domain, state_of(domain), _to_publish(domain)) for domain in found),
            empty="It has no domains.",
        )


class Domains(VerbGroup):
    """What can be done to a tenant's domains."""

    name = "domain"
    help = "Add, verify and remove domains of a tenant, and choose the primary one."
    verbs = (Add, Verify, Primary, Remove, List)


def _to_publish(domain: Domain) -> str:
    proof = proof_of(domain)
    return f"{proof.record} TXT {proof.value}" if state_of(domain) == "claimed" else ""


def say_what_to_publish(tenant: Tenant, domain: Domain, output: Output) -> None:
    """Tell what proves a claim, and how it is verified then."""
    proof = proof_of(domain)
    output.say(
        f"It is served once it is verified. Publish one of these before {expires_at(domain):%F}:",
        "  a TXT record",
        f"    name   {proof.record}",
        f"    value  {proof.value}",
        "  or a file",
        f"    at     {proof.url}",
        f"    with   {proof.value}",
        f"Then: manage.py tenant domain verify {tenant.slug} {domain.domain}",
    )
