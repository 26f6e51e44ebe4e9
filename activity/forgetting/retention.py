"""Retention: for how long events of a family are kept, and the cutting of those that are older.

Without a rule nothing is ever cut. A segment of the record loses events only when all of it is old
enough, and keeps their leaves, so the record stays provable: verification knows how many are gone,
and which are. A legal hold wins.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists, Model, OuterRef, Q
from django.utils import timezone

from activity import context, rollups
from activity.actions import FAMILIES, names
from activity.forgetting import holds
from activity.forgetting.places import history_models
from activity.models import Retention
from activity.models.rules import LEAST_DAYS, MOST_DAYS
from activity.recording import record
from activity.rollups import erased, rebuilding
from activity.subjects import Subject, declaration_of
from tenants.errors import InvalidInput

KEPT: Final = "record"
"""The family that is never cut: what was erased, cut and held is known for ever."""

_BATCH: Final = 10_000
_CUT: Final = "SELECT gone FROM activity_cut(%s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Cut:
    """What one run removed."""

    events: int
    history_rows: int


def families() -> list[str]:
    """Return the families that can have a rule."""
    return [family for family in FAMILIES if family != KEPT]


def rules() -> dict[str, int]:
    """Return for how many days events are kept, of the families that are not kept for ever."""
    return dict(Retention.objects.values_list("family", "days"))


def keep(family: str, days: int | None, *, dry_run: bool = False) -> bool:
    """Keep a family for so many days, ``None`` for ever; returns whether that is a change.

    With ``dry_run`` whether it would be. Raises ``InvalidInput`` for a family that there is not or
    is always kept, and for days out of bounds.
    """
    if family not in families():
        raise InvalidInput(
            f"there is no family {family[:40]!r} that could be cut.",
            f"Choose one of {', '.join(families())}.",
        )
    if days is not None and not LEAST_DAYS <= days <= MOST_DAYS:
        raise InvalidInput(
            f"{days} days are not between {LEAST_DAYS} and {MOST_DAYS}.", "Nothing was changed."
        )
    with transaction.atomic():
        before = rules().get(family)
        if before == days or dry_run:
            return before != days
        if days is None:
            Retention.objects.filter(family=family).delete()
        else:
            Retention.objects.update_or_create(family=family, defaults={"days": days})
        record(
            "record.retention_changed",
            target=Subject("family", family, f"events of the family {family}"),
            changes={"days": (before, days)},
        )
    return True


def cut() -> Cut:
    """Remove what the rules let go, in the place one is in; nothing under a hold."""
    ruled = rules()
    if not ruled or holds.covers_everybody():
        return Cut(0, 0)
    # A backlog in transactions of its own: in the one that cuts there is then little to count.
    rollups.fold_now()
    rebuilding.finish(timezone.now())
    events = 0
    while gone := _cut_some(ruled):
        events += gone
    return Cut(events, _cut_history(ruled))


def _cut_some(ruled: dict[str, int]) -> int:
    now = context.current()
    who = now.actor
    asked: list[Any] = [
        names(*ruled),
        _BATCH,
        *(str(who.kind), who.id, who.label[:200], str(now.channel), now.request_id),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        erased.count_before_cut()
        cursor.execute(_CUT, asked)
        gone = int(cursor.fetchone()[0])
        if gone:
            # By the clock that the function itself goes by.
            cursor.execute("SELECT now()")
            erased.note_cut(cursor.fetchone()[0] - timedelta(min(ruled.values())))
        return gone


def _cut_history(ruled: dict[str, int]) -> int:
    """Remove history rows as old as that; what was in force when the time begins stays.

    Whose they are is not in all of them, so while there is any hold they are all kept.
    """
    if holds.exist():
        return 0
    removed, of = 0, set()
    with transaction.atomic():
        for model in history_models():
            family = _family_of(model)
            if family in ruled:
                gone = _outlived(model, ruled[family]).delete()[0]
                removed += gone
                of |= {family} if gone else set()
        if removed:
            record(
                "record.cut",
                details={"families": sorted(of), "events": 0, "history_rows": removed},
            )
    return removed


def _family_of(model: type[Model]) -> str:
    """The family of the events that say what the rows of a history say."""
    return declaration_of(model.instance_type).created.partition(".")[0]  # type: ignore[attr-defined]


def _outlived(model: Any, days: int) -> Any:
    old = Q(history_date__lt=timezone.now() - timedelta(days))
    later = model.objects.filter(old, id=OuterRef("id"), history_id__gt=OuterRef("history_id"))
    return model.objects.filter(old).filter(Exists(later) | Q(history_type="-"))
