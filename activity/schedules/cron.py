"""When a schedule runs: cron expressions, read against the clock on the wall of a time zone.

Every time that an expression names comes once. One that the clock jumps over, when summer time
begins, is at the first moment after the jump; one that comes twice, when it ends, is at the first
of both. ``cronsim`` finds the times; it would let expressions with a star in the hour run twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from tenants.errors import InvalidInput

LONGEST: Final = 50
"""Characters of an expression."""

_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where a first search begins. It ends fifty years on, so it finds the same on every day."""
_FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_FORM: Final = (
    "Write minute, hour, day of the month, month and day of the week, such as 0 7 * * 1-5."
)
_WORDS: Final = {
    "daily": "0 7 * * *",
    "weekly": "0 7 * * 1",
    "monthly": "0 7 1 * *",
}
"""What somebody may write in place of an expression."""


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that was found usable."""

    text: str

    @property
    def words(self) -> str:
        """The expression as an English phrase, such as ``at 07:00 on Monday``."""
        said = CronSim(self.text, _BEGINNING).explain()
        return said[:1].lower() + said[1:]

    def after(self, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Yield the moments after ``moment``, in UTC, earliest first, for as long as there are any.

        Two times may fall on one moment, the end of a jump of the clock: that comes once.
        """
        last = moment.astimezone(UTC)
        local = last.astimezone(zone).replace(tzinfo=None)
        for time in CronSim(self.text, local):
            at = moment_of(time, zone)
            # The second pass of an hour that comes twice begins before what was found already.
            if at > last:
                last = at
                yield at

    def next(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """Return the first moment after ``moment``; there always is one."""
        return next(self.after(moment, zone))


def moment_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, at which clocks in a zone show ``local``, or the first after it.

    Of two such moments it is the first; of none, it is the end of the jump.
    """
    at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local:
        return at
    # In a jump the earlier offset leads past its end, and the later one before its beginning.
    return _end_of_jump(local.replace(tzinfo=zone, fold=1).astimezone(UTC), at, zone)


def _end_of_jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment after ``low``, to the second, with the offset of ``high``."""
    offset = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=1024)
def cron_called(text: str) -> Cron:
    """Return the expression, or word, that somebody wrote.

    Raises ``InvalidInput`` for what is no expression, never runs, or runs more than once an hour.
    """
    text = " ".join(text.split())
    text = _WORDS.get(text.lower(), text)
    if not text:
        raise InvalidInput("the schedule does not say when.", _FORM)
    if len(text) > LONGEST:
        raise InvalidInput(
            f"the expression has {len(text):,} characters.", f"{LONGEST} have to do. {_FORM}"
        )
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        extra = " Seconds cannot be chosen." if len(fields) == len(_FIELDS) + 1 else ""
        raise InvalidInput(
            f"{text!r} is no cron expression: it has not five fields, but {len(fields)}.{extra}",
            _FORM,
        )
    found = _read(text, fields)
    if len(found.minutes) > 1:
        raise InvalidInput(
            f"{text!r} would run {len(found.minutes)} times an hour.",
            "Once an hour is the most: begin with one minute, such as 0 * * * *.",
        )
    if next(found, None) is None:
        raise _never(text)
    return Cron(text)


def _read(text: str, fields: list[str]) -> CronSim:
    try:
        return CronSim(text, _BEGINNING)
    except (CronSimError, ValueError, AssertionError):
        pass
    for position, field in enumerate(fields):
        alone = ["0", "0", "*", "*", "*"]
        alone[position] = field
        if not _reads(alone):
            raise InvalidInput(
                f"{field[:40]!r} is no {_FIELDS[position]} of a cron expression.", _FORM
            )
    raise _never(text)


def _reads(fields: list[str]) -> bool:
    try:
        CronSim(" ".join(fields), _BEGINNING)
    except (CronSimError, ValueError, AssertionError):
        return False
    return True


def _never(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} never runs: there is no such day.",
        "For the last day of a month write L, as in 0 7 L * *.",
    )


def upcoming(text: str, moment: datetime, zone: ZoneInfo, count: int) -> list[datetime]:
    """Return the next ``count`` moments after ``moment`` as the clocks of the zone show them."""
    moments = cron_called(text).after(moment, zone)
    return [at.astimezone(zone) for at in islice(moments, count)]
