"""``manage.py activity schedule``: what is made again and again, for whom, and when."""

import argparse
import sys
from typing import Any

from django.utils.timezone import localtime

from activity.exporters import FORMATS
from activity.exporting.verbs import add_parameters, parameters_of
from activity.forgetting.people import people
from activity.models import Schedule
from activity.places import add_place, place
from activity.schedules import keeping, owners, showing, wishes
from activity.schedules.preview import Preview, preview
from activity.schedules.wishes import DELIVERIES, Wish
from tenants.commandline import Output, Verb, VerbGroup
from tenants.errors import InvalidInput


def add_wish(parser: argparse.ArgumentParser) -> None:
    """Declare what is made, when, and how it is delivered."""
    parser.add_argument("--source", default=wishes.EVENTS, help="events, or a report's name")
    parser.add_argument(
        "--cron", required=True, help="minute hour day month weekday; or daily, weekly, monthly"
    )
    parser.add_argument("--span", default="day", help="day, week, month (before), or last-30")
    parser.add_argument("--format", default="csv", help=", ".join(FORMATS))
    parser.add_argument("--compress", default="", help="gzip or zstd")
    parser.add_argument("--search", default="", metavar="TERMS", help="as in the list of events")
    parser.add_argument("--columns", default="", metavar="NAMES", help="of events, between commas")
    add_parameters(parser)
    parser.add_argument("--delivery", default="link", help=", ".join(DELIVERIES))


def wish_of(options: argparse.Namespace, name: str) -> Wish:
    """Return what was asked for."""
    return Wish(
        name=name,
        source=options.source,
        form=options.format,
        compression=options.compress,
        search=options.search,
        columns=wishes.columns_typed(options.columns),
        span=options.span,
        cron=options.cron,
        delivery=options.delivery,
        parameters=parameters_of(options),
    )


def described(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as JSON documents have it."""
    wish = wishes.of(schedule)
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "owner": schedule.owner.username if schedule.owner else None,
        "source": wish.source,
        "format": wish.form,
        "compression": wish.compression or None,
        "search": wish.search,
        "columns": list(wish.columns),
        "parameters": wish.parameters,
        "span": wish.span,
        "cron": wish.cron,
        "time_zone": schedule.zone,
        "delivery": wish.delivery,
        "active": schedule.is_active,
        "why": schedule.why or None,
        "next_at": schedule.next_at,
        "last_at": schedule.last_at,
        "outcome": Schedule.Outcome(schedule.outcome).label,
        "missed": schedule.missed,
    }


class ListSchedules(Verb):
    """List them."""

    name = "list"
    help = "List the schedules of a tenant, or the platform's, with their next and last runs."
    examples = (
        "activity schedule list --tenant acme",
        "activity schedule list --tenant acme --json",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose."""
        add_place(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print them."""
        with place(options):
            found = list(keeping.visible_to(None))
            if output.as_json:
                output.document({"schedules": [described(one) for one in found]})
                return
            rows = [
                (
                    *(one.pk, one.name, one.owner or "nobody", one.cron),
                    showing.local(one.next_at, one) if one.next_at else f"paused: {one.why}",
                    Schedule.Outcome(one.outcome).label,
                )
                for one in found
            ]
        output.table(["ID", "NAME", "OWNER", "CRON", "NEXT", "LAST RUN"], rows)
        if not rows:
            output.say("There are no schedules.")


class AddSchedule(Verb):
    """Add one."""

    name = "add"
    help = "Have an export made again and again for a person who may read the record."
    examples = (
        "activity schedule add Sign-ins --tenant acme --owner ann --source sign-ins --cron daily",
        "activity schedule add No --tenant acme --owner ann --search outcome:denied --cron daily",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose and what."""
        parser.add_argument("name", metavar="NAME", help="what it is called")
        add_place(parser)
        parser.add_argument(
            "--owner", required=True, metavar="WHO", help="user name, e-mail or public ID"
        )
        add_wish(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Keep it, or say that it could be kept."""
        with place(options):
            wish = wish_of(options, options.name)
            wishes.sound(wish)
            owner = owners.person_with(people().find(options.owner).id)
            if options.dry_run:
                keeping.refuse(owner, wish.source)
                _say(output, None, f"{wish.name} would be added", dry_run=True)
                return
            schedule = keeping.create(owner, wish)
            _say(output, schedule, f"{schedule.name} is added. {showing.next_words(schedule)}")


class PreviewSchedule(Verb):
    """Preview one."""

    name = "preview"
    help = "Show when a schedule would run next, and what its file would hold now. Keeps nothing."
    examples = (
        "activity schedule preview --tenant acme --source sign-ins --cron '0 7 * * 1' --span week",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose and what."""
        add_place(parser)
        add_wish(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print it."""
        with place(options):
            shown = preview(wish_of(options, "preview"))
        if output.as_json:
            output.document(_document(shown))
            return
        output.say(f"runs {shown.words}, {shown.zone}; next:")
        output.say(*(f"  {run:%a %Y-%m-%d %H:%M %Z}" for run in shown.runs))
        more = "more than " if shown.has_more else ""
        output.say(f"now it would be of {shown.period} and hold {more}{shown.rows:,} rows")
        output.table([column.upper() for column in shown.columns], shown.first)


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
                _say(output, schedule, f"{schedule.name} is so already.", changed=False)
            elif options.dry_run:
                _say(output, schedule, f"{schedule.name} would be {self.said}.", dry_run=True)
            else:
                done = self.act(schedule)
                _say(output, done, f"{schedule.name} is {self.said}.")

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


class RemoveSchedule(_OfOne):
    """Remove one."""

    name = "remove"
    help = "Delete a schedule. Files that it made stay until they expire."
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


class Schedules(VerbGroup):
    """Exports that are made again and again."""

    name = "schedule"
    help = "List, preview, add, pause, resume, run and remove what is exported by the clock."
    verbs = (
        *(ListSchedules, PreviewSchedule, AddSchedule),
        *(PauseSchedule, ResumeSchedule, RemoveSchedule),
    )


def _confirm(name: str, output: Output) -> None:
    if output.as_json or sys.stdin is None or not sys.stdin.isatty():
        raise InvalidInput(
            "nobody is here to confirm it.", "On a terminal you are asked; elsewhere add --yes."
        )
    if input(f"The schedule {name} will be deleted. Type {name} to go on: ").strip() != name:
        raise InvalidInput("that is not what it is called.", "Nothing was changed.")


def _say(
    output: Output,
    schedule: Schedule | None,
    sentence: str,
    *,
    changed: bool = True,
    dry_run: bool = False,
) -> None:
    if output.as_json:
        output.document(
            {
                "changed": changed,
                "dry_run": dry_run,
                "schedule": described(schedule) if schedule else None,
            }
        )
    output.say(sentence)


def _document(shown: Preview) -> dict[str, Any]:
    return {
        "runs": [localtime(run, run.tzinfo) for run in shown.runs],
        "time_zone": shown.zone,
        "since": shown.period.since,
        "until": shown.period.until,
        "columns": shown.columns,
        "rows": shown.rows,
        "has_more": shown.has_more,
        "first": [dict(zip(shown.columns, row, strict=True)) for row in shown.first],
    }
