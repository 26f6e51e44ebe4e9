"""``manage.py activity exports``, and ``activity export --background``."""

import argparse
import time
import uuid
from pathlib import Path
from typing import Any

from activity import context
from activity.jobs import asking, keeping, links, listing, steps
from activity.jobs.asked import asked_of
from activity.jobs.requesters import requester
from activity.jobs.sources import has_rows
from activity.models import ExportJob
from activity.places import add_place, place
from tenants.commandline import Output, Verb, VerbGroup
from tenants.errors import Conflict, InvalidInput, NotFound
from tenants.files import refuse_unwritable, written

_PIECE = 1 << 20


def ask(options: argparse.Namespace, form: str, compression: str, output: Output) -> None:
    """Have an export made in the background, and say how to follow it."""
    if options.output != "-" or options.manifest or options.force:
        raise InvalidInput(
            "--background writes no file here.", "Leave out --output, --manifest and --force."
        )
    from activity.exporting.verbs import parameters_of

    filters = {"since": options.since, "until": options.until}
    if options.report:
        filters |= parameters_of(options)
    elif options.search:
        filters["q"] = options.search
    with place(options):
        job = asking.request(
            options.report or "events",
            {name: value for name, value in filters.items() if value},
            form,
            compression,
            [name for name in options.columns.split(",") if name],
            by=context.current().actor,
        )
        job.refresh_from_db()
    if output.as_json:
        output.document(document(job))
    else:
        output.say(
            f"{job.pk} is {job.state}",
            f"manage.py activity exports fetch {job.pk} --tenant {options.tenant} --output FILE",
        )


def document(job: ExportJob) -> dict[str, Any]:
    """Return the keys of an export in every ``--json`` document."""
    asked = asked_of(job)
    return {
        "id": job.pk,
        "source": job.source,
        "filters": asked.filters,
        "format": asked.form,
        "compression": asked.compression or None,
        "state": job.state,
        "error": job.error,
        "requested_by": job.requester_label,
        "rows": job.rows_done,
        "rows_expected": job.rows_expected,
        "bytes": job.bytes,
        "sha256": job.sha256,
        "asked_at": job.asked_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
    }


class ListExports(Verb):
    """List exports."""

    name = "list"
    help = "List the exports that are made in the background, newest first."
    examples = ("activity exports list --tenant acme", "activity exports list --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose."""
        add_place(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print a line for each."""
        with place(options):
            found = list(ExportJob.objects.order_by("-id"))
            if output.as_json:
                output.document({"exports": [document(job) for job in found]})
                return
            rows = [listing.row_of(job, "", oversees=True) for job in found]
            output.table(
                ("ID", "STATE", "WHAT", "FILTERS", "FORMAT", "ROWS", "BYTES", "WHO"),
                [
                    (
                        *(row.job.pk, row.job.state, row.title, row.filters, row.form),
                        *(row.job.rows_done, row.job.bytes, row.job.requester_label),
                    )
                    for row in rows
                ],
                empty="There are no exports.",
            )


class CancelExport(Verb):
    """Cancel an export."""

    name = "cancel"
    help = "Cancel an export that waits or is being made; of one that is ready, delete the file."
    examples = ("activity exports cancel 019dbb70-6a1c-7d35-8c5b-2d1b9e4f0a77 --tenant acme",)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and whose."""
        parser.add_argument("export", metavar="ID", help="as in the list")
        add_place(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Cancel it; what is over already is said to be."""
        with place(options):
            job = _job(options.export)
            done = job.is_open or job.is_ready
            if job.is_open:
                steps.cancel(job)
            elif job.is_ready:
                steps.expire(job, "somebody deleted it")
            job.refresh_from_db()
        if output.as_json:
            output.document(document(job))
        else:
            output.say(f"{job.pk} is {'now' if done else 'already'} {job.state}")


class FetchExport(Verb):
    """Write the file of an export that a command asked for."""

    name = "fetch"
    help = "Wait until an export that a command asked for is ready, and write its file."
    examples = (
        "activity exports fetch 019dbb70-6a1c-7d35-8c5b-2d1b9e4f0a77 --tenant acme --output a.csv",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, whose and where to."""
        parser.add_argument("export", metavar="ID", help="as in the list")
        add_place(parser)
        parser.add_argument("--output", required=True, metavar="FILE", help="where to")
        parser.add_argument("--force", action="store_true", help="replace a file that exists")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Show how far it is until it is over, then write beside the file and rename."""
        path = Path(options.output)
        refuse_unwritable(path, force=options.force)
        with place(options):
            job = _job(options.export)
            if requester(job).kind != context.ActorKind.COMMAND:
                raise Conflict(
                    "a person asked for this export, who alone may take it.",
                    "Ask for one of your own: activity export --background.",
                )
            _wait(job, output)
            with keeping.opened(job) as file, written(path, output.stdout) as (write, finish):
                while piece := file.read(_PIECE):
                    write(piece)
                finish()
            links.note_downloaded(job, by_link=False)
        if output.as_json:
            output.document({**document(job), "output": str(path)})
        else:
            rows = f"{job.rows_done} rows " if has_rows(job.source) else ""
            output.say(f"{rows}written to {path}")


class Exports(VerbGroup):
    """What can be done about exports that are made in the background."""

    name = "exports"
    help = "List, cancel and fetch exports that are made in the background."
    verbs = (ListExports, CancelExport, FetchExport)


def _job(text: str) -> ExportJob:
    try:
        job = ExportJob.objects.filter(pk=uuid.UUID(text)).first()
    except ValueError:
        job = None
    if job is None:
        raise NotFound(f"there is no export {text[:60]!r} here.", "See: activity exports list")
    return job


def _wait(job: ExportJob, output: Output) -> None:
    """Wait for a worker; Ctrl-C leaves the export as it is. Raises ``Conflict`` for no file."""
    with output.progress("waits for a worker") as progress:
        while job.is_open:
            rate = f", {job.rate:,.0f}/s" if job.rate else ""
            progress(f"rows{rate}", job.rows_done, job.expected)
            time.sleep(0.5)
            job.refresh_from_db()
    if not job.is_ready:
        raise Conflict(f"the export is {job.state}. {job.error}".strip(), "Ask for it again.")
