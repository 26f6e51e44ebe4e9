"""The auditors' bundle as a file that is made in the background."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from activity.bundles.writing import Asked, Bundle
from activity.exporting.making import Label, Made
from activity.exporting.moments import Snapshot
from activity.models import ActivityEvent
from activity.periods import Period
from activity.subjects import Subject


class BundleFile(Made):
    """A bundle. Its ``manifest.json`` is inside; what lies beside says which file it is."""

    def __init__(self, period: Period | None) -> None:
        days = {"since": str(period.since), "until": str(period.until)} if period else {}
        label = Label(source="bundle", form="zip", filters=days)
        super().__init__(label, media_type="application/zip")
        self._bundle = Bundle(Asked(period=period))

    @property
    def rows(self) -> int:
        """How many events went in so far."""
        return self._bundle.events

    @contextmanager
    def opened(self) -> Iterator[Iterator[bytes]]:
        """Yield the pieces."""
        yield self.measured(self._bundle.pieces())

    def record_finished(
        self, snapshot: Snapshot, *, target: Subject | None = None, **details: Any
    ) -> ActivityEvent:
        """Record that it is complete, with the hash of the manifest that is inside."""
        return super().record_finished(
            snapshot,
            target=target,
            **{
                "from": self._bundle.first,
                "size": self._bundle.size,
                "manifest_sha256": self._bundle.sha256,
                **details,
            },
        )
