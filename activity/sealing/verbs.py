"""The verbs of ``manage.py activity`` that seal, verify and prove."""

import argparse
import base64
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.utils import timezone

from activity.places import add_place, add_places, each, place
from activity.sealing import keys, outside, sealer, starts
from activity.sealing.consistency import Growth, grown
from activity.sealing.heads import Kept
from activity.sealing.proofs import Proof, prove
from activity.verifying import Verdict, verify
from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput, TenantryError


class Seal(Verb):
    """Seal what is not yet."""

    name = "seal"
    help = "Seal what was recorded, as Celery does by itself."
    examples = ("activity seal --tenant acme", "activity seal --all --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose."""
        add_places(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Seal, place by place."""
        sealed, failed = each(options, output, lambda: sealer.seal(timezone.now()).events)
        if output.as_json:
            output.document({"sealed": sealed})
        for name, count in sealed.items():
            output.say(f"{name}: {count} events sealed")
        if failed:
            raise TenantryError(
                f"{len(failed)} tenants could not be sealed.",
                "Run it again when the cause above is gone: what was sealed stays sealed.",
            )


class Verify(Verb):
    """Check the record."""

    name = "verify"
    help = "Check the stored events against the sealed record; exit status 1 if anything is wrong."
    examples = (
        "activity verify --tenant acme",
        "activity verify --all --json",
        "activity verify --tenant acme --since 2026-11-01 --checkpoints checkpoints.txt",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose, from where on, and what to compare with."""
        add_places(parser)
        parser.add_argument(
            "--since", metavar="SINCE", help="begin there: a day in UTC, or an event's number"
        )
        parser.add_argument(
            "--checkpoints",
            metavar="FILE",
            type=Path,
            help="compare with checkpoints that a witness kept",
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Verify, place by place, and say what is wrong first in each."""
        since = starts.parsed(options.since) if options.since else None
        if options.all and isinstance(since, int):
            raise InvalidInput(
                "the number of an event is one record's, and --all means many.",
                "Give --since a day, or name a tenant.",
            )

        def checked() -> Verdict:
            return verify(since, self._witnessed(options.checkpoints, output))

        verdicts, failed = each(options, output, checked)
        wrong = [name for name, verdict in verdicts.items() if verdict.wrong]
        if output.as_json:
            output.document(
                {"verified": {name: self._document(one) for name, one in verdicts.items()}}
            )
        for name, verdict in verdicts.items():
            output.say(f"{name}: {self._sentence(verdict)}")
        if wrong or failed:
            # Said already, in the one document of --json too.
            raise SystemExit(1)

    @staticmethod
    def _witnessed(file: Path | None, output: Output) -> list[Kept]:
        """Return what a witness kept of the place one is in; say which notes are unreadable."""
        if file is None:
            return []
        kept, unreadable = outside.in_file(file, sealer.origin(), keys.verifiers())
        for line in unreadable:
            output.stderr.write(f"{file.name}: the note in line {line} is none, or not signed.")
        return kept

    @staticmethod
    def _sentence(verdict: Verdict) -> str:
        since = f" from event {verdict.since} on" if verdict.since else ""
        if verdict.wrong:
            return f"{verdict.wrong.sentence} Intact before: {verdict.events} events{since}."
        cut = (
            f"; {verdict.cut} of them removed by retention, all there from event"
            f" {verdict.whole_from} on"
            if verdict.cut
            else ""
        )
        return f"intact: {verdict.events} events sealed{since}, {verdict.unsealed} not yet{cut}"

    @staticmethod
    def _document(verdict: Verdict) -> dict[str, Any]:
        return {"intact": verdict.wrong is None, **asdict(verdict)}


class Prove(Verb):
    """Prove one event, or that the record has only grown."""

    name = "proof"
    help = "Prove that an event is in the sealed record, or that the record has only grown."
    examples = (
        "activity proof 019dbb6c-9e1c-7c35-b5ab-2d1b9e4f0a11 --tenant acme --json",
        "activity proof --between 12000 12690 --tenant acme --json",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and whose."""
        parser.add_argument("event", metavar="EVENT", nargs="?", help="the event's id")
        parser.add_argument(
            "--between",
            nargs=2,
            type=int,
            metavar=("OLDER", "NEWER"),
            help="two sizes of the record, as in two checkpoints",
        )
        add_place(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print what proves it."""
        if (options.event is None) == (options.between is None):
            raise InvalidInput(
                "a proof is of an event or between two sizes.", "Give an event's id, or --between."
            )
        with place(options):
            if options.event is None:
                self._show_growth(grown(*options.between), output)
            else:
                self._show(prove(options.event), output)

    @staticmethod
    def _show(proof: Proof, output: Output) -> None:
        path = [base64.b64encode(one).decode() for one in proof.path]
        if output.as_json:
            output.document(
                {
                    "event": proof.event_id,
                    "number": proof.number,
                    "leaf": proof.leaf.decode(),
                    "path": path,
                    "checkpoint": proof.checkpoint,
                }
            )
        output.say(f"event {proof.number}", proof.leaf.decode(), *path, proof.checkpoint)

    @staticmethod
    def _show_growth(growth: Growth, output: Output) -> None:
        hashes = [base64.b64encode(one).decode() for one in growth.hashes]
        if output.as_json:
            output.document(
                {
                    "record": growth.record,
                    "between": [growth.older, growth.newer],
                    "hashes": hashes,
                    "checkpoints": growth.checkpoints,
                }
            )
        output.say(f"{growth.older} to {growth.newer} events", *hashes)
        output.say(*(note for note in growth.checkpoints if note))
