"""The Merkle tree against RFC 6962, section 2.1, written down as it stands there."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from activity.sealing import tree
from activity.sealing.tree import HASH, Tree


def leaf(number):
    return hashlib.sha256(b"\x00" + str(number).encode()).digest()


def leaves(count, first=0):
    return [leaf(number) for number in range(first, first + count)]


def half(count):
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def mth(hashes):
    """MTH(D[n]), over the hashes of the leaves."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = half(len(hashes))
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(m, hashes):
    """PATH(m, D[n])."""
    if len(hashes) == 1:
        return []
    k = half(len(hashes))
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def subproof(m, hashes, whole):
    """SUBPROOF(m, D[n], b)."""
    if m == len(hashes):
        return [] if whole else [mth(hashes)]
    k = half(len(hashes))
    if m <= k:
        return [*subproof(m, hashes[:k], whole), mth(hashes[k:])]
    return [*subproof(m - k, hashes[k:], False), mth(hashes[:k])]


def grown(batches):
    """A tree that was appended to in these batches, and its tiles."""
    one, tiles, count = Tree(), {}, 0
    for batch in batches:
        for tile in one.append(b"".join(leaves(batch, count))):
            assert tile.hashes.startswith(tiles.get((tile.level, tile.index), b""))
            tiles[tile.level, tile.index] = tile.hashes
        count += batch
    return one, tiles


def reading(tiles):
    def hashes(level, start, stop):
        index, first = divmod(start, tree.WIDTH)
        found = tiles[level, index][first * HASH : (first + stop - start) * HASH]
        assert len(found) == (stop - start) * HASH
        return found

    return tree.reader(hashes)


BATCHES = st.lists(st.integers(1, 700), min_size=1, max_size=5)


@effort(max_examples=40, deadline=None)
@given(BATCHES)
def test_the_root_is_the_rfcs_however_the_leaves_were_batched(batches):
    one, _ = grown(batches)

    assert one.size == sum(batches)
    assert one.root() == mth(leaves(sum(batches)))


@effort(max_examples=25, deadline=None)
@given(BATCHES, st.data())
def test_proofs_are_the_rfcs_and_are_believed(batches, data):
    _, tiles = grown(batches)
    size = sum(batches)
    older = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, size - 1))
    hashes, read = leaves(size), reading(tiles)

    included = tree.inclusion_proof(read, index, size)
    consistent = tree.consistency_proof(read, older, size)

    assert included == path(index, hashes)
    assert consistent == subproof(older, hashes, True)
    root, older_root = mth(hashes), mth(hashes[:older])
    assert tree.is_included(leaf(index), index, size, included, root)
    assert tree.is_consistent(older, older_root, size, root, consistent)


def test_every_proof_of_small_trees_is_believed_and_no_other():
    for size in range(1, 20):
        _, tiles = grown([size])
        read, root = reading(tiles), mth(leaves(size))
        for index in range(size):
            proof = tree.inclusion_proof(read, index, size)
            for claimed in range(-1, size + 1):
                believed = tree.is_included(leaf(index), claimed, size, proof, root)
                assert believed == (claimed == index)
            assert not tree.is_included(leaf(index), index, size, [*proof, root], root)
            if proof:
                assert not tree.is_included(leaf(index), index, size, proof[:-1], root)
        for older in range(1, size + 1):
            proof = tree.consistency_proof(read, older, size)
            before = mth(leaves(older))
            assert tree.is_consistent(older, before, size, root, proof)
            assert not tree.is_consistent(older, leaf(99), size, root, proof)
            assert not tree.is_consistent(older, before, size, leaf(99), proof)
            assert not tree.is_consistent(older, before, size, root, [*proof, root])


def test_tiles_of_the_second_level_hold_the_roots_of_full_tiles():
    _, tiles = grown([256, 255, 2])

    assert sorted(tiles) == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert tree.split(tiles[1, 0]) == [mth(leaves(256)), mth(leaves(256, 256))]


def test_a_third_level_begins_after_65536_leaves():
    one, tiles = grown([65_535, 2])

    assert one.root() == mth(leaves(65_537))
    assert tree.split(tiles[2, 0]) == [mth(leaves(65_536))]


def test_an_edge_that_does_not_belong_to_the_size_is_refused():
    with pytest.raises(ValueError, match="not the edge"):
        Tree(3, [leaf(1)])


def test_the_empty_tree_has_the_hash_of_nothing():
    assert Tree().root().hex().startswith("e3b0c44298fc1c14")


def test_what_is_not_in_a_tree_cannot_be_proven():
    with pytest.raises(ValueError, match="no leaf 3"):
        tree.inclusion_proof(reading({}), 3, 3)
    with pytest.raises(ValueError, match="has grown from"):
        tree.consistency_proof(reading({}), 4, 3)
