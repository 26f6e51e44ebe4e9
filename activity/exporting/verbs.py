"""``manage.py activity export``."""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from activity.events import COLUMNS, between
from activity.exporters import FORMATS, format_called
from activity.exporting.compressing import COMPRESSIONS, Compression, compression_called
from activity.exporting.files import Export, Source, of_events, of_report
from activity.exporting.making import Made
from activity.exporting.moments import Snapshot, one_moment
from activity.exporting.statements import columns_called
from activity.jobs import counting, sources
from activity.jobs.asked import Asked
from activity.jobs.verbs import ask
from activity.periods import Period, period_named
from activity.places import place
from activity.reading.events import narrow
from activity.reading.query import parse
from activity.reports import build, definition_of, period_for
from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput
from tenants.files import refuse_unwritable, written


def add_period(parser: argparse.ArgumentParser) -> None:
    """Declare ``--since`` and ``--until``."""
    parser.add_argument("--since", default="", metavar="DAY", help="first local day, YYYY-MM-DD")
    parser.add_argument("--until", default="", metavar="DAY", help="last local day, YYYY-MM-DD")


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Declare ``--param``."""
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="of the report"
    )


def parameters_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the parameters that were given; raises ``InvalidInput`` for half of one."""
    given: dict[str, str] = {}
    for text in options.param:
        name, sign, value = text.partition("=")
        if not sign or not name or name in given:
            raise InvalidInput(
                f"--param {text[:60]!r} is no parameter.", "Write each once, as NAME=VALUE."
            )
        given[name] = value
    return given


def period_of(options: argparse.Namespace) -> Period | None:
    """Return the period that was named, ``None`` for all time."""
    return period_named(options.since, options.until)


class ExportVerb(Verb):
    """Write a file."""

    name = "export"
    help = "Export events, or a report, as a file."
    examples = (
        "activity export --tenant acme --output acme.csv.gz --manifest",
        "activity export --tenant acme --since 2026-01-01 --format ndjson > acme.ndjson",
        "activity export --tenant acme --search 'actor:ann -outcome:success' --output ann.xlsx",
        "activity export --tenant acme --report sign-ins --output sign-ins.csv",
        "activity export --tenant acme --report summary --output summary.pdf",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what, whose, when and where to."""
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="whose record")
        add_period(parser)
        parser.add_argument(
            "--search", default="", metavar="TERMS", help="as in the list of events"
        )
        parser.add_argument(
            "--columns", default="", metavar="NAMES", help="these, between commas; default: all"
        )
        parser.add_argument(
            "--report", default="", metavar="NAME", help="this report, or the summary; no events"
        )
        add_parameters(parser)
        parser.add_argument(
            "--format", default="", help=f"{', '.join(FORMATS)}; default: as FILE ends, or csv"
        )
        parser.add_argument(
            "--compress", default="", help=f"{' or '.join(COMPRESSIONS)}; default: as FILE ends"
        )
        parser.add_argument(
            "--output", default="-", metavar="FILE", help="where to; default: standard output"
        )
        parser.add_argument(
            "--manifest", action="store_true", help="also write FILE.manifest.json, which proves it"
        )
        parser.add_argument("--force", action="store_true", help="replace a file that exists")
        parser.add_argument(
            "--background", action="store_true", help="have a worker make it: activity exports"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Write beside the file and rename, so that it is there complete or not at all."""
        path = None if options.output == "-" else Path(options.output)
        form, compression = _form_of(options, path)
        if options.background:
            ask(options, form, compression.name if compression else "", output)
            return
        _refuse_nonsense(options, output, path)
        sidecar = None
        if path is not None:
            refuse_unwritable(path, force=options.force)
        if path is not None and options.manifest:
            sidecar = path.with_name(f"{path.name}.manifest.json")
            refuse_unwritable(sidecar, force=options.force)
        # Leaving in this order: the export is in the record before its manifest is there, and
        # that before the file.
        with ExitStack() as stack:
            stack.enter_context(place(options))
            write, finish = stack.enter_context(written(path, output.stdout))
            if sidecar is not None:
                manifest = stack.enter_context(written(sidecar, output.stdout))
            snapshot = stack.enter_context(one_moment())
            export = _file_of(options, form, compression)
            _write(export, write, output)
            finish()
            finished = export.record_finished(snapshot, since=options.since, until=options.until)
            if path is not None and sidecar is not None:
                _describe(export.manifest(snapshot, finished, path.name), *manifest)
        _say(export, snapshot, path, output)


def _form_of(options: argparse.Namespace, path: Path | None) -> tuple[str, Compression | None]:
    """Return what was asked for, or else what the file's name ends in."""
    name = path.name.lower() if path else ""
    by_name = next((c for c in COMPRESSIONS.values() if name.endswith(c.suffix)), None)
    compression = compression_called(options.compress) or by_name
    if by_name:
        name = name.removesuffix(by_name.suffix)
    if document := sources.registered(options.report):
        return options.format or document.forms()[0], compression
    ending = name.rpartition(".")[2]
    form = options.format or (ending if ending in FORMATS else "csv")
    return format_called(form).name, compression


def _file_of(options: argparse.Namespace, form: str, compression: Compression | None) -> Made:
    if document := sources.registered(options.report):
        days = {name: getattr(options, name) for name in ("since", "until")}
        asked = Asked(
            source=document.name,
            filters={name: day for name, day in days.items() if day} | parameters_of(options),
            form=form,
            compression=compression.name if compression else "",
        )
        return document.make(sources.checked(asked), None)
    return Export(source=_source_of(options), format=format_called(form), compression=compression)


def _refuse_nonsense(options: argparse.Namespace, output: Output, path: Path | None) -> None:
    if options.report:
        if not sources.registered(options.report):
            definition_of(options.report)
        if options.search or options.columns:
            raise InvalidInput(
                "--search and --columns are of events.", "Leave them out, or --report."
            )
    elif options.param:
        raise InvalidInput("--param is of reports.", "Leave it out, or add --report NAME.")
    if path is None and (output.as_json or options.manifest):
        option = "--json" if output.as_json else "--manifest"
        raise InvalidInput(f"{option} needs a file.", "Add --output FILE.")


def _source_of(options: argparse.Namespace) -> Source:
    if options.report:
        period = period_for(options.report, options.since, options.until)
        return of_report(build(options.report, period, parameters_of(options)))
    columns = columns_called([name for name in options.columns.split(",") if name])
    events = narrow(between(period_of(options)), parse(options.search))
    filters = {name: getattr(options, name) for name in ("since", "until", "search")}
    return of_events(events, columns or COLUMNS, {k: v for k, v in filters.items() if v})


def _write(export: Made, write: Callable[[bytes], Any], output: Output) -> None:
    began = time.monotonic()
    # Who reads no bar need not wait until it is known how long it will be.
    events = export.events if output.console.is_terminal else None
    total = None if events is None else counting.count(events).rows
    with output.progress("rows") as progress, export.opened() as pieces:
        for piece in pieces:
            write(piece)
            rate = export.rows / max(0.001, time.monotonic() - began)
            progress(f"rows, {rate:,.0f}/s", export.rows, total and max(total, export.rows))


def _describe(
    manifest: dict[str, Any], write: Callable[[bytes], Any], finish: Callable[[], None]
) -> None:
    write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    finish()


def _say(export: Made, snapshot: Snapshot, path: Path | None, output: Output) -> None:
    if output.as_json:
        output.document(
            {
                "output": str(path),
                **export.asked,
                "rows": export.rows,
                "bytes": export.size,
                "sha256": export.sha256,
                "snapshot": snapshot.at,
                "checkpoint": snapshot.size,
            }
        )
    elif path is not None:
        output.say(f"{export.extent} written to {path}")
