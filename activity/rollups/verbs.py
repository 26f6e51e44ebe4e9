"""The verb of ``manage.py activity`` that counts, counts anew and compares."""

import argparse
from dataclasses import asdict
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from activity.periods import parse_day
from activity.places import add_places, each
from activity.rollups import cursors, folding, rebuilding
from activity.rollups.comparing import Compared, compare
from activity.sealing import sealer
from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput, TenantryError


class Aggregate(Verb):
    """Count new events, all of them anew, or again."""

    name = "aggregate"
    help = "Bring the roll-ups up to date, as Celery does by itself; rebuild or compare them."
    examples = (
        "activity aggregate --tenant acme",
        "activity aggregate --all --json",
        "activity aggregate --tenant acme --rebuild --from 2026-10-01",
        "activity aggregate --all --compare",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose, and what else to do than to count what is new."""
        add_places(parser)
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="count all anew; old figures are served meanwhile",
        )
        parser.add_argument(
            "--from", metavar="DAY", dest="since", default="", help="rebuild from this day on"
        )
        parser.add_argument(
            "--compare",
            action="store_true",
            help="recount, and say the first difference; exit status 1 if there is any",
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Count, place by place; one that fails keeps no other from being counted."""
        since = parse_day(options.since, "--from")
        if since and not options.rebuild:
            raise InvalidInput("--from says what to rebuild.", "Add --rebuild, or leave it out.")

        def act() -> tuple[int, Compared | None]:
            counted = self._count(output, since, anew=options.rebuild)
            return counted, compare() if options.compare else None

        found, failed = each(options, output, act)
        self._say(found, output, is_anew=options.rebuild)
        if failed:
            raise TenantryError(
                f"{len(failed)} of {len(found) + len(failed) - 1} tenants could not be counted.",
                "Run it again when the cause above is gone: what was counted stays counted.",
            )
        if any(compared and compared.difference for _, compared in found.values()):
            # Said already, in the one document of --json too.
            raise SystemExit(1)

    @staticmethod
    def _count(output: Output, since: date | None, *, anew: bool) -> int:
        """Seal and count what is new, and then all, a transaction at a time."""
        now = timezone.now()
        sealer.seal(now)
        with transaction.atomic():
            if (anew and cursors.served() is not None) or rebuilding.is_due():
                rebuilding.begin(since)
        total = 0
        with output.progress("events") as progress:
            for go_on in (folding.fold, rebuilding.carry_on):
                is_complete = False
                while not is_complete:
                    counted = go_on(now, 1)
                    total += counted.events
                    is_complete = counted.is_complete
                    progress("events", total, None)
        return total

    @staticmethod
    def _say(
        found: dict[str, tuple[int, Compared | None]], output: Output, *, is_anew: bool
    ) -> None:
        compared = {name: one for name, (_, one) in found.items() if one}
        if output.as_json:
            document: dict[str, Any] = {
                "folded": {name: count for name, (count, _) in found.items()}
            }
            if compared:
                document["compared"] = {name: _document(one) for name, one in compared.items()}
            output.document(document)
        for name, (count, _) in found.items():
            output.say(
                f"{name}: {count} {'events counted anew' if is_anew else 'new events counted'}"
            )
        for name, one in compared.items():
            output.say(f"{name}: {_sentence(one)}")


def _sentence(compared: Compared) -> str:
    since = f" of days after {compared.since}" if compared.since else ""
    if compared.difference:
        return (
            f"the figures{since} are not what a recount says. The first: "
            f"{compared.difference.sentence}. `activity aggregate --rebuild` counts them anew."
        )
    return f"the figures{since} equal a recount, up to event {compared.events}"


def _document(compared: Compared) -> dict[str, Any]:
    difference = compared.difference
    return {
        "equal": difference is None,
        "events": compared.events,
        "after": compared.since.isoformat() if compared.since else None,
        "difference": (
            {**asdict(difference), "day": difference.day.isoformat()} if difference else None
        ),
    }
