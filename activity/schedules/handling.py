"""What commands do to a schedule that there is."""

import argparse
import sys

from activity.models import Schedule
from activity.places import add_place, place
from activity.schedules import keeping, running, showing
from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput


class _OfOne(Verb):
    """What is done to a schedule that there is."""

    can_change = True
    said = ""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        parser.add_argument("schedule", metavar="SCHEDULE", help="its id, or its name")
        add_place(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Do it, or say that it would be done, or that it is so already."""
        with place(options):
            schedule = keeping.called(options.schedule)
            if self.is_so(schedule):
                say(output, schedule, f"{schedule.name} is so already.", changed=False)
            elif options.dry_run:
                say(output, schedule, f"{schedule.name} would be {self.said}.", dry_run=True)
            else:
                done = self.act(schedule)
                say(output, done, f"{schedule.name} is {self.said}.")

    def is_so(self, schedule: Schedule) -> bool:
        """Tell whether there is nothing to do."""
        return False

    def act(self, schedule: Schedule) -> Schedule:
        """Do it."""
        raise NotImplementedError


class PauseSchedule(_OfOne):
    """Pause one."""

    name = "pause"
    help = "Let a schedule run no more until it is resumed."
    examples = ("activity schedule pause Sign-ins --tenant acme",)
    said = "paused"

    def is_so(self, schedule: Schedule) -> bool:
        """Tell whether it is paused."""
        return not schedule.is_active

    def act(self, schedule: Schedule) -> Schedule:
        """Pause it."""
        return keeping.pause(None, schedule.pk)


class ResumeSchedule(_OfOne):
    """Resume one."""

    name = "resume"
    help = "Let a paused schedule run again, from its next time on."
    examples = ("activity schedule resume Sign-ins --tenant acme",)
    said = "resumed"

    def is_so(self, schedule: Schedule) -> bool:
        """Tell whether it runs."""
        return schedule.is_active

    def act(self, schedule: Schedule) -> Schedule:
        """Resume it."""
        return keeping.resume(None, schedule.pk)


class RunSchedule(_OfOne):
    """Run one now."""

    name = "run"
    help = "Have a schedule's file made and delivered now. Its times stay what they are."
    examples = ("activity schedule run Sign-ins --tenant acme",)
    said = "being made"

    def act(self, schedule: Schedule) -> Schedule:
        """Begin it; workers do the rest."""
        return running.run_now(None, schedule)


class RemoveSchedule(_OfOne):
    """Remove one."""

    name = "remove"
    help = "Delete a schedule and what the storage keeps of it. Its exports stay until they expire."
    examples = ("activity schedule remove Sign-ins --tenant acme --yes",)
    said = "deleted"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and that it is meant."""
        super().arguments(parser)
        parser.add_argument(
            "--yes", action="store_true", help="do not ask; needed without a terminal"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Ask first."""
        if not (options.yes or options.dry_run):
            _confirm(options.schedule, output)
        super().run(options, output)

    def act(self, schedule: Schedule) -> Schedule:
        """Delete it."""
        return keeping.delete(None, schedule.pk)


def _confirm(name: str, output: Output) -> None:
    if output.as_json or sys.stdin is None or not sys.stdin.isatty():
        raise InvalidInput(
            "nobody is here to confirm it.", "On a terminal you are asked; elsewhere add --yes."
        )
    said = f"The schedule {name} will be deleted, and the files that the storage keeps of it."
    if input(f"{said} Type {name} to go on: ").strip() != name:
        raise InvalidInput("that is not what it is called.", "Nothing was changed.")


def say(
    output: Output,
    schedule: Schedule | None,
    sentence: str,
    *,
    changed: bool = True,
    dry_run: bool = False,
) -> None:
    """Say what was done, or print it: ``changed``, ``dry_run`` and the schedule."""
    if output.as_json:
        output.document(
            {
                "changed": changed,
                "dry_run": dry_run,
                "schedule": showing.described(schedule) if schedule else None,
            }
        )
    output.say(sentence)
