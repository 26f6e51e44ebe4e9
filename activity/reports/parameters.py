"""What may be asked of a report beside its period: read in one way at every door."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone

from activity.numbers import whole_number
from activity.periods import Period, parse_day, zone
from tenants.errors import InvalidInput

LONGEST_TEXT: Final = 200


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: ``read`` makes its value of a text, or raises ``InvalidInput``.

    ``default`` is what stands for nothing, as it would be typed; ``choices`` are all that there
    are, where they can be listed, and ``kind`` is what a form asks for: as of an HTML ``input``.
    """

    name: str
    title: str
    sentence: str
    read: Callable[[str, Period], Any]
    default: str = ""
    choices: tuple[str, ...] = ()
    kind: str = "text"

    def value(self, text: str, period: Period) -> Any:
        """Return what ``text`` asks for; raises ``InvalidInput`` when that is nothing."""
        return self.read(text or self.default, period)


def choice(name: str, title: str, sentence: str, choices: tuple[str, ...]) -> Parameter:
    """Return a parameter that is one of some words, the first if it is not given."""

    def read(text: str, period: Period) -> str:
        if text not in choices:
            raise InvalidInput(
                f"{name} {text[:40]!r} is none of them.", f"Use one of {', '.join(choices)}."
            )
        return text

    return Parameter(
        name=name, title=title, sentence=sentence, read=read, default=choices[0], choices=choices,
        kind="select",
    )  # fmt: skip


def number(name: str, title: str, sentence: str, *, least: int, most: int, usual: int) -> Parameter:
    """Return a parameter that is a whole number."""

    def read(text: str, period: Period) -> int:
        found = whole_number(text, most, least=least)
        if found is not None:
            return found
        raise InvalidInput(
            f"{name} {text[:40]!r} is no number of this report's.",
            f"Use a whole number from {least} to {most}.",
        )

    return Parameter(
        name=name, title=title, sentence=sentence, read=read, default=str(usual), kind="number"
    )


def day(name: str, title: str, sentence: str) -> Parameter:
    """Return a parameter that is a local day: the last of the period if it is not given.

    A day that has not come yet is refused: nobody knows what will be.
    """

    def read(text: str, period: Period) -> Any:
        today = timezone.now().astimezone(zone()).date()
        chosen = parse_day(text, name) or min(period.until, today)
        if chosen > today:
            raise InvalidInput(f"{name} {chosen} has not come yet.", f"Use {today} or earlier.")
        return chosen

    return Parameter(name=name, title=title, sentence=sentence, read=read, kind="date")


def words(name: str, title: str, sentence: str) -> Parameter:
    """Return a parameter that is any text of one line; nothing asks for nothing in particular."""

    def read(text: str, period: Period) -> str:
        if len(text) > LONGEST_TEXT or any(unicodedata.category(c) == "Cc" for c in text):
            raise InvalidInput(
                f"{name} {text[:40]!r} cannot be looked for.",
                f"Use at most {LONGEST_TEXT} characters on one line.",
            )
        return text

    return Parameter(name=name, title=title, sentence=sentence, read=read)
