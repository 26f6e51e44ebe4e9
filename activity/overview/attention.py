"""Is anything wrong? What somebody must do something about, or should look at, and where.

Each finder looks at one thing and returns notices. Apps above register theirs: what they know of
is not known here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from activity.events import sentence
from activity.models import ActivityEvent, Schedule
from activity.periods import Period
from activity.reading.events import first_id_at, narrow
from activity.reading.links import link_to
from activity.reading.query import parse
from activity.rollups import cursors
from activity.schedules import steps
from activity.sealing import checking, lag
from tenants.context import current_scope, current_tenant

FAILURES_THAT_COUNT: Final = 5
"""Fewer failed sign-ins than that are typos, however few there were before."""

COUNTED_WITHIN: Final = timedelta(minutes=10)
"""Figures that lack events of longer ago are behind."""

_NAMED: Final = 3
"""So many new administrators are named; more are a number."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing that is wrong or worth a look: what it is, what to do, and where to do it."""

    sentence: str
    advice: str
    link: str
    link_text: str
    is_wrong: bool = True


@dataclass(frozen=True, kw_only=True)
class Health:
    """What the last verification of the record found.

    ``checked_at`` is ``None`` when there was none yet; ``problem`` is empty when all was well.
    """

    events: int
    checked_at: datetime | None
    problem: str
    is_broken: bool

    @property
    def is_overdue(self) -> bool:
        """Whether the last verification is longer ago than it should be."""
        return self.checked_at is not None and self.checked_at < timezone.now() - checking.OVERDUE

    @property
    def is_good(self) -> bool:
        """Whether the record was found intact, and lately."""
        return self.checked_at is not None and not self.problem and not self.is_overdue


@dataclass(frozen=True, kw_only=True)
class Look:
    """What finders are given: the period, its figures by their titles, and how old they are."""

    period: Period
    figures: Mapping[str, Any]
    health: Health
    as_of: datetime | None


Finder = Callable[[Look], Iterable[Notice]]


def health() -> Health:
    """Return what is known of the record of the place one is in."""
    found = checking.state(current_scope())
    return Health(
        events=found.events if found else 0,
        checked_at=found.checked_at if found else None,
        problem=found.sentence if found else "",
        is_broken=bool(found and found.wrong),
    )


def notices(look: Look) -> tuple[Notice, ...]:
    """Return all that is to be noticed, what is wrong first."""
    found = [notice for finder in FINDERS for notice in finder(look)]
    return tuple(sorted(found, key=lambda notice: not notice.is_wrong))


def is_up(now: int, before: int) -> bool:
    """Tell whether failed sign-ins are more than before, and more than typos."""
    return now >= FAILURES_THAT_COUNT and now > before


def search_in(period: Period, terms: str) -> str:
    """Return the search that finds the events of a period of which these terms hold."""
    first, end = (at.isoformat(timespec="minutes") for at in (period.start, period.end))
    return f"{terms} since:{first} until:{end}"


def _record(look: Look) -> Iterable[Notice]:
    known = look.health
    if known.is_broken:
        yield _of_the_record(
            f"The record is not intact. {known.problem}",
            "Tell whoever runs this platform, and export what you need as evidence.",
        )
    elif known.problem:
        yield _of_the_record(
            "The record could not be verified.",
            "It is tried again by itself. If this stays, tell whoever runs this platform.",
        )
    elif known.is_overdue:
        yield _of_the_record("The record was not verified for more than two days.", _DAILY)
    elif known.checked_at is None and _is_old():
        yield _of_the_record("The record was never verified.", _DAILY)


_DAILY: Final = "It should be once a day. Tell whoever runs this platform."


def _of_the_record(sentence: str, advice: str) -> Notice:
    link = link_to("family:record")
    return Notice(
        sentence=sentence, advice=advice, link=link, link_text="What the record says of itself"
    )


def _is_old() -> bool:
    """Tell whether the place one is in is older than any record should be unverified."""
    tenant = current_tenant()
    return tenant is not None and tenant.created_at < timezone.now() - checking.OVERDUE


def _sealing(look: Look) -> Iterable[Notice]:
    found = lag.read()
    since = found.since.get(current_scope()) if found else None
    if found is None or since is None or found.at - since <= lag.ALARM_SECONDS:
        return
    yield _of_the_record(
        f"New events wait for their seal for {(found.at - since) // 60:,.0f} minutes.",
        "They are kept and sealed later. If this stays, tell whoever runs this platform.",
    )


def _counting(look: Look) -> Iterable[Notice]:
    """Figures are behind when they are old and there is something that they lack."""
    limit = timezone.now() - COUNTED_WITHIN
    if look.as_of is not None and look.as_of >= limit:
        return
    missed = ActivityEvent.objects.filter(id__lt=first_id_at(limit)).order_by("id")
    if look.as_of is not None:
        missed = missed.filter(id__gte=first_id_at(look.as_of))
    if not missed.exists():
        return
    since = f"since:{look.as_of.isoformat(timespec='seconds')}" if look.as_of else ""
    yield Notice(
        sentence="The figures on this page are behind: newer events are not counted yet.",
        advice="The record itself has them. If this stays, tell whoever runs this platform.",
        link=link_to(since),
        link_text="The events that are not counted",
    )


def _differing(look: Look) -> Iterable[Notice]:
    found = cursors.served()
    if found is not None and found.difference:
        yield Notice(
            sentence=f"The figures differ from a recount of the record. {found.difference}",
            advice="The record is what holds. Tell whoever runs this platform to count anew.",
            link=reverse("report", args=["record-health"]),
            link_text="How the record is",
        )


def _failures(look: Look) -> Iterable[Notice]:
    figure = look.figures["Failed sign-ins"]
    if figure.is_warning:
        yield Notice(
            sentence=f"{figure.value:,} sign-ins failed, {figure.change}.",
            advice="Look whose account and from which address: one source may be an attack.",
            link=figure.link,
            link_text="The attempts",
        )


def _administrators(look: Look) -> Iterable[Notice]:
    terms = "action:user.created,user.privileges_changed field:is_superuser"
    search = search_in(look.period, terms)
    events = narrow(ActivityEvent.objects.all(), parse(search))
    made = list(events.filter(changes__is_superuser__1=True)[: _NAMED + 1])
    advice = "If nobody meant this, take it back and find out who did it."
    if len(made) > _NAMED:
        yield Notice(
            sentence=f"More than {_NAMED} people became administrators.",
            advice=advice,
            link=link_to(search),
            link_text="All changes of who is one",
            is_wrong=False,
        )
        return
    for event in made:
        yield Notice(
            sentence=f"A new administrator: {sentence(event)}.",
            advice=advice,
            link=reverse("admin:activity_activityevent_change", args=[event.pk]),
            link_text="The change",
            is_wrong=False,
        )


_MOST: Final = 100


def _exports(look: Look) -> Iterable[Notice]:
    search = search_in(look.period, "action:export.failed")
    failed = narrow(ActivityEvent.objects.all(), parse(search))
    count = len(failed.values_list("pk")[:_MOST])
    if count:
        several = f"{'At least ' if count == _MOST else ''}{count:,} exports failed."
        yield Notice(
            sentence=several if count > 1 else "An export failed.",
            advice="The event says why. Ask for the file again when that is mended.",
            link=link_to(search),
            link_text="Why",
        )


def _schedules(look: Look) -> Iterable[Notice]:
    """What runs by itself and does not, now: paused, or without its last file."""
    wrong = Schedule.objects.filter(Q(is_active=False) | Q(outcome=Schedule.Outcome.FAILED))
    for schedule in wrong[:_NAMED]:
        what = "had no file in its last run" if schedule.is_active else "is paused"
        by_hand = schedule.why == steps.BY_HAND
        why = steps.SENTENCES.get(schedule.why, "nobody said why")
        yield Notice(
            sentence=f"The schedule {schedule.name} {what}: {why}.",
            advice="Let it run again, or delete it." if by_hand else "Mend that, or delete it.",
            link=reverse("schedules"),
            link_text="Schedules",
            is_wrong=not by_hand,
        )


FINDERS: list[Finder] = [
    *(_record, _sealing, _counting, _differing),
    *(_failures, _exports, _schedules, _administrators),
]
"""Who looks for what is wrong. Apps add theirs when they start."""
