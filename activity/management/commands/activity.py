"""``manage.py activity``: read, count, report, export, seal and verify the record."""

import argparse

from django.conf import settings
from django.db import transaction
from django.utils.timezone import localtime

from activity.bundles.verbs import WriteBundle
from activity.events import COLUMNS, between, rows, sentence
from activity.exporters import FORMATS
from activity.exporting.verbs import (
    ExportVerb,
    add_parameters,
    add_period,
    parameters_of,
    period_of,
)
from activity.forgetting.verbs import Erase, HoldVerb, RetentionVerb, SubjectVerb
from activity.jobs.verbs import Exports
from activity.models import ActivityEvent
from activity.places import add_place, place
from activity.reports import REPORTS, build, definition_of, period_for
from activity.rollups.verbs import Aggregate
from activity.schedules.verbs import Schedules
from activity.sealing.keys import new_signer
from activity.sealing.verbs import Prove, Seal, Verify
from tenants.commandline import NounCommand, Output, Verb
from tenants.errors import InvalidInput


class Events(Verb):
    """Print events."""

    name = "events"
    help = "Print the newest events of a tenant's record, or of the platform's, newest last."
    examples = (
        "activity events --tenant acme --limit 20",
        "activity events --tenant acme --since 2026-01-01 --json | jq .action",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        add_place(parser)
        add_period(parser)
        parser.add_argument("--limit", type=int, default=50, help="how many at most; 0 for all")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print a line for each; with ``--json`` an object a line."""
        if options.limit < 0:
            raise InvalidInput("--limit is below 0.", "Use 0 for all events.")
        with place(options), transaction.atomic():
            chosen = between(period_of(options))
            if options.limit:
                newest = chosen.order_by("-id").values("pk")[: options.limit]
                chosen = ActivityEvent.objects.filter(pk__in=newest).order_by("id")
            if output.as_json:
                for line in FORMATS["ndjson"].write(COLUMNS, rows(chosen)):
                    output.stdout.write(line.decode(), ending="")
                return
            event = None
            for event in chosen.iterator():
                moment = localtime(event.occurred_at).strftime("%Y-%m-%d %H:%M:%S")
                output.say(f"{moment}  {event.action:<28} {sentence(event)}")
            if event is None:
                output.note("Nothing in this period.")


class ReportVerb(Verb):
    """Print a report."""

    name = "report"
    help = f"Print a report of the last 30 days or of a period: {', '.join(REPORTS)}."
    examples = (
        "activity report sign-ins --tenant acme",
        "activity report most-active --tenant acme --since 2026-01-01 --until 2026-01-31 --json",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, whose and when."""
        parser.add_argument("report", metavar="NAME", help=", ".join(REPORTS))
        add_place(parser)
        add_period(parser)
        add_parameters(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print it."""
        definition_of(options.report)
        with place(options):
            period = period_for(options.report, options.since, options.until)
            report = build(options.report, period, parameters_of(options))
        if output.as_json:
            output.document(
                {
                    "report": report.name,
                    "title": report.title,
                    "tenant": options.tenant,
                    "since": report.period.since,
                    "until": report.period.until,
                    "parameters": report.given,
                    "as_of": report.as_of,
                    "columns": report.columns,
                    "rows": [dict(zip(report.columns, row, strict=True)) for row in report.rows],
                }
            )
            return
        columns = [column.upper() for column in report.columns]
        output.table(columns, report.rows, empty="Nothing in this period.")
        if report.as_of is None:
            output.note("Not counted yet: manage.py activity aggregate")


class Keygen(Verb):
    """Make a key that seals the record."""

    name = "keygen"
    help = "Make a key for TENANTRY_SEAL_KEY. It is printed and kept nowhere."
    examples = (
        "activity keygen --name people.example.com",
        "activity keygen > seal_key && chmod 600 seal_key",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what it is called."""
        parser.add_argument(
            "--name", default="", help="what notes call the key; default: the platform's host"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print the private half to standard output, the public one to standard error."""
        signer = new_signer(options.name or settings.TENANTRY_BASE_DOMAIN)
        if output.as_json:
            output.document({"key": signer.private_text(), "vkey": signer.vkey})
            return
        output.say(signer.private_text())
        output.stderr.write(signer.vkey)


class Command(NounCommand):
    """Read, count, report, export, seal and verify the record."""

    help = "Read, count, report, export, seal and verify the record."
    verbs = (
        *(Events, ReportVerb, Aggregate, ExportVerb, Exports, WriteBundle, Seal, Verify, Prove),
        *(SubjectVerb, Erase, RetentionVerb, HoldVerb, Schedules, Keygen),
    )
