"""Every change of a job's state, each with its event in the same transaction, or neither.

A worker owns a job by the number of its attempt: whoever has a higher one has taken over, and what
the other writes then changes nothing.
"""

from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from activity.context import telling
from activity.jobs import ends, keeping
from activity.jobs.asked import asked_of
from activity.jobs.requesters import requester
from activity.jobs.sources import title_of
from activity.models import ExportJob
from activity.models.jobs import LONGEST_ERROR
from activity.recording import record
from activity.subjects import Subject
from activity.text import one_line
from tenants.errors import Conflict

State = ExportJob.State

STALE: Final = timedelta(seconds=15)
"""After so long without a sign of life, of which there is one each second, a worker is dead."""


def subject(job: ExportJob) -> Subject:
    """Return how events name a job."""
    return Subject("export", str(job.pk), title_of(job.source))


def takeable() -> Q:
    """Return what is true of jobs that wait for a worker, or whose worker is dead."""
    dead = timezone.now() - STALE
    return Q(state=State.WAITING) | Q(state=State.RUNNING, progressed_at__lt=dead)


def claim(job: ExportJob, snapshot: dict[str, Any]) -> bool:
    """Take a job; ``False`` when another has it, or nobody needs it any more.

    ``snapshot`` is kept if it is the first attempt's; a later one goes by that one's.
    """
    now = timezone.now()
    with transaction.atomic():
        mine = ExportJob.objects.filter(takeable(), pk=job.pk)
        if not mine.update(
            state=State.RUNNING,
            attempts=F("attempts") + 1,
            started_at=now,
            progressed_at=now,
            rows_done=0,
            bytes=0,
        ):
            return False
        ExportJob.objects.filter(pk=job.pk, snapshot__isnull=True).update(snapshot=snapshot)
        job.refresh_from_db()
    return True


def note(job: ExportJob, rows: int, size: int, expected: int | None = None) -> bool:
    """Write how far it is; ``False`` when the job is no longer this worker's."""
    more = {} if expected is None else {"rows_expected": expected}
    return bool(_own(job).update(progressed_at=timezone.now(), rows_done=rows, bytes=size, **more))


def finish(job: ExportJob, file: str, made: Any, record_finished: Any) -> bool:
    """Make the file the job's own; ``False``, and no event, when the job is no longer ours."""
    now = timezone.now()
    with transaction.atomic():
        if not _own(job).update(
            state=State.READY,
            file=file,
            rows_done=made.rows,
            rows_expected=made.rows,
            bytes=made.size,
            sha256=made.sha256,
            error="",
            progressed_at=now,
            finished_at=now,
            expires_at=now + timedelta(days=settings.TENANTRY_EXPORT_DAYS),
        ):
            return False
        record_finished()
        _over(job)
    return True


def fail(job: ExportJob, why: str, attempt: int | None = None) -> bool:
    """End a job for a reason that its requester reads; its files are deleted.

    ``False`` when it was over already, or another ``attempt`` is under way than the one given.
    """
    with transaction.atomic():
        said = one_line(why, LONGEST_ERROR)
        wanted = _open(job) if attempt is None else _open(job).filter(attempts=attempt)
        if not wanted.update(state=State.FAILED, error=said, finished_at=timezone.now()):
            return False
        job.refresh_from_db()
        details = {**asked_of(job).details, "why": said, "attempts": job.attempts}
        with telling(actor=requester(job)):
            record("export.failed", target=subject(job), details=details)
        _over(job)
    keeping.drop(job)
    return True


def cancel(job: ExportJob) -> None:
    """Stop a job that waits or is made: at once here, and within a second where it is made.

    Raises ``Conflict`` when it is over already.
    """
    with transaction.atomic():
        if not _open(job).update(state=State.CANCELLED, finished_at=timezone.now()):
            raise Conflict("the export is over already.", "There is nothing to cancel.")
        job.refresh_from_db()
        details = {**asked_of(job).details, "rows": job.rows_done}
        record("export.cancelled", target=subject(job), details=details)
        _over(job)
    transaction.on_commit(lambda: _drop_after(job))


def expire(job: ExportJob, why: str) -> bool:
    """Delete the file of a job that is ready; ``False`` when it has none."""
    with transaction.atomic():
        ready = ExportJob.objects.filter(pk=job.pk, state=State.READY)
        if not ready.update(state=State.EXPIRED, file="", error=_GONE[why]):
            return False
        job.refresh_from_db()
        record("export.expired", target=subject(job), details={**asked_of(job).details, "why": why})
        # Before the commit: what says that it is gone must not be true before it is.
        keeping.drop(job)
        _over(job)
    return True


_GONE: Final = {
    "its time was over": "",
    "somebody deleted it": "Somebody deleted the file.",
    "somebody was erased": "The file was deleted because somebody was erased. Ask again.",
    "it was gone": "The file was not there any more. Ask again.",
}


def begin_again(job: ExportJob) -> bool:
    """Have a job that is being made begin anew, of another moment; ``False`` when it is not."""
    running = ExportJob.objects.filter(pk=job.pk, state=State.RUNNING)
    return bool(
        running.update(state=State.WAITING, attempts=F("attempts") + 1, snapshot=None, rows_done=0)
    )


def _own(job: ExportJob) -> Any:
    return ExportJob.objects.filter(pk=job.pk, state=State.RUNNING, attempts=job.attempts)


def _open(job: ExportJob) -> Any:
    return ExportJob.objects.filter(pk=job.pk, state__in=(State.WAITING, State.RUNNING))


def _over(job: ExportJob) -> None:
    job.refresh_from_db()
    ends.tell(job)


def _drop_after(job: ExportJob) -> None:
    keeping.drop(job)
