"""One-time links to files: signed, for one person in one place, until a moment, once.

What is in a link is no secret; that it was made here is signed. That it was used is in the job's
row, so that two who open it at once are still one.
"""

import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core import signing
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from activity.jobs import steps
from activity.jobs.asked import asked_of
from activity.jobs.requesters import NotAllowed, actor, refuse
from activity.jobs.sources import source_called
from activity.models import ExportJob, Outcome
from activity.recording import record
from activity.subjects import NOTHING, Subject
from tenants.context import current_scope
from tenants.errors import Conflict, NotFound

_SALT: Final = "activity.jobs.links"
LONGEST: Final = 600
MOST_USED: Final = 500
"""Links of one file that are remembered as used."""


class LinkRefused(NotFound):
    """A link opens nothing here, for a reason that its holder is told."""

    code = "not-found"

    def __init__(self, why: str, target: Subject = NOTHING) -> None:
        self.why, self.target = why, target
        super().__init__(*_SAID[why])


class NotMade(Conflict):
    """Whoever asked for a file comes before it is made: too early, and no more than that."""

    code = "not-made"

    def __init__(self, job: ExportJob) -> None:
        so_far = f", {job.rows_done:,} rows so far" if job.rows_done else ""
        super().__init__(
            f"the file is still being made{so_far}.", "Look at the export: it says how far it is."
        )


_AGAIN: Final = "Open Exports and choose Download there."
_SAID: Final = {
    "used": ("this link was used already: each opens once.", _AGAIN),
    "expired": ("this link is over, or its file is gone.", _AGAIN),
    # Nobody is told whose it is.
    "elsewhere": ("this link opens nothing here.", _AGAIN),
    "another person": ("this link opens nothing for you.", _AGAIN),
    "not permitted": ("you may not read this any more.", "Ask an administrator for a role."),
    "no file": ("there is no such file.", _AGAIN),
}


@dataclass(frozen=True, slots=True)
class _Link:
    place: str
    job: uuid.UUID
    person: str
    until: int
    number: str


def token_for(job: ExportJob, person_id: str, *, until: datetime | None = None) -> str:
    """Return what a link for a person, by their public id, ends in.

    It opens once, until the file expires or ``until``, whatever comes first.
    """
    ends = [moment for moment in (job.expires_at, until) if moment]
    payload = [
        current_scope(),
        job.pk.hex,
        person_id,
        int(min(ends).timestamp()) if ends else 0,
        secrets.token_hex(6),
    ]
    return signing.dumps(payload, salt=_SALT)


def path_for(job: ExportJob, person_id: str, *, until: datetime | None = None) -> str:
    """Return the path of a link for a person, without the host."""
    return reverse("export-link", args=[token_for(job, person_id, until=until)])


def used_by(key: str, person: Any) -> ExportJob:
    """Use a link: returns the job whose file it opens, for this once.

    Raises ``LinkRefused``; record it with ``note_refused``.
    """
    link = _read(key)
    if link.place != current_scope():
        raise LinkRefused("elsewhere")
    job = ExportJob.objects.filter(pk=link.job).first()
    target = steps.subject(job) if job else NOTHING
    if link.person != actor(person).id:
        raise LinkRefused("another person", target)
    if job is None or not job.is_ready or link.until <= time.time():
        raise LinkRefused("expired", target)
    _permit(job, person)
    _use(job, link.number, target)
    return job


def permit(job: ExportJob | None, person: Any) -> ExportJob:
    """Return a job whose file a person may have without a link: their own.

    Raises ``LinkRefused``, and ``NotMade`` while there is none yet.
    """
    if job is None or job.requester_id != actor(person).id:
        raise LinkRefused("no file")
    if job.is_open:
        raise NotMade(job)
    if not job.is_ready:
        raise LinkRefused("expired", steps.subject(job))
    _permit(job, person)
    return job


def note_refused(error: LinkRefused) -> None:
    """Record that somebody was not given a file. Written although their request fails."""
    record(
        "export.refused", target=error.target, outcome=Outcome.DENIED, details={"why": error.why}
    )


def note_downloaded(job: ExportJob, *, by_link: bool) -> None:
    """Record that a file was taken."""
    ExportJob.objects.filter(pk=job.pk).update(downloaded_at=timezone.now())
    details = {**asked_of(job).details, "sha256": job.sha256, "rows": job.rows_done}
    record("export.downloaded", target=steps.subject(job), details={**details, "by_link": by_link})


def _read(key: str) -> _Link:
    if len(key) > LONGEST:
        raise LinkRefused("elsewhere")
    try:
        place, job, person, until, number = signing.loads(key, salt=_SALT)
        return _Link(place, uuid.UUID(job), person, until, number)
    except (signing.BadSignature, ValueError, TypeError):
        raise LinkRefused("elsewhere") from None


def _permit(job: ExportJob, person: Any) -> None:
    try:
        refuse(actor(person), source_called(job.source).permission)
    except NotAllowed:
        raise LinkRefused("not permitted", steps.subject(job)) from None


def _use(job: ExportJob, number: str, target: Subject) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE activity_exportjob SET used = used || to_jsonb(%s::text)"
            " WHERE id = %s AND state = 'ready' AND NOT used ? %s"
            " AND jsonb_array_length(used) < %s",
            [number, job.pk, number, MOST_USED],
        )
        if cursor.rowcount:
            return
    job.refresh_from_db()
    if len(job.used) >= MOST_USED and number not in job.used:
        raise Conflict(f"this file was taken {MOST_USED} times.", "Ask for the export again.")
    raise LinkRefused("used" if job.is_ready else "expired", target)
