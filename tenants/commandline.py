"""What every ``manage.py <noun> <verb>`` of Tenantry shares.

Data goes to stdout, everything else to stderr. ``--json`` prints one document on stdout and
nothing else there; a list that streams prints one object a line. The exit status is 0 for done or
already so, 1 failed, 2 usage, 3 not found, 4 conflict, 130 interrupted.
"""

import argparse
import difflib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error as DatabaseError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from tenants import surroundings
from tenants.errors import TenantryError

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and how much there is, if known."""


def harmless(text: str) -> str:
    """Return a text with what a terminal would obey, or show in another order, escaped.

    Names and errors quote what strangers wrote: an error of PostgreSQL's has the value in it. Ends
    of lines stay.
    """
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() or mark == "\n" else mark.encode("unicode_escape").decode()
        for mark in text
    )


def _cell(value: Any) -> str:
    return "" if value is None else harmless(str(value))


class Output:
    """Where a verb puts what it has to say."""

    def __init__(self, command: BaseCommand, *, as_json: bool, no_color: bool) -> None:
        self.as_json = as_json
        self.stdout = command.stdout
        self.stderr = command.stderr
        # rich honours NO_COLOR by itself.
        self.console = Console(stderr=True, no_color=no_color or None)

    def document(self, document: Any) -> None:
        """Write the one document of ``--json``."""
        self.stdout.write(json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))

    def say(self, *lines: str) -> None:
        """Tell a person what happened; silent under ``--json``."""
        if not self.as_json:
            for line in lines:
                self.stdout.write(harmless(line))

    def note(self, sentence: str) -> None:
        """Tell a person what is no data, beside it; silent under ``--json``."""
        if not self.as_json:
            self.stderr.write(harmless(sentence), style_func=str)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = ""
    ) -> None:
        """Write rows for a person: a table on a terminal, tab-separated into a pipe.

        What is not known, ``None``, is an empty cell. Of no rows there is the sentence ``empty``
        alone, which is a note.
        """
        rows = list(rows)
        if empty and not rows:
            self.note(empty)
            return
        if not self.stdout.isatty():
            for row in rows:
                self.stdout.write("\t".join(map(_cell, row)))
            return
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            # As text: what people call a tenant may look like markup.
            table.add_row(*(Text(_cell(cell)) for cell in row))
        Console(file=sys.stdout).print(table)

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show how long work is getting on, on a terminal; yield what to report it to."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
        )
        silent = self.as_json or not self.console.is_terminal
        with Bar(*columns, console=self.console, transient=True, disable=silent) as bar:
            task = bar.add_task(what, total=None)

            def report(now: str, done: int, of: int | None) -> None:
                bar.update(task, description=now, completed=done, total=of)

            yield report


class Verb:
    """One thing that a command can do to its noun."""

    name: ClassVar[str]
    help: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ()
    can_change: ClassVar[bool] = False
    """Whether it changes something, and so takes ``--dry-run``."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the verb takes beyond ``--json`` and ``--dry-run``."""

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Do it. Raises ``TenantryError`` for what cannot be done."""
        raise NotImplementedError


class VerbGroup:
    """Verbs about one part of the noun, behind a word of their own: ``tenant domain add``."""

    name: ClassVar[str]
    help: ClassVar[str]
    verbs: ClassVar[tuple[type[Verb], ...]]


class VerbParser(CommandParser):
    """Says in one sentence what is wrong with a command line, and what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 (from Python: raise ``CommandError``)."""
        sentence = f"error: {message}. {self._nearest(message)}".rstrip()
        sentence += f" See: {self.prog} --help"
        if not self.called_from_command_line:
            raise CommandError(sentence, returncode=2)
        sys.stderr.write(sentence + "\n")
        sys.exit(2)

    def _nearest(self, message: str) -> str:
        known = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
        if known:
            return _did_you_mean(known[1], re.findall(r"'([^']*)'", known[2]))
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        return _did_you_mean(unknown[1], self._option_strings()) if unknown else ""

    def _option_strings(self) -> list[str]:
        options = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    options += parser._option_strings()
        return options


def _did_you_mean(word: str, candidates: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(candidates), n=1)
    return f"Did you mean {near[0]}?" if near else ""


class NounCommand(BaseCommand):
    """A command of the form ``manage.py <noun> <verb> …``. Subclasses list their verbs.

    A group among them is a word with verbs of its own: ``manage.py <noun> <group> <verb> …``.
    """

    verbs: ClassVar[tuple[type[Verb] | type[VerbGroup], ...]] = ()
    requires_system_checks = []
    stealth_options = ("verb", "chosen", "dry_run", "as_json")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that suggests, with Django's own options kept out of the help."""
        parser = VerbParser(
            prog=f"manage.py {subcommand}",
            description=self.help or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            called_from_command_line=getattr(self, "_called_from_command_line", False),
        )
        for option in ("--settings", "--pythonpath"):
            parser.add_argument(option, help=argparse.SUPPRESS)
        parser.add_argument("--verbosity", "-v", type=int, default=1, help=argparse.SUPPRESS)
        parser.add_argument("--skip-checks", action="store_true", help=argparse.SUPPRESS)
        parser.add_argument("--force-color", action="store_true", help=argparse.SUPPRESS)
        _add_display_options(parser, default=False)
        self._add_verbs(parser, self.verbs, dest="verb")
        return parser

    def _add_verbs(self, parser: Any, verbs: Any, dest: str) -> None:
        from_command_line = bool(parser.called_from_command_line)
        subparsers = parser.add_subparsers(dest=dest, metavar="VERB", required=True)
        for verb in verbs:
            if issubclass(verb, VerbGroup):
                self._add_group(subparsers, verb, from_command_line)
            else:
                self._add_verb(subparsers, verb, from_command_line)

    def _add_group(self, verbs: Any, group: type[VerbGroup], from_command_line: bool) -> None:
        parser = verbs.add_parser(
            group.name,
            help=group.help,
            description=group.help,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            called_from_command_line=from_command_line,
            allow_abbrev=False,
        )
        _add_display_options(parser, default=argparse.SUPPRESS)
        self._add_verbs(parser, group.verbs, dest=f"verb of {group.name}")

    def _add_verb(self, verbs: Any, verb: type[Verb], from_command_line: bool) -> None:
        examples = "\n".join(f"  manage.py {example}" for example in verb.examples)
        parser = verbs.add_parser(
            verb.name,
            help=verb.help,
            description=verb.help,
            epilog=f"examples:\n{examples}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            called_from_command_line=from_command_line,
            allow_abbrev=False,
        )
        _add_display_options(parser, default=argparse.SUPPRESS)
        parser.add_argument(
            "--json", dest="as_json", action="store_true", help="one JSON document on stdout"
        )
        if verb.can_change:
            parser.add_argument(
                "--dry-run", action="store_true", help="say what would happen, change nothing"
            )
        verb().arguments(parser)
        # Verbs of two groups may have one name, so it is the verb itself that is carried along.
        parser.set_defaults(chosen=verb)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the verb that was named and turn every outcome into an exit status."""
        if self.stdout._out is None:  # Closed, as by `>&-`: Python has no stream for it.
            self.stderr.write("error: standard output is closed. Give it a place: > /dev/null")
            sys.exit(1)
        verb: type[Verb] = options["chosen"]
        as_json = options.get("as_json", False)
        output = Output(self, as_json=as_json, no_color=options["no_color"])
        try:
            _run(verb, argparse.Namespace(**options), output)
        except KeyboardInterrupt:
            self._fail(output, "interrupted", "interrupted: what was not finished was undone.", 130)
        except TenantryError as error:
            if options["traceback"]:
                raise
            self._fail(output, error.code, f"error: {error}", error.exit_status, error)
        except DatabaseError as error:
            if options["traceback"]:
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            advice = "Check DATABASE_URL and that migrations ran; --traceback shows where."
            self._fail(output, "database", f"error: the database refused: {reason}. {advice}", 1)
        except BrokenPipeError:
            # The reader of our output went away, as `| head` does.
            sys.stdout = None
            sys.exit(1)
        except OSError as error:
            # What Python holds back for it would fail again at exit.
            sys.stdout = None
            self.stderr.write(f"error: standard output could not be written: {error.strerror}.")
            sys.exit(1)

    def _fail(
        self, output: Output, code: str, line: str, status: int, error: TenantryError | None = None
    ) -> NoReturn:
        if output.as_json:
            message = error.message if error else line.removeprefix("error: ")
            hint = error.hint if error else ""
            details = error.details if error else {}
            output.document({**details, "error": {"code": code, "message": message, "hint": hint}})
        if not getattr(self, "_called_from_command_line", False):
            raise CommandError(line, returncode=status)
        self.stderr.write(harmless(line))
        sys.exit(status)


def _run(verb: type[Verb], options: argparse.Namespace, output: Output) -> None:
    with ExitStack() as stack:
        for surround in () if getattr(options, "dry_run", False) else surroundings.VERBS:
            stack.enter_context(surround())
        verb().run(options, output)


def _add_display_options(parser: argparse.ArgumentParser, default: Any) -> None:
    """Options that may stand before and after the verb."""
    parser.add_argument(
        "--no-color", action="store_true", default=default, help="never colour the output"
    )
    parser.add_argument(
        "--traceback", action="store_true", default=default, help="show where an error came from"
    )
