"""Giving out a file: with a harmless name, kept by nobody on the way, and recorded before."""

import base64
from typing import Final

from django.http import FileResponse

from activity.exporters import FORMATS
from activity.exporting.compressing import COMPRESSIONS
from activity.jobs import keeping, naming, steps
from activity.jobs.asked import asked_of
from activity.models import ExportJob

_OTHERS: Final = {"zip": "application/zip", "pdf": "application/pdf"}


def media_type_of(job: ExportJob) -> str:
    """Return what the file is."""
    asked = asked_of(job)
    if asked.compression in COMPRESSIONS:
        return COMPRESSIONS[asked.compression].media_type
    known = FORMATS.get(asked.form)
    return known.media_type if known else _OTHERS.get(asked.form, "application/octet-stream")


def answer(job: ExportJob) -> FileResponse | None:
    """Return the file of a job that is ready; ``None`` when the storage has it no more.

    Then the job is over, and says why. Raises ``keeping.StorageUnavailable``.
    """
    try:
        file = keeping.opened(job)
    except keeping.NotKept:
        steps.expire(job, "it was gone")
        return None
    response = FileResponse(
        file, as_attachment=True, filename=naming.file_name(job), content_type=media_type_of(job)
    )
    # What comes from a bucket does not say how long it is before it ends.
    response.setdefault("Content-Length", str(job.bytes))
    digest = base64.b64encode(bytes.fromhex(job.sha256)).decode()
    response["Repr-Digest"] = f"sha-256=:{digest}:"
    return _private(response)


def manifest(job: ExportJob) -> FileResponse | None:
    """Return what lies beside the file; ``None`` when the storage has it no more."""
    folder, _, attempt = job.file.partition(".")[0].rpartition("/")
    try:
        file = keeping.opened(job, f"{folder}/{attempt}.manifest.json")
    except keeping.NotKept:
        return None
    name = f"{naming.file_name(job)}.manifest.json"
    return _private(
        FileResponse(file, as_attachment=True, filename=name, content_type="application/json")
    )


def _private(response: FileResponse) -> FileResponse:
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
