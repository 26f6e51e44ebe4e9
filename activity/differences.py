"""What is wrong with the events of a segment whose leaves are not those that were sealed."""

from collections.abc import Sequence
from dataclasses import dataclass

from activity.models import Segment


@dataclass(frozen=True, slots=True)
class Row:
    """A stored event: its id, the leaf that its fields lead to, and whether its parts agree."""

    event_id: str
    leaf: bytes
    consistent: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first thing that is wrong.

    ``kind`` is ``altered``, ``missing``, ``inserted``, ``reordered``, ``truncated``, ``foreign``,
    ``bad signature`` or ``missing key``. ``number`` is the event's place in the record, from 0;
    ``event_id`` is empty where nobody knows which event it was.
    """

    kind: str
    what: str
    segment: int | None = None
    number: int | None = None
    event_id: str = ""

    @property
    def sentence(self) -> str:
        """What a person reads."""
        where = f"segment {self.segment}" if self.segment is not None else "the record"
        if self.number is not None:
            where = f"event {self.number} in {where}" if self.segment else f"event {self.number}"
        if self.event_id:
            where += f" ({self.event_id})"
        return f"{self.kind}: {where}: {self.what}."


def first(
    segment: Segment, rows: Sequence[Row], sealed: Sequence[bytes], *, is_last: bool
) -> Wrong:
    """Return the first difference between stored events and sealed leaves, which are not equal."""
    here = {row.leaf for row in rows}
    at = next(
        (at for at, (row, leaf) in enumerate(zip(rows, sealed, strict=False)) if row.leaf != leaf),
        min(len(rows), len(sealed)),
    )
    number = segment.first + at
    row = rows[at] if at < len(rows) else None
    known = set(sealed)
    is_lost = at < len(sealed) and sealed[at] not in here
    is_new = row is not None and row.leaf not in known
    if row is not None and is_new and is_lost and len(rows) >= len(sealed) - segment.cut:
        what = "it is not what was sealed"
        return Wrong("altered", what, segment.number, number, row.event_id)
    if row is not None and is_new:
        what = "it was not sealed, and lies among events that were"
        return Wrong("inserted", what, segment.number, number, row.event_id)
    if is_lost or row is None:
        if row is None and is_last and at < len(sealed):
            what = "the events from here to the end of the record are gone"
            return Wrong("truncated", what, segment.number, number)
        what = "an event that was sealed is not there, or lies elsewhere"
        return Wrong("missing", what, segment.number, number)
    what = "the events are there, in another order than they were sealed in"
    return Wrong("reordered", what, segment.number, number, row.event_id)
