"""``tenant migrate``."""

import argparse
from collections.abc import Iterable

from django.db.migrations.migration import Migration

from tenants.commandline import Output, Verb
from tenants.errors import InvalidInput
from tenants.fleet.bounds import STATEMENT_SECONDS, Bounds
from tenants.fleet.graph import name_of
from tenants.fleet.journal import unfinished
from tenants.fleet.lag import Survey, public_plan, survey
from tenants.fleet.rendering import why_not
from tenants.fleet.report import NotMigrated, Report
from tenants.fleet.running import migrate_fleet
from tenants.fleet.wish import MOST_JOBS, Wish, usual_jobs
from tenants.owner import may_change_schemas, require_owner


class Migrate(Verb):
    """Bring every schema up to date."""

    name = "migrate"
    help = (
        "Bring the platform's schema and every tenant's up to date. A tenant that fails stays as"
        " it was, and the others go on."
    )
    examples = (
        "tenant migrate --canary acme",
        "tenant migrate --only acme --only globex --jobs 2",
        "tenant migrate --dry-run --json",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whom, how many at once, and what to do when somebody runs already."""
        add_options(parser)
        parser.add_argument(
            "--only", action="append", default=[], metavar="SLUG", help="this one; may be repeated"
        )
        parser.add_argument(
            "--resume", action="store_true", help="go on with the run that was not finished"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Migrate, or say what would be."""
        if options.dry_run:
            show_plan(output, public_plan(), survey(options.only))
            return
        refuse_without_owner(options.only)
        wish = wish_of(options, only=tuple(options.only))
        if options.resume:
            operation = unfinished()
            if operation is None:
                _answer(output, Report(jobs=wish.at_once), "Nothing is unfinished.")
                return
            wish = Wish.of(operation.request)
        with output.progress("migrate") as progress:
            report = migrate_fleet(
                wish, on_progress=progress, say=output.stderr.write, wait=not options.no_wait
            )
        finish(output, report)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``tenant migrate`` and ``migrate`` share."""
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help=f"so many tenants at once; here {usual_jobs()} by default",
    )
    parser.add_argument(
        "--canary", default="", metavar="SLUG", help="this one first; if it fails, nobody follows"
    )
    parser.add_argument(
        "--no-replay", action="store_true", help="run Django's executor in every tenant"
    )
    parser.add_argument(
        "--statement-seconds",
        type=float,
        default=STATEMENT_SECONDS,
        metavar="N",
        help=f"end a statement after so long; default: {STATEMENT_SECONDS}, 0 for never",
    )
    parser.add_argument(
        "--no-wait", action="store_true", help="refuse, not wait, while somebody else migrates"
    )


def wish_of(options: argparse.Namespace, *, only: tuple[str, ...] = ()) -> Wish:
    """Return what the options ask for; raises ``InvalidInput``."""
    if options.jobs is not None and not 1 <= options.jobs <= MOST_JOBS:
        raise InvalidInput(
            f"{options.jobs} tenants at once are not possible.", f"Use 1 to {MOST_JOBS}."
        )
    if not 0 <= options.statement_seconds < 10**6:
        raise InvalidInput(
            "that is no time that a statement can take.", "Use seconds, or 0 for no end."
        )
    return Wish(
        jobs=options.jobs or 0,
        canary=options.canary,
        only=only,
        replays=not options.no_replay,
        bounds=Bounds(statement=options.statement_seconds),
    )


def refuse_without_owner(only: Iterable[str] = ()) -> None:
    """Raise ``TenantryError`` where something is to be migrated that this process may not change.

    Asked before anything is noted: a tenant that is known to be behind may not be served.
    """
    if not may_change_schemas() and (public_plan() or survey(tuple(only)).groups):
        require_owner("migrate")


def finish(output: Output, report: Report) -> None:
    """Say what was done. Raises ``NotMigrated`` when tenants stayed behind."""
    if report.failures:
        for failure in report.failures:
            suffix = "" if failure.is_served else " (not served by this release until then)"
            output.stderr.write(f"{failure.slug}: {failure.error}{suffix}")
        if report.migrated:
            output.say(_done(report))
        raise NotMigrated(report)
    if report.lagging:
        _answer(output, report, _done(report))
    elif report.public:
        _answer(output, report, f"migrated the platform; {_nothing(report)}")
    else:
        _answer(output, report, f"nothing to do: {_nothing(report)}")


def _nothing(report: Report) -> str:
    return f"{report.tenants} tenants have every migration"


def _done(report: Report) -> str:
    return (
        f"migrated {report.migrated} of {report.tenants} tenants in {report.seconds:.1f} s"
        f" ({report.replayed} replayed, {report.executed} by Django's executor)"
    )


def _answer(output: Output, report: Report, sentence: str) -> None:
    if output.as_json:
        output.document(report.document())
    output.say(sentence)


def show_plan(output: Output, platform: Iterable[Migration], found: Survey) -> None:
    """Say who is behind, what they lack, and how they would get it."""
    public = [name_of(migration) for migration in platform]
    groups = [
        {
            "tenants": [member.slug for member in group.members],
            "migrations": group.names,
            "why_executed": why_not(group.plan),
        }
        for group in found.groups
    ]
    if output.as_json:
        broken = {member.slug: member.trouble for member in found.broken}
        output.document(
            {"dry_run": True, "public": public, "tenants": found.total, "groups": groups}
            | {"broken": broken}
        )
        return
    if public:
        output.say(f"the platform lacks {', '.join(public)}")
    for group in groups:
        slugs = group["tenants"]
        shown = ", ".join(slugs[:5]) + (f" and {len(slugs) - 5} more" if len(slugs) > 5 else "")
        how = f"by Django's executor: {reason}" if (reason := group["why_executed"]) else "replayed"
        output.say(f"{len(slugs)} tenants ({shown}) lack {', '.join(group['migrations'])}; {how}")
    for member in found.broken:
        output.say(f"{member.slug}: {member.trouble}")
    if not public and not groups:
        output.say(f"nothing to do: {found.total} tenants have every migration")
