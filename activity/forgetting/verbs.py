"""The verbs of ``manage.py activity`` that forget, and that keep from forgetting."""

import argparse
import sys
import uuid
from pathlib import Path
from typing import Any, Final

from activity.forgetting import certificates, disclosure, erasing, holds, retention, tasks
from activity.forgetting.certificates import Certificate
from activity.forgetting.people import Person, people
from activity.forgetting.settling import Unsettled
from activity.models import Hold
from activity.models.rules import EVERYBODY, LEAST_DAYS
from activity.places import add_place, place
from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput
from tenants.files import refuse_unwritable, written_privately

_AS_IT_IS: Final = "left as it is"


def add_subject(parser: argparse.ArgumentParser) -> None:
    """Declare whom it is about."""
    parser.add_argument(
        "--subject",
        required=True,
        metavar="WHO",
        help="user name, e-mail address or public ID, also of somebody whose account is gone",
    )


class Erase(Verb):
    """Erase a person from the record."""

    name = "erase"
    help = (
        "Erase a person: account, sessions, and their personal data in events and history. The "
        "events stay, without it, and the record stays provable. It cannot be undone."
    )
    examples = (
        "activity erase --tenant acme --subject ann@acme.example --reason 'request 4711'",
        "activity erase --tenant acme --subject ann --reason 'request 4711' --yes --json",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whom and why."""
        add_place(parser)
        add_subject(parser)
        parser.add_argument(
            "--reason", required=True, help="goes into the record; must not name the person"
        )
        parser.add_argument(
            "--yes", action="store_true", help="do not ask; needed without a terminal"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Erase, or say what would be, or that it is so already."""
        with place(options):
            person = people().find(options.subject)
            if erasing.is_erased(person):
                self._say(output, person, certificates.certificate_of(person.id), changed=False)
                return
            # One that was begun is carried on: what kept it from beginning was asked then.
            if person.has_account or person.id not in erasing.unfinished():
                erasing.check(person, options.reason)
            if options.dry_run:
                self._would(output, person)
                return
            self._confirm(options, person)
            with output.progress("erasing") as progress:
                try:
                    certificate = erasing.erase(person, options.reason, progress)
                except Unsettled:
                    tasks.finish_later(person)
                    raise
        self._say(output, person, certificate, changed=True)

    @staticmethod
    def _confirm(options: argparse.Namespace, person: Person) -> None:
        if options.yes:
            return
        if options.as_json or sys.stdin is None or not sys.stdin.isatty():
            raise InvalidInput(
                "nobody is here to confirm it.", "On a terminal you are asked; elsewhere add --yes."
            )
        asked = f"{person.label} will be erased for good. Type {options.subject} to go on: "
        if input(asked).strip() != options.subject:
            raise InvalidInput("that is not who it is about.", "Nothing was changed.")

    @staticmethod
    def _would(output: Output, person: Person) -> None:
        found = erasing.survey(person)
        if output.as_json:
            output.document(
                {"changed": True, "dry_run": True, "person": person.id, "would_find": found}
            )
        output.say(f"{person.label} would be erased", *_lines(found))

    @staticmethod
    def _say(
        output: Output, person: Person, certificate: Certificate | None, *, changed: bool
    ) -> None:
        if output.as_json:
            output.document(
                {
                    "changed": changed,
                    "dry_run": False,
                    "person": person.id,
                    "certificate": described(certificate) if certificate else None,
                }
            )
        name = person.subject.label
        output.say(f"erased: {name}" if changed else f"already erased: {name}")
        if certificate:
            output.say(
                *_lines(certificate.document["found"]), f"  certificate {certificate.digest}"
            )


class SubjectVerb(Verb):
    """Take out what is kept of somebody."""

    name = "subject"
    help = (
        "Write everything that is kept on one person to a ZIP file: events, history, account, "
        "addresses, roles, sessions, second factors, tokens, searches, schedules and exports. It "
        "is recorded."
    )
    examples = ("activity subject --tenant acme --subject ann@acme.example --output ann.zip",)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whom, and where to."""
        add_place(parser)
        add_subject(parser)
        parser.add_argument(
            "--output", required=True, metavar="FILE", help="where to; - for stdout"
        )
        parser.add_argument("--force", action="store_true", help="replace a file that exists")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Write it beside the file and rename, so that it is there complete or not at all."""
        path = None if options.output == "-" else Path(options.output)
        if path is not None:
            refuse_unwritable(path, force=options.force)
        elif output.as_json or sys.stdout.isatty():
            raise InvalidInput("a ZIP file is no text to be shown.", "Name a file, or redirect.")
        with place(options), written_privately(path) as file:
            person = people().find(options.subject)
            members = disclosure.write(person, file)
        if output.as_json:
            files = {one.name: {"rows": one.rows, "sha256": one.sha256} for one in members}
            output.document({"output": str(path), "person": person.id, "files": files})
        elif path is not None:
            output.say(f"written to {path}", *_lines({one.name: one.rows for one in members}))


class RetentionVerb(Verb):
    """Say for how long events are kept."""

    name = "retention"
    help = (
        "Show or change for how many days events of a family are kept. Without a rule they are "
        "kept for ever. Workers cut what is older every night."
    )
    examples = (
        "activity retention --tenant acme",
        "activity retention --tenant acme --family session --days 400",
        "activity retention --tenant acme --family session --forever",
        "activity retention --tenant acme --cut",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and for how long."""
        add_place(parser)
        parser.add_argument("--family", metavar="NAME", help=", ".join(retention.families()))
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--days", type=int, help=f"keep them so long, at least {LEAST_DAYS}")
        how.add_argument("--forever", action="store_true", help="remove the rule")
        how.add_argument("--cut", action="store_true", help="cut now what is older, by all rules")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Change a rule or cut, and say which rules there are."""
        changes = options.days is not None or options.forever
        if changes != bool(options.family):
            raise InvalidInput(
                "a family and for how long belong together.", "Use --family with --days."
            )
        changed, cut = False, None
        with place(options):
            if changes:
                changed = retention.keep(options.family, options.days, dry_run=options.dry_run)
            if options.cut and not options.dry_run:
                cut = retention.cut()
            rules = retention.rules()
        if output.as_json:
            removed = {"events": cut.events, "history_rows": cut.history_rows} if cut else None
            output.document(
                {
                    "changed": changed,
                    "dry_run": options.dry_run,
                    "cut": removed,
                    "retention": rules,
                }
            )
        if cut:
            output.say(f"removed {cut.events} events and {cut.history_rows} history rows")
        if options.dry_run:
            self._would(options, output, changed=changed)
        if not rules:
            output.say("Everything is kept for ever.")
        output.table(["FAMILY", "DAYS"], [] if output.as_json else sorted(rules.items()))

    @staticmethod
    def _would(options: argparse.Namespace, output: Output, *, changed: bool) -> None:
        if options.cut:
            output.say("would cut what is older than the rules, and is under no hold")
        elif options.family:
            kept = f"for {options.days} days" if options.days is not None else "for ever"
            output.say(f"{options.family} would be {f'kept {kept}' if changed else _AS_IT_IS}")


class HoldVerb(Verb):
    """Keep from forgetting."""

    name = "hold"
    help = (
        "List legal holds, or place or release one. Nothing of whom a hold covers is erased or cut."
    )
    examples = (
        "activity hold --tenant acme",
        "activity hold --tenant acme --add --subject ann --reason 'case 17'",
        "activity hold --tenant acme --release --everybody --reason 'case 18 closed'",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what, and on whom."""
        add_place(parser)
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--add", action="store_true", help="place a hold")
        act.add_argument("--release", action="store_true", help="release a hold")
        whom = parser.add_mutually_exclusive_group()
        whom.add_argument("--subject", metavar="WHO", help="user name, e-mail or public ID")
        whom.add_argument("--everybody", action="store_true", help="the whole record")
        parser.add_argument("--reason", default="", help="goes into the record; needed for --add")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Place, release, and say which there are."""
        acts = options.add or options.release
        if acts != bool(options.subject or options.everybody):
            raise InvalidInput(
                "a hold is placed or released on somebody.",
                "Use --add or --release with --subject or --everybody.",
            )
        changed = False
        with place(options):
            if acts:
                changed = self._act(options)
            found = list(Hold.objects.all())
        documents = [
            {
                "subject": None if one.subject == EVERYBODY else str(one.subject),
                "reason": one.reason,
                "placed_by": one.placed_by,
                "placed_at": one.placed_at,
            }
            for one in found
        ]
        if output.as_json:
            output.document({"changed": changed, "dry_run": options.dry_run, "holds": documents})
            return
        if acts and options.dry_run:
            act = "placed" if options.add else "released"
            whom = options.subject or "the whole record"
            output.say(f"the hold on {whom} would be {act if changed else _AS_IT_IS}")
        output.table(
            ["SUBJECT", "SINCE", "REASON"],
            [(one, f"{one.placed_at:%Y-%m-%d}", one.reason) for one in found],
            empty="There are no holds.",
        )

    @staticmethod
    def _act(options: argparse.Namespace) -> bool:
        subject = EVERYBODY if options.everybody else uuid.UUID(people().find(options.subject).id)
        if options.add:
            return holds.place(subject, options.reason, dry_run=options.dry_run)
        return holds.release(subject, options.reason, dry_run=options.dry_run)


def described(certificate: Certificate) -> dict[str, Any]:
    """The keys of a certificate in every ``--json`` document."""
    return {
        **certificate.document,
        "sha256": certificate.digest,
        "key": certificate.key,
        "signature": certificate.signature,
    }


def _lines(found: dict[str, int]) -> list[str]:
    return [f"  {count:>8}  {name}" for name, count in found.items()]
