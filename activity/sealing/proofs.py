"""Showing that one event is in the record, to somebody who has only a checkpoint."""

import uuid
from dataclasses import dataclass

from django.db import connection

from activity.leaves import leaf_hash_sql, leaf_sql
from activity.models import ActivityEvent, Segment
from activity.sealing import notes, tiles, tree
from tenants.context import current_scope
from tenants.errors import Conflict, InvalidInput, NotFound, TenantryError


class NotSealed(Conflict):
    """The event is there, and not in the sealed record yet."""

    code = "not-sealed"
    exit_status = 1


class NotAsSealed(TenantryError):
    """The event is not what was sealed: somebody altered it, or the tree."""

    code = "not-as-sealed"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Proof:
    """That an event is leaf ``number`` of the tree whose signed head is ``checkpoint``.

    ``leaf`` is the document that is hashed; ``path`` the hashes beside its way to the root, from
    the leaf up (RFC 6962, section 2.1.1).
    """

    event_id: str
    number: int
    leaf: bytes
    path: list[bytes]
    checkpoint: str


def prove(event_id: str) -> Proof:
    """Prove that an event of the place one is in is sealed, under the newest checkpoint.

    Raises ``InvalidInput``, ``NotFound``, ``NotSealed`` and ``NotAsSealed``.
    """
    try:
        key = uuid.UUID(event_id)
    except ValueError:
        raise InvalidInput(
            f"{event_id!r} is no event's id.", "Take one from `activity events --json`."
        ) from None
    event = ActivityEvent.objects.filter(pk=key).first()
    if event is None:
        raise NotFound(f"there is no event {key} here.", "Name the tenant whose it is.")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {leaf_sql()}, {leaf_hash_sql()} FROM activity_activityevent WHERE id = %(id)s",
            {"tenant": current_scope(), "id": key},
        )
        leaf, leaf_hash = map(bytes, cursor.fetchone())
    newest = Segment.objects.order_by("-number").first()
    try:
        number = _number(event, leaf_hash)
        if newest is None or number is None:
            raise NotSealed(f"the event {key} is not sealed yet.", "Run `activity seal`.")
        path = tree.inclusion_proof(tiles.read, number, newest.size)
    except tiles.TilesMissing:
        raise NotAsSealed(
            f"hashes that prove the event {key} are missing.", "Run `activity verify` to see which."
        ) from None
    root = notes.parsed(newest.note)[0].root
    if not tree.is_included(leaf_hash, number, newest.size, path, root):
        raise _broken(str(key))
    return Proof(str(key), number, leaf, path, newest.note)


def _number(event: ActivityEvent, leaf_hash: bytes) -> int | None:
    """Return which leaf an event is, ``None`` when it is none yet."""
    for segment in Segment.objects.filter(cluster=event.cluster, xid__gte=event.xid)[:1_000]:
        if (segment.xid, segment.event_id) < (event.xid, event.pk):
            continue
        leaves = tree.split(tiles.hashes(0, segment.first, segment.size))
        if leaf_hash not in leaves:
            raise _broken(str(event.pk))
        return segment.first + leaves.index(leaf_hash)
    return None


def _broken(event_id: str) -> NotAsSealed:
    return NotAsSealed(
        f"the event {event_id} is not what was sealed.", "Run `activity verify` to see what is."
    )
