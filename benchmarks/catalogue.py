"""All entries, in the order in which they run."""

import difflib
from collections.abc import Sequence

from benchmarks.entries import (
    capture,
    exporting,
    fleet,
    folding,
    pages,
    provenance,
    provisioning,
    recording,
    reports,
    requests,
    scale,
    schemas,
    sealing,
    threads,
)
from benchmarks.entry import Entry
from benchmarks.ground import BenchmarkError

ENTRIES: list[Entry] = [
    *requests.ENTRIES,
    *provisioning.ENTRIES,
    *schemas.ENTRIES,
    *fleet.ENTRIES,
    *recording.ENTRIES,
    *capture.ENTRIES,
    *folding.ENTRIES,
    *sealing.ENTRIES,
    *pages.ENTRIES,
    *reports.ENTRIES,
    *exporting.ENTRIES,
    *scale.ENTRIES,
    *provenance.ENTRIES,
    *threads.ENTRIES,
]


def chosen(names: Sequence[str]) -> list[Entry]:
    """Return the entries of these names, or of families such as ``request``.

    Without names, all but those that take long.

    Raises ``BenchmarkError`` for a name that nothing has.
    """
    for name in names:
        if not any(_has(entry, name) for entry in ENTRIES):
            known = [entry.name for entry in ENTRIES]
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "--list shows all."
            raise BenchmarkError(f"there is no benchmark {name[:60]!r}. {hint}")
    if not names:
        return [entry for entry in ENTRIES if not entry.is_seldom]
    return [entry for entry in ENTRIES if any(_has(entry, name) for name in names)]


def _has(entry: Entry, name: str) -> bool:
    return name in (entry.name, entry.name.partition("-")[0])
