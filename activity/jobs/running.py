"""Making the file of a job: of one moment, complete or not at all, however often it is begun.

Rows are read in one repeatable-read transaction; what others should see meanwhile is written on a
second connection. A worker that is killed leaves a part that nobody looks for; whoever takes over
begins anew and reads the rows of the first attempt's moment.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import IO, Any, Final

import psycopg2
import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from activity import context
from activity.context import Channel
from activity.exporting.moments import Snapshot, one_moment
from activity.jobs import asking, counting, keeping, kept, naming, sources, steps
from activity.jobs.asked import Asked, asked_of
from activity.jobs.beside import Beside
from activity.jobs.requesters import refuse, requester
from activity.models import ExportJob
from tenants.errors import TenantryError

logger = structlog.get_logger("tenantry.exports")

MOST_ATTEMPTS: Final = 30
"""How often a file is begun: more often than workers are killed, less often than for ever."""

_INTERRUPTIONS: Final = (
    *(OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError),
)
"""The database was away, or had enough: another attempt may find it better."""

_SLOT: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('tenantry export ' || %s, 0))"


class _Taken(Exception):
    """Another worker has the job, or nobody needs it any more: nothing was begun here."""


class _Unwanted(Exception):
    """The job was cancelled, or another worker has taken over."""


class _NoSlot(Exception):
    """As many files are being made as may be at once."""


def run(key: str) -> str:
    """Make the file of a job, if it still waits; returns the state that the job is in then.

    What goes wrong and would go wrong again fails the job with a reason. A lost database does
    not: the job is found and begun again.
    """
    job = ExportJob.objects.filter(pk=key).first()
    if job is None or not ExportJob.objects.filter(steps.takeable(), pk=key).exists():
        return job.state if job else "unknown"
    now = context.current()
    who = requester(job)
    with context.acting_as(replace(now, actor=who, channel=Channel.TASK)):
        try:
            _make(job)
        except (_NoSlot, _Taken):
            pass
        except _Unwanted:
            keeping.drop_attempt(job)
        except TenantryError as error:
            _fail(job, error.shown)
        except SoftTimeLimitExceeded:
            _fail(job, "It took longer than a file may take. Ask for less.")
        except _INTERRUPTIONS:
            logger.warning("export interrupted", job=key, exc_info=True)
            connection.close_if_unusable_or_obsolete()
            raise
        except Exception:
            logger.exception("export failed", job=key)
            _fail(job, "It failed here. The log of the platform says why.")
    job.refresh_from_db()
    return str(job.state)


def _make(job: ExportJob) -> None:
    asked = asked_of(job)
    source = sources.source_called(asked.source)
    refuse(requester(job), source.permission)
    source.before()
    attempt = _Attempt(job, source, asked)
    # The part outlives the transaction, so that none is open while a bucket takes the file.
    with Beside(attempt.pulse) as beside, keeping.part(job) as part:
        snapshot = attempt.read(part, beside)
        made = attempt.made
        name = keeping.put(part, keeping.name_of(job, made.suffix))
        finished = partial(_finished, job, name, made, snapshot)
        if not beside(lambda: steps.finish(job, name, made, finished)):
            raise _Unwanted


class _Attempt:
    """One attempt to make the file of a job."""

    def __init__(self, job: ExportJob, source: sources.Source, asked: Asked) -> None:
        self.made: Any = None
        self._is_claimed = False
        # As many bytes as the file may have: others are being made meanwhile, so it changes.
        self._room = 0
        self._taken_by_schedules = 0
        self._job, self._source, self._asked = job, source, asked

    def pulse(self) -> bool:
        """Write how far it is; ``False`` when the job is no longer this worker's."""
        if not self._is_claimed:
            return True
        rows, size = (self.made.rows, self.made.size) if self.made else (0, 0)
        if not steps.note(self._job, rows, size):
            return False
        self._look_for_room()
        return True

    def read(self, part: IO[bytes], beside: Beside) -> Snapshot:
        """Claim the job, and write its rows into the part; returns the moment that they are of."""
        job = self._job
        with one_moment() as moment:
            _take_slot()
            here = {**_document(moment), **counting.snapshot_now()}
            earlier = job.snapshot
            if not beside(lambda: steps.claim(job, here)):
                raise _Taken
            self._is_claimed = True
            keeping.drop_other_parts(job, part)
            if job.attempts > MOST_ATTEMPTS:
                raise TenantryError(
                    f"the file was begun {MOST_ATTEMPTS} times and never finished.", "Ask for less."
                )
            try:
                self._copy(part, beside, earlier)
            except (DatabaseError, psycopg2.Error):
                if beside.is_lost:
                    raise _Unwanted from None
                raise
        # Of the moment whose rows these are, whichever attempt has written them.
        return _snapshot(earlier) if earlier else moment

    def _copy(self, part: IO[bytes], beside: Beside, earlier: dict[str, Any] | None) -> None:
        expected = self._source.expect(self._asked).rows
        beside(lambda: steps.note(self._job, 0, 0, expected))
        # Once, since a storage elsewhere takes its time to list its files.
        self._taken_by_schedules = kept.bytes_by_schedules()
        beside(self._look_for_room)
        self.made = self._source.make(self._asked, earlier)
        with self.made.opened() as pieces:
            self._write(pieces, part, beside)

    def _look_for_room(self) -> None:
        """Find how much the others leave; theirs grow beside this one."""
        taken = asking.bytes_of_jobs(but=self._job) + self._taken_by_schedules
        self._room = settings.TENANTRY_EXPORT_QUOTA - taken

    def _write(self, pieces: Iterable[bytes], part: IO[bytes], beside: Beside) -> None:
        for piece in pieces:
            if beside.is_lost:
                raise _Unwanted
            part.write(piece)
            if self.made.size > self._room:
                raise asking.QuotaReached(
                    f"with this file, exports would take more than the"
                    f" {settings.TENANTRY_EXPORT_QUOTA // 1_000_000:,} MB that they may.",
                    "Ask for less, compress it, or wait until another file expires.",
                )
        if beside.is_lost:
            raise _Unwanted


def _take_slot() -> None:
    """Be one of the few that make files at once, as long as the transaction lasts."""
    with connection.cursor() as cursor:
        for slot in range(settings.TENANTRY_EXPORT_SLOTS):
            cursor.execute(_SLOT, [slot])
            if cursor.fetchone()[0]:
                return
    raise _NoSlot


def _finished(job: ExportJob, name: str, made: Any, snapshot: Snapshot) -> None:
    """Record it, and lay beside the file what proves it. In the transaction that says so."""
    event = made.record_finished(
        snapshot, target=steps.subject(job), source=job.source, attempts=job.attempts
    )
    manifest = made.manifest(snapshot, event, naming.file_name(job, name))
    text = json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n"
    keeping.put_text(text, keeping.name_of(job, ".manifest.json"))
    # Of attempts that were killed between the two.
    with suppress(OSError):
        keeping.drop(job, but=(name, keeping.name_of(job, ".manifest.json")))


def _fail(job: ExportJob, why: str) -> None:
    """End the job, unless another worker has it by now."""
    steps.fail(job, why, attempt=job.attempts)
    keeping.drop_attempt(job)


def _document(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "at": snapshot.at.isoformat(),
        "checkpoint": snapshot.checkpoint,
        "size": snapshot.size,
        "unsealed": snapshot.unsealed,
    }


def _snapshot(stored: dict[str, Any]) -> Snapshot:
    return Snapshot(
        at=datetime.fromisoformat(stored["at"]),
        checkpoint=stored["checkpoint"],
        size=stored["size"],
        unsealed=stored["unsealed"],
    )
