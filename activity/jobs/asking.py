"""Asking for a file that a worker makes: checked as far as it can be, and then a row."""

from datetime import timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from kombu.exceptions import OperationalError

from activity.context import telling
from activity.hashes import keyed_hash
from activity.jobs import kept, sources, steps
from activity.jobs.asked import Asked
from activity.jobs.requesters import actor, refuse
from activity.models import ExportJob
from activity.recording import record
from tenants.context import current_scope, current_tenant
from tenants.errors import Conflict, InvalidInput

logger = structlog.get_logger("tenantry.exports")

KEY_HOURS: Final = 24
"""For how long the same request, by its ``Idempotency-Key``, is answered with the same job."""

LONGEST_KEY: Final = 200

State = ExportJob.State


class QuotaReached(Conflict):
    """A tenant has as many files, or as many that wait, as it may."""

    code = "quota-reached"


def request(
    source_name: str,
    filters: dict[str, str],
    form: str,
    compress: str = "",
    columns: tuple[str, ...] | list[str] = (),
    *,
    by: Any,
    note: str = "",
    schedule_id: Any = None,
    key: str = "",
) -> ExportJob:
    """Have a file made in the place one is in, and record that it was asked for.

    ``by`` is who asks: a person with an account, or an ``Actor``. Days of ``filters`` are local to
    the place; days in a search begin in the time zone that is active, the reader's. ``key`` names
    the request: asked again within a day, the same job is returned.

    Raises ``InvalidInput`` and ``NotInstalled`` for what cannot be made, ``NotAllowed`` for whom
    may not have it, ``QuotaReached`` when there is no room for it.
    """
    who = actor(by)
    asked = sources.checked(
        Asked(
            source=source_name,
            filters=dict(filters),
            form=form,
            compression=compress,
            columns=tuple(columns),
            zone=timezone.get_current_timezone_name(),
            note=note.strip(),
            key=_hashed(key),
        )
    )
    refuse(who, sources.source_called(source_name).permission)
    with transaction.atomic():
        _one_after_another()
        if asked.key and (known := _known(asked.key, who.id)):
            return known
        _refuse_too_many()
        job = ExportJob.objects.create(
            source=asked.source,
            asked=asked.document(),
            requester_kind=who.kind,
            requester_id=who.id,
            requester_label=who.label[:200],
            schedule_id=schedule_id,
        )
        _record(job, asked, who)
        send(job)
    return job


def send(job: ExportJob) -> None:
    """Tell a worker of a job when the transaction commits. Lost, a sweep finds the job."""
    from activity.jobs import tasks

    tenant = current_tenant()

    def tell() -> None:
        try:
            if tenant:
                tasks.run_export.delay(str(job.pk), tenant_id=str(tenant.pk))
            else:
                tasks.run_platform_export.delay(str(job.pk))
        except OperationalError:
            logger.warning("export not announced", job=str(job.pk))

    transaction.on_commit(tell)


def bytes_of_jobs(*, but: ExportJob | None = None) -> int:
    """Return how many bytes the files of jobs take, except one's; those being made are among them.

    Of those it is what their workers wrote down last, which they do every second.
    """
    held = ExportJob.objects.filter(state__in=(State.READY, State.RUNNING))
    if but:
        held = held.exclude(pk=but.pk)
    return int(held.aggregate(size=Sum("bytes"))["size"] or 0)


def bytes_kept() -> int:
    """Return how many bytes the files of the place take: of jobs, and those that schedules keep.

    Raises ``StorageUnavailable``.
    """
    return bytes_of_jobs() + kept.bytes_by_schedules()


def room_left() -> int:
    """Return how many bytes may still be written in the place."""
    return max(0, settings.TENANTRY_EXPORT_QUOTA - bytes_kept())


def _record(job: ExportJob, asked: Asked, who: Any) -> None:
    details = {**asked.details, "background": True, "filters": asked.words}
    if asked.note:
        details["note"] = asked.note
    with telling(actor=who):
        record("export.requested", target=steps.subject(job), details=details)


def _refuse_too_many() -> None:
    waiting = ExportJob.objects.filter(state__in=(State.WAITING, State.RUNNING)).count()
    if waiting >= settings.TENANTRY_EXPORT_MOST_WAITING:
        raise QuotaReached(
            f"{waiting} exports are waiting or being made, which is as many as may be.",
            "Wait for one of them, or cancel one.",
        )
    if not room_left():
        megabytes = settings.TENANTRY_EXPORT_QUOTA // 1_000_000
        raise QuotaReached(
            f"the files of exports take {megabytes:,} MB, which is as much as they may.",
            "Delete one that nobody needs, or a schedule that keeps files, or wait.",
        )


def _known(key: str, requester_id: str) -> ExportJob | None:
    since = timezone.now() - timedelta(hours=KEY_HOURS)
    return ExportJob.objects.filter(
        asked__key=key, requester_id=requester_id, asked_at__gte=since
    ).first()


def _hashed(key: str) -> str:
    if not key:
        return ""
    if len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            "the key of the request cannot be used.",
            f"Use at most {LONGEST_KEY} printable characters, such as a UUID.",
        )
    return keyed_hash("idempotency", key)


def _one_after_another() -> None:
    """Let requests of one place be counted one after the other, so that none passes a bound."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))",
            [f"exports/{current_scope()}"],
        )
