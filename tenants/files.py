"""Files that commands write: complete, or not there."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from tenants.errors import Conflict, InvalidInput, TenantryError

_CHUNK: Final = 1 << 20


def refuse_unwritable(path: Path, *, force: bool) -> None:
    """Raise, before any work, for a path that cannot or should not be written.

    ``Conflict`` when it exists and is not to be replaced, ``InvalidInput`` when it is no place
    for a file.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InvalidInput(f"{str(path)[:80]}: {error.strerror}.", "Choose another name.") from None
    if path.is_dir() or not path.name:
        raise InvalidInput(f"{path} is a directory.", "Name a file in it.")
    if not path.parent.is_dir():
        raise InvalidInput(f"{path.parent} is no directory.", "Make it first.")
    if path.exists() and not path.is_file():
        # Renaming onto a device would replace it.
        raise InvalidInput(f"{path} is no regular file.", "Name one; `-` is standard output.")
    if path.exists() and not force:
        raise Conflict(f"{path} exists.", "Choose another name, or replace it with --force.")
    if not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"{path.parent} is not writable.", "Choose another directory.")


@contextmanager
def written(
    path: Path | None, stdout: Any
) -> Iterator[tuple[Callable[[bytes], Any], Callable[[], None]]]:
    """Yield what writes, and what makes sure that all is written: to a file or standard output.

    The file appears when the block ends well, and nobody but its owner can read it (mode 0600).
    """
    if path is None:
        with _telling_of_standard_output():
            yield stdout.buffer.write, stdout.flush
        return
    with _appearing(path, "wb", opener=partial(os.open, mode=0o600)) as file:

        def finish() -> None:
            file.flush()
            os.fsync(file.fileno())

        yield file.write, finish


@contextmanager
def written_privately(path: Path | None) -> Iterator[IO[bytes]]:
    """Yield a file of bytes that nobody but its owner can read (mode 0600).

    It appears under its name when the block ends well; for ``None`` it is copied to standard
    output then, so that nothing has left before.
    """
    if path is None:
        with _telling_of_temporary_files(), tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            with _telling_of_standard_output():
                shutil.copyfileobj(file, sys.stdout.buffer, _CHUNK)
                sys.stdout.buffer.flush()
        return
    with _appearing(path, "wb", opener=partial(os.open, mode=0o600)) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def spooled(source: IO[bytes]) -> IO[bytes]:
    """Return a file with all that can be read from a pipe, which can be read once."""
    with _telling_of_temporary_files():
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller's to close)
        try:
            while chunk := _read(source):
                file.write(chunk)
            file.seek(0)
        except BaseException:
            # It would fail again with what could not be written.
            with suppress(OSError):
                file.close()
            raise
        return file


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(_CHUNK)
    except OSError as error:
        raise InvalidInput(
            f"standard input could not be read: {error.strerror}.", "Name a file, or redirect one."
        ) from None


@contextmanager
def _telling_of_temporary_files() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TenantryError(
            f"the directory for temporary files has no room for this: {error.strerror}.",
            "Name one that has in TMPDIR.",
        ) from None


@contextmanager
def _telling_of_standard_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # What Python holds back for it would fail again at exit.
        sys.stdout = None
        raise TenantryError(
            f"standard output could not be written: {error.strerror}.",
            "Make room, or choose another place.",
        ) from None


@contextmanager
def _appearing(path: Path, mode: str, **options: Any) -> Iterator[IO[Any]]:
    # Of a name of its own: with the file's in it, the longest that a file may have would not fit.
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        # ``open`` and not ``Path.open``, which takes no opener.
        with open(beside, mode, **options) as file:  # noqa: PTH123
            yield file
        beside.replace(path)
    except OSError as error:
        raise TenantryError(
            f"{path} could not be written: {error.strerror}.", "Make room, or choose another place."
        ) from None
    finally:
        beside.unlink(missing_ok=True)
