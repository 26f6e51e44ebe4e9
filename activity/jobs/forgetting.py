"""Forgetting somebody in exports: those they asked for, and files that may have them in."""

from typing import Any

from activity.forgetting import mentions
from activity.forgetting.people import Person, pseudonym
from activity.jobs import keeping, steps
from activity.jobs.asked import asked_of
from activity.models import ExportJob

State = ExportJob.State


def forget(person: Person) -> dict[str, int]:
    """End what somebody asked for, and delete every file of the place; returns how many.

    A file cannot be asked whether it has somebody in it, and retention may have cut from the
    record what it still has. What is being made begins anew: its rows are of a moment before. The
    part that a killed worker has left on this machine's disk goes too.
    """
    found = {"exports (files)": 0, "exports (who or what)": 0}
    for job in ExportJob.objects.filter(requester_id=person.id):
        found["exports (who or what)"] += _end(job, person)
    for job in ExportJob.objects.filter(state=State.READY):
        found["exports (files)"] += steps.expire(job, "somebody was erased")
    for job in ExportJob.objects.all():
        found["exports (who or what)"] += _without(job, person)
        steps.begin_again(job)
    found["exports (parts)"] = _drop_parts()
    return found


def _drop_parts() -> int:
    """Remove parts of who has lost their job, or is dead; returns how many."""
    parts = keeping.parts_here()
    # Asked after. Whatever is being made by now was begun since, of a moment without the person.
    running = ExportJob.objects.filter(state=State.RUNNING).values_list("pk", flat=True)
    spared = {str(job) for job in running}
    gone = [path for path, job in parts.items() if job not in spared]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _end(job: ExportJob, person: Person) -> int:
    label = pseudonym(person.id)
    if job.requester_label == label:
        return 0
    ExportJob.objects.filter(pk=job.pk).update(requester_label=label)
    job.requester_label = label
    steps.fail(job, "Whoever asked for this file was erased.")
    return 1


def _without(job: ExportJob, person: Person) -> int:
    """Take words that name somebody out of what was asked; nothing can be made of it then."""
    typed: dict[str, Any] = {**job.asked.get("filters", {}), "note": job.asked.get("note", "")}
    if not any(
        mentions.in_text(person, value, is_typed=True)
        for value in typed.values()
        if isinstance(value, str) and value
    ):
        return 0
    steps.fail(job, "What was asked for named somebody who is erased.")
    kept = {name: value for name, value in job.asked.items() if name not in ("filters", "note")}
    ExportJob.objects.filter(pk=job.pk).update(asked=kept)
    return 1


def disclose(person_id: str) -> Any:
    """Yield the exports that somebody asked for, for themselves to read."""
    for job in ExportJob.objects.filter(requester_id=person_id).order_by("id"):
        asked = asked_of(job)
        yield {
            "id": job.pk,
            "of": job.source,
            "filters": asked.filters,
            "format": asked.form,
            "note": asked.note,
            "state": job.state,
            "rows": job.rows_done,
            "asked_at": job.asked_at,
            "finished_at": job.finished_at,
            "downloaded_at": job.downloaded_at,
        }
