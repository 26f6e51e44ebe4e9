"""``migrate``: the platform's schema, then every tenant's.

A schema that is left behind would be served with errors, so there is no ``migrate`` of one alone
unless it is asked for. Without an app it is ``tenant migrate``, with what Django and
django-tenants offer beside. With one, Django's own command runs in every schema in turn.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser, no_translations
from django.core.management.commands import makemigrations
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import DEFAULT_DB_ALIAS

from tenants.commandline import Output
from tenants.errors import Conflict, TenantryError
from tenants.fleet import each_schema
from tenants.fleet.each_schema import Scope
from tenants.fleet.graph import name_of
from tenants.fleet.lag import Survey, public_plan, survey
from tenants.fleet.public import migrate_public
from tenants.fleet.running import migrate_fleet
from tenants.owner import owner_alias
from tenants.verbs.migrating import (
    add_options,
    finish,
    refuse_without_owner,
    show_plan,
    wish_of,
)

_BY_HAND: Final = ("app_label", "fake", "fake_initial", "prune")
_DJANGOS: Final = (
    *_BY_HAND,
    "migration_name",
    "interactive",
    "plan",
    "run_syncdb",
    "check_unapplied",
    "verbosity",
)


class Command(DjangoMigrate):
    """Migrates every schema. Detects changes as makemigrations does, which pgtrigger has taught."""

    autodetector = makemigrations.Command.autodetector
    help = "Bring the platform's schema and every tenant's up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what django-tenants' command takes, and what ``tenant migrate`` does."""
        super().add_arguments(parser)
        parser.add_argument("--shared", action="store_true", help="only the platform's schema")
        parser.add_argument("--tenant", action="store_true", help="only the tenants' schemas")
        parser.add_argument(
            "-s", "--schema", dest="schema_name", metavar="NAME", help="only the schema NAME"
        )
        for option in ("--executor", "--parallel"):
            parser.add_argument(option, help=argparse.SUPPRESS)
        add_options(parser)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate what was asked for; a sentence and an exit status say what could not be."""
        if options["database"] not in (DEFAULT_DB_ALIAS, owner_alias()):
            # Another database, which has no tenants.
            super().handle(*args, **options)
            return
        output = Output(self, as_json=False, no_color=options["no_color"])
        try:
            self._migrate(argparse.Namespace(**options), output, options)
        except TenantryError as error:
            raise CommandError(str(error), returncode=error.exit_status) from error

    def _migrate(self, asked: argparse.Namespace, output: Output, options: dict[str, Any]) -> None:
        scope = each_schema.scope_of(asked)
        djangos = self._djangos(options)
        by_hand = any(getattr(asked, name) for name in _BY_HAND)
        if asked.check_unapplied or asked.plan:
            self._look(asked, output, scope, djangos if by_hand else None)
        elif by_hand or not scope.tenants:
            each_schema.migrate(scope, djangos, wait=not asked.no_wait, say=self._say(asked))
        else:
            self._bring_up_to_date(asked, output, scope, djangos)

    def _bring_up_to_date(
        self, asked: argparse.Namespace, output: Output, scope: Scope, djangos: dict[str, Any]
    ) -> None:
        if not scope.public and (plan := public_plan()):
            raise Conflict(
                f"the platform's own schema is behind: it lacks {name_of(plan[0])}.",
                "It is migrated first: leave out --tenant and --schema.",
            )
        refuse_without_owner(scope.only)
        with output.progress("migrate") as progress:
            report = migrate_fleet(
                wish_of(asked, only=scope.only),
                on_progress=progress,
                say=self._say(asked),
                wait=not asked.no_wait,
                public=partial(migrate_public, **djangos),
            )
        if asked.verbosity or report.failures:
            finish(output, report)

    def _look(
        self,
        asked: argparse.Namespace,
        output: Output,
        scope: Scope,
        by_hand: dict[str, Any] | None,
    ) -> None:
        """Say what would be done, and with ``--check`` exit with 1 when there is something."""
        if by_hand is not None:
            behind = each_schema.would_change(scope, by_hand, say=self._say(asked))
        else:
            public = public_plan() if scope.public else ()
            found = survey(scope.only) if scope.tenants else Survey(0, (), ())
            if asked.plan:
                show_plan(output, public, found)
            behind = bool(public or found.groups or found.broken)
        if asked.check_unapplied and behind:
            sys.exit(1)

    def _say(self, asked: argparse.Namespace) -> Callable[[str], None]:
        return self.stdout.write if asked.verbosity else lambda _: None

    def _djangos(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options that Django's own command takes."""
        return {
            "stdout": self.stdout,
            "stderr": self.stderr,
            **{name: options[name] for name in _DJANGOS if name in options},
        }
