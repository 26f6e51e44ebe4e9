"""The Merkle tree of RFC 6962, section 2.1, over hashes: roots, growth and proofs.

Nothing here reads a database. The tree is kept as tiles (C2SP *tlog-tiles*): 256 consecutive hashes
of one level, where a hash of tile level ``n + 1`` is the root of a full tile of level ``n``. What
one needs to go on is the last, partial tile of each level: the *edge*.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

HASH: Final = 32
"""Bytes of a hash."""

WIDTH: Final = 256
"""Hashes of a full tile."""

_HEIGHT: Final = 8
"""Levels of the binary tree that one level of tiles spans."""

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

Read = Callable[[int, int], bytes]
"""Given a level of the binary tree (0: leaves) and an index: the hash of that perfect subtree."""


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(hashes: bytes) -> list[bytes]:
    """Return the hashes that lie one behind the other in ``hashes``."""
    return [hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]


def perfect_root(hashes: bytes) -> bytes:
    """Return the root of a perfect tree over 1, 2, 4, … hashes that lie one behind the other."""
    sha256 = hashlib.sha256
    while len(hashes) > HASH:
        hashes = b"".join(
            sha256(b"\x01" + hashes[at : at + 2 * HASH]).digest()
            for at in range(0, len(hashes), 2 * HASH)
        )
    return hashes


@dataclass(frozen=True)
class GrownTile:
    """A tile that is new or has grown."""

    level: int
    index: int
    hashes: bytes

    @property
    def is_full(self) -> bool:
        """Tell whether it will never change again."""
        return len(self.hashes) == WIDTH * HASH


class Tree:
    """A tree that one can append to: its size and its edge, a few kilobytes for any size."""

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """Go on from ``size`` leaves; ``edge`` has the partial tile of each level, or ``b""``."""
        self.size = size
        self.edge = list(edge)
        if edge_lengths(size) != [len(hashes) // HASH for hashes in self.edge]:
            raise ValueError(f"This is not the edge of a tree of {size} leaves.")

    def append(self, leaves: bytes) -> list[GrownTile]:
        """Append leaf hashes that lie one behind the other; return the tiles that this changes."""
        grown: list[GrownTile] = []
        level, before, new = 0, self.size, leaves
        self.size += len(leaves) // HASH
        while new:
            if level == len(self.edge):
                self.edge.append(b"")
            hashes = self.edge[level] + new
            first = before // WIDTH
            above = []
            for at in range(0, len(hashes), WIDTH * HASH):
                tile = GrownTile(
                    level, first + at // (WIDTH * HASH), hashes[at : at + WIDTH * HASH]
                )
                grown.append(tile)
                if tile.is_full:
                    above.append(perfect_root(tile.hashes))
            self.edge[level] = hashes[len(above) * WIDTH * HASH :]
            level, before, new = level + 1, first, b"".join(above)
        return grown

    def root(self) -> bytes:
        """Return the root hash of all leaves (RFC 6962: ``MTH``)."""
        root = b""
        for hashes in self.edge:
            for peak in reversed(list(_peaks(hashes))):
                root = node(peak, root) if root else peak
        return root or EMPTY_ROOT


def edge_lengths(size: int) -> list[int]:
    """Return how many hashes the partial tile of each level has in a tree of ``size`` leaves."""
    lengths = []
    while size:
        lengths.append(size % WIDTH)
        size //= WIDTH
    return lengths


def _peaks(hashes: bytes) -> Iterator[bytes]:
    """Yield the roots of the perfect trees that a partial tile consists of, the largest first."""
    at, left = 0, len(hashes) // HASH
    while left:
        width = 1 << (left.bit_length() - 1)
        yield perfect_root(hashes[at : at + width * HASH])
        at += width * HASH
        left -= width


def reader(hashes: Callable[[int, int, int], bytes]) -> Read:
    """Return a ``Read`` over tiles; ``hashes`` gives those of a tile level, from and up to."""

    def read(level: int, index: int) -> bytes:
        tile_level, inside = divmod(level, _HEIGHT)
        return perfect_root(hashes(tile_level, index << inside, (index + 1) << inside))

    return read


# Proofs


def range_root(read: Read, low: int, high: int) -> bytes:
    """Return the root of the leaves from ``low`` up to ``high``, as a subtree of RFC 6962 has it.

    ``low`` is a multiple of the largest power of two up to ``high - low``.
    """
    peaks = []
    while low < high:
        level = (high - low).bit_length() - 1
        peaks.append(read(level, low >> level))
        low += 1 << level
    root = peaks.pop()
    while peaks:
        root = node(peaks.pop(), root)
    return root


def _half(count: int) -> int:
    """Return the largest power of two below ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_proof(read: Read, index: int, size: int) -> list[bytes]:
    """Return ``PATH(index, D[size])`` of RFC 6962, section 2.1.1."""
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _half(high - low)
        if index < middle:
            path.append(range_root(read, middle, high))
            high = middle
        else:
            path.append(range_root(read, low, middle))
            low = middle
    return path[::-1]


def consistency_proof(read: Read, older: int, newer: int) -> list[bytes]:
    """Return ``PROOF(older, D[newer])`` of RFC 6962, section 2.1.2; sizes above 0."""
    if not 0 < older <= newer:
        raise ValueError(f"No tree of {newer} leaves has grown from one of {older}.")
    proof, low, high, whole = [], 0, newer, True
    while older != high:
        middle = low + _half(high - low)
        if older <= middle:
            proof.append(range_root(read, middle, high))
            high = middle
        else:
            proof.append(range_root(read, low, middle))
            low, whole = middle, False
    if not whole:
        proof.append(range_root(read, low, high))
    return proof[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a leaf is in a tree (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node(sibling, found)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            found = node(found, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and found == root


def is_consistent(  # noqa: C901
    older: int, older_root: bytes, newer: int, newer_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether a tree has grown from another (RFC 9162, section 2.1.4.2)."""
    if not 0 < older <= newer:
        return False
    if older == newer:
        return not proof and older_root == newer_root
    path = list(proof)
    if older & (older - 1) == 0:
        path.insert(0, older_root)
    if not path:
        return False
    position, last = older - 1, newer - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node(sibling, old), node(sibling, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node(new, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old == older_root and new == newer_root
