"""How a run's file comes about: as an export job, asked for in its owner's name."""

import uuid
from datetime import UTC
from typing import Any, Final

import structlog
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from activity.jobs import asking, keeping, links, naming
from activity.jobs.kept import BY_SCHEDULES
from activity.models import ExportJob, Schedule
from activity.periods import Period
from activity.schedules import agenda, wishes
from activity.schedules.planning import zone_called
from activity.schedules.wishes import Wish
from tenants.context import current_scope, current_tenant
from tenants.errors import TenantryError
from tenants.hosts import absolute_url

logger = structlog.get_logger("tenantry.schedules")

MOST_KEPT: Final = 100
"""Files of one schedule that the storage keeps; an older one goes when there are more."""


class NotReady(TenantryError):
    """There is no file, and there will be none."""

    code = "not-ready"


def ask(schedule: Schedule, wish: Wish, period: Period, owner: Any) -> uuid.UUID:
    """Have the file of a run made; returns the job.

    Raises what ``asking.request`` does: the source is gone, the owner may not have it, or there is
    no room.
    """
    # The days that a search names are those of the place, whoever asked.
    with timezone.override(zone_called(schedule.zone)):
        job = asking.request(
            wish.source,
            wishes.filters_of(wish, period),
            wish.form,
            wish.compression,
            wish.columns,
            by=owner,
            note=f"by the schedule {schedule.name}",
            schedule_id=schedule.pk,
        )
    return uuid.UUID(str(job.pk))


def is_ready(schedule: Schedule) -> bool:
    """Tell whether the file is there; raises ``NotReady`` when it will not come any more."""
    job = _job_of(schedule)
    if job.is_open:
        return False
    if not job.is_ready:
        raise NotReady(job.error or f"The export was {job.get_state_display().lower()}.")
    return True


def file_of(schedule: Schedule) -> ExportJob:
    """Return the job whose file is ready; raises ``NotReady`` when it is gone."""
    job = _job_of(schedule)
    if not job.is_ready:
        raise NotReady("The file was deleted before it could be delivered.")
    return job


def source_of(schedule: Schedule) -> str:
    """Return what the file of the present run is of; the schedule's own if its job is gone."""
    job = _found(schedule)
    return job.source if job else schedule.source


def link_to(job: ExportJob, owner: Any) -> str:
    """Return an address that gives the file to its owner, once."""
    return absolute_url(links.path_for(job, str(owner.public_id)), current_tenant())


def name_of(job: ExportJob) -> str:
    """Return what the file is called where it is saved."""
    return naming.file_name(job, job.file)


def content_of(job: ExportJob) -> bytes:
    """Return the file, which is small enough to be attached; raises ``NotReady``."""
    try:
        with keeping.opened(job) as file:
            return file.read()
    except keeping.NotKept as error:
        raise NotReady(error.message) from None


def keep(schedule: Schedule, job: ExportJob) -> str:
    """Keep a copy of the file in the storage; returns its name there.

    It is named after the run, so keeping it again adds nothing. It lies beside the files of jobs,
    takes of the same room, and goes with them when the tenant does. Raises ``NotReady`` when there
    is no room for it.
    """
    storage, folder = keeping.storage(), _folder(schedule)
    at = schedule.last_at or timezone.now()
    ending = job.file.rpartition("/")[2].partition(".")[2]
    name = f"{folder}/{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.{ending}"
    if storage.exists(name):
        if storage.size(name) == job.bytes:
            return name
        # Of a process that was killed while it wrote.
        storage.delete(name)
    _prune(folder, MOST_KEPT - 1)
    if job.bytes > asking.room_left():
        raise NotReady("There is no room to keep the file: as much is taken as may be.")
    try:
        return keeping.copy(job, name)
    except keeping.NotKept as error:
        raise NotReady(error.message) from None


def drop_kept_by(schedule: Schedule) -> int:
    """Delete the files that a schedule keeps, which is to be deleted; returns how many there were.

    Raises ``StorageUnavailable``.
    """
    try:
        count = _prune(_folder(schedule), 0)
        # Only a directory is something itself.
        keeping.storage().delete(_folder(schedule))
    except Exception as error:
        # A storage may raise whatever its library has.
        logger.error("kept files not deleted", schedule=str(schedule.pk), exc_info=error)
        raise keeping.StorageUnavailable from None
    return count


def _prune(folder: str, most: int) -> int:
    """Delete all files of a folder but the newest ``most``; returns how many those were."""
    names = sorted(keeping.listed(folder)[1])
    gone = names[: max(0, len(names) - most)]
    for name in gone:
        keeping.storage().delete(f"{folder}/{name}")
    return len(gone)


def _folder(schedule: Schedule) -> str:
    return f"{current_scope()}/{BY_SCHEDULES}{schedule.pk}"


def drop_kept() -> int:
    """Delete every file that schedules keep in the place one is in; returns how many there were.

    For when somebody is erased: no file can be asked who is in it.
    """
    scope = current_scope()
    folders = [name for name in keeping.listed(scope)[0] if name.startswith(BY_SCHEDULES)]
    return sum(_prune(f"{scope}/{folder}", 0) for folder in folders)


def runs_of(schedule: Schedule, most: int) -> list[ExportJob]:
    """Return the last jobs of a schedule, newest first."""
    return list(ExportJob.objects.filter(schedule_id=schedule.pk).order_by("-id")[:most])


def heed(job: ExportJob) -> None:
    """Have a schedule looked at whose job is over. Lost, the sweep looks two minutes later."""
    if job.schedule_id is None:
        return
    with transaction.atomic():
        waiting = Schedule.objects.filter(job=job.pk, step=Schedule.Step.MAKING)
        if not waiting.update(look_at=timezone.now()):
            return
        agenda.keep()
    _hint()


def _hint() -> None:
    from activity.schedules import tasks

    tenant = current_tenant()
    if tenant is None:
        return
    try:
        tasks.visit_schedules.apply_async(kwargs={"tenant_id": str(tenant.pk)}, expires=60)
    except OperationalError:
        logger.warning("schedule not announced")


def _job_of(schedule: Schedule) -> ExportJob:
    job = _found(schedule)
    if job is None:
        raise NotReady("The export is not known any more.")
    return job


def _found(schedule: Schedule) -> ExportJob | None:
    return ExportJob.objects.filter(pk=schedule.job).first() if schedule.job else None
