"""Checkpoints as signed notes: how much of a record was sealed, when, and with which root.

A note is a text of seven lines (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint)::

    tenantry/<tenant's UUID, or platform>
    <how many events>
    <root of their Merkle tree>
    sealed <moment in UTC, with microseconds>
    previous <SHA-256 of the note before, or of nothing>

    — <key's name> <key id and signature>

Bytes are in Base64. There is one form for one checkpoint and reading accepts no other: who compares
notes compares what they say, and a note has room for nothing that is not signed.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from activity.sealing.keys import NAME, Signer, Verifier

LONGEST_NOTE: Final = 450
"""Characters; the longest that can be written has 357."""
MOST_EVENTS: Final = 2**63 - 1
_LINES: Final = 7
_ORIGIN: Final = re.compile(
    "tenantry/(?:platform|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)
_SIZE: Final = re.compile("0|[1-9][0-9]{0,18}")
_MOMENT: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z")


class NoteError(ValueError):
    """A text is no note of ours; the message says what is wrong with it."""


class UnknownKey(NoteError):
    """A note names a key that is not among the published ones."""


class BadSignature(NoteError):
    """A note was altered, or signed by somebody else in the key's name."""


@dataclass(frozen=True)
class Signature:
    """Who says that they signed a note, and what shows it."""

    name: str
    key_id: bytes
    """4 bytes."""
    signature: bytes
    """64 bytes."""


@dataclass(frozen=True)
class Checkpoint:
    """What a note says. Raises ``NoteError`` when it is made of what no note can say."""

    origin: str
    """Which record: ``tenantry/`` and the scope of ``tenants.context.current_scope``."""
    size: int
    """How many events are sealed."""
    root: bytes
    """The root of the Merkle tree over them, 32 bytes (RFC 6962)."""
    sealed_at: datetime
    """When, with a time zone."""
    previous: bytes
    """SHA-256 of the note before this one, or of nothing."""

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin):
            raise NoteError("the origin is not tenantry/ and a UUID or platform.")
        if not 0 <= self.size <= MOST_EVENTS:
            raise NoteError("the size is below 0 or has more than 63 bits.")
        if len(self.root) != 32 or len(self.previous) != 32:
            raise NoteError("root and previous are hashes of 32 bytes.")
        if self.sealed_at.utcoffset() is None:
            raise NoteError("the moment of sealing has no time zone.")
        # Equal checkpoints have equal texts, wherever their moment was read.
        object.__setattr__(self, "sealed_at", self.sealed_at.astimezone(UTC))

    def text(self) -> str:
        """Return what is signed, with the line break at its end."""
        moment = self.sealed_at.replace(tzinfo=None).isoformat(timespec="microseconds")
        return (
            f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"
            f"sealed {moment}Z\nprevious {_base64(self.previous)}\n"
        )


def written(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the whole note of a checkpoint, signed."""
    text = checkpoint.text()
    signature = _base64(signer.key_id + signer.sign(text.encode()))
    return f"{text}\n— {signer.name} {signature}\n"


def parsed(note: str) -> tuple[Checkpoint, list[Signature]]:
    """Return what a note says and who signed it, one, without checking the signature.

    Raises ``NoteError`` for every text but the one that ``written`` makes of a checkpoint.
    """
    if len(note) > LONGEST_NOTE:
        raise NoteError(f"a note has at most {LONGEST_NOTE} characters.")
    if not note.endswith("\n"):
        raise NoteError("the note was cut short: it does not end with a line break.")
    lines = note.split("\n")[:-1]
    if len(lines) != _LINES:
        raise NoteError(f"a note has {_LINES} lines, not {len(lines)}.")
    origin, size, root, sealed, previous, blank, signed = lines
    if not _SIZE.fullmatch(size):
        raise NoteError("line 2 is not a number of events.")
    if blank:
        raise NoteError("line 6 is not empty.")
    checkpoint = Checkpoint(
        origin=origin,
        size=int(size),
        root=_bytes(root, 32, "line 3"),
        sealed_at=_moment(_after("sealed ", sealed, "line 4")),
        previous=_bytes(_after("previous ", previous, "line 5"), 32, "line 5"),
    )
    name, _, encoded = _after("— ", signed, "line 7").partition(" ")
    if not NAME.fullmatch(name):
        raise NoteError("line 7 names no key.")
    value = _bytes(encoded, 68, "line 7")
    if note != f"{checkpoint.text()}\n{signed}\n":
        raise NoteError("the note says what it says in another form than ours.")
    return checkpoint, [Signature(name, value[:4], value[4:])]


def checked(note: str, verifiers: Mapping[tuple[str, bytes], Verifier]) -> Checkpoint:
    """Return what a note says when one of these keys signed it.

    Raises ``NoteError`` for what is no note, ``UnknownKey`` and ``BadSignature``.
    """
    checkpoint, signatures = parsed(note)
    for signature in signatures:
        verifier = verifiers.get((signature.name, signature.key_id))
        if verifier is None:
            raise UnknownKey(
                f"the note is signed with the key {signature.name}+{signature.key_id.hex()},"
                " which is not among the known ones."
            )
        # The text of what was read, which is the note's own: there is one form.
        if not verifier.is_good(checkpoint.text().encode(), signature.signature):
            raise BadSignature(f"the signature is not the key's {verifier.vkey}.")
    return checkpoint


def _after(word: str, line: str, where: str) -> str:
    if not line.startswith(word):
        raise NoteError(f"{where} does not begin with {word.strip()!r} and a space.")
    return line.removeprefix(word)


def _bytes(text: str, length: int, where: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        value = b""
    # Base64 has spare bits at its end, so several texts may stand for the same bytes.
    if len(value) != length or _base64(value) != text:
        raise NoteError(f"{where} does not hold {length} bytes in Base64.")
    return value


def _moment(text: str) -> datetime:
    moment = None
    if _MOMENT.fullmatch(text):
        with suppress(ValueError):
            moment = datetime.fromisoformat(text)
    if moment is None:
        raise NoteError("line 4 is not a moment in UTC with microseconds.")
    return moment


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
