"""``account second-factor``: who has one, and taking one away."""

import argparse
import sys

from accounts import second_factors, whom
from accounts.models import CustomUser
from activity.places import place
from activity.subjects import label_of
from tenants.commandline import Output, Verb, VerbGroup
from tenants.errors import InvalidInput


class Coverage(Verb):
    """Say who has a second factor."""

    name = "coverage"
    help = (
        "Say how many of those who may sign in have a second factor, and which administrators not."
    )
    examples = ("account second-factor coverage --tenant acme", "account second-factor coverage")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose."""
        whom.add_place(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print the figures."""
        with place(options):
            found = second_factors.coverage()
        if output.as_json:
            output.document(
                {
                    "people": found.people,
                    "with_factor": found.with_factor,
                    "administrators": found.administrators,
                    "administrators_without": list(found.administrators_without),
                }
            )
        output.say(f"{found.with_factor} of {found.people} people have a second factor")
        for label in found.administrators_without:
            output.say(f"  administrator without: {label}")


class Reset(Verb):
    """Take somebody's second factor away."""

    name = "reset"
    help = (
        "Take away the second factor of somebody who has lost their phone and recovery codes. "
        "Their sessions end, they are mailed, and it is recorded. Be sure that it is they who ask."
    )
    examples = (
        "account second-factor reset --tenant acme --person ann --reason 'phone lost, called back'",
        "account second-factor reset --person olga --reason 'phone lost' --yes --json",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose and why."""
        whom.add_place(parser)
        whom.add_person(parser)
        parser.add_argument("--reason", required=True, help="goes into the record")
        parser.add_argument(
            "--yes", action="store_true", help="do not ask; needed without a terminal"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Do it, or say that there is nothing to do."""
        with place(options):
            person = whom.find(options.person)
            name = label_of(person)
            if not second_factors.is_on(person):
                self._say(output, person, f"{name} has no second factor", changed=False, ended=0)
                return
            second_factors.check_taking_away(person, options.reason)
            if options.dry_run:
                said = f"would take the second factor of {name} away"
                self._say(output, person, said, changed=True, ended=None)
                return
            _confirm(options, name, person.username)
            ended = second_factors.take_away(person, options.reason)
        said = f"the second factor of {name} is gone; sessions ended: {ended}"
        self._say(output, person, said, changed=True, ended=ended)

    @staticmethod
    def _say(
        output: Output, person: CustomUser, said: str, *, changed: bool, ended: int | None
    ) -> None:
        if output.as_json:
            output.document(
                {
                    "changed": changed,
                    "dry_run": ended is None,
                    "person": str(person.public_id),
                    "sessions_ended": ended or 0,
                }
            )
        output.say(said)


class SecondFactor(VerbGroup):
    """Second factors."""

    name = "second-factor"
    help = "Who has a second factor; taking one away from somebody who has lost theirs."
    verbs = (Coverage, Reset)


def _confirm(options: argparse.Namespace, name: str, username: str) -> None:
    if options.yes:
        return
    if options.as_json or sys.stdin is None or not sys.stdin.isatty():
        raise InvalidInput(
            "nobody is here to confirm it.", "On a terminal you are asked; elsewhere add --yes."
        )
    asked = f"The second factor of {name} will be taken away. Type {username} to go on: "
    if input(asked).strip().lower() != username:
        raise InvalidInput("that is not the user name.", "Nothing was changed.")
