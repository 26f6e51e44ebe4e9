"""Reading an archive: everything in it is verified before anything is made of it."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tenants.archive import format as archive_format
from tenants.archive.container import Container, broken, copied, manifest_in, opened
from tenants.archive.format import MANIFEST, MARK, Manifest, Table
from tenants.errors import InvalidInput, NotFound
from tenants.files import spooled


@dataclass(frozen=True)
class Archive:
    """An archive whose every part is what its manifest says."""

    manifest: Manifest
    sha256: str
    """Of the whole file."""
    container: Container

    @contextmanager
    def rows_of(self, table: Table) -> Iterator["Verified"]:
        """Yield the rows of a table as COPY reads them, verified once more on their way."""
        with self.container.member(table.member) as file:
            rows = Verified(file, table)
            yield rows
            rows.refuse_unless_whole()


class Verified:
    """A member that is read to its end and is then known to be what the manifest says."""

    def __init__(self, file: IO[bytes], table: Table) -> None:
        self._file = file
        self._table = table
        self._digest = hashlib.sha256()
        self._bytes = self._rows = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, of which there are never more than the manifest says."""
        data = self._file.read(size)
        self.take(data)
        if self._bytes > self._table.bytes:
            raise broken(f"{self._table.member} is longer than the manifest says")
        return data

    def take(self, data: bytes) -> None:
        """Count bytes that were read."""
        self._digest.update(data)
        self._bytes += len(data)
        self._rows += data.count(b"\n")

    def refuse_unless_whole(self) -> None:
        """Raise ``InvalidInput`` unless all that was read is what the manifest says."""
        found = (self._bytes, self._rows, self._digest.hexdigest())
        if found != (self._table.bytes, self._table.rows, self._table.sha256):
            raise broken(f"{self._table.member} is not what the manifest says")


@contextmanager
def archive_at(path: Path | None) -> Iterator[Archive]:
    """Yield the archive in a file, or from standard input, when all of it was verified.

    Raises ``NotFound`` for a file that is not there, ``InvalidInput`` for one that cannot be read
    or is no archive that this release can import.
    """
    with _file(path) as file, opened(file) as container:
        content = manifest_in(container)
        manifest = archive_format.read(content)
        _refuse_other_members(container, manifest)
        for table in manifest.tables:
            with container.member(table.member) as member:
                rows = Verified(member, table)
                copied(member, rows.take, table.bytes)
                rows.refuse_unless_whole()
        yield Archive(manifest, container.digest, container)


def _refuse_other_members(container: Container, manifest: Manifest) -> None:
    # Names are compared, never used as paths: nothing is unpacked.
    expected = [MARK, *(table.member for table in manifest.tables), MANIFEST]
    if list(container.sizes) != expected:
        raise broken("its members are not those that the manifest names")
    for table in manifest.tables:
        if container.sizes[table.member] != table.bytes:
            raise broken(f"{table.member} is not as long as the manifest says")


@contextmanager
def _file(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        # An archive is read three times.
        with spooled(sys.stdin.buffer) as spool:
            yield spool
        return
    try:
        if path.exists() and not path.is_file():
            raise InvalidInput(f"{path} is no regular file.", "Name one; `-` is standard input.")
        file = path.open("rb")
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}.", "Name one that exists.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise InvalidInput(
            f"{str(path)[:80]}: {reason}.", "Name a file that can be read."
        ) from None
    with file:
        yield file
