"""Verifying: the stored rows against the record's tree and its signed checkpoints.

Everything is computed again: leaves from rows, tiles from leaves, roots from tiles. One segment at
a time, so a record of any length takes the same memory. What comes first and is wrong is named; the
rest is not looked at.

An end that is cut off cleanly, last segments, their hashes and events together, agrees with itself.
It does not agree with checkpoints that were kept outside the record: in ``public``, where all of
them are compared, and with witnesses, whose files the caller brings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from activity import differences
from activity.differences import Wrong
from activity.models import Segment
from activity.sealing import heads, keys, notes, rows, sealer, signers, starts, tiles
from activity.sealing.heads import Kept
from activity.sealing.notes import BadSignature, NoteError, UnknownKey
from activity.sealing.outside import Outside
from activity.sealing.tree import HASH, GrownTile, Tree, split
from activity.sealing.unsealed import count_past
from tenants.context import current_scope
from tenants.moments import one_moment


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found: how far the record is intact, and what is wrong first.

    ``events`` are those sealed and found intact, from ``since`` on, the number of the first one
    that was looked at; ``cut`` of them retention has removed, none from number ``whole_from`` on;
    ``unsealed`` are younger than the last segment and not proven yet.
    """

    record: str
    segments: int
    events: int
    cut: int
    whole_from: int
    unsealed: int
    wrong: Wrong | None
    since: int = 0


class _Found(Exception):
    """Carries the first thing that is wrong."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.sentence)
        self.wrong = wrong


def verify(since: starts.Since | None = None, witnessed: Iterable[Kept] = ()) -> Verdict:
    """Verify the record of the place one is in, as it is at one moment.

    With ``since`` it begins at the segment which holds that event or day, and trusts what is before
    as far as its signed root goes. ``witnessed`` are checkpoints from elsewhere. Raises
    ``InvalidInput`` for a ``since`` past the end.
    """
    with one_moment(read_only=True):
        return _Run(since, witnessed).verdict()


class _Run:
    """One verification: how far it has come."""

    def __init__(self, since: starts.Since | None, witnessed: Iterable[Kept]) -> None:
        start = starts.found(since)
        self.start = start
        self.tree = Tree()
        self.segments = start.segments
        self.cut = start.cut
        self.whole_from = 0
        self.note = start.note
        self.last = start.last
        self.positions: dict[int, tuple[int, Any]] = dict(start.positions)
        self.outside = Outside([*heads.kept(), *witnessed], after=start.size)
        self.own = sealer.own_cluster()
        self.keys: Mapping[Any, Any] = keys.verifiers()

    def verdict(self) -> Verdict:
        wrong = None
        events = 0
        try:
            self._begin()
            for segment in rows.segments(after=self.segments):
                self._segment(segment)
                events = self.tree.size - self.start.size
            self._end()
        except _Found as found:
            wrong = found.wrong
        return Verdict(
            record=current_scope(),
            segments=self.segments,
            events=events,
            cut=self.cut,
            whole_from=self.whole_from,
            unsealed=self._unsealed(),
            wrong=wrong,
            since=self.start.size,
        )

    def _begin(self) -> None:
        """Take over the tree before the first segment, if a signed checkpoint vouches for it."""
        if not self.start.last:
            return
        checkpoint = self._signed(self.start.last)
        try:
            self.tree = tiles.tree_of(self.start.size)
        except tiles.TilesMissing:
            raise _found("missing", "hashes of its events are not there", self.start.last) from None
        if (self.tree.root(), self.tree.size) != (checkpoint.root, checkpoint.size):
            what = "the hashes up to its end do not lead to the root that was signed"
            raise _found("altered", what, self.start.last)

    def _segment(self, segment: Segment) -> None:
        self._bounds(segment)
        checkpoint = self._checkpoint(segment)
        count, leaves, consistent, *last = rows.summed(segment, self._position(segment.cluster))
        stored = _stored(0, segment.first, segment.size)
        is_whole = count == segment.events and tuple(last) == (segment.xid, segment.event_id)
        if not is_whole and not (segment.cut and stored):
            raise self._different(segment, stored)
        if segment.cut:
            if count != segment.events - segment.cut or not _is_part(leaves, stored or b""):
                raise self._different(segment, stored)
            leaves = stored
        if leaves != stored:
            raise self._different(segment, stored)
        grown = self.tree.append(leaves)
        if self.tree.root() != checkpoint.root:
            what = "the events and their hashes do not lead to the root that was signed"
            raise _found("altered", what, segment)
        if not consistent:
            raise self._inconsistent(segment)
        self._compare(grown, segment)
        self._meet(segment)
        self.segments += 1
        self.cut += segment.cut
        self.whole_from = segment.size if segment.cut else self.whole_from
        self.note = segment.note
        self.last = segment
        self.positions[segment.cluster] = (segment.xid, segment.event_id)

    def _bounds(self, segment: Segment) -> None:
        if segment.number != self.segments + 1:
            what = f"segment {self.segments + 1} is not there, {segment.number} is"
            raise _found("missing", what, segment)
        if segment.first != self.tree.size or not 0 < segment.events <= sealer.MOST:
            what = "the segment does not begin where the one before it ends, or has no such length"
            raise _found("altered", what, segment)
        if not 0 <= segment.cut <= segment.events:
            raise _found("altered", "the segment cannot have lost so many events", segment)

    def _meet(self, segment: Segment) -> None:
        """Compare the checkpoint with those that were kept elsewhere."""
        other = self.outside.meet(segment)
        if other:
            what = f"its checkpoint is not the one that was kept: {other}"
            raise _found("altered", what, segment)
        passed = self.outside.passed(self.tree.size)
        if passed:
            what = (
                f"the record has no checkpoint of {passed[0]} events, and one was kept: {passed[1]}"
            )
            raise _found("altered", what, segment)

    def _checkpoint(self, segment: Segment) -> notes.Checkpoint:
        checkpoint = self._signed(segment)
        if checkpoint.previous != sealer.digest(self.note):
            raise _found("altered", "its checkpoint does not follow the one before it", segment)
        if (checkpoint.size, checkpoint.sealed_at) != (segment.size, segment.sealed_at):
            raise _found("altered", "the segment is not what its checkpoint says", segment)
        return checkpoint

    def _signed(self, segment: Segment) -> notes.Checkpoint:
        """Return a segment's checkpoint, which is signed and of this record."""
        try:
            checkpoint = notes.checked(segment.note, self.keys)
        except UnknownKey as error:
            what = f"its checkpoint cannot be checked: {_words(error)}; {signers.REMEDY}"
            raise _found("missing key", what, segment) from None
        except BadSignature as error:
            raise _found("bad signature", f"its checkpoint: {_words(error)}", segment) from None
        except NoteError as error:
            raise _found("altered", f"its checkpoint is none: {_words(error)}", segment) from None
        if checkpoint.origin != sealer.origin():
            what = f"its checkpoint is of another record, {checkpoint.origin}"
            raise _found("foreign", what, segment)
        return checkpoint

    def _different(self, segment: Segment, stored: bytes | None) -> _Found:
        if stored is None:
            return _found("missing", "hashes of its events are not there", segment)
        events = rows.one_by_one(segment, self._position(segment.cluster))
        is_last = not Segment.objects.filter(number__gt=segment.number).exists()
        kept = Tree(self.tree.size, self.tree.edge)
        kept.append(stored)
        if kept.root() != notes.parsed(segment.note)[0].root:
            kept = Tree(self.tree.size, self.tree.edge)
            kept.append(b"".join(row.leaf for row in events[: segment.events]))
            if kept.root() == notes.parsed(segment.note)[0].root:
                what = "hashes of its events were altered; the events are as they were sealed"
                return _found("altered", what, segment)
        return _Found(differences.first(segment, events, split(stored), is_last=is_last))

    def _inconsistent(self, segment: Segment) -> _Found:
        events = rows.one_by_one(segment, self._position(segment.cluster))
        number, row = next(
            (number, row)
            for number, row in enumerate(events, start=segment.first)
            if not row.consistent
        )
        what = "part of it is neither whole nor erased: fields, salt and commitment disagree"
        return _found("altered", what, segment, number if not segment.cut else None, row.event_id)

    def _compare(self, grown: list[GrownTile], segment: Segment) -> None:
        """Compare tiles with what is stored; a partial one may have grown since."""
        for tile in grown:
            if tile.level == 0:
                continue
            start = tile.index * 256
            if _stored(tile.level, start, start + len(tile.hashes) // HASH) != tile.hashes:
                what = f"tile {tile.level}/{tile.index} is not what its hashes lead to"
                raise _found("altered", what, segment)

    def _end(self) -> None:
        beyond = self.outside.beyond(self.tree.size)
        if beyond:
            what = (
                f"it ends after {self.tree.size} events, and a checkpoint of {beyond[0]} was kept:"
                f" {beyond[1]}"
            )
            raise _Found(Wrong("truncated", what, segment=None, number=self.tree.size))
        if self.last and not heads.is_newest(self.last):
            what = "the platform's copy of its newest checkpoint is not there, or is another"
            raise _found("missing", what, self.last)
        expected, level, size = {}, 0, self.tree.size
        while size:
            expected[level] = (-(-size // 256), size * HASH)
            level, size = level + 1, size // 256
        if rows.levels() != expected:
            what = (
                f"the hashes are not those of {self.tree.size} events: the end of the record"
                " is missing, or hashes were added"
            )
            raise _Found(Wrong("truncated", what, segment=None, number=self.tree.size))
        cut = rows.cut()
        if cut != self.cut:
            what = f"{self.cut} events are said to be removed by retention, and {cut} were"
            raise _Found(Wrong("missing", what))
        found = rows.impossible()
        if found:
            what = "it was not sealed: no transaction has the number that it names"
            raise _Found(Wrong("inserted", what, event_id=found))
        found = rows.stranger(self.positions, self.own)
        if found and self.segments:
            what = "it is of another database cluster and in no segment"
            raise _Found(Wrong("foreign", what, event_id=found))

    def _unsealed(self) -> int:
        return count_past(self.own, *self._position(self.own))

    def _position(self, cluster: int) -> rows.Position:
        """Return up to where segments reach in a cluster; before everything where none is."""
        return self.positions.get(cluster, rows.BEGINNING)


def _found(
    kind: str, what: str, segment: Segment, number: int | None = None, event_id: str = ""
) -> _Found:
    return _Found(Wrong(kind, what, segment.number, number, event_id))


def _words(error: NoteError) -> str:
    """Return a sentence without its full stop: it becomes part of another."""
    return str(error).removesuffix(".")


def _stored(level: int, start: int, stop: int) -> bytes | None:
    try:
        return tiles.hashes(level, start, stop)
    except tiles.TilesMissing:
        return None


def _is_part(leaves: bytes, of: bytes) -> bool:
    """Tell whether hashes are among others, in the same order."""
    others = iter(split(of))
    return all(leaf in others for leaf in split(leaves))
