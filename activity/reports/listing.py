"""The list of reports for people: a part of the documentation, made of what the code says."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from activity.reports.registry import REPORTS, Column, Definition, Source

BEGIN: Final = "<!-- reports:begin -->"
END: Final = "<!-- reports:end -->"
PAGE: Final = Path("docs/reports.md")

_SUBJECTS: Final = ("Signing in", "People", "Changes", "Power", "Data", "The record", "All tenants")
"""In the order of lists. Others come after them."""

_READS: Final = {
    Source.ROLLUPS: "the roll-ups, so as old as these",
    Source.EVENTS: "events, of this moment",
    Source.TABLES: "accounts, roles and their history, of this moment",
    Source.PLATFORM: "figures that each tenant's counting leaves with the platform",
}


def markdown() -> str:
    """Return what stands between the two marks of ``docs/reports.md``."""
    return "\n".join(_lines())


def written_into(page: str) -> str:
    """Return a page with the list between its marks; raises ``ValueError`` if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place between {BEGIN} and {END}")
    return f"{before}{begin}\n{markdown()}\n{end}{after}"


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(written_into(PAGE.read_text()))


def _lines() -> Iterator[str]:
    for about, reports in groupby(_all(), key=lambda one: one.about):
        yield f"### {about}\n"
        for report in reports:
            yield from _report(report)


def by_subject() -> list[Definition]:
    """Return the reports of the place one is in, those about one subject beside each other."""
    return [one for one in _all() if one.is_here]


def _all() -> list[Definition]:
    known = [*_SUBJECTS, *dict.fromkeys(one.about for one in REPORTS.values())]
    return sorted(REPORTS.values(), key=lambda one: known.index(one.about))


def _report(report: Definition) -> Iterator[str]:
    yield f"#### {report.name}\n"
    moment = "" if report.has_period else " Of one moment, without a period."
    place = " On the platform alone." if report.is_for_operators else ""
    yield f"*{report.title}.* {report.sentence}{moment}{place} Reads {_READS[report.reads]}.\n"
    if report.parameters:
        yield from ("| Parameter | Meaning |", "|---|---|")
        for one in report.parameters:
            choices = f" One of {', '.join(f'`{word}`' for word in one.choices)}."
            usual = f" Default: `{one.default}`." if one.default else ""
            yield f"| `{one.name}` | {one.sentence}{choices if one.choices else ''}{usual} |"
        yield ""
    yield from ("| Column | Holds |", "|---|---|")
    yield from map(_column, report.columns)
    yield ""


def _column(column: Column) -> str:
    unit = f", in {column.unit}" if column.unit else ""
    return f"| `{column.name}` | {column.title} ({column.kind}{unit}) |"
