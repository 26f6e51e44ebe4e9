"""What a source of files is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from activity.exporting.making import Made
from activity.jobs import counting
from activity.jobs.asked import Asked
from activity.reports.parameters import Parameter
from tenants.errors import InvalidInput

READ: Final = "activity.view_activityevent"


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
    has_period: bool = True
    """Whether it is of days, or of the moment when it is made."""
    has_rows: bool = True
    """Whether rows can be counted: a document has none."""
    parameters: tuple[Parameter, ...] = ()
    """What may be asked of it beside days: filters of these names."""


def refuse_columns(asked: Asked) -> None:
    """Raise ``InvalidInput`` for columns of what has none to choose."""
    if asked.columns:
        raise InvalidInput("only events have columns to choose.", "Leave them out.")
