"""The form of a schedule in the panel: from what is typed to a wish, and back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from activity.exporting.compressing import COMPRESSIONS
from activity.schedules import wishes
from activity.schedules.wishes import Wish
from tenants.errors import InvalidInput

DAILY, WEEKLY, MONTHLY, CRON = "daily", "weekly", "monthly", "cron"
WHENS: Final = {
    DAILY: "every day",
    WEEKLY: "every week",
    MONTHLY: "every month",
    CRON: "by cron expression",
}
WEEKDAYS: Final = {
    "1": "Monday",
    "2": "Tuesday",
    "3": "Wednesday",
    "4": "Thursday",
    "5": "Friday",
    "6": "Saturday",
    "0": "Sunday",
}
SPANS: Final = {
    "day": "the day before",
    "week": "the week before, Monday to Sunday",
    "month": "the month before",
    "last": "the last days, as many as written here:",
}
DELIVERIES: Final = {
    "link": "by mail, with a link that works once",
    "attachment": "by mail, attached; a large file as a link",
    "storage": "kept in the storage, without mail",
}
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_PLAIN: Final = re.compile(
    r"(?P<minute>[0-9]{1,2}) (?P<hour>[0-9]{1,2}) (?P<day>\*|L|[0-9]{1,2}) \* (?P<weekday>\*|[0-7])"
)


@dataclass(frozen=True)
class Choice:
    """An option of a list in the form."""

    value: str
    title: str
    is_chosen: bool


def wish_in(sent: Mapping[str, str]) -> Wish:
    """Return what a form asks for; raises ``InvalidInput`` for a time or a number that is none."""
    if any("\0" in value for value in sent.values()):
        raise InvalidInput("the form holds a NUL character.", "Type it again.")
    span = sent.get("span", "day")
    return Wish(
        name=sent.get("name", ""),
        source=sent.get("source", wishes.EVENTS),
        form=sent.get("form", "csv"),
        compression=sent.get("compression", ""),
        search=sent.get("search", ""),
        columns=wishes.columns_typed(sent.get("columns", "")),
        parameters=wishes.parameters_typed(sent.get("parameters", "")),
        span=f"last-{sent.get('days', '').strip()}" if span == "last" else span,
        cron=_cron_in(sent),
        delivery=sent.get("delivery", "link"),
    )


def values_of(wish: Wish) -> dict[str, str]:
    """Return what the form shows of a wish, by the names of its fields."""
    is_last = wish.span.startswith("last-")
    return {
        "name": wish.name,
        "source": wish.source,
        "form": wish.form,
        "compression": wish.compression,
        "search": wish.search,
        "columns": ", ".join(wish.columns),
        "parameters": ", ".join(f"{name}={value}" for name, value in wish.parameters.items()),
        "span": "last" if is_last else wish.span,
        "days": wish.span.removeprefix("last-") if is_last else "30",
        "delivery": wish.delivery,
        **_when_of(wish.cron),
    }


def choices_of(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the lists of the form, each with what is chosen."""
    lists: dict[str, dict[str, str]] = {
        "sources": wishes.sources(),
        "forms": {name: name for name in wishes.forms()},
        "compressions": {"": "none", **{name: name for name in COMPRESSIONS}},
        "spans": SPANS,
        "whens": WHENS,
        "weekdays": WEEKDAYS,
        "deliveries": DELIVERIES,
    }
    chosen = {
        "sources": "source",
        "forms": "form",
        "compressions": "compression",
        "spans": "span",
        "whens": "when",
        "weekdays": "weekday",
        "deliveries": "delivery",
    }
    return {
        name: [
            Choice(one, title, one == values.get(chosen[name], "")) for one, title in all_.items()
        ]
        for name, all_ in lists.items()
    }


def _cron_in(sent: Mapping[str, str]) -> str:
    when = sent.get("when", CRON)
    if when == CRON:
        return sent.get("cron", "")
    if when not in WHENS:
        raise InvalidInput(f"{when[:40]!r} is no answer to when.", "Open the page again.")
    time = _TIME.fullmatch(sent.get("time", "").strip())
    if time is None:
        raise InvalidInput(
            f"{sent.get('time', '')[:20]!r} is no time of day.", "Write it as 07:00, up to 23:59."
        )
    minute, hour = int(time[2]), int(time[1])
    day, weekday = "*", "*"
    if when == WEEKLY:
        weekday = sent.get("weekday", "1")
    elif when == MONTHLY:
        day = sent.get("day", "1").strip()
    return f"{minute} {hour} {day} * {weekday}"


def _when_of(cron: str) -> dict[str, str]:
    plain = _PLAIN.fullmatch(cron)
    found = {"when": CRON, "cron": cron, "time": "07:00", "weekday": "1", "day": "1"}
    if plain is None:
        return found | ({"when": DAILY} if not cron else {})
    day, weekday = plain["day"], plain["weekday"]
    if day != "*" and weekday != "*":
        return found
    found["time"] = f"{int(plain['hour']):02}:{int(plain['minute']):02}"
    if weekday != "*":
        return found | {"when": WEEKLY, "weekday": str(int(weekday) % 7)}
    return found | ({"when": MONTHLY, "day": day} if day != "*" else {"when": DAILY})
