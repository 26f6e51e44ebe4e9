"""The verbs of ``manage.py activity`` that forget, and that keep from forgetting."""

import argparse
import sys
from typing import Any

from activity.forgetting import certificates, erasing
from activity.forgetting.certificates import Certificate
from activity.forgetting.people import Person, people
from activity.places import add_place, place
from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput


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
                certificate = erasing.erase(person, options.reason, progress)
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
