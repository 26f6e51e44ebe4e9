"""Where libraries that push write to, so that what they have written can be pulled."""

import io
from typing import Any


class Sink(io.RawIOBase):
    """A file without a place: what was written waits until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        """Return what has been written since the last time."""
        piece = b"".join(self._pieces)
        self._pieces.clear()
        return piece
