"""Sealing: every committed event becomes a leaf of the record's tree, exactly once.

As roll-ups do (``activity.rollups``), the sealer goes by transaction ids: what lies between the
last segment and the oldest transaction that is still open is committed and complete, and nothing
can appear there any more. Tiles and segment are written in one transaction, so a crash, a second
run or two at once change nothing.

Transaction ids restart in another cluster. The events of each cluster are sealed in their own
order, past the last segment *of that cluster*; those of a cluster where the tenant was before, all
of which are there, come before those of this one.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from activity.leaves import leaf_hash_sql
from activity.models import Segment
from activity.sealing import heads, keys, notes, tiles
from activity.sealing.notes import Checkpoint
from activity.sealing.tree import HASH
from tenants.context import current_scope

MOST: Final = 16_384
"""Events of a segment: half a megabyte of hashes."""

NOTHING: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one run did: how many events it sealed, in how many segments."""

    events: int
    segments: int


# The horizon must be taken in the statement that reads the events, not before it: a transaction
# that starts in between could commit below it, unseen. Events of another cluster have no horizon.
_NEXT = f"""
SELECT count(*), string_agg(hash, ''::bytea ORDER BY xid, id),
       (array_agg(xid ORDER BY xid, id))[count(*)], (array_agg(id ORDER BY xid, id))[count(*)]
FROM (
    SELECT xid, id, {leaf_hash_sql()} AS hash FROM activity_activityevent
    WHERE cluster = %(cluster)s AND (xid, id) > (%(xid)s, %(id)s::uuid)
      AND (%(foreign)s OR xid < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint))
    ORDER BY xid, id LIMIT {MOST}
) following
"""

_CLUSTERS = "SELECT cluster FROM activity_activityevent GROUP BY cluster ORDER BY min(id::text)"


def origin() -> str:
    """Return the first line of the checkpoints of the place one is in."""
    return f"tenantry/{current_scope()}"


def own_cluster() -> int:
    """Return the identifier of the database cluster one is connected to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        return int(cursor.fetchone()[0])


def digest(note: str) -> bytes:
    """Return the hash by which a checkpoint names the one before it; of nothing for the first."""
    return hashlib.sha256(note.encode()).digest()


def seal(now: datetime) -> Sealed:
    """Seal what has committed, in the place one is in; ``now`` is what checkpoints will say.

    Unless the last one says a later moment: then theirs is that. Outside a transaction each segment
    is one of its own.
    """
    own = own_cluster()
    last = Segment.objects.order_by("-number").values_list("cluster", flat=True).first()
    done = _seal_all(_everywhere(own) if last is None else _known(last, own), own, now)
    if not done.segments:
        # What was sealed before the platform kept copies, or when they were lost.
        _keep_newest(arrives=False)
    return done


def seal_now() -> None:
    """Seal what has committed so far: before a tenant is exported, see ``arrive``."""
    seal(timezone.now())


def arrive() -> None:
    """Seal the events that came with an import and were not sealed where they came from."""
    own = own_cluster()
    _seal_all(_everywhere(own), own, timezone.now())
    _keep_newest(arrives=True)


def _keep_newest(*, arrives: bool) -> None:
    newest = Segment.objects.order_by("-number").first()
    if newest:
        heads.keep(newest, arrives=arrives)


def _known(last: int, own: int) -> list[int]:
    """A database that was restored elsewhere goes on where it was, and then here."""
    return [own] if last == own else [last, own]


def _everywhere(own: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_CLUSTERS)
        found = [cluster for (cluster,) in cursor.fetchall()]
    return [*(cluster for cluster in found if cluster != own), own]


def _seal_all(clusters: list[int], own: int, now: datetime) -> Sealed:
    counts = [count for cluster in clusters for count in _segments(cluster, own, now)]
    return Sealed(events=sum(counts), segments=len(counts))


def _segments(cluster: int, own: int, now: datetime) -> Iterator[int]:
    count = MOST
    while count == MOST:
        with transaction.atomic():
            count = _seal_next(cluster, own, now)
        if count:
            yield count


def _seal_next(cluster: int, own: int, now: datetime) -> int:
    """Seal one segment of a cluster's events; returns how many, 0 when there are none."""
    with connection.cursor() as cursor:
        # Two at once: the second waits here, and then finds what the first has written. A lock on
        # a table would need more rights than the run-time role has on it.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('tenantry seals ' || %s, 0))",
            [origin()],
        )
        last = Segment.objects.order_by("-number").first()
        before = Segment.objects.filter(cluster=cluster).order_by("-number").first()
        position = (
            {"xid": before.xid, "id": before.event_id} if before else {"xid": -1, "id": NOTHING}
        )
        asked: dict[str, Any] = {**position, "cluster": cluster, "foreign": cluster != own}
        cursor.execute(_NEXT, {**asked, "tenant": current_scope()})
        count, leaves, xid, event_id = cursor.fetchone()
    if not count:
        return 0
    leaves = bytes(leaves)
    if len(leaves) != count * HASH:
        raise ValueError(f"Of {count} events only {len(leaves) // HASH} have a leaf.")
    _append(last, leaves, Segment(cluster=cluster, xid=xid, event_id=event_id, sealed_at=now))
    return int(count)


def _append(last: Segment | None, leaves: bytes, segment: Segment) -> None:
    tree = tiles.tree_of(last.size if last else 0)
    segment.number = last.number + 1 if last else 1
    segment.first = tree.size
    segment.events = len(leaves) // HASH
    # A clock that was put back must not make a checkpoint look older than the one before it.
    segment.sealed_at = max(segment.sealed_at, last.sealed_at) if last else segment.sealed_at
    tiles.write(tree.append(leaves))
    checkpoint = Checkpoint(
        origin=origin(),
        size=tree.size,
        root=tree.root(),
        sealed_at=segment.sealed_at,
        previous=digest(last.note if last else ""),
    )
    segment.note = notes.written(checkpoint, keys.signer())
    segment.save(force_insert=True)
    heads.keep(segment, last.note if last else "")
