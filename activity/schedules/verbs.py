"""``manage.py activity schedule``: what is made again and again, for whom, and when."""

import argparse

from activity.exporters import FORMATS
from activity.exporting.verbs import add_parameters, parameters_of
from activity.forgetting.people import people
from activity.models import Schedule
from activity.places import add_place, place
from activity.schedules import handling, keeping, owners, showing, wishes
from activity.schedules.preview import preview
from activity.schedules.wishes import DELIVERIES, Wish
from tenants.commandline import Output, Verb, VerbGroup


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
                output.document({"schedules": [showing.described(one) for one in found]})
                return
            rows = [
                (
                    *(one.pk, one.name, one.owner or "nobody", one.cron),
                    showing.local(one.next_at, one) if one.next_at else f"paused: {one.why}",
                    Schedule.Outcome(one.outcome).label,
                )
                for one in found
            ]
        columns = ["ID", "NAME", "OWNER", "CRON", "NEXT", "LAST RUN"]
        output.table(columns, rows, empty="There are no schedules.")


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
                handling.say(output, None, f"{wish.name} would be added", dry_run=True)
                return
            schedule = keeping.create(owner, wish)
            handling.say(
                output, schedule, f"{schedule.name} is added. {showing.next_words(schedule)}"
            )


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
            shown = preview(wish_of(options, "preview"), person=None)
        if output.as_json:
            output.document(shown.document)
            return
        output.say(f"runs {shown.words}, {shown.zone}; next:")
        output.say(*(f"  {run:%a %Y-%m-%d %H:%M %Z}" for run in shown.runs))
        more = "more than " if shown.has_more else ""
        holds = "be a document" if shown.rows is None else f"hold {more}{shown.rows:,} rows"
        of = f"be of {shown.period} and " if shown.has_period else ""
        output.say(f"now it would {of}{holds}")
        output.table([column.upper() for column in shown.columns], shown.first)


class Schedules(VerbGroup):
    """Exports that are made again and again."""

    name = "schedule"
    help = "List, preview, add, pause, resume, run and remove what is exported by the clock."
    verbs = (
        *(ListSchedules, PreviewSchedule, AddSchedule),
        *(handling.RunSchedule, handling.PauseSchedule),
        *(handling.ResumeSchedule, handling.RemoveSchedule),
    )
