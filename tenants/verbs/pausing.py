"""``tenant suspend`` and ``tenant resume``."""

import argparse
from typing import ClassVar

from tenants import lifecycle
from tenants.commandline import Output, Verb
from tenants.directory import tenant_called
from tenants.models import Tenant
from tenants.verbs.described import described


class Move(Verb):
    """Suspend or resume: the shape that both share."""

    can_change = True
    past: ClassVar[str]

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and why."""
        parser.add_argument("slug")
        parser.add_argument("--reason", default="", help="goes into the record")

    def move(self, tenant: Tenant, reason: str, dry_run: bool) -> bool:
        """Change the tenant; returns whether anything changed, or would."""
        raise NotImplementedError

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Change it, or say that it is so already."""
        tenant = tenant_called(options.slug)
        target = {"suspended": Tenant.State.SUSPENDED, "resumed": Tenant.State.ACTIVE}[self.past]
        changed = self.move(tenant, options.reason, options.dry_run)
        if output.as_json:
            output.document(
                {"changed": changed, "dry_run": options.dry_run, "tenant": described(tenant)}
            )
        elif options.dry_run:
            output.say(f"{tenant.slug} would be {self.past if changed else 'left as it is'}")
        else:
            output.say(
                f"{self.past if changed else f'already {target.label.lower()}:'} {tenant.slug}"
            )


class Suspend(Move):
    """Stop serving a tenant."""

    name = "suspend"
    help = "Stop serving a tenant: its pages answer 403, its tasks are refused. Nothing is lost."
    examples = ("tenant suspend acme --reason 'invoice 42 is overdue'",)
    past = "suspended"

    def move(self, tenant: Tenant, reason: str, dry_run: bool) -> bool:
        """Suspend it."""
        return lifecycle.suspend(tenant, reason=reason, dry_run=dry_run)


class Resume(Move):
    """Serve a tenant again."""

    name = "resume"
    help = "Serve a suspended tenant again."
    examples = ("tenant resume acme",)
    past = "resumed"

    def move(self, tenant: Tenant, reason: str, dry_run: bool) -> bool:
        """Resume it."""
        return lifecycle.resume(tenant, reason=reason, dry_run=dry_run)
