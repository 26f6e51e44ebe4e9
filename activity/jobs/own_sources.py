"""The sources of this app: events, reports and the bundle for auditors."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from activity import reports
from activity.events import COLUMNS, between
from activity.exporters import format_called, offered
from activity.exporting.compressing import compression_called
from activity.exporting.files import Export, of_events, of_report
from activity.exporting.statements import columns_called
from activity.jobs import counting
from activity.jobs.asked import Asked
from activity.jobs.bundled import BundleFile
from activity.jobs.kinds import Source, refuse_columns
from activity.periods import Period, period_named
from activity.reading.events import narrow
from activity.reading.query import parse
from activity.sealing import sealer
from tenants.errors import InvalidInput

EVENTS: Final = "events"
BUNDLE: Final = "bundle"
LONGEST_FILTER: Final = 2_000


# Events


def _check_events(asked: Asked) -> Asked:
    columns = columns_called(asked.columns)
    filters = _known(asked.filters, ("q", "since", "until"))
    with timezone.override(ZoneInfo(asked.zone)):
        parse(filters.get("q", ""))
    _period(filters)
    return replace(asked, filters=filters, columns=() if columns == COLUMNS else columns)


def _events(asked: Asked) -> Any:
    with timezone.override(ZoneInfo(asked.zone)):
        return narrow(between(_period(asked.filters)), parse(asked.filters.get("q", "")))


def _make_events(asked: Asked, snapshot: dict[str, Any] | None) -> Export:
    events = _events(asked)
    if snapshot:
        events = counting.as_of(events, snapshot)
    return Export(
        source=of_events(events, asked.columns or COLUMNS, dict(asked.filters)),
        format=format_called(asked.form),
        compression=compression_called(asked.compression),
    )


def _period(filters: dict[str, str]) -> Period | None:
    """Return the local days that were asked for, ``None`` for all time."""
    return period_named(filters.get("since", ""), filters.get("until", ""))


OF_EVENTS: Final = Source(
    name=EVENTS,
    title="events",
    forms=offered,
    check=_check_events,
    make=_make_events,
    expect=lambda asked: counting.count(_events(asked)),
)


# Reports


def report_source(name: str) -> Source:
    """Return the source that a report is; raises ``InvalidInput`` for one that there is not."""
    definition = reports.definition_of(name)

    def check(asked: Asked) -> Asked:
        refuse_columns(asked)
        period, given = _period_and_parameters(name, asked.filters)
        definition.values(period, given)
        # The days as they are now: a file that waits until tomorrow is of the same.
        days = {"since": str(period.since), "until": str(period.until)}
        return replace(asked, filters={**(days if definition.has_period else {}), **given})

    def make(asked: Asked, _: Any) -> Export:
        return Export(
            source=of_report(_built(name, asked.filters)),
            format=format_called(asked.form),
            compression=compression_called(asked.compression),
        )

    def expect(asked: Asked) -> counting.Count:
        return counting.Count(len(_built(name, asked.filters).rows), is_exact=True)

    return Source(
        name=name,
        title=definition.title,
        forms=offered,
        check=check,
        make=make,
        expect=expect,
        permission=definition.permission,
        has_period=definition.has_period,
        parameters=definition.parameters,
    )


def _built(name: str, filters: dict[str, str]) -> reports.Report:
    return reports.build(name, *_period_and_parameters(name, filters))


def _period_and_parameters(name: str, filters: dict[str, str]) -> tuple[Period, dict[str, str]]:
    given = _texts(filters)
    period = reports.period_for(name, given.pop("since", ""), given.pop("until", ""))
    return period, given


# The bundle


def _check_bundle(asked: Asked) -> Asked:
    refuse_columns(asked)
    filters = _known(asked.filters, ("since", "until"))
    if filters.get("since") or filters.get("until"):
        _period(filters)
    return replace(asked, filters=filters)


OF_BUNDLE: Final = Source(
    name=BUNDLE,
    title="the bundle for auditors",
    forms=lambda: ["zip"],
    check=_check_bundle,
    make=lambda asked, _: BundleFile(_period(asked.filters)),
    expect=lambda _: counting.sealed(),
    before=sealer.seal_now,
)


def _known(filters: dict[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the filters that say something; raises ``InvalidInput`` for one that there is not."""
    names = tuple(names)
    for name in filters:
        if name not in names:
            raise InvalidInput(
                f"there is no filter {name[:40]!r} here.", f"Use {', '.join(names)}."
            )
    return _texts(filters)


def _texts(filters: dict[str, str]) -> dict[str, str]:
    for name, value in filters.items():
        if not isinstance(value, str) or "\0" in value or len(value) > LONGEST_FILTER:
            raise InvalidInput(f"the filter {name[:40]!r} is no text.", "Write it as in the list.")
    return {name: value for name, value in filters.items() if value}
