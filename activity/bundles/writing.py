"""Writing a bundle: a ZIP of one moment of the record, made piece by piece as it is read."""

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from activity.bundles import lines
from activity.bundles.spans import Span, span_of
from activity.models import Segment
from activity.periods import Period, zone
from activity.recording import record
from activity.sealing import keys, sealer, tiles, tree
from activity.subjects import Subject
from tenants import moments
from tenants.context import current_scope, current_tenant
from tenants.errors import TenantryError

FORMAT: Final = "tenantry-record"
VERSION: Final = 1
SUBJECT: Final = Subject("export", "record", "the sealed record")
VERIFIER: Final = Path(__file__).resolve().parents[2] / "verify_record.py"
_README: Final = Path(__file__).resolve().with_name("README.txt")
_PIECE: Final = 1 << 18
_LEVEL: Final = 1
"""Of compression: higher ones take several times as long for a tenth less."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a bundle is to hold: all that is sealed, what follows a checkpoint, or a period."""

    after: int | None = None
    period: Period | None = None

    def filters(self) -> dict[str, Any]:
        """Return it as the manifest and the record say it."""
        return {
            "after": self.after,
            "since": self.period.since.isoformat() if self.period else None,
            "until": self.period.until.isoformat() if self.period else None,
            "time_zone": str(zone()) if self.period else None,
        }


@dataclass
class Bundle:
    """A bundle that is being made; what it has come to is known when all pieces were taken."""

    asked: Asked
    events: int = 0
    first: int = 0
    size: int = 0
    unsealed: int = 0
    sha256: str = ""
    _members: list[dict[str, Any]] = field(default_factory=list)

    def pieces(self) -> Iterator[bytes]:
        """Yield the file, some hundred kilobytes at a time. In a transaction: see ``one_moment``.

        Raises ``InvalidInput`` and ``NotFound`` for what was asked, and ``TenantryError`` where the
        record lacks what a bundle must have, before the first piece or amidst.
        """
        span = span_of(after=self.asked.after, period=self.asked.period)
        self.first, self.size = span.first, span.size
        self.unsealed = _unsealed(span)
        with _complete():
            yield from self._zipped(span)

    def check(self) -> None:
        """Raise what making it would end in, as far as that is known before it is begun.

        For doors that have answered by then. That every hash is there is known at the end alone.
        """
        span = span_of(after=self.asked.after, period=self.asked.period)
        keys.verifiers()
        with _complete():
            _tree(span)
            next(lines.hashes(span), b"")

    def record(self) -> None:
        """Record that it was made: what was asked for, and what it came to."""
        filters = {name: value for name, value in self.asked.filters().items() if value is not None}
        record(
            "export.finished",
            target=SUBJECT,
            details={
                "format": "bundle",
                "rows": self.events,
                "from": self.first,
                "size": self.size,
                "manifest_sha256": self.sha256,
                **filters,
            },
        )

    def _zipped(self, span: Span) -> Iterator[bytes]:
        buffer = _Buffer()
        with zipfile.ZipFile(buffer, "w") as archive:  # type: ignore[call-overload]
            put = _Putting(archive, buffer, self._members)
            yield from put("README.txt", [_README.read_bytes()])
            yield from put("verify_record.py", [VERIFIER.read_bytes()])
            vkeys = "".join(f"{key.vkey}\n" for key in keys.verifiers().values())
            yield from put("keys.txt", [vkeys.encode()])
            yield from put("tree.json", [_tree(span)])
            yield from put("checkpoints.ndjson", lines.checkpoints(span))
            # Hashes look random: nothing to compress.
            yield from put("hashes.bin", lines.hashes(span), compressed=False)
            yield from put("events.ndjson", self._counted(lines.events(span)))
            manifest = _json(self._manifest(span))
            self.sha256 = hashlib.sha256(manifest).hexdigest()
            yield from put("manifest.json", [manifest])
        yield buffer.taken()

    def _counted(self, events: Iterable[bytes]) -> Iterator[bytes]:
        for line in events:
            self.events += 1
            yield line

    def _manifest(self, span: Span) -> dict[str, Any]:
        tenant = current_tenant()
        return {
            "format": FORMAT,
            "version": VERSION,
            "record": current_scope(),
            "name": tenant.name if tenant else "the platform",
            "made_at": _moment(timezone.now()),
            "filters": self.asked.filters(),
            "newest": span.is_newest,
            "first": span.first,
            "size": span.size,
            "segments": span.last_segment - span.first_segment + 1,
            "events": self.events,
            "unsealed": self.unsealed,
            "members": self._members,
        }


@contextmanager
def one_moment() -> Iterator[None]:
    """Seal what can be sealed; then be in a transaction that sees one moment of the record.

    Inside a transaction it is that one's moments, as in a test.
    """
    sealer.seal_now()
    with moments.one_moment():
        yield


@contextmanager
def _complete() -> Iterator[None]:
    """Say it in a sentence when the record lacks what a bundle must have."""
    try:
        yield
    except tiles.TilesMissing:
        raise TenantryError(
            "the record lacks hashes of its events, so no bundle of it can be made.",
            "Run `activity verify` to see what is wrong.",
        ) from None


class _Buffer:
    """What ``zipfile`` writes into: it cannot seek, so each byte is written once, in order."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self.length = 0

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        self.length += len(data)
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._held)
        self._held.clear()
        self.length = 0
        return taken


@dataclass
class _Putting:
    """Puts members into an archive, and into the list of them."""

    archive: zipfile.ZipFile
    buffer: _Buffer
    members: list[dict[str, Any]]

    def __call__(
        self, name: str, content: Iterable[bytes], *, compressed: bool = True
    ) -> Iterator[bytes]:
        # No time and no mode of this machine: equal records make equal members.
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        info._compresslevel = _LEVEL  # type: ignore[attr-defined]
        digest, length = hashlib.sha256(), 0
        with self.archive.open(info, "w", force_zip64=True) as file:
            for data in _gathered(content):
                digest.update(data)
                length += len(data)
                file.write(data)
                if self.buffer.length >= _PIECE:
                    yield self.buffer.taken()
        self.members.append({"name": name, "bytes": length, "sha256": digest.hexdigest()})


def _gathered(content: Iterable[bytes]) -> Iterator[bytes]:
    """Join short lines, of which each would cost a call of everything below."""
    held: list[bytes] = []
    length = 0
    for data in content:
        held.append(data)
        length += len(data)
        if length >= _PIECE:
            yield b"".join(held)
            held.clear()
            length = 0
    yield b"".join(held)


def _tree(span: Span) -> bytes:
    """What leads from the checkpoint before the span to the one at its end."""
    proof: list[bytes] = []
    if 0 < span.first < span.size:
        proof = tree.consistency_proof(tiles.read, span.first, span.size)
    return _json(
        {
            "before": {
                "size": span.first,
                "note": span.before,
                "peaks": [_base64(one) for one in _peaks(tiles.read, span.first)],
            },
            "size": span.size,
            "consistency": [_base64(one) for one in proof],
        }
    )


def _peaks(read: Callable[[int, int], bytes], size: int) -> Iterator[bytes]:
    """Yield the roots of the perfect trees that a tree consists of, the largest first."""
    at = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            yield read(level, at >> level)
            at += 1 << level


def _unsealed(span: Span) -> int:
    """Count the events past the last segment, and refuse while one of them is a cut.

    A bundle up to the end would say that events were removed, and hold nothing of who did it.
    """
    own = sealer.own_cluster()
    last = Segment.objects.filter(cluster=own).order_by("-number").first()
    xid, event_id = (last.xid, last.event_id) if last else (-1, sealer.NOTHING)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE action = 'record.cut')"
            " FROM activity_activityevent"
            " WHERE cluster = %s AND (xid, id) > (%s, %s::uuid)",
            [own, xid, event_id],
        )
        unsealed, cuts = cursor.fetchone()
    if cuts and span.is_newest:
        raise TenantryError(
            "retention has just cut this record, and that is not sealed yet.",
            "Try again in some seconds.",
        )
    return int(unsealed)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
