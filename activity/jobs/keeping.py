"""Where files lie: below a prefix of their own for each tenant, in a storage of Django's.

A file is made as a part on the disk of the worker, complete and flushed, before the storage is
given it. In a directory it is renamed; a bucket shows it when it has all of it. So nowhere is half
a file under a name that anybody looks for.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

import structlog
from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from activity.models import ExportJob
from tenants.context import current_scope
from tenants.errors import TenantryError
from tenants.models import Tenant

logger = structlog.get_logger("tenantry.exports")

_OLD_PART_SECONDS: Final = 2 * 86_400
"""Longer than any attempt may take: such a part is of a process that was killed."""

_LAST: Final = re.compile(r"\w+(?:\.\w+)*", re.ASCII)
"""The last part of a name: ``1.csv.gz``, also as a storage has made it another's, and no path."""


class NotKept(TenantryError):
    """The storage did not take, or no longer has, a file."""

    code = "not-kept"


class StorageUnavailable(TenantryError):
    """The storage did not answer, so nobody knows whether it has a file."""

    code = "unavailable"
    http_status = 503

    def __init__(self) -> None:
        super().__init__("the storage of files does not answer.", "Try again in a minute.")


class _Part(File):  # type: ignore[type-arg]
    """A complete part. A storage of directories moves it; any other reads it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def storage() -> Storage:
    """Return the storage of exports."""
    return storages["exports"]


def name_of(job: ExportJob, suffix: str) -> str:
    """Return what a file of this attempt is called in the storage."""
    return f"{_folder(job)}/{job.attempts}{suffix}"


@contextmanager
def part(job: ExportJob) -> Iterator[IO[bytes]]:
    """Yield a file that is gone when the block ends, unless a storage has moved it.

    It has a name of its own, since a message may come twice and nobody has claimed the job yet.
    Raises ``NotKept`` when it cannot be written, as on a full disk.
    """
    folder = _parts_of_place()
    path = folder / f"{job.pk}-{secrets.token_hex(8)}.part"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            yield file
    except OSError as error:
        raise NotKept(
            f"the file could not be written: {error.strerror or type(error).__name__}.",
            "Make room where exports are made, and ask again.",
        ) from None
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def drop_other_parts(job: ExportJob, own: IO[bytes]) -> None:
    """Remove the other parts of a job that was claimed: of processes that are dead, or too late."""
    for other in _parts_of_place().glob(f"{job.pk}-*.part"):
        if other.name != Path(own.name).name:
            with suppress(OSError):
                other.unlink()


def put(file: IO[bytes], name: str) -> str:
    """Give a complete part to the storage; returns what it is called there.

    Raises ``NotKept`` when the storage refuses it, or has not all of it then.
    """
    file.flush()
    os.fsync(file.fileno())
    size = file.tell()
    try:
        with open(file.name, "rb") as whole:  # noqa: PTH123
            kept = storage().save(name, _Part(whole, name=file.name))
        there = storage().size(kept)
    except OSError as error:
        raise _refused(error, error.strerror or type(error).__name__) from None
    except Exception as error:
        # A storage may raise whatever its library has.
        raise _refused(error, type(error).__name__) from None
    if there != size:
        raise NotKept("the storage has not all of the file.", "Ask again.")
    return str(kept)


def put_text(text: bytes, name: str) -> None:
    """Give a short file to the storage; raises ``NotKept`` when it refuses."""
    from django.core.files.base import ContentFile

    try:
        storage().save(name, ContentFile(text))
    except Exception as error:
        raise _refused(error, type(error).__name__) from None


def opened(job: ExportJob, name: str = "") -> IO[bytes]:
    """Open the file of a job, or another of its files.

    It is read from the beginning to the end; one of a bucket cannot be sought in, and comes as it
    is read. Raises ``NotKept`` when it is not there, and ``StorageUnavailable`` when nobody can
    say that: a file that is taken for gone is deleted.

    Nor is one there that lies elsewhere than in the job's own folder of the place one is in. All
    tenants share the storage, so what a row says of a file is no reason to open somebody else's.
    """
    name = name or job.file
    folder, _, last = name.rpartition("/")
    if folder != _folder(job) or not _LAST.fullmatch(last):
        logger.error("export not its own", job=str(job.pk))
        raise NotKept("the file is not there any more.", "Ask for the export again.")
    try:
        file: Any = _as_it_comes(storage().open(name, "rb"))
    except FileNotFoundError:
        logger.warning("export not there", file=name)
        raise NotKept("the file is not there any more.", "Ask for the export again.") from None
    except Exception as error:
        # A storage may raise whatever its library has.
        logger.error("export not opened", file=name, error=type(error).__name__, exc_info=error)
        raise StorageUnavailable from None
    return file  # type: ignore[no-any-return]


def copy(job: ExportJob, name: str) -> str:
    """Store the file of a job a second time; returns what the copy is called.

    Raises what ``opened`` does, and whatever the storage has.
    """
    with opened(job) as file:
        if file.seekable():
            return str(storage().save(name, File(file)))
        folder = _parts_of_place()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as whole:
            shutil.copyfileobj(file, whole)
            return str(storage().save(name, File(whole)))


def drop(job: ExportJob, *, but: tuple[str, ...] = ()) -> int:
    """Delete the files of a job, of every attempt; returns how many there were."""
    return _empty(_folder(job), but)


def drop_attempt(job: ExportJob) -> None:
    """Delete what the attempt that ``job`` knows of has stored. Another one's stays."""
    for name in listed(_folder(job))[1]:
        if name.partition(".")[0] == str(job.attempts):
            storage().delete(f"{_folder(job)}/{name}")
    if listed(_folder(job)) == ([], []):
        _delete(_folder(job))


def drop_all_of(tenant: Tenant) -> int:
    """Delete every file of a tenant, and parts of them; returns how many there were.

    Raises when the storage does not say that all are gone.
    """
    scope = str(tenant.pk)
    count = sum(_empty(f"{scope}/{job}") for job in listed(scope)[0])
    _delete(scope)
    shutil.rmtree(_parts() / scope, ignore_errors=True)
    return count


def drop_old_parts() -> int:
    """Remove what killed processes left on this machine's disk; returns how many that were."""
    count = 0
    for path in _parts().glob("*/*.part"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD_PART_SECONDS:
                path.unlink()
                count += 1
    return count


def parts_here() -> dict[Path, str]:
    """Return the parts of the place on this machine's disk that have rows, with the job of each.

    One that is empty was just begun, by who may not have the job yet.
    """
    parts: dict[Path, str] = {}
    for path in _parts_of_place().glob("*.part"):
        with suppress(OSError):
            if path.stat().st_size:
                # A UUID has hyphens too.
                parts[path] = path.name.rpartition("-")[0]
    return parts


def listed(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders and files in a folder of the storage; none if it is gone."""
    try:
        return storage().listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return [], []


def _as_it_comes(file: Any) -> Any:
    """Return a file of django-storages' S3 as what the bucket answers.

    It would fetch all of it before its first byte, into memory or the directory for temporary
    files, which in a container is memory too.
    """
    there = getattr(file, "obj", None)
    return file if there is None else BufferedReader(there.get()["Body"])


def _parts() -> Path:
    return Path(settings.TENANTRY_EXPORTS_DIRECTORY) / "parts"


def _parts_of_place() -> Path:
    return _parts() / current_scope()


def _folder(job: ExportJob) -> str:
    return f"{current_scope()}/{job.pk}"


def _empty(folder: str, but: tuple[str, ...] = ()) -> int:
    names = [f"{folder}/{name}" for name in listed(folder)[1]]
    gone = [name for name in names if name not in but]
    for name in gone:
        storage().delete(name)
    if len(gone) == len(names):
        _delete(folder)
    return len(gone)


def _delete(folder: str) -> None:
    # Only directories leave something behind when they are empty.
    with suppress(OSError, NotImplementedError):
        if Path(storage().path(folder)).is_dir():
            storage().delete(folder)


def _refused(error: Exception, why: str) -> NotKept:
    logger.error("export not kept", error=type(error).__name__, exc_info=error)
    return NotKept(f"the storage refused the file: {why}.", "Look at the storage, and ask again.")
