"""``tenant export`` and ``tenant import``."""

import argparse
import sys
from pathlib import Path

from tenants.archive.loading import check, import_archive
from tenants.archive.reading import archive_at
from tenants.archive.writing import export
from tenants.commandline import Output, Verb
from tenants.directory import tenant_called
from tenants.errors import InvalidInput
from tenants.files import refuse_unwritable
from tenants.verbs.described import described


def place(argument: str) -> Path | None:
    """Return the file that is meant, ``None`` for standard output or input."""
    return None if argument == "-" else Path(argument)


class Export(Verb):
    """Write a tenant to a file."""

    name = "export"
    help = (
        "Write everything of a tenant to one file that `tenant import` reads: people with their "
        "password hashes, roles, record, history, roll-ups. Keep it as you keep the database."
    )
    examples = ("tenant export acme acme.tenant", "tenant export acme - > acme.tenant")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and where to."""
        parser.add_argument("slug")
        parser.add_argument("file", help="where to; `-` is standard output")
        parser.add_argument("--force", action="store_true", help="replace a file that exists")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Export it."""
        tenant = tenant_called(options.slug)
        path = place(options.file)
        if path is not None:
            refuse_unwritable(path, force=options.force)
        elif output.as_json or sys.stdout.isatty():
            raise InvalidInput(
                "an archive is no text to be shown.", "Name a file, or redirect: - > acme.tenant"
            )
        with output.progress("tables") as progress:
            exported = export(tenant, path, on_progress=progress)
        if output.as_json:
            output.document({"output": str(path), **vars(exported)})
        elif path is not None:
            output.say(
                f"exported {tenant.slug} to {path}: {exported.rows} rows, {exported.tables} tables",
                f"  manifest {exported.sha256}",
            )


class Import(Verb):
    """Bring a tenant back from a file."""

    name = "import"
    help = "Make the tenant that an archive holds, with its own UUID. All of it, or nothing."
    examples = ("tenant import acme.tenant", "tenant import acme.tenant --slug acme-two")
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare from where, and under which slug."""
        parser.add_argument("file", help="what `tenant export` wrote; `-` is standard input")
        parser.add_argument("--slug", default="", help="another slug than it had")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Import it, or verify it and say what would be made."""
        path = place(options.file)
        if options.dry_run:
            self._rehearse(path, options, output)
            return
        with output.progress("rows") as progress:
            imported = import_archive(path, slug=options.slug, on_progress=progress)
        tenant = imported.tenant
        if output.as_json:
            output.document(
                {
                    "tenant": described(tenant),
                    "rows": imported.rows,
                    "domains_to_verify": list(imported.claims),
                    "to_do": list(imported.to_do),
                }
            )
            return
        state = tenant.get_state_display()
        output.say(f"imported {tenant.slug} ({state}): {imported.rows} rows")
        for domain in imported.claims:
            output.say(f"  {domain} has to be verified here before it is served")
        for sentence in imported.to_do:
            output.say(f"  {sentence}")

    def _rehearse(self, path: Path | None, options: argparse.Namespace, output: Output) -> None:
        with archive_at(path) as archive:
            slug = check(archive, options.slug)
            manifest = archive.manifest
        if output.as_json:
            output.document(
                {"dry_run": True, "slug": slug, "id": manifest.tenant.id, "rows": manifest.rows}
            )
        output.say(f"would import {slug} ({manifest.tenant.name}): {manifest.rows} rows")
