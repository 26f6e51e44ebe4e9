"""``tenant support open``, ``list`` and ``end``."""

import argparse
from typing import Any

from django.db import transaction

from tenants import support
from tenants.commandline import Output, Verb, VerbGroup
from tenants.context import enter_platform
from tenants.directory import tenant_called
from tenants.models import SupportAccess


class Open(Verb):
    """Open support access."""

    name = "open"
    help = (
        "Let an operator act as one person of a tenant for a while. Both records and its "
        "administrators are told; the one-time link that begins it is printed."
    )
    examples = (
        "tenant support open acme --operator olga --for ann --reason 'ticket 4711'",
        "tenant support open acme --operator olga --for ann@acme.example --reason x --minutes 15",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare where, who, as whom, why and for how long."""
        parser.add_argument("slug")
        parser.add_argument("--operator", required=True, help="user name of the operator")
        parser.add_argument(
            "--for", required=True, dest="person", metavar="PERSON", help="as whom they act"
        )
        parser.add_argument("--reason", required=True, help="why; the customer reads it")
        parser.add_argument(
            "--minutes", type=int, default=30, choices=support.MINUTES, help="default: 30"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Open it and print the link."""
        tenant = tenant_called(options.slug)
        with enter_platform(), transaction.atomic():
            opened = support.open_access(
                tenant,
                options.operator,
                options.person,
                reason=options.reason,
                minutes=options.minutes,
            )
            transaction.set_rollback(options.dry_run)
        link = "" if options.dry_run else opened.link
        if output.as_json:
            shown = {} if options.dry_run else described_access(opened.access)
            output.document({"changed": True, "dry_run": options.dry_run, "link": link, **shown})
        elif options.dry_run:
            output.say(f"support access to {tenant.slug} would be opened")
        else:
            until = f"{opened.access.ends_at:%F %H:%M} UTC"
            output.say(
                f"opened support access to {tenant.slug} until {until}: {opened.access.pk}",
                "This link begins it, once, within five minutes:",
                f"  {link}",
            )


class List(Verb):
    """Show who has support access."""

    name = "list"
    help = "List the support accesses that run, of one tenant or of all, the newest first."
    examples = ("tenant support list", "tenant support list acme --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose."""
        parser.add_argument("slug", nargs="?")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print a row or an object for each."""
        found = support.running(tenant_called(options.slug) if options.slug else None)
        if output.as_json:
            output.document([described_access(access) for access in found])
            return
        output.table(
            ("ID", "TENANT", "OPERATOR", "UNTIL", "IS THERE", "REASON"),
            (
                (
                    access.pk,
                    access.tenant.slug,
                    access.operator_label,
                    f"{access.ends_at:%F %H:%M}",
                    "yes" if access.entered_at else "no",
                    access.reason,
                )
                for access in found
            ),
            empty="There is no support access.",
        )


class End(Verb):
    """End support access."""

    name = "end"
    help = "End a support access at once: its session opens nothing from the next request on."
    examples = ("tenant support end 01a206a3-d3e0-74f3-8037-abb494252507",)
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        parser.add_argument("id")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """End it, or say that it had ended."""
        access = support.access_with(options.id)
        changed = access.ended_at is None
        if not options.dry_run:
            changed = support.end_access(access, SupportAccess.How.PLATFORM)
        if output.as_json:
            shown = described_access(support.access_with(options.id))
            output.document({"changed": changed, "dry_run": options.dry_run, **shown})
        elif options.dry_run:
            output.say(f"{access.pk} would be {'ended' if changed else 'left as it is'}")
        else:
            output.say(f"{'ended' if changed else 'already ended:'} {access.pk}")


class Support(VerbGroup):
    """What can be done about support access."""

    name = "support"
    help = "Open, list and end support access of operators to tenants."
    verbs = (Open, List, End)


def described_access(access: SupportAccess) -> dict[str, Any]:
    """The keys of an access in every ``--json`` document."""
    return {
        "id": access.pk,
        "tenant": access.tenant.slug,
        "operator": access.operator_label,
        "operator_id": access.operator_id,
        "person_id": access.person_id,
        "reason": access.reason,
        "begun_at": access.begun_at,
        "ends_at": access.ends_at,
        "entered_at": access.entered_at,
        "ended_at": access.ended_at,
        "ended_how": access.ended_how,
    }
