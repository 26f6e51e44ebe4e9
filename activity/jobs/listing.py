"""What lists of exports show: rows of the newest first, in the words of their readers."""

from dataclasses import dataclass
from typing import Any, Final

from activity.jobs.asked import asked_of
from activity.jobs.requesters import actor
from activity.jobs.sources import has_rows, title_of, words_of
from activity.models import ExportJob
from activity.schedules import filling

SHOWN: Final = 50
OVERSEE: Final = "activity.delete_exportjob"
"""The permission to cancel and delete what others asked for."""


@dataclass(frozen=True)
class Row:
    """An export as a person sees it."""

    job: ExportJob
    title: str
    filters: str
    has_rows: bool
    form: str
    note: str
    is_mine: bool
    may_end: bool

    @property
    def schedule(self) -> str:
        """The form of a schedule that makes the same again and again."""
        asked = asked_of(self.job)
        return filling.link_to(
            asked.source, asked.filters, asked.form, asked.compression, asked.columns
        )

    @property
    def rate(self) -> int | None:
        """Rows a second."""
        return round(self.job.rate) if self.job.rate else None

    @property
    def left(self) -> str:
        """How long it will still take, in words."""
        if self.job.left is None or not self.job.is_open:
            return ""
        seconds = int(self.job.left.total_seconds())
        if seconds < 60:
            return f"{max(1, seconds)} s left"
        minutes = -(-seconds // 60)
        return f"{minutes} min left" if minutes < 100 else f"{-(-minutes // 60)} h left"


def rows(person: Any, most: int = SHOWN) -> list[Row]:
    """Return the newest exports of the place, in one statement."""
    me, oversees = actor(person).id, person.has_perm(OVERSEE)
    return [row_of(job, me, oversees=oversees) for job in ExportJob.objects.order_by("-id")[:most]]


def row_of(job: ExportJob, me: str, *, oversees: bool) -> Row:
    """Return one export as ``me``, a public id, sees it."""
    asked = asked_of(job)
    is_mine = bool(me) and job.requester_id == me
    compressed = f", {asked.compression}" if asked.compression else ""
    return Row(
        job=job,
        title=title_of(job.source),
        filters=words_of(asked),
        has_rows=has_rows(job.source),
        form=f"{'Parquet' if asked.form == 'parquet' else asked.form.upper()}{compressed}",
        note=asked.note,
        is_mine=is_mine,
        may_end=is_mine or oversees,
    )
