"""What a schedule makes: what somebody asked for, checked, and as it is stored."""

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from activity.jobs.asked import Asked
from activity.jobs.sources import EVENTS as EVENTS
from activity.jobs.sources import READ as READ
from activity.jobs.sources import all_sources, checked, source_called, title_of
from activity.jobs.sources import has_period as has_period
from activity.models import Schedule
from activity.models.schedules import LONGEST_ASKED, LONGEST_NAME
from activity.periods import Period, zone_name
from activity.schedules.cron import Cron, cron_called
from activity.schedules.planning import zone_called
from activity.schedules.spans import Span, span_called
from activity.text import sound_name
from tenants.errors import InvalidInput, TenantryError

DELIVERIES: Final = {str(choice.label): choice for choice in Schedule.Delivery}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A schedule as somebody typed it; ``sound`` says whether it can be kept."""

    name: str
    source: str
    form: str = "csv"
    compression: str = ""
    search: str = ""
    columns: tuple[str, ...] = ()
    span: str = "day"
    cron: str = ""
    delivery: str = "link"
    parameters: dict[str, str] = field(default_factory=dict)


def sources() -> dict[str, str]:
    """Return what can be made: names, each with its title."""
    return {name: titled(name) for name in all_sources()}


def forms() -> list[str]:
    """Return the formats of all that can be made; not each comes in each."""
    return list(dict.fromkeys(form for one in all_sources().values() for form in one.forms()))


def permission_for(source: str) -> str:
    """Return the permission that files of a source need; of one that is gone, the usual."""
    try:
        return source_called(source).permission
    except InvalidInput:
        return READ


def titled(source: str) -> str:
    """Return what a source is called at the beginning of a sentence; its name if it is gone."""
    title = title_of(source)
    return title[:1].upper() + title[1:]


def sound(wish: Wish) -> dict[str, Any]:
    """Return the fields of a schedule.

    Raises ``InvalidInput`` for the first thing about it that cannot be, ``NotInstalled`` for a
    format whose library is not there.
    """
    cron = cron_called(wish.cron)
    today = timezone.now().astimezone(zone_called(zone_name())).date()
    if wish.source != EVENTS and wish.search.strip():
        raise InvalidInput("only events are searched.", "Leave the search out.")
    # As the job will be asked for, so what is kept can be made.
    checked(asked_for(wish, period_of(wish, today)))
    return {
        "name": sound_name(
            wish.name, what="schedule", example="Sign-ins for Ann", longest=LONGEST_NAME
        ),
        "source": wish.source,
        "form": wish.form,
        "compression": wish.compression,
        "asked": _stored(wish),
        "span": span_of(wish).text,
        "cron": cron.text,
        "delivery": delivery_called(wish.delivery),
    }


def asked_for(wish: Wish, period: Period) -> Asked:
    """Return what an export of these days is asked for by."""
    return Asked(
        source=wish.source,
        filters=filters_of(wish, period),
        form=wish.form,
        compression=wish.compression,
        columns=wish.columns,
        zone=zone_name(),
    )


def of(schedule: Schedule) -> Wish:
    """Return what a schedule was asked to be."""
    asked = json.loads(schedule.asked or "{}")
    return Wish(
        name=schedule.name,
        source=schedule.source,
        form=schedule.form,
        compression=schedule.compression,
        search=asked.pop("q", ""),
        columns=tuple(asked.pop("columns", ())),
        span=schedule.span,
        cron=schedule.cron,
        delivery=Schedule.Delivery(schedule.delivery).label,
        parameters=asked,
    )


def filters_of(wish: Wish, period: Period) -> dict[str, str]:
    """Return the filters of an export of what is wished for, of these days."""
    if not has_period(wish.source):
        return dict(wish.parameters)
    filters = {"since": str(period.since), "until": str(period.until), **wish.parameters}
    return filters | ({"q": wish.search} if wish.search else {})


def period_of(wish: Wish, day: date) -> Period:
    """Return the days that a run on a local day is of: that day, of what is of the moment."""
    return span_of(wish).before(day) if has_period(wish.source) else Period(day, day)


def span_of(wish: Wish) -> Span:
    """Return the span of a wish; raises ``InvalidInput`` when there is none such."""
    return span_called(wish.span)


def cron_of(schedule: Schedule) -> Cron:
    """Return when a schedule runs; it was checked when it was kept."""
    return cron_called(schedule.cron)


def legible(schedule: Schedule) -> Wish:
    """Return what a schedule was asked to be, to be shown: of what means nothing, what is left."""
    if is_readable(schedule):
        return of(schedule)
    return Wish(
        name=schedule.name,
        source=schedule.source,
        form=schedule.form,
        compression=schedule.compression,
        span=schedule.span,
        cron=schedule.cron,
    )


def is_readable(schedule: Schedule) -> bool:
    """Tell whether a row means something; one that was written past the application may not."""
    try:
        span_of(of(schedule))
        cron_of(schedule)
    except (TenantryError, ValueError, TypeError, AttributeError):
        return False
    return True


def delivery_called(name: str) -> Schedule.Delivery:
    """Return the delivery with a name.

    Raises ``InvalidInput`` listing those there are, and for mail where none can be sent.
    """
    try:
        found = DELIVERIES[name]
    except KeyError:
        raise InvalidInput(
            f"there is no delivery {name[:40]!r}.", f"Choose one of {', '.join(DELIVERIES)}."
        ) from None
    if found != Schedule.Delivery.STORAGE and not settings.TENANTRY_SENDS_MAIL:
        raise InvalidInput(
            "this platform sends no mail.",
            "Choose storage, or have an operator set TENANTRY_EMAIL_URL.",
        )
    return found


def _stored(wish: Wish) -> str:
    asked: dict[str, Any] = dict(wish.parameters)
    if wish.search.strip():
        asked["q"] = wish.search.strip()
    if wish.columns:
        asked["columns"] = list(wish.columns)
    stored = json.dumps(asked, ensure_ascii=False, separators=(",", ":")) if asked else ""
    if len(stored) > LONGEST_ASKED:
        raise InvalidInput(
            f"search, columns and parameters together take {len(stored):,} characters.",
            f"Up to {LONGEST_ASKED} can be kept. Ask for less, or for all columns.",
        )
    return stored


def parameters_typed(text: str) -> dict[str, str]:
    """Return the parameters that somebody wrote as ``name=value`` between commas.

    Raises ``InvalidInput`` for half of one.
    """
    given: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, sign, value = part.partition("=")
        if not sign or not name.strip() or name.strip() in given:
            raise InvalidInput(
                f"{part[:60]!r} is no parameter.", "Write each once, as name=value, between commas."
            )
        given[name.strip()] = value.strip()
    return given


def columns_typed(text: str) -> tuple[str, ...]:
    """Return the columns that somebody wrote between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
