"""The mail of schedules: a file, or bad news."""

from collections.abc import Sequence
from datetime import datetime
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse

from activity.jobs import sources
from activity.jobs.asked import asked_of
from activity.models import ExportJob, Schedule
from activity.schedules import making, planning, showing, steps
from tenants.context import current_tenant
from tenants.hosts import absolute_url

logger = structlog.get_logger("tenantry.schedules")


def send_file(schedule: Schedule, owner: Any, job: ExportJob) -> str:
    """Send a file, or a link to one that is too large; returns ``attachment`` or ``link``.

    Raises ``OSError`` and ``SMTPException`` when no server takes it.
    """
    wants = schedule.delivery == Schedule.Delivery.ATTACHMENT
    fits = job.bytes <= settings.TENANTRY_MAIL_ATTACHMENT_BYTES
    attached = (making.name_of(job), making.content_of(job)) if wants and fits else None
    link = "" if attached else making.link_to(job, owner)
    rows = f"{job.rows_done:,} row{'' if job.rows_done == 1 else 's'}, "
    holds = rows if sources.has_rows(job.source) else ""
    paragraphs = [
        f"{schedule.name} is here: {showing.what(schedule)}.",
        f"It is of {sources.words_of(asked_of(job))} and has {holds}{_size(job.bytes)}.",
        *_circumstances(schedule, job.asked_at),
    ]
    if wants and not fits:
        limit = _size(settings.TENANTRY_MAIL_ATTACHMENT_BYTES)
        paragraphs.append(f"It is too large to be attached, which {limit} may be: here is a link.")
    paragraphs.append(f"SHA-256 of the file: {job.sha256}")
    until = showing.local(job.expires_at, schedule) if job.expires_at else ""
    _send(
        owner,
        f"{schedule.name} · {_place()}",
        schedule,
        paragraphs,
        link=link,
        link_lead=f"Download it here. The link opens once, for you, until {until}:",
        attached=attached,
    )
    return "attachment" if attached else "link"


def send_failure(schedule: Schedule, owner: Any, whom: Sequence[Any]) -> None:
    """Tell people that a run failed, or that a schedule was paused.

    One address that is refused keeps nobody else from it, and has nobody told twice. Raises what
    the last one did when nobody could be reached.
    """
    why = steps.SENTENCES.get(schedule.why, "it failed")
    of = f"of {owner} " if owner and owner not in whom else ""
    if schedule.is_active or schedule.why in steps.OF_RUNS:
        subject = f"{schedule.name} was not delivered · {_place()}"
        said = [f"The schedule {schedule.name} {of}was to run{_due(schedule)}, but {why}."]
        if error := _error_of(schedule):
            said.append(error)
        said.append(showing.next_words(schedule))
    else:
        subject = f"{schedule.name} is paused · {_place()}"
        said = [
            f"The schedule {schedule.name} {of}is paused: {why}.",
            "It runs no more until somebody resumes it.",
        ]
    refused: list[Exception] = []
    for person in whom:
        try:
            _send(person, subject, schedule, said, is_owner=person == owner)
        except Exception as error:
            is_ours = not isinstance(error, OSError | SMTPException)
            logger.warning("failure not told to one", exc_info=is_ours)
            refused.append(error)
    if refused and len(refused) == len(whom):
        raise refused[-1]


def _circumstances(schedule: Schedule, begun: datetime) -> list[str]:
    """Return what is out of the ordinary about a run."""
    said = []
    if schedule.last_at and begun - schedule.last_at > planning.LATE:
        said.append(
            f"It was due on {showing.local(schedule.last_at, schedule)} and was begun late, on"
            f" {showing.local(begun, schedule)}."
        )
    if schedule.missed:
        said.append(f"{showing.missed_words(schedule.missed)} This file is of the last one.")
    if schedule.is_untold:
        said.append("The run before this one failed, and could not be told by mail.")
    return said


def _due(schedule: Schedule) -> str:
    return f" on {showing.local(schedule.last_at, schedule)}" if schedule.last_at else ""


def _error_of(schedule: Schedule) -> str:
    job = ExportJob.objects.filter(pk=schedule.job).first() if schedule.job else None
    return job.error if job else ""


def _send(
    person: Any,
    subject: str,
    schedule: Schedule,
    paragraphs: Sequence[str],
    *,
    link: str = "",
    link_lead: str = "",
    attached: tuple[str, bytes] | None = None,
    is_owner: bool = True,
) -> None:
    place = _place()
    whose = "you have" if is_owner else "you administrate, and somebody has"
    page = reverse("schedules", urlconf=settings.ROOT_URLCONF)
    context = {
        "person": person,
        "paragraphs": paragraphs,
        "link": link,
        "link_lead": link_lead,
        "why": f"You get this mail because {whose} the schedule {schedule.name} at {place}:"
        f" {showing.when(schedule)}.",
        "page": absolute_url(page, current_tenant()),
    }
    mail = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string("activity/email/schedule.txt", context),
        to=[person.email],
    )
    mail.attach_alternative(render_to_string("activity/email/schedule.html", context), "text/html")
    if attached:
        mail.attach(attached[0], attached[1], "application/octet-stream")
    mail.send()


def _place() -> str:
    tenant = current_tenant()
    return tenant.name if tenant else "the platform"


def _size(count: int) -> str:
    return filesizeformat(count).replace("\xa0", " ")
