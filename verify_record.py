#!/usr/bin/env python3
"""Check a sealed record, or a proof of one event, without the system that keeps it.

    python verify_record.py acme-record.zip --key KEY --checkpoint KEPT.txt --save NEW.txt

One file, Python 3.11 or newer and the package ``cryptography``. It shares nothing with the system
whose record it checks; both follow ``docs/record-format.md``. A record of any length takes the same
memory. Exit status: 0 intact, 1 something is wrong, 2 it could not be checked.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import IO, Any

FORMAT, VERSION = "tenantry-record", 1
LONGEST_LINE = 16 << 20
LONGEST_CHECKPOINT = 1 << 12
LARGEST_SMALL = 1 << 20
"""Bytes of a member that is read whole."""
MOST = 16_384
"""Events of a segment."""
BLOCK = 1 << 20
MEMBERS = (
    *("README.txt", "verify_record.py", "keys.txt", "tree.json"),
    *("checkpoints.ndjson", "hashes.bin", "events.ndjson", "manifest.json"),
)
LEAF = dict.fromkeys(
    (
        *("action", "actor", "actor_id", "actor_kind", "channel", "cluster", "id", "occurred_at"),
        *("on_behalf_of_id", "outcome", "request_id", "severity", "target", "target_id"),
        *("target_type", "tenant", "xid"),
    ),
    str,
) | {"schema_version": int}
LINE = b'{"actor":%b,"actor_salt":%b,"leaf":%b,"target":%b,"target_salt":%b}'
ACTOR = {
    "actor_label": "",
    "ip": None,
    "on_behalf_of_label": "",
    "session_ref": "",
    "user_agent": "",
}
TARGET = {"changes": "{}", "details": "{}", "reason": "", "target_label": ""}
"""What the fields of an erased part hold."""
CHECKPOINT = frozenset(
    ("cluster", "cut", "event_id", "events", "first", "note", "number", "xid"),
)
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
UUID_FORM, SALT = re.compile(UUID), re.compile("[0-9a-f]{32}")
POSITION = re.compile("-?[0-9]{1,19} [0-9]{1,19}")
"""Cluster and transaction."""
NOTE = re.compile(
    rf"(tenantry/(?:platform|{UUID}))\n(0|[1-9][0-9]{{0,18}})\n([A-Za-z0-9+/]{{43}}=)\n"
    r"sealed ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)\n"
    r"previous ([A-Za-z0-9+/]{43}=)\n\n((?:— [^ +\n]{1,60} [A-Za-z0-9+/]+={0,2}\n)+)"
)
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
VKEY = re.compile(r"([A-Za-z0-9._:/~-]{1,60})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})")


class Unusable(Exception):
    """It could not be checked, which says nothing about the record."""


class Wrong(Exception):
    """The first thing that is wrong.

    ``kind``: altered, missing, inserted, reordered, truncated, foreign, bad signature, missing key.
    """

    def __init__(
        self,
        kind: str,
        what: str,
        segment: int | None = None,
        number: int | None = None,
        event_id: str = "",
    ) -> None:
        self.found = {
            "kind": kind,
            "what": what,
            "segment": segment,
            "number": number,
            "event_id": event_id,
        }
        where = [f"event {number}"] if number is not None else []
        where += [f"segment {segment}"] if segment is not None else []
        place = " in ".join(where) or "the bundle"
        super().__init__(f"{kind}: {place}{f' ({event_id})' if event_id else ''}: {what}.")


def sha256(*parts: bytes) -> bytes:
    """Return the hash of parts that lie one behind the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def canonical(document: Any) -> bytes:
    """Return a document of texts and whole numbers, with ASCII names, as RFC 8785 writes it."""
    return ENCODER.encode(document).encode()


def unbase64(text: Any) -> bytes:
    """Return what Base64 stands for; ``ValueError`` for any but its one form."""
    value = base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    if base64.b64encode(value).decode() != text:
        raise ValueError("another form")
    return value


# The tree of RFC 6962


class Tree:
    """A tree one can append to: the roots of the perfect trees it consists of, largest first."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)
        if len(self.peaks) != size.bit_count() or any(len(one) != 32 for one in self.peaks):
            raise ValueError("not the peaks of a tree of this size")

    def append(self, leaf: bytes) -> None:
        """Append a leaf's hash."""
        size, found = self.size, leaf
        while size & 1:
            found = sha256(b"\x01", self.peaks.pop(), found)
            size >>= 1
        self.peaks.append(found)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash of the whole tree."""
        root = b""
        for peak in reversed(self.peaks):
            root = sha256(b"\x01", peak, root) if root else peak
        return root or sha256()

    def copy(self) -> "Tree":
        """Return one that goes its own way from here."""
        return Tree(self.size, self.peaks)


def half(size: int) -> int:
    """Return the largest power of two below a size above 1."""
    return 1 << ((size - 1).bit_length() - 1)


def root_by_inclusion(leaf: bytes, number: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that a path (RFC 6962, 2.1.1) leads to; it is used up, from its end.

    Raises ``IndexError`` for one that is too short.
    """
    if size == 1:
        return leaf
    beside, left = path.pop(), half(size)
    if number < left:
        return sha256(b"\x01", root_by_inclusion(leaf, number, left, path), beside)
    return sha256(b"\x01", beside, root_by_inclusion(leaf, number - left, size - left, path))


def roots_by_consistency(
    older: int, newer: int, root: bytes, proof: list[bytes], *, whole: bool = True
) -> tuple[bytes, bytes]:
    """Return the two roots that a proof (RFC 6962, 2.1.2) leads to; it is used up, from its end.

    ``root`` is that of the older tree. Raises ``IndexError`` for a proof that is too short.
    """
    if older == newer:
        both = root if whole else proof.pop()
        return both, both
    beside, left = proof.pop(), half(newer)
    if older <= left:
        old, new = roots_by_consistency(older, left, root, proof, whole=whole)
        return old, sha256(b"\x01", new, beside)
    old, new = roots_by_consistency(older - left, newer - left, root, proof, whole=False)
    return sha256(b"\x01", beside, old), sha256(b"\x01", beside, new)


def is_included(leaf: bytes, number: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Tell whether a path shows that a hash is a leaf of a tree."""
    left = list(path)
    try:
        return (
            0 <= number < size and root_by_inclusion(leaf, number, size, left) == root and not left
        )
    except IndexError:
        return False


def is_consistent(older: int, old: bytes, newer: int, new: bytes, proof: list[bytes]) -> bool:
    """Tell whether a proof shows that a tree has grown from another."""
    left = list(proof)
    try:
        found = roots_by_consistency(older, newer, old, left) if 0 < older <= newer else None
    except IndexError:
        return False
    return found == (old, new) and not left


# Keys and notes


class Key:
    """A public key, from its text ``name+id+key``; ``ValueError`` for what is none."""

    def __init__(self, vkey: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        found = VKEY.fullmatch(vkey)
        value = unbase64(found[3]) if found else b""
        if not found or value[:1] != b"\x01":
            raise ValueError("no Ed25519 key")
        self.vkey, self.name, self.id = vkey, found[1], bytes.fromhex(found[2])
        if self.id != sha256(self.name.encode(), b"\n", value)[:4]:
            raise ValueError("name and key do not have this id")
        self.public = Ed25519PublicKey.from_public_bytes(value[1:])

    def is_good(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this key signed a message."""
        from cryptography.exceptions import InvalidSignature

        try:
            self.public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Note:
    """What a checkpoint says, and which key has signed it."""

    origin: str
    size: int
    root: bytes
    sealed: str
    previous: bytes
    key: Key


def signatures(lines: str) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield name, key id and signature of the last lines of a note."""
    for line in lines.split("\n")[:-1]:
        _, name, encoded = line.split(" ")
        value = unbase64(encoded)
        yield name, value[:4], value[4:]


def note_of(found: re.Match[str], keys: list[Key], segment: int | None = None) -> Note:
    """Return what a note says, once a known key has signed it."""
    text, signer = found[0][: found.start(6) - found.start() - 1], None
    try:
        signed = list(signatures(found[6]))
        root, previous = unbase64(found[3]), unbase64(found[5])
    except ValueError:
        raise Wrong("altered", "a checkpoint is none: its Base64 is no such", segment) from None
    for name, key_id, signature in signed:
        for key in keys:
            if (key.name, key.id) == (name, key_id):
                if not key.is_good(text.encode(), signature):
                    what = f"the signature of a checkpoint is not that of the key {key.vkey}"
                    raise Wrong("bad signature", what, segment)
                signer = signer or key
    if signer is None:
        names = ", ".join(f"{name}+{key_id.hex()}" for name, key_id, _ in signed)
        raise Wrong(
            "missing key", f"a checkpoint is signed by {names}, which is not known", segment
        )
    return Note(found[1], int(found[2]), root, found[4], previous, signer)


def own_note(text: Any, record: str, keys: list[Key], segment: int | None = None) -> Note:
    """Return what the text of a sealed checkpoint of a record says; it has one signature."""
    found = NOTE.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[6].count("\n") != 1:
        raise Wrong("altered", "its checkpoint is none", segment)
    return of_record(note_of(found, keys, segment), record, segment)


def of_record(note: Note, record: str, segment: int | None = None) -> Note:
    """Return a note that is of this record."""
    if note.origin != f"tenantry/{record}":
        raise Wrong("foreign", f"a checkpoint is of another record, {note.origin}", segment)
    return note


def kept_notes(text: str, record: str, keys: list[Key]) -> dict[int, Note]:
    """Return the checkpoints of a record that were kept, by their sizes.

    A file may hold those of several records, one behind the other.
    """
    kept = list(NOTE.finditer(text))
    if text.strip() and not kept:
        raise Unusable("what was kept from the last time is no checkpoint.")
    own = [match for match in kept if match[1] == f"tenantry/{record}"]
    if kept and not own:
        what = f"it is the record {record}, and what was kept is of {kept[0][1]}"
        raise Wrong("foreign", what)
    found: dict[int, Note] = {}
    for match in own:
        note = note_of(match, keys)
        if found.setdefault(note.size, note).root != note.root:
            what = f"two signed checkpoints of {note.size} events say different things"
            raise Wrong("altered", f"{what}: there are two records")
    return found


# The file


class Ahead:
    """An iterator that can be looked into before one takes from it."""

    def __init__(self, source: Iterator[Any]) -> None:
        self.source, self.held = source, deque[Any]()

    def window(self, count: int) -> list[Any]:
        """Return what comes next, at most so many, without taking it."""
        while len(self.held) < count:
            try:
                self.held.append(next(self.source))
            except StopIteration:
                break
        return list(self.held)[:count]

    def peek(self) -> Any:
        """Return what comes next, None at the end."""
        return self.held[0] if self.held else next(iter(self.window(1)), None)

    def take(self) -> Any:
        """Take it."""
        found = self.peek()
        if self.held:
            self.held.popleft()
        return found


class Archive:
    """The members of a bundle, each read once, in blocks, and hashed on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self.zip = zipfile.ZipFile(file)
            members = self.zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError):
            file.seek(0)
            if file.read(4) == b"PK\x03\x04":
                raise Wrong(
                    "truncated", "it is a ZIP file whose end is missing or broken"
                ) from None
            raise Unusable("it is no ZIP file, and so no bundle of a record.") from None
        names = [info.filename for info in members]
        for name in names:
            if name not in MEMBERS:
                raise Wrong("inserted", f"it has a member {name!r}, which no bundle has")
            if names.count(name) > 1:
                raise Wrong("inserted", f"it has the member {name} twice")
        for name in MEMBERS:
            if name not in names:
                raise Wrong("missing", f"its member {name} is not there")
        self.sizes = {info.filename: info.file_size for info in members}
        if any(info.flag_bits & 1 or info.compress_type not in (0, 8) for info in members):
            raise Wrong("altered", "a member is encrypted or packed in another way")
        self.digests: dict[str, str] = {}

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a member, a mebibyte at a time."""
        digest = hashlib.sha256()
        try:
            with self.zip.open(name) as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError):
            raise Wrong("altered", f"the member {name} cannot be unpacked") from None
        self.digests[name] = digest.hexdigest()

    def small(self, name: str) -> bytes:
        """Return a member whole that cannot be large."""
        if self.sizes[name] > LARGEST_SMALL:
            raise Wrong("altered", f"the member {name} is larger than it can be")
        return b"".join(self.blocks(name))

    def text(self, name: str) -> str:
        """Return a small member as text."""
        try:
            return self.small(name).decode()
        except UnicodeDecodeError:
            raise Wrong("altered", f"the member {name} is no text in UTF-8") from None

    def document(self, name: str) -> dict[str, Any]:
        """Return a small member that is a JSON object."""
        try:
            document = json.loads(self.text(name))
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise Wrong("altered", f"the member {name} is no JSON object")
        return document

    def lines(self, name: str, longest: int) -> Iterator[bytes]:
        """Yield the lines of a member, none of which is too long."""
        rest = b""
        for block in self.blocks(name):
            *whole, rest = (rest + block).split(b"\n")
            for line in (*whole, rest):
                if len(line) >= longest:
                    raise Wrong("altered", f"{name} has a line of more than {longest} bytes")
            yield from whole
        if rest:
            raise Wrong("truncated", f"{name} ends in the middle of a line")

    def hashes(self, name: str) -> Iterator[bytes]:
        """Yield the hashes of a member."""
        rest = b""
        for block in self.blocks(name):
            together = rest + block
            whole = len(together) // 32 * 32
            rest = together[whole:]
            for at in range(0, whole, 32):
                yield together[at : at + 32]
        if rest:
            raise Wrong("truncated", f"{name} ends in the middle of a hash")

    def compare(self, manifest: dict[str, Any]) -> None:
        """Compare all members, by now read to their ends, with the manifest."""
        listed = manifest.get("members")
        stated = {
            str(one.get("name")): (one.get("bytes"), one.get("sha256"))
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict)
        }
        for name in MEMBERS[:-1]:
            if name not in self.digests:
                self.small(name)
            if stated.pop(name, None) != (self.sizes[name], self.digests[name]):
                raise Wrong("altered", f"the member {name} is not the one that the manifest lists")
        if stated:
            raise Wrong("missing", f"the manifest lists a member {min(stated)!r}")


# The events


@dataclass
class Row:
    """A line of events: the hash of its leaf, and what is wrong with the line by itself.

    Nothing long of the line stays, because thousands are held where one is looked for.
    """

    hash: bytes = b""
    id: str = ""
    cluster: str = ""
    xid: int = -1
    problem: str = ""
    kind: str = "altered"
    erased: int = 0
    cut: int = 0


def row_of(line: bytes, record: str) -> Row:
    """Read a line of events."""
    try:
        event = json.loads(line)
        leaf, actor, target = event["leaf"], event["actor"], event["target"]
        salts = event["actor_salt"], event["target_salt"]
        # The line, put together again from what was read.
        parts = [canonical(one) for one in (actor, salts[0], leaf, target, salts[1])]
        is_event = LINE % tuple(parts) == line and is_well_formed(leaf, actor, target, salts)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        is_event = False
    if not is_event:
        return Row(problem="the line is no event in its canonical form")
    leaf_hash = sha256(b"\0", parts[2])
    row = Row(leaf_hash, id=leaf["id"], cluster=leaf["cluster"], xid=int(leaf["xid"]))
    for part, fields, salt, encoded, empty in (
        ("actor", actor, salts[0], parts[0], ACTOR),
        ("target", target, salts[1], parts[3], TARGET),
    ):
        if salt is None:
            row.erased += 1
            if fields != empty:
                row.problem = f"its {part} is neither whole nor erased"
        elif sha256(bytes.fromhex(salt), encoded).hex() != leaf[part]:
            row.problem = f"its fields of the {part} are not those that were sealed"
    if leaf["tenant"] != record:
        row.kind, row.problem = "foreign", f"it is of another record, {leaf['tenant'][:40]}"
    if leaf["action"] == "record.cut" and not row.problem:
        row.cut = cut_by(target["details"])
    return row


def is_well_formed(leaf: Any, actor: Any, target: Any, salts: Any) -> bool:
    """Tell whether the parts of a line have all their members, and of the right kinds."""
    kinds = {name: type(value) for name, value in leaf.items()}
    personal = {type(value) for value in (*actor.values(), *target.values())}
    return bool(
        kinds == LEAF
        and actor.keys() == ACTOR.keys()
        and target.keys() == TARGET.keys()
        and personal <= {str, NoneType}
        and UUID_FORM.fullmatch(leaf["id"])
        and POSITION.fullmatch(f"{leaf['cluster']} {leaf['xid']}")
        and all(salt is None or SALT.fullmatch(salt) for salt in salts)
    )


def cut_by(details: str) -> int:
    """Return how many events a cut has removed, by its details."""
    try:
        count = json.loads(details)["events"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return 0
    return count if type(count) is int else 0


# The record


class Check:
    """One check of a bundle: how far it has come, and what it has found."""

    def __init__(self, archive: Archive, given: list[Key], kept: str, record: str) -> None:
        self.archive = archive
        self.manifest = archive.document("manifest.json")
        if self.manifest.get("format") != FORMAT:
            raise Unusable("it is no bundle of a record: its manifest is of another format.")
        if self.manifest.get("version") != VERSION:
            raise Unusable(f"it needs another verifier: this one reads version {VERSION}.")
        self.record = str(self.manifest.get("record"))
        self.keys = given or self._keys_inside()
        self.given = bool(given)
        self.kept = kept_notes(kept, self.record, self.keys)
        if record and record != self.record:
            raise Wrong("foreign", f"it is of another record, {self.record}")
        self.segments = self.number = self.events = self.cut = self.erased = self.recorded = 0
        self.at: dict[str, tuple[int, str]] = {}
        self.used: set[str] = set()
        self.compared: list[int] = []
        self.note, self.last = "", ""
        self.tree = Tree()
        self.rows = Ahead(
            row_of(line, self.record) for line in archive.lines("events.ndjson", LONGEST_LINE)
        )
        self.hashes = Ahead(archive.hashes("hashes.bin"))

    def _keys_inside(self) -> list[Key]:
        try:
            return [Key(line) for line in self.archive.text("keys.txt").split("\n")[:-1]]
        except ValueError as error:
            raise Wrong("altered", f"keys.txt holds a key that is none: {error}") from None

    def _note(self, text: Any, segment: int | None) -> Note:
        note = own_note(text, self.record, self.keys, segment)
        self.used.add(note.key.vkey)
        return note

    def run(self) -> None:
        """Check it all. Raises ``Wrong`` with what comes first."""
        document = self.archive.document("tree.json")
        start = self._begin(document.get("before"))
        self._compare_kept()
        for line in self.archive.lines("checkpoints.ndjson", LONGEST_CHECKPOINT):
            self._segment(line)
        self._end()
        self._consistent(start, document)
        self._cuts(start.size)
        self.archive.compare(self.manifest)
        early = [size for size in self.kept if size < start.size]
        if early:
            raise Unusable(
                f"it begins after event {start.size}, and the checkpoint that was kept is of"
                f" {max(early)} events. Ask for a bundle with --after {max(early)}."
            )

    def _begin(self, before: Any) -> Tree:
        """Stand where the part that is here begins."""
        try:
            peaks = [unbase64(one) for one in before["peaks"]]
            self.tree = Tree(before["size"], peaks)
            self.note = before["note"] + ""
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Wrong("altered", "tree.json does not say where the record begins") from None
        if self.tree.size or self.note:
            note = self._note(self.note, None)
            if (note.size, note.root) != (self.tree.size, self.tree.root()):
                what = "the hashes of the part before do not lead to its checkpoint"
                raise Wrong("altered", what)
        return self.tree.copy()

    def _compare_kept(self) -> None:
        """Compare with a checkpoint of an earlier time, where there is one of this size."""
        note = self.kept.get(self.tree.size)
        if note is None:
            return
        if note.root != self.tree.root():
            what = f"the first {note.size} events are not those of the checkpoint that was kept"
            raise Wrong("altered", what)
        self.compared.append(note.size)

    def _segment(self, line: bytes) -> None:
        segment = self._bounds(line)
        number = segment["number"]
        note = self._note(segment["note"], number)
        if note.size != self.tree.size + segment["events"]:
            raise Wrong("altered", "the segment is not what its checkpoint says", number)
        if note.previous != sha256(self.note.encode()):
            raise Wrong("altered", "its checkpoint does not follow the one before it", number)
        self._events(segment, note)
        if self.tree.root() != note.root:
            what = "the events and their hashes do not lead to the root that was signed"
            raise Wrong("altered", what, number)
        self.note, self.last = segment["note"], note.sealed
        self.segments += 1
        self.number = number
        self.cut += segment["cut"]

    def _events(self, segment: dict[str, Any], note: Note) -> None:
        """Take a segment's events and hashes; where retention has cut there are fewer events."""
        skipped: list[bytes] = []
        last: tuple[int, str] | None = None
        for _ in range(segment["events"]):
            sealed, row = self.hashes.peek(), self.rows.peek()
            if row is not None and row.hash == sealed:
                last = self._row(self.rows.take(), segment)
            elif sealed is not None and len(skipped) < segment["cut"]:
                skipped.append(sealed)
                last = None
            else:
                raise self._different(segment, note, skipped)
            self.tree.append(self.hashes.take())
            if self.kept:
                self._compare_kept()
        if len(skipped) != segment["cut"]:
            what = f"{segment['cut']} of its events are said to be removed, {len(skipped)} are"
            raise Wrong("altered", what, segment["number"])
        end = int(segment["xid"]), segment["event_id"]
        if last is not None and last != end:
            what = "its last event is not the one that it names"
            raise Wrong("altered", what, segment["number"])
        self.at[segment["cluster"]] = end

    def _bounds(self, line: bytes) -> dict[str, Any]:
        try:
            segment = json.loads(line)
            is_one = (
                canonical(segment) == line
                and segment.keys() == CHECKPOINT
                and all(type(segment[name]) is int for name in ("number", "first", "events", "cut"))
                and POSITION.fullmatch(f"{segment['cluster']} {segment['xid']}")
                and UUID_FORM.fullmatch(segment["event_id"])
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            is_one = False
        if not is_one:
            raise Wrong("altered", "a line of checkpoints.ndjson is no segment in canonical form")
        expected = self.number + 1 if self.segments or not self.tree.size else segment["number"]
        number = int(segment["number"])
        if number != expected:
            kind = "missing" if number > expected else "reordered"
            raise Wrong(kind, f"segment {expected} is not there, {number} is", number)
        if segment["first"] != self.tree.size or not 0 < segment["events"] <= MOST:
            what = "it does not begin where the one before it ends, or has no such length"
            raise Wrong("altered", what, number)
        if not 0 <= segment["cut"] <= segment["events"]:
            raise Wrong("altered", "it cannot have lost so many events", number)
        return dict(segment)

    def _row(self, row: Row, segment: dict[str, Any]) -> tuple[int, str]:
        """Take an event whose leaf is the one that was sealed; return where it lies."""
        number = None if segment["cut"] else self.tree.size
        if row.problem:
            raise Wrong(row.kind, row.problem, segment["number"], number, row.id)
        here, end = (row.xid, row.id), (int(segment["xid"]), segment["event_id"])
        cluster = str(segment["cluster"])
        if row.cluster != cluster or not self.at.get(cluster, (-1, "")) < here <= end:
            what = "it does not lie where its transaction and id say"
            raise Wrong("reordered", what, segment["number"], number, row.id)
        self.at[cluster] = here
        self.events += 1
        self.erased += row.erased
        self.recorded += row.cut
        return here

    def _different(self, segment: dict[str, Any], note: Note, skipped: list[bytes]) -> Wrong:
        """Return what is wrong where events and hashes part."""
        rows, leaves = self.rows.window(MOST), self.hashes.window(MOST)
        number, at = segment["number"], None if segment["cut"] else self.tree.size
        if not leaves:
            return Wrong("truncated", "hashes.bin ends before the checkpoints do", number)
        if not rows:
            return Wrong("truncated", "the events from here to the end are gone", number, at)
        left = note.size - self.tree.size
        if not segment["cut"] and self._led_by(rows[:left]) == note.root:
            what = "hashes of its events were altered; the events are as they were sealed"
            return Wrong("altered", what, number)
        row = rows[0]
        kind, what = _difference(rows, leaves, skipped)
        return Wrong(kind, what, number, at, "" if kind == "missing" else row.id)

    def _led_by(self, rows: list[Row]) -> bytes:
        tree = self.tree.copy()
        for row in rows:
            tree.append(row.hash)
        return tree.root()

    def _end(self) -> None:
        stated = self.manifest.get("size")
        if stated != self.tree.size:
            what = f"it ends after {self.tree.size} events, and should have {stated}"
            raise Wrong("truncated", what, number=self.tree.size)
        row = self.rows.peek()
        if row is not None:
            what = "it follows the last event that was sealed"
            raise Wrong("inserted", what, number=self.tree.size, event_id=row.id)
        if self.hashes.peek() is not None:
            raise Wrong("inserted", "hashes.bin has more hashes than there are events")
        late = [size for size in self.kept if size > self.tree.size]
        if late:
            what = f"it ends after {self.tree.size} events; the checkpoint that was kept is of"
            raise Wrong("truncated", f"{what} {min(late)}", number=self.tree.size)

    def _consistent(self, start: Tree, document: dict[str, Any]) -> None:
        """Check the counts, and the proof that the tree has grown from where the bundle begins."""
        try:
            proof = [unbase64(one) for one in document["consistency"]]
        except (ValueError, LookupError, TypeError):
            raise Wrong("altered", "tree.json holds no consistency proof") from None
        stated = [document.get("size"), *map(self.manifest.get, ("first", "segments", "events"))]
        if stated != [self.tree.size, start.size, self.segments, self.events]:
            raise Wrong("altered", "tree.json or the manifest does not say what is in the bundle")
        old, new = start.root(), self.tree.root()
        if not start.size:
            good = not proof
        else:
            good = is_consistent(start.size, old, self.tree.size, new, proof)
        if not good:
            what = "its consistency proof does not lead from its beginning to its end"
            raise Wrong("altered", what)

    def _cuts(self, first: int) -> None:
        """What was removed must have been recorded, in the part from there to the record's end."""
        if self.manifest.get("newest") is not True:
            return
        if self.recorded < self.cut or (not first and self.recorded != self.cut):
            what = f"retention has removed {self.cut} events, and recorded {self.recorded}"
            raise Wrong("missing", what)

    def result(self) -> dict[str, Any]:
        """Return what was found, as ``--json`` prints it."""
        return {
            "record": self.record,
            "first": self.manifest.get("first"),
            "size": self.tree.size,
            "segments": self.segments,
            "events": self.events,
            "cut": self.cut,
            "cut_recorded": self.recorded,
            "erased_parts": self.erased,
            "sealed_at": self.last or None,
            "keys": sorted(self.used),
            "keys_from": "command line" if self.given else "bundle",
            "compared_with": sorted(set(self.compared)),
        }


def _difference(rows: list[Row], leaves: list[bytes], skipped: list[bytes]) -> tuple[str, str]:
    """Return how the first of these rows differs from the first of these leaves."""
    row, here = rows[0], {one.hash for one in rows}
    is_lost = leaves[0] not in here
    if row.kind == "foreign":
        return "foreign", row.problem
    if row.hash in leaves or row.hash in skipped:
        if is_lost:
            return "missing", "an event that was sealed is not there"
        return "reordered", "the events are there, in another order than they were sealed in"
    if is_lost or [one.hash for one in rows[1:2]] == leaves[1:2]:
        return "altered", row.problem or "it is not what was sealed"
    return "inserted", "it was not sealed, and lies among events that were"


# Proofs


def check_proof(document: Any, keys: list[Key], kept: str, record: str) -> dict[str, Any]:
    """Check what ``activity proof --json`` printed; returns what it shows."""
    if not keys:
        raise Unusable("a proof holds no keys: give them with --key.")
    try:
        if "between" in document:
            return _check_consistency(document, keys, kept, record)
        leaf = document["leaf"].encode()
        origin = _whose(str(json.loads(leaf)["tenant"]), record)
        note = own_note(document["checkpoint"], origin, keys)
        path = [unbase64(one) for one in document["path"]]
        number = int(document["number"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Unusable("it is no proof as `activity proof --json` prints it.") from None
    if not is_included(sha256(b"\0", leaf), number, note.size, path, note.root):
        what = "the event is not in the record that the checkpoint is of"
        raise Wrong("altered", what, number=number)
    return {
        "record": origin,
        "number": number,
        "leaf": json.loads(leaf),
        "size": note.size,
        "compared_with": _compared([note], kept_notes(kept, origin, keys)),
    }


def _whose(stated: str, record: str) -> str:
    """Return whose record a proof says that it is of, which must be the one that is asked for."""
    if record and stated != record:
        raise Wrong("foreign", f"it is the record {stated}, not {record}")
    return stated


def _compared(notes: list[Note], known: dict[int, Note]) -> list[int]:
    """Return the sizes at which the checkpoints of a proof are those that were kept."""
    for note in notes:
        if note.size in known and known[note.size].root != note.root:
            what = f"the checkpoint of {note.size} events is not the one that was kept"
            raise Wrong("altered", what)
    return sorted({note.size for note in notes} & known.keys())


def _check_consistency(document: Any, keys: list[Key], kept: str, wanted: str) -> dict[str, Any]:
    record = _whose(str(document["record"]), wanted)
    proof = [unbase64(one) for one in document["hashes"]]
    known = kept_notes(kept, record, keys)
    ends = []
    for size, stated in zip(document["between"], document["checkpoints"], strict=True):
        note = own_note(stated, record, keys) if stated else known.get(size)
        if note is None or note.size != size:
            raise Unusable(f"no checkpoint of {size} events is in the proof or was kept.")
        ends.append(note)
    compared, (older, newer) = _compared(ends, known), ends
    if not is_consistent(older.size, older.root, newer.size, newer.root, proof):
        what = f"the record of {newer.size} events has not grown from that of {older.size}"
        raise Wrong("altered", what)
    return {
        "record": record,
        "between": [older.size, newer.size],
        "compared_with": compared,
    }


# The command


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description="Check a sealed record without its system.")
    parser.add_argument("file", type=Path, help="a bundle, or a proof in JSON")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="VKEY",
        help="a public key that is trusted, name+id+key; may be repeated",
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a checkpoint that was kept from an earlier time; may be repeated",
    )
    parser.add_argument("--record", default="", metavar="ID", help="whose record it must be")
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="write the last checkpoint there, to be kept"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    return parser.parse_args(argv)


def check(options: argparse.Namespace) -> dict[str, Any]:
    """Check a file; returns what it shows. Raises ``Wrong`` and ``Unusable``."""
    try:
        keys = [Key(vkey) for vkey in options.key]
    except ValueError as error:
        raise Unusable(f"--key: {error}. Copy the whole line, name+id+key.") from None
    except ImportError:
        raise Unusable("the package cryptography is missing: pip install cryptography.") from None
    try:
        kept = "".join(path.read_text(encoding="utf-8") + "\n" for path in options.checkpoint)
        with options.file.open("rb") as file:
            if file.read(1) == b"{":
                file.seek(0)
                if options.save:
                    raise Unusable("--save is for bundles: a proof's checkpoint is in it.")
                proof = json.loads(file.read(LARGEST_SMALL))
                return check_proof(proof, keys, kept, options.record)
            file.seek(0)
            run = Check(Archive(file), keys, kept, options.record)
            run.run()
        if options.save and run.note:
            options.save.write_text(run.note, encoding="utf-8")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Unusable(f"a file cannot be read or written: {error}.") from None
    except ImportError:
        raise Unusable("the package cryptography is missing: pip install cryptography.") from None
    return run.result()


def sentences(found: dict[str, Any]) -> Iterator[str]:
    """Yield what a check has shown, as a person reads it."""
    yield "intact"
    if "events" not in found:
        compared = found["compared_with"]
        said = {name: value for name, value in found.items() if name != "compared_with"}
        yield from (f"{name}: {value}" for name, value in said.items())
        if compared:
            yield f"it agrees with what was kept: {', '.join(map(str, compared))} events"
        else:
            yield (
                "NOT COMPARED with an earlier checkpoint of this size: whoever signs could show"
                " another record to others. Give one that was kept with --checkpoint."
            )
        return
    yield f"record {found['record']}, the {found['size']} first events"
    if found["first"]:
        yield f"the first {found['first']} of them are not here: only their checkpoint is"
    yield (
        f"{found['events']} events are here, in {found['segments']} segments;"
        f" {found['cut']} were removed by retention, {found['erased_parts']} parts were erased"
    )
    if found["cut"] > found["cut_recorded"]:
        yield f"only {found['cut_recorded']} removals are recorded here; ask for what follows"
    yield f"last sealed {found['sealed_at'] or 'never'}"
    yield from (f"signed with {vkey}" for vkey in found["keys"])
    if found["keys_from"] == "bundle":
        yield (
            "THE KEYS ARE THE BUNDLE'S OWN: this shows that it is of one piece, not who made it."
            " Compare them with the published ones, then give them with --key."
        )
    if found["compared_with"]:
        sizes = ", ".join(map(str, found["compared_with"]))
        yield f"it agrees with what was kept: {sizes} events"
    else:
        yield (
            "NOT COMPARED with an earlier checkpoint: an end that was cut off would not be seen."
            " Keep the last one with --save."
        )


def say(text: str) -> None:
    """Print a line, with what a terminal would obey escaped."""
    shown = (one if one.isprintable() else ascii(one)[1:-1] for one in text)
    sys.stdout.write("".join(shown) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Check what was named; returns the exit status."""
    options = arguments(argv)
    answer: dict[str, Any] = {"intact": None, "wrong": None}
    lines: Iterable[str]
    try:
        found = check(options)
        answer |= {"intact": True, **found}
        status, lines = 0, sentences(found)
    except Wrong as wrong:
        answer |= {"intact": False, "wrong": wrong.found}
        status, lines = 1, [str(wrong)]
    except Unusable as unusable:
        answer |= {"error": str(unusable)}
        status, lines = 2, [f"not checked: {unusable}"]
    if options.json:
        lines = [json.dumps(answer)]
    for line in lines:
        say(line)
    return status


if __name__ == "__main__":
    sys.exit(main())
