"""What a file can be of: events, a report, the auditors' bundle, and what others register.

A source says in which forms it comes, whether what is asked of it means anything, how many rows
that is likely to be, and makes the file.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from activity import reports
from activity.exporters import FORMATS, format_called
from activity.exporting.compressing import compression_called
from activity.jobs.asked import Asked
from activity.jobs.documents import DocumentFile
from activity.jobs.kinds import READ as READ
from activity.jobs.kinds import Source as Source
from activity.jobs.kinds import refuse_columns
from activity.jobs.own_sources import BUNDLE as BUNDLE
from activity.jobs.own_sources import EVENTS as EVENTS
from activity.jobs.own_sources import OF_BUNDLE, OF_EVENTS, report_source
from tenants.errors import InvalidInput

LONGEST_NOTE: Final = 200
_OF_A_MOMENT: Final = "the moment when it is made"


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
        refuse_columns(asked)
        return replace(asked, filters=check(asked.filters))

    register(
        Source(
            name=name,
            title=title,
            forms=lambda: list(media_types),
            check=checked,
            make=lambda asked, _: DocumentFile(asked, make, media_types[asked.form]),
            has_rows=False,
        )
    )


def all_sources() -> dict[str, Source]:
    """Return every source there is, by name, in the order of lists."""
    found = [
        OF_EVENTS,
        *(report_source(name) for name in reports.here()),
        OF_BUNDLE,
        *_more.values(),
    ]
    return {source.name: source for source in found}


def source_called(name: str) -> Source:
    """Return the source of this name; raises ``InvalidInput`` listing those there are."""
    if name in reports.here():
        return report_source(name)
    found = {EVENTS: OF_EVENTS, BUNDLE: OF_BUNDLE, **_more}.get(name)
    if found is None:
        raise InvalidInput(
            f"there is nothing called {name[:60]!r} to export.",
            f"Choose one of {', '.join(all_sources())}.",
        )
    return found


def title_of(name: str) -> str:
    """Return what people call a source; its name where it is gone since."""
    source = _found(name)
    return source.title if source else name


def words_of(asked: Asked) -> str:
    """Return what a file is of, for people: how its rows are chosen, or that it is of now."""
    is_chosen = any(asked.filters.values())
    return asked.words if is_chosen or has_period(asked.source) else _OF_A_MOMENT


def has_period(name: str) -> bool:
    """Tell whether files of a source are of days, and not of a moment; of one that is gone, so."""
    source = _found(name)
    return source is None or source.has_period


def has_rows(name: str) -> bool:
    """Tell whether files of a source have rows to be counted; those of one that is gone had."""
    source = _found(name)
    return source is None or source.has_rows


def _found(name: str) -> Source | None:
    try:
        return source_called(name)
    except InvalidInput:
        return None


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
