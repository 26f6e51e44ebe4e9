"""How many rows a file will have: exactly while that is cheap, and about as many beyond."""

import json
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from activity.models import ActivityEvent, Segment
from activity.sealing.sealer import own_cluster
from tenants.patience import patient

EXACT: Final = 10_000
"""Up to how many rows are counted one by one."""

_PATIENCE: Final = 1.5
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Count:
    """So many rows, or about so many; ``None`` when nobody can say before they are read."""

    rows: int | None
    is_exact: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is certainly nothing."""
        return self.is_exact and self.rows == 0

    def __str__(self) -> str:
        if self.rows is None:
            return "an unknown number of rows"
        if self.is_exact:
            return "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        return f"about {self.rows:,} rows"


UNKNOWN: Final = Count(None)


def count(events: QuerySet[ActivityEvent]) -> Count:
    """Count events: one by one up to ``EXACT``, else as many as PostgreSQL's plan expects."""
    found = events.order_by()
    try:
        with patient(statement=_PATIENCE), transaction.atomic():
            rows = found.values("pk")[: EXACT + 1].count()
    except OperationalError:
        rows = EXACT + 1
    if rows <= EXACT:
        return Count(rows, is_exact=True)
    return Count(max(EXACT, planned(found)))


def planned(events: QuerySet[ActivityEvent]) -> int:
    """Return how many rows PostgreSQL's plan of a query expects."""
    [plan] = json.loads(events.order_by().values("pk").explain(format="json"))
    return int(plan["Plan"]["Plan Rows"])


def sealed() -> Count:
    """Return how many events are sealed."""
    last = Segment.objects.order_by("-number").first()
    return Count(last.size if last else 0, is_exact=False)


class _Visible(Func):
    """Whether the transaction that wrote a row is over in a snapshot."""

    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> Any:
        xid, snapshot = self.source_expressions
        left, parameters = compiler.compile(xid)
        right, more = compiler.compile(snapshot)
        sql = f"pg_visible_in_snapshot(({left})::text::xid8, ({right})::text::pg_snapshot)"
        return sql, (*parameters, *more)


def snapshot_now() -> dict[str, Any]:
    """Return what names the moment that the open transaction reads, for ``as_of``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        (snapshot,) = cursor.fetchone()
    return {"xids": snapshot, "cluster": own_cluster()}


def as_of(events: QuerySet[ActivityEvent], snapshot: dict[str, Any]) -> QuerySet[ActivityEvent]:
    """Return those of ``events`` that were committed in a snapshot that ``snapshot_now`` named.

    Each row carries the number of its transaction, so a later transaction reads the same rows,
    byte for byte, as long as nothing of them was erased or cut. What came from another cluster
    was there before.
    """
    visible = _Visible(F("xid"), Value(snapshot["xids"]))
    return events.filter(~Q(cluster=snapshot["cluster"]) | Q(visible))
