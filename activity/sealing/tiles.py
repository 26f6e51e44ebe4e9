"""The tiles of a record's Merkle tree, in the place one is in."""

from collections.abc import Sequence

from django.db import connection

from activity.sealing import tree
from activity.sealing.tree import HASH, WIDTH, GrownTile, Tree

_HASHES = """
SELECT string_agg(hashes, ''::bytea ORDER BY index) FROM activity_tile
WHERE level = %s AND index BETWEEN %s AND %s
"""

_WRITE = """
INSERT INTO activity_tile (level, index, hashes) VALUES {rows}
ON CONFLICT (level, index) DO UPDATE SET hashes = EXCLUDED.hashes
"""


class TilesMissing(Exception):
    """Tiles that the record's segments speak of are not there, or not whole."""


def hashes(level: int, start: int, stop: int) -> bytes:
    """Return the hashes of a tile level from ``start`` up to ``stop``, one behind the other.

    Raises ``TilesMissing``.
    """
    if start == stop:
        return b""
    first, last = start // WIDTH, (stop - 1) // WIDTH
    with connection.cursor() as cursor:
        cursor.execute(_HASHES, [level, first, last])
        found = bytes(cursor.fetchone()[0] or b"")
    begin = (start - first * WIDTH) * HASH
    found = found[begin : begin + (stop - start) * HASH]
    if len(found) != (stop - start) * HASH:
        raise TilesMissing(f"hashes {start} to {stop - 1} of level {level}")
    return found


def tree_of(size: int) -> Tree:
    """Return the tree of ``size`` leaves to go on from. Raises ``TilesMissing``."""
    edge = []
    for level, length in enumerate(tree.edge_lengths(size)):
        stop = size // WIDTH**level
        edge.append(hashes(level, stop - length, stop))
    return Tree(size, edge)


def write(grown: Sequence[GrownTile]) -> None:
    """Store tiles that are new or have grown."""
    values = [value for tile in grown for value in (tile.level, tile.index, tile.hashes)]
    rows = ", ".join(["(%s, %s, %s)"] * len(grown))
    with connection.cursor() as cursor:
        cursor.execute(_WRITE.replace("{rows}", rows), values)


def read(level: int, index: int) -> bytes:
    """Return the hash of a perfect subtree: what proofs are made of."""
    return tree.reader(hashes)(level, index)
