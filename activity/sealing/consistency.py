"""Showing that the record has only grown, to somebody who has two checkpoints of it."""

from dataclasses import dataclass

from activity.models import Segment
from activity.sealing import notes, tiles, tree
from tenants.context import current_scope
from tenants.errors import InvalidInput, TenantryError


@dataclass(frozen=True, slots=True)
class Growth:
    """That a tree of ``newer`` leaves begins with all of the one of ``older``.

    ``hashes`` are those of RFC 6962, section 2.1.2; ``checkpoints`` the signed notes of the two
    sizes, ``None`` for a size that no segment ends at.
    """

    record: str
    older: int
    newer: int
    hashes: list[bytes]
    checkpoints: tuple[str | None, str | None]


def grown(older: int, newer: int) -> Growth:
    """Prove that the record of the place one is in has grown from one size to another.

    Raises ``InvalidInput`` for sizes that it has not had, and ``TenantryError`` where its hashes
    are not those that were sealed.
    """
    last = Segment.objects.order_by("-number").first()
    size = last.size if last else 0
    if not 0 < older <= newer <= size:
        raise InvalidInput(
            f"{older} and {newer} are not two sizes of this record, the smaller one first.",
            f"Use sizes from 1 to {size}, such as those in two checkpoints.",
        )
    checkpoints = _note(older), _note(newer)
    try:
        hashes = tree.consistency_proof(tiles.read, older, newer)
        roots = [tree.range_root(tiles.read, 0, one) for one in (older, newer)]
    except tiles.TilesMissing:
        raise _broken() from None
    signed = [notes.parsed(note)[0].root if note else None for note in checkpoints]
    if any(note and note != root for note, root in zip(signed, roots, strict=True)):
        raise _broken()
    return Growth(current_scope(), older, newer, hashes, checkpoints)


def _note(size: int) -> str | None:
    segment = Segment.objects.filter(first__lt=size).order_by("-number").first()
    return segment.note if segment and segment.size == size else None


def _broken() -> TenantryError:
    return TenantryError(
        "the hashes of this record are not those that were sealed.",
        "Run `activity verify` to see what is wrong.",
    )
