"""What a file can be of: events, a report, the auditors' bundle, and what others register.

A source says in which forms it comes, whether what is asked of it means anything, how many rows
that is likely to be, and makes the file.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from django.utils import timezone

from activity import reports
from activity.events import COLUMNS, between
from activity.exporters import FORMATS, format_called, offered
from activity.exporting.compressing import COMPRESSIONS, compression_called
from activity.exporting.files import Export, of_events, of_report
from activity.exporting.moments import Snapshot
from activity.exporting.statements import columns_called
from activity.jobs import counting
from activity.jobs.asked import Asked
from activity.jobs.bundled import BundleFile
from activity.jobs.documents import DocumentFile
from activity.models import ActivityEvent
from activity.periods import Period, parse_day, period_between
from activity.reading.events import narrow
from activity.reading.query import parse
from activity.reports.parameters import Parameter
from activity.sealing import sealer
from activity.subjects import Subject
from tenants.errors import InvalidInput

READ: Final = "activity.view_activityevent"
EVENTS: Final = "events"
BUNDLE: Final = "bundle"
BEGINNING: Final = 1970
LONGEST_NOTE: Final = 200
LONGEST_FILTER: Final = 2_000
_COMPRESSIONS: Final = ", ".join(COMPRESSIONS)


class Made(Protocol):
    """A file that is being made; when all pieces were taken, its figures are final."""

    @property
    def rows(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def suffix(self) -> str: ...

    def opened(self) -> AbstractContextManager[Any]:
        """Yield the pieces, in the transaction one is in."""
        ...

    def record_finished(
        self, snapshot: Snapshot, *, target: Subject | None = None, **details: Any
    ) -> ActivityEvent:
        """Record that it is complete."""
        ...

    def manifest(self, snapshot: Snapshot, finished: ActivityEvent, file: str) -> dict[str, Any]:
        """Return what lies beside it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """Something that files can be of.

    ``check`` returns what was asked for in its final words, or raises ``InvalidInput``. ``make``
    is given the snapshot of an earlier attempt, if there was one, whose rows it must have.
    """

    name: str
    title: str
    forms: Callable[[], list[str]]
    check: Callable[[Asked], Asked]
    make: Callable[[Asked, dict[str, Any] | None], Made]
    expect: Callable[[Asked], counting.Count] = lambda _: counting.UNKNOWN
    before: Callable[[], None] = lambda: None
    """Called before the transaction of one moment begins."""
    permission: str = READ
    parameters: tuple[Parameter, ...] = ()
    """What may be asked of it beside days: filters of these names."""


_more: dict[str, Source] = {}


def register(source: Source) -> None:
    """Offer files of one more source. The last registration of a name holds."""
    _more[source.name] = source


def registered(name: str) -> Source | None:
    """Return what others have registered by this name; ``None`` for events, reports, the bundle."""
    return _more.get(name)


def register_document(
    name: str,
    title: str,
    media_types: dict[str, str],
    make: Callable[[dict[str, str], str], Iterable[bytes]],
    check: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    """Offer a document, such as a summary, that a function makes of filters and a format.

    ``check`` returns the filters in their final words, or raises ``InvalidInput``.
    """

    def checked(asked: Asked) -> Asked:
        _refuse_columns(asked)
        return replace(asked, filters=check(asked.filters))

    register(
        Source(
            name=name,
            title=title,
            forms=lambda: list(media_types),
            check=checked,
            make=lambda asked, _: DocumentFile(asked, make, media_types[asked.form]),
        )
    )


def all_sources() -> dict[str, Source]:
    """Return every source there is, by name, in the order of lists."""
    found = [_EVENTS, *(_of_report(name) for name in reports.here()), _BUNDLE, *_more.values()]
    return {source.name: source for source in found}


def source_called(name: str) -> Source:
    """Return the source of this name; raises ``InvalidInput`` listing those there are."""
    if name in reports.here():
        return _of_report(name)
    found = {EVENTS: _EVENTS, BUNDLE: _BUNDLE, **_more}.get(name)
    if found is None:
        raise InvalidInput(
            f"there is nothing called {name[:60]!r} to export.",
            f"Choose one of {', '.join(all_sources())}.",
        )
    return found


def title_of(name: str) -> str:
    """Return what people call a source; its name where it is gone since."""
    try:
        return source_called(name).title
    except InvalidInput:
        return name


def checked(asked: Asked) -> Asked:
    """Return what was asked for in its final words.

    Raises ``InvalidInput``, and ``NotInstalled`` for a form that needs an extra.
    """
    source = source_called(asked.source)
    forms = source.forms()
    if asked.form not in forms:
        if asked.form in FORMATS and not FORMATS[asked.form].is_installed():
            format_called(asked.form)
        raise InvalidInput(
            f"{source.title} cannot be written as {asked.form[:40]!r}.",
            f"Choose one of {', '.join(forms)}.",
        )
    compression = compression_called(asked.compression)
    if compression and (asked.form not in FORMATS or FORMATS[asked.form].is_packed):
        raise InvalidInput(f"{asked.form} is compressed already.", f"Leave {compression.name} out.")
    if len(asked.note) > LONGEST_NOTE or not all(c.isprintable() for c in asked.note):
        raise InvalidInput(
            "the note cannot be kept.", f"Use at most {LONGEST_NOTE} characters on one line."
        )
    return source.check(asked)


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
    until = parse_day(filters.get("until", ""), "until")
    if not filters.get("since"):
        return Period(until.replace(year=BEGINNING, month=1, day=1), until) if until else None
    return period_between(filters["since"], filters.get("until", ""))


_EVENTS: Final = Source(
    name=EVENTS,
    title="events",
    forms=offered,
    check=_check_events,
    make=_make_events,
    expect=lambda asked: counting.count(_events(asked)),
)


# Reports


def _of_report(name: str) -> Source:
    definition = reports.definition_of(name)

    def check(asked: Asked) -> Asked:
        _refuse_columns(asked)
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
    _refuse_columns(asked)
    filters = _known(asked.filters, ("since", "until"))
    if filters.get("since") or filters.get("until"):
        _period(filters)
    return replace(asked, filters=filters)


_BUNDLE: Final = Source(
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
            raise InvalidInput(f"the filter {name[:40]} is no text.", "Write it as in the list.")
    return {name: value for name, value in filters.items() if value}


def _refuse_columns(asked: Asked) -> None:
    if asked.columns:
        raise InvalidInput("only events have columns to choose.", "Leave them out.")
