"""``tenant delete``, ``undelete``, ``purge`` and ``certificate``."""

import argparse
import sys
from typing import Any

from tenants import certificates, deletion
from tenants.commandline import Output, Verb
from tenants.directory import tenant_called
from tenants.errors import InvalidInput, TenantryError
from tenants.models import DeletionCertificate, Tenant
from tenants.verbs.described import described


def add_confirmation(parser: argparse.ArgumentParser) -> None:
    """Declare ``--yes``."""
    parser.add_argument(
        "--yes", action="store_true", help="do not ask for the slug; needed without a terminal"
    )


def confirm(tenant: Tenant, options: argparse.Namespace, what: str) -> None:
    """Have the slug typed once more on a terminal. Raises ``InvalidInput`` when it is not.

    ``what`` says what will happen, and ends without a full stop.
    """
    if options.yes or options.dry_run:
        return
    if options.as_json or not _is_somebody_here():
        raise InvalidInput(
            "nobody is here to confirm it.", "On a terminal you are asked; elsewhere add --yes."
        )
    if _typed(f"{what}. Type {tenant.slug} to go on: ") != tenant.slug:
        raise InvalidInput("that is not its slug.", "Nothing was changed.")


def _is_somebody_here() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _typed(prompt: str) -> str:
    return input(prompt).strip()


def described_certificate(certificate: DeletionCertificate) -> dict[str, Any]:
    """The keys of a certificate in every ``--json`` document."""
    return {**certificates.certified(certificate), "digest": certificate.digest}


class Delete(Verb):
    """Close a tenant and schedule its end."""

    name = "delete"
    help = (
        "Close a tenant; it is purged when its grace is over. Until then `tenant undelete` "
        "brings it back."
    )
    examples = (
        "tenant delete acme --reason 'contract ended on 2026-06-30'",
        "tenant delete acme --reason 'asked for by their owner' --grace 0 --yes",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, why and how soon."""
        parser.add_argument("slug")
        parser.add_argument("--reason", required=True, help="goes into records and certificate")
        parser.add_argument(
            "--grace", type=int, metavar="DAYS", help="default: TENANTRY_DELETION_GRACE_DAYS"
        )
        add_confirmation(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Schedule it, or say that it is so already."""
        tenant = tenant_called(options.slug)
        deletion.check_reason(options.reason)
        days = deletion.check_grace(options.grace)
        wanted = {"reason": options.reason, "grace_days": options.grace}
        if deletion.schedule(tenant, **wanted, dry_run=True):
            confirm(tenant, options, f"{tenant.slug} will be closed, and purged in {days} days")
        changed = deletion.schedule(tenant, **wanted, dry_run=options.dry_run)
        if output.as_json:
            output.document(
                {
                    "changed": changed,
                    "dry_run": options.dry_run,
                    "purge_after": tenant.purge_after,
                    "tenant": described(tenant),
                }
            )
        elif options.dry_run:
            done = f"closed, and purged in {days} days" if changed else "left as it is"
            output.say(f"{tenant.slug} would be {done}")
        else:
            verb = "deletion scheduled:" if changed else "already scheduled:"
            output.say(
                f"{verb} {tenant.slug}, purged after {tenant.purge_after:%Y-%m-%d %H:%M} UTC"
            )


class Undelete(Verb):
    """Take a scheduled deletion back."""

    name = "undelete"
    help = "Bring a tenant whose deletion is scheduled back to the state it had."
    examples = ("tenant undelete acme --reason 'contract renewed'",)
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and why."""
        parser.add_argument("slug")
        parser.add_argument("--reason", default="", help="goes into the record")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Bring it back, or say that nothing is scheduled."""
        tenant = tenant_called(options.slug)
        changed = deletion.undelete(tenant, reason=options.reason, dry_run=options.dry_run)
        if output.as_json:
            output.document(
                {"changed": changed, "dry_run": options.dry_run, "tenant": described(tenant)}
            )
        elif not changed:
            output.say(f"nothing to undelete: {tenant.slug} ({tenant.get_state_display()})")
        elif options.dry_run:
            output.say(f"{tenant.slug} would be brought back")
        else:
            output.say(f"undeleted {tenant.slug} ({tenant.get_state_display()})")


class Purge(Verb):
    """Destroy a tenant."""

    name = "purge"
    help = (
        "Destroy a tenant whose grace is over, for good. A certificate stays. Workers do it by "
        "themselves every hour."
    )
    examples = ("tenant purge acme", "tenant purge acme --yes --json")
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        parser.add_argument("slug")
        add_confirmation(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Purge it, carry on where it was interrupted, or say that it is gone."""
        tenant = tenant_called(options.slug)
        if deletion.purge(tenant, dry_run=True).changed:
            confirm(tenant, options, f"All data of {tenant.slug} will be destroyed for good")
        with output.progress("purge") as progress:
            purged = deletion.purge(tenant, dry_run=options.dry_run, on_progress=progress)
        certificate = purged.certificate
        if output.as_json:
            output.document(
                {
                    "changed": purged.changed,
                    "dry_run": options.dry_run,
                    "certificate": described_certificate(certificate) if certificate else None,
                    "tenant": described(tenant),
                }
            )
        elif options.dry_run:
            output.say(f"{tenant.slug} would be {'purged' if purged.changed else 'left as it is'}")
        elif certificate:
            rows = sum(certificate.counts.get("rows", {}).values())
            verb = f"purged {tenant.slug}:" if purged.changed else f"already purged: {tenant.slug},"
            output.say(f"{verb} {rows} rows", f"  certificate {certificate.digest}")
        else:
            output.say(f"requested, a worker purges it: {tenant.slug}")


class CertificateOf(Verb):
    """Show what is certified of a tenant that was purged."""

    name = "certificate"
    help = "Show the deletion certificate of a purged tenant, and check it."
    examples = ("tenant certificate acme", "tenant certificate acme --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        parser.add_argument("slug")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print it, or refuse one that was altered."""
        certificate = certificates.certificate_of(tenant_called(options.slug))
        if certificates.digest_of(certificate) != certificate.digest:
            raise TenantryError(
                f"the certificate of {certificate.slug} was altered: its digest is another.",
                "The record has the digest it was issued with: tenant.deleted.",
            )
        document = described_certificate(certificate)
        if output.as_json:
            output.document(document)
            return
        rows = document["counts"].pop("rows", {})
        counts = {"rows": sum(rows.values()), **document.pop("counts")}
        for key, value in {**document, **counts}.items():
            output.say(f"{key.replace('_', ' '):<12} {value}")
