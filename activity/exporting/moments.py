"""Of which moment a file is, and how much of the record was sealed by then."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from activity.models import Segment
from activity.sealing.sealer import NOTHING, own_cluster
from activity.sealing.unsealed import count_past
from tenants import moments


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment, the newest checkpoint of the record then, and how many events were after it."""

    at: datetime
    checkpoint: str
    size: int
    unsealed: int

    @property
    def document(self) -> dict[str, Any] | None:
        """The checkpoint as manifests have it, ``None`` before the first."""
        if not self.checkpoint:
            return None
        return {"size": self.size, "unsealed": self.unsealed, "note": self.checkpoint}


@contextmanager
def one_moment() -> Iterator[Snapshot]:
    """Let all that is read in the block be of one moment, which is yielded.

    In a transaction that is open already, each statement is of its own, as that began.
    """
    with moments.one_moment() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (at,) = cursor.fetchone()
        last = Segment.objects.order_by("-number").first()
        yield Snapshot(
            at=at,
            checkpoint=last.note if last else "",
            size=last.size if last else 0,
            unsealed=_unsealed(last),
        )


def _unsealed(last: Segment | None) -> int:
    own = own_cluster()
    count = 0
    # A record that was restored elsewhere goes on where it was, and then here.
    for cluster in {own, last.cluster if last else own}:
        end = Segment.objects.filter(cluster=cluster).order_by("-number").first()
        position = (end.xid, end.event_id) if end else (-1, NOTHING)
        count += count_past(cluster, *position)
    return count
