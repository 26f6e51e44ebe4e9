"""``manage.py activity bundle``."""

import argparse
from pathlib import Path

from activity.bundles.writing import Asked, Bundle, one_moment
from activity.periods import period_named
from activity.places import add_place, place
from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput
from tenants.files import refuse_unwritable, written_privately


class WriteBundle(Verb):
    """Write the sealed record as a file."""

    name = "bundle"
    help = "Write the sealed record as a file that verify_record.py checks without us."
    examples = (
        "activity bundle --tenant acme --output acme-record.zip",
        "activity bundle --tenant acme --after 120000 --output acme-record-2.zip",
        "activity bundle --tenant acme --since 2026-01-01 --until 2026-03-31 --output q1.zip",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose, which part, and where to."""
        add_place(parser)
        parser.add_argument(
            "--since", default="", metavar="DAY", help="first local day, YYYY-MM-DD"
        )
        parser.add_argument("--until", default="", metavar="DAY", help="last local day, YYYY-MM-DD")
        parser.add_argument(
            "--after",
            type=int,
            metavar="SIZE",
            help="only what follows the checkpoint of this size",
        )
        parser.add_argument(
            "--output", required=True, metavar="FILE", help="where to; - for standard output"
        )
        parser.add_argument("--force", action="store_true", help="replace a file that exists")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Write beside the file and rename, so that it is there complete or not at all."""
        if output.as_json and options.output == "-":
            raise InvalidInput("--json has standard output for itself.", "Give --output a FILE.")
        path = None if options.output == "-" else Path(options.output)
        if path is not None:
            refuse_unwritable(path, force=options.force)
        # Leaving in this order: the export is in the record before the file is there.
        with (
            place(options),
            written_privately(path) as file,
            output.progress("events") as progress,
            one_moment(),
        ):
            bundle = Bundle(_asked(options))
            for piece in bundle.pieces():
                file.write(piece)
                progress("events", bundle.events, None)
            bundle.record()
        if output.as_json:
            output.document(
                {
                    "output": str(path),
                    "first": bundle.first,
                    "size": bundle.size,
                    "events": bundle.events,
                    "manifest_sha256": bundle.sha256,
                }
            )
        elif path is not None:
            output.say(f"{bundle.events} events, {bundle.first} to {bundle.size}, in {path}")


def _asked(options: argparse.Namespace) -> Asked:
    period = period_named(options.since, options.until)
    if period and options.after is not None:
        raise InvalidInput("--after and days exclude each other.", "Use one of them.")
    return Asked(after=options.after, period=period)
