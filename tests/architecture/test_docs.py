"""The documentation says what is there: links lead somewhere, tables equal the code."""

import argparse
import ast
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandParser

from accounts.management.commands.account import Command as AccountCommand
from activity.actions import CATALOGUE
from activity.management.commands.activity import Command as ActivityCommand
from activity.models import ActivityEvent
from activity.reports import REPORTS
from activity.reports.listing import written_into
from tenants.commandline import NounCommand, VerbGroup
from tenants.management.commands.tenant import Command as TenantCommand
from tenants.replaced import ReplacedCommand
from tests.apps import APPS

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
DECISIONS = sorted((DOCS / "adr").glob("[0-9]*.md"))
PAGES = sorted([*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md")])

NOUNS: dict[str, type[NounCommand]] = {
    "tenant": TenantCommand,
    "activity": ActivityCommand,
    "account": AccountCommand,
}


def words_of(command: type[NounCommand]) -> Iterator[str]:
    """What stands after the noun: a verb, or a group and a verb of it."""
    for verb in command.verbs:
        if issubclass(verb, VerbGroup):
            yield from (f"{verb.name} {one.name}" for one in verb.verbs)
        else:
            yield verb.name


VERBS = [f"{noun} {words}" for noun, command in NOUNS.items() for words in words_of(command)]


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@cache
def prose(page: Path) -> str:
    """The page without its blocks of code, in which nothing is a link or a heading."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The fragments that headings of the page can be linked by, as GitHub makes them."""
    found: dict[str, int] = {}
    for title in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).replace("`", "").strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
    return frozenset(
        anchor if number == 0 else f"{anchor}-{number}"
        for anchor, times in found.items()
        for number in range(times + 1)
    )


def links(page: Path) -> Iterator[str]:
    """Where the page's links and pictures lead, but for those that leave the repository."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    targets = chain(
        re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", text),
        re.findall(r"(?:src|href)=\"([^\"]+)\"", text),
        re.findall(r"^\[[^]]+\]:\s*(\S+)", text, re.MULTILINE),
    )
    return (target for target in targets if not re.match(r"[a-z][a-z+.-]*:", target))


def broken(page: Path, target: str) -> str:
    """Why the link leads nowhere; empty when it leads somewhere."""
    path, _, fragment = target.partition("#")
    place = (page.parent / path).resolve() if path else page
    if not place.exists():
        return f"{target}: there is no such file"
    if not place.is_relative_to(CHECKOUT):
        return f"{target}: outside the repository"
    if fragment and (place.suffix != ".md" or fragment not in anchors(place)):
        return f"{target}: there is no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [why for target in links(page) if (why := broken(page, target))] == []


def slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).replace("'", "").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def in_words(text: str) -> str:
    """Text without its links and its full stop."""
    return re.sub(r"\[(.+?)\]\(.+?\)", r"\1", text).strip().rstrip(".")


class TestDecisions:
    def test_numbers_are_unique_and_consecutive(self) -> None:
        numbers = [int(page.name[:4]) for page in DECISIONS]

        assert numbers == list(range(1, len(DECISIONS) + 1))
        assert len(numbers) >= 14

    @pytest.mark.parametrize("page", DECISIONS, ids=name_of)
    def test_the_title_is_what_the_file_is_called(self, page: Path) -> None:
        first = page.read_text().splitlines()[0]
        title = re.fullmatch(r"# (\d{4})\. (.+)", first)

        assert title, first
        assert f"{title[1]}-{slug(title[2])}.md" == page.name

    @pytest.mark.parametrize("page", DECISIONS, ids=name_of)
    def test_it_has_the_four_parts_on_one_screen(self, page: Path) -> None:
        headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)

        assert headings == ["Status", "Context", "Decision", "Consequences"]
        assert len(page.read_text().splitlines()) <= 60

    def test_the_index_lists_them_with_number_title_and_status(self) -> None:
        listed = re.findall(
            r"^\| (\d{4}) \| \[(.+?)\]\((.+?)\) \| (.+?) \|$",
            (DOCS / "adr/README.md").read_text(),
            re.MULTILINE,
        )

        assert listed == [
            (
                page.name[:4],
                page.read_text().splitlines()[0][8:],
                page.name,
                in_words(section(page.read_text(), "## Status")),
            )
            for page in DECISIONS
        ]

    def test_the_code_refers_to_decisions_that_exist(self) -> None:
        sources = [file for app in APPS for file in (CHECKOUT / app).rglob("*.py")]
        named = {
            found
            for file in sources
            for found in re.findall(r"docs/adr/[\w-]+\.md", file.read_text())
        }

        assert named
        assert [name for name in sorted(named) if not (CHECKOUT / name).exists()] == []


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    below = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert below, f"there is no heading {heading!r}"
    return below[1]


def between(text: str, mark: str) -> str:
    inside = re.search(rf"<!-- {mark}:begin -->(.*?)<!-- {mark}:end -->", text, re.DOTALL)
    assert inside, f"there are no comments {mark}:begin and {mark}:end"
    return inside[1]


def table(text: str) -> list[list[str]]:
    """The rows of the first table in the text, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) > 2, "there is no table"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


class TestActivity:
    text = (DOCS / "activity.md").read_text()

    def test_the_catalogue_is_the_codes(self) -> None:
        assert table(between(self.text, "catalogue")) == [
            [f"`{action.name}`", action.severity, action.sentence] for action in CATALOGUE.values()
        ]

    def test_the_columns_are_the_models(self) -> None:
        rows = table(between(self.text, "columns"))

        assert [row[0] for row in rows] == [
            f"`{field.name}`" for field in ActivityEvent._meta.concrete_fields
        ]
        assert all(row[1] for row in rows)


BLOCKS = re.findall(
    r"^```python\n(# [\w/]+\.py\n.*?)^```$", (DOCS / "extending.md").read_text(), re.S | re.M
)


def is_there(module: str, name: str) -> bool:
    """Whether something can be imported from a module, of which the example's own are none."""
    if module.partition(".")[0] == "badges":
        return True
    if find_spec(module) is None:
        return False
    return hasattr(import_module(module), name) or find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_what_the_example_of_an_app_imports_is_there(block: str) -> None:
    imported = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    names = [(str(node.module), name.name) for node in imported for name in node.names]

    assert names
    assert [pair for pair in names if not is_there(*pair)] == []


def test_the_list_of_reports_is_the_codes() -> None:
    page = (DOCS / "reports.md").read_text()

    assert page == written_into(page), "make catalogue"
    assert all(f"#### {name}\n" in page for name in REPORTS)


def subparsers_of(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """The parsers of the words that may come next; none where a verb's own arguments do."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


@cache
def parsers(noun: str) -> dict[str, CommandParser]:
    """The parser of each verb, by the words that stand after the noun."""
    found = {}
    for word, parser in subparsers_of(NOUNS[noun]().create_parser("manage.py", noun)).items():
        inner = subparsers_of(parser)
        found |= {f"{word} {verb}": deeper for verb, deeper in inner.items()} or {word: parser}
    return found


def options_of(parser: CommandParser) -> set[str]:
    """Every option of a verb that its help shows."""
    return {
        option
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
    }


class TestCommands:
    text = (DOCS / "commands.md").read_text()

    def shared(self) -> set[str]:
        rows = table(section(self.text, "## Options of every verb"))
        return {option for row in rows for option in code(row[0])}

    def documented(self, verb: str) -> set[str]:
        part = section(self.text, f"### {verb}")
        if "| Option | Meaning |" not in part:
            return set()
        return {option for row in table(part) for option in code(row[0])}

    def test_the_verbs_are_the_parsers(self) -> None:
        headings = re.findall(r"^### (.+)$", self.text, re.MULTILINE)

        assert headings == VERBS
        assert [f"{noun} {verb}" for noun in NOUNS for verb in parsers(noun)] == VERBS

    @pytest.mark.parametrize("verb", VERBS)
    def test_the_options_are_the_parsers(self, verb: str) -> None:
        noun, _, name = verb.partition(" ")

        assert self.documented(verb) | self.shared() == options_of(parsers(noun)[name])
        assert not self.documented(verb) & self.shared()

    @pytest.mark.parametrize("verb", VERBS)
    def test_no_option_is_named_that_the_verb_does_not_take(self, verb: str) -> None:
        noun, _, name = verb.partition(" ")
        part = section(self.text, f"### {verb}")
        shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", part))

        assert shown <= options_of(parsers(noun)[name])

    def test_examples_in_every_page_are_understood(self) -> None:
        """Whatever a page shows after ``manage.py`` and one of our nouns parses."""
        wrong = []
        for page in PAGES:
            for line in re.findall(
                rf"manage\.py ((?:{'|'.join(NOUNS)}) [^`\n|>#]+)", page.read_text()
            ):
                words = re.findall(r"'[^']*'|\S+", line)
                known_verbs = parsers(words[0])
                verb = known_verbs.get(" ".join(words[1:3])) or known_verbs.get(words[1])
                known = options_of(verb) if verb else set()
                options = {word.partition("=")[0] for word in words if word.startswith("--")}
                is_known = verb is not None or words[1] in ("--help", "…")
                if not is_known or not options <= known | {"--help"}:
                    wrong.append(f"{name_of(page)}: {line}")

        assert wrong == []

    def test_the_replaced_commands_are_the_codes(self) -> None:
        folder = CHECKOUT / "tenants/management/commands"
        modules = {
            file.stem: import_module(f"tenants.management.commands.{file.stem}")
            for file in sorted(folder.glob("[a-z]*.py"))
        }
        replaced = [
            [f"`{name}`", module.Command.instead]
            for name, module in modules.items()
            if issubclass(module.Command, ReplacedCommand)
        ]

        assert table(section(self.text, "## Replaced commands")) == replaced


class TestNamedFiles:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_files_that_a_page_names_exist(self, page: Path) -> None:
        """Paths in code font, from the top of the repository or from beside the page."""
        text = re.sub(r"\]\([^)]*\)", "]", prose(page))
        named = {
            word
            for word in code(text)
            if re.fullmatch(r"\.?[\w-]+(?:[/.][\w.-]+)*/?", word)
            and (word.endswith("/") or re.search(r"\.(?:py|md|toml|yml|in|sh|png)$", word))
        }
        generated = {".env", ".data/"}

        missing = [
            name
            for name in sorted(named - generated)
            if not (CHECKOUT / name).exists() and not (page.parent / name).exists()
        ]
        assert missing == []
