"""What a source of files is, and what a file is while it is made."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from activity.exporting.moments import Snapshot
from activity.jobs import counting
from activity.jobs.asked import Asked
from activity.models import ActivityEvent
from activity.reports.parameters import Parameter
from activity.subjects import Subject
from tenants.errors import InvalidInput

READ: Final = "activity.view_activityevent"


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


def refuse_columns(asked: Asked) -> None:
    """Raise ``InvalidInput`` for columns of what has none to choose."""
    if asked.columns:
        raise InvalidInput("only events have columns to choose.", "Leave them out.")
