"""Giving each checkpoint to somebody outside the database: a file, and a web address.

Sealing waits for neither. The platform remembers how far each witness has come in each record and
catches up after a failure, in the order of the segments. A checkpoint may be delivered twice, when
a process ends between delivering and remembering; a record that a witness does not know yet begins
with its newest checkpoint, which covers all before it.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db.models import F, QuerySet

from activity.models import Segment
from tenants.context import PLATFORM, enter_living, enter_platform
from tenants.hosts import owned
from tenants.models import RecordHead, Tenant

logger = structlog.get_logger("tenantry.witness")

_SECONDS: Final = 10.0
"""How long the other side may be silent."""
_ROUND: Final = 500
"""Checkpoints that are delivered in one go at most."""
_BATCH: Final = 10
_BUSY_SECONDS: Final = 300
"""For how long one process has a witness to itself; longer only if it was killed."""
_LONGEST_REST_SECONDS: Final = 600


class WitnessError(Exception):
    """A witness could not be given a checkpoint; the message says why."""


@dataclass(frozen=True)
class Witness:
    """Somebody who is given checkpoints: what they are called, and which column remembers."""

    name: str
    column: str
    where: str
    deliver: Callable[[list[str]], None]
    """Takes notes, in their order, all of them or none. Raises ``WitnessError``."""


def witnesses() -> list[Witness]:
    """Return the witnesses that the environment names."""
    found = []
    if file := settings.TENANTRY_WITNESS_FILE:
        found.append(Witness("file", "filed", str(file), lambda notes: append(file, notes)))
    if url := settings.TENANTRY_WITNESS_URL:
        # Without what may be secret in it.
        where = urlsplit(url).hostname or ""
        found.append(Witness("address", "posted", where, lambda notes: _post_all(url, notes)))
    return found


def behind(witness: Witness) -> int:
    """Return of how many records a witness does not have the newest checkpoint."""
    with enter_platform():
        return _waiting(witness).count()


def is_resting(witness: Witness) -> bool:
    """Tell whether a witness could not be reached, and will be tried again later."""
    with enter_platform():
        return bool(cache.has_key(_resting(witness)))


def catch_up(witness: Witness) -> int:
    """Give a witness what it has not got; returns how many checkpoints that were.

    After a failure it is left alone for two seconds, then four, ten minutes at most. Does nothing
    meanwhile, or while another process is at it.
    """
    with enter_platform():
        busy, resting = f"witness-{witness.name}-busy", _resting(witness)
        if cache.has_key(resting) or not cache.add(busy, True, _BUSY_SECONDS):
            return 0
        try:
            return _deliver(witness)
        except WitnessError as error:
            failures = cache.incr(_failures(witness)) if _known(witness) else 1
            pause = min(2 ** min(failures, 16), _LONGEST_REST_SECONDS)
            cache.set(resting, True, pause)
            logger.error(
                "witness not reached",
                witness=witness.name,
                where=witness.where,
                why=str(error),
                again_in_seconds=pause,
            )
            return 0
        finally:
            cache.delete(busy)


def _resting(witness: Witness) -> str:
    return f"witness-{witness.name}-resting"


def _failures(witness: Witness) -> str:
    return f"witness-{witness.name}-failures"


def _known(witness: Witness) -> bool:
    """Tell whether it failed before; begins to count if it did not."""
    return not cache.add(_failures(witness), 1, 2 * _LONGEST_REST_SECONDS)


def _waiting(witness: Witness) -> QuerySet[RecordHead]:
    return RecordHead.objects.filter(**{f"{witness.column}__lt": F("number")})


def _deliver(witness: Witness) -> int:
    delivered = 0
    for head in _waiting(witness)[:_ROUND]:
        reached = getattr(head, witness.column)
        while reached < head.number and delivered < _ROUND:
            reached, notes = _following(head, reached)
            witness.deliver(notes)
            delivered += len(notes)
            # Not below what another process has reached meanwhile.
            RecordHead.objects.filter(pk=head.pk, **{f"{witness.column}__lt": reached}).update(
                **{witness.column: reached}
            )
            cache.delete(_failures(witness))
    return delivered


def _following(head: RecordHead, reached: int) -> tuple[int, list[str]]:
    """Return the notes that follow a segment, up to ten, and the number of the last one's.

    Those before the newest are in the record itself; when that cannot be entered, the newest has to
    do.
    """
    if 0 < reached < head.number - 1:
        with _inside(head.record) as is_there:
            chosen = Segment.objects.filter(number__gt=reached, number__lt=head.number)
            found = list(chosen.order_by("number")[:_BATCH]) if is_there else []
        if found:
            return found[-1].number, [segment.note for segment in found]
    return head.number, [head.note]


@contextmanager
def _inside(record: str) -> Iterator[bool]:
    """Be in the place that a record is of; tell whether it can be entered."""
    if record == PLATFORM:
        yield True
        return
    tenant = owned(Tenant.objects.living().filter(pk=record))
    if tenant is None:
        yield False
        return
    with enter_living(tenant):
        yield True


def append(file: Path, notes: list[str]) -> None:
    """Add notes to the end of a file, and to its disk. Raises ``WitnessError``.

    What is there is never changed, so the file may be one that can only be appended to. Behind a
    note that was torn, by a full disk say, comes a line break, and then whole ones again.
    """
    content = "".join(notes).encode()
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise WitnessError("it is no regular file")
            if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
                content = b"\n" + content
            written = os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise WitnessError(getattr(error, "strerror", None) or "it is no path") from None
    if written != len(content):
        raise WitnessError("the disk is full")


def _post_all(url: str, notes: list[str]) -> None:
    for note in notes:
        post(url, note)


def post(url: str, note: str) -> None:
    """Send one note to an address, which answers 2xx. Follows nowhere. Raises ``WitnessError``."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        client = kind(parts.hostname or "", parts.port, timeout=_SECONDS)
        try:
            headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "Tenantry"}
            client.request("POST", path, note.encode(), headers)
            status = client.getresponse().status
        finally:
            client.close()
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise WitnessError(f"no answer: {why}") from None
    if not 200 <= status < 300:
        raise WitnessError(f"it answered {status}")
