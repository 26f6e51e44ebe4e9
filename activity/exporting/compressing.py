"""Making a file smaller while it is written. Fast rather than small: exports wait for it."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tenants.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Compression:
    """A kind of compression: what it is called, how files end, their media type."""

    name: str
    suffix: str
    media_type: str
    begin: Callable[[], Any]

    def compressed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the same bytes, compressed."""
        compressor = self.begin()
        for piece in pieces:
            if smaller := compressor.compress(piece):
                yield smaller
        yield compressor.flush()


def _gzip() -> Any:
    # 16 makes it gzip (RFC 1952), with no name and no time in it: equal rows make equal files.
    return zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)


def _zstd() -> Any:
    import zstandard

    return zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()


COMPRESSIONS: Final = {
    "gzip": Compression("gzip", ".gz", "application/gzip", _gzip),
    "zstd": Compression("zstd", ".zst", "application/zstd", _zstd),
}


def compression_called(name: str) -> Compression | None:
    """Return the compression of this name, ``None`` for none.

    Raises ``InvalidInput`` listing those there are.
    """
    if not name:
        return None
    try:
        return COMPRESSIONS[name]
    except KeyError:
        raise InvalidInput(
            f"there is no compression {name[:60]!r}.", f"Choose one of {', '.join(COMPRESSIONS)}."
        ) from None
