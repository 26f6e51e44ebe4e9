"""Checkpoints of one record that were kept outside it, to be met while its segments pass by."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from activity.models import Segment
from activity.sealing import notes
from activity.sealing.heads import Kept
from activity.sealing.notes import NoteError
from activity.sealing.sealer import digest
from tenants.errors import InvalidInput

_BEGINNING: Final = re.compile("tenantry/[0-9a-z-]{8,36}")
"""The first line of a note, by which a reader finds the next one behind one that was torn."""


class Outside:
    """What must be met, and has not been yet: size of the record → digest of a note → where."""

    def __init__(self, kept: Iterable[Kept], after: int = 0) -> None:
        """Expect checkpoints of more than ``after`` events."""
        self._expected: dict[int, dict[bytes, str]] = {}
        for one in kept:
            if one.size > after:
                places = self._expected.setdefault(one.size, {})
                places.setdefault(digest(one.note), one.where)

    def meet(self, segment: Segment) -> str | None:
        """Return whose checkpoint of the same size is another one than a segment's, if any is."""
        expected = self._expected.pop(segment.size, {})
        own = digest(segment.note)
        return next((where for note, where in expected.items() if note != own), None)

    def passed(self, size: int) -> tuple[int, str] | None:
        """Return size and place of a checkpoint that no segment up to ``size`` has met."""
        return next(self._left(lambda one: one < size), None)

    def beyond(self, size: int) -> tuple[int, str] | None:
        """Return size and place of the largest checkpoint of more than ``size`` events."""
        return max(self._left(lambda one: one > size), default=None)

    def _left(self, is_meant: Any) -> Iterator[tuple[int, str]]:
        for size, places in self._expected.items():
            if is_meant(size):
                yield size, next(iter(places.values()))


def in_file(file: Path, origin: str, verifiers: Mapping[Any, Any]) -> tuple[list[Kept], list[int]]:
    """Return the checkpoints of one record in a file of notes, and the lines of unreadable ones.

    A note that the published keys did not sign is unreadable. Raises ``InvalidInput`` for a file
    that cannot be read or has no note in it.
    """
    found: list[Kept] = []
    torn: list[int] = []
    count = 0
    try:
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            for number, note in _notes(lines):
                count += 1
                if not note.startswith(f"{origin}\n"):
                    continue
                try:
                    size = notes.checked(note, verifiers).size
                except NoteError:
                    torn.append(number)
                else:
                    found.append(Kept(size, note, f"that of line {number} of {file.name}"))
    except OSError as error:
        raise InvalidInput(
            f"{file} cannot be read: {error.strerror}.", "Name a file of checkpoints."
        ) from None
    if not count:
        raise InvalidInput(
            f"{file} holds no checkpoint.", "Name a file that TENANTRY_WITNESS_FILE has named."
        )
    return found, torn


def _notes(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield each note with the number of its first line; what comes before the first is skipped."""
    began, note = 0, ""
    for number, line in enumerate(lines, start=1):
        if _BEGINNING.fullmatch(line.rstrip("\n")):
            if note:
                yield began, note
            began, note = number, ""
        # A line break alone ends a torn note, see ``witnesses``.
        if began and len(note) <= notes.LONGEST_NOTE:
            note += line
    if note:
        yield began, note
