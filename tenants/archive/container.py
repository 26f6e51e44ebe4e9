"""The file itself: a ZIP whose last bytes are a digest of all that stands before them.

Any ZIP tool can read it: the digest is the archive's comment. It covers every byte, so a file that
was cut short or altered anywhere, in headers too, is told before anything in it is believed.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Final

from tenants.archive import format as archive_format
from tenants.archive.format import FORMAT, LARGEST_MANIFEST, MANIFEST, MARK, SEAL_LENGTH
from tenants.errors import InvalidInput

_CHUNK: Final = 1 << 20
_LOCAL_HEADER: Final = b"PK\x03\x04"
_NAME_AT: Final = 30
"""Where a member's name begins after the start of its header (PKWARE APPNOTE, 4.3.7)."""

_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
)
"""What Python's ``zipfile`` raises for files that are none, or not whole."""


class _Sealing:
    """Passes bytes on and digests them, all but the last, which the digest will replace.

    It has no ``seek``, so ``zipfile`` writes each byte once, in order.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._held = b""

    def write(self, data: Any) -> int:
        together = self._held + bytes(data)
        sure, self._held = together[:-SEAL_LENGTH], together[-SEAL_LENGTH:]
        self._digest.update(sure)
        self._file.write(sure)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    def seal(self) -> None:
        self._file.write(self._digest.hexdigest().encode())


class Writer:
    """Adds members to an archive, one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def member(self, name: str, *, compressed: bool = True) -> Iterator[IO[bytes]]:
        """Yield what the next member is written to."""
        # No time and no mode of this machine: equal contents make equal files.
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        with self._archive.open(info, "w", force_zip64=True) as file:
            yield file


@contextmanager
def sealed(file: IO[bytes]) -> Iterator[Writer]:
    """Yield what writes an archive into ``file``; it is whole when the block ends well."""
    sealing = _Sealing(file)
    with zipfile.ZipFile(sealing, "w") as archive:  # type: ignore[call-overload]
        writer = Writer(archive)
        with writer.member(MARK, compressed=False) as mark:
            mark.write(f"{FORMAT}\n".encode())
        yield writer
        archive.comment = b"0" * SEAL_LENGTH
    sealing.seal()


class Container:
    """An archive that is whole, in a format that this release knows."""

    def __init__(self, archive: zipfile.ZipFile, digest: str) -> None:
        self._archive = archive
        self.digest = digest
        self.sizes = {info.filename: info.file_size for info in archive.infolist()}

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a member to be read. Raises ``InvalidInput`` where it turns out to be broken."""
        with _telling_what_is_broken(), self._archive.open(name) as file:
            yield file

    def content(self, name: str, most: int) -> bytes:
        """Return a small member whole; raises ``InvalidInput`` for one of more than ``most``."""
        if self.sizes.get(name, most + 1) > most:
            raise broken(f"{name} is missing or too large")
        with self.member(name) as file:
            return file.read(most + 1)


@contextmanager
def opened(file: IO[bytes]) -> Iterator[Container]:
    """Yield the archive in ``file``, every byte of which was verified.

    Raises ``InvalidInput`` for what is no archive, is not whole, or needs a newer release.
    """
    digest = _verified(file)
    with ExitStack() as stack:
        # What fails while the archive is used is no fault of the file's.
        with _telling_what_is_broken():
            archive = stack.enter_context(zipfile.ZipFile(file))
            members = archive.infolist()
        names = [info.filename for info in members]
        if not names or names[0] != MARK or names[-1] != MANIFEST:
            raise broken("its members are not those of an archive")
        if len(set(names)) != len(names):
            raise broken("it has a member twice")
        if any(info.flag_bits & 0x1 or info.compress_type not in (0, 8) for info in members):
            raise broken("it has a member that is encrypted or packed in another way")
        container = Container(archive, digest)
        number = archive_format.format_number(container.content(MARK, 20))
        if number > FORMAT:
            raise InvalidInput(
                f"the archive is in format {number} and needs a newer release.",
                f"This one reads formats up to {FORMAT}.",
            )
        yield container


def manifest_in(container: Container) -> bytes:
    """Return the manifest of an archive as it is stored."""
    return container.content(MANIFEST, LARGEST_MANIFEST)


def _verified(file: IO[bytes]) -> str:
    """Return the digest of the whole file, which is the one that the file ends with."""
    file.seek(0)
    head = file.read(_NAME_AT + len(MARK))
    if not head.startswith(_LOCAL_HEADER) or head[_NAME_AT:] != MARK.encode():
        raise InvalidInput(
            "the file is no archive of a tenant.", "Give one that `tenant export` has written."
        )
    left = file.seek(0, 2) - SEAL_LENGTH
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0:
        chunk = file.read(min(_CHUNK, left))
        if not chunk:
            break
        digest.update(chunk)
        left -= len(chunk)
    found = digest.hexdigest()
    if left or file.read(SEAL_LENGTH + 1) != found.encode():
        raise broken("it was cut short or altered")
    return found


@contextmanager
def _telling_what_is_broken() -> Iterator[None]:
    try:
        yield
    except _BROKEN:
        raise broken("it is no ZIP file that can be read") from None


def broken(what: str) -> InvalidInput:
    """Return the error for a file that was an archive once, or pretends to be one."""
    return InvalidInput(f"the archive is damaged: {what}.", "Copy it again, or export again.")


def copied(source: IO[bytes], take: Callable[[bytes], object], most: int) -> int:
    """Read a member to its end, chunk by chunk; returns its length.

    Raises ``InvalidInput`` as soon as it is longer than ``most``.
    """
    length = 0
    while chunk := source.read(_CHUNK):
        length += len(chunk)
        if length > most:
            raise broken("a member is longer than the manifest says")
        take(chunk)
    return length
