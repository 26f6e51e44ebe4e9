"""Charts as drawings of a few numbers, for whoever draws them: as SVG in a page, or in a PDF.

A chart is drawn into a field that is ``WIDTH`` wide and ``HEIGHT`` high, whose first line is the
uppermost, and stretched to whatever place there is. Text is no part of the field: it must not be
stretched with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1000
HEIGHT: Final = 100
MOST_BARS: Final = 92
"""More days than that are a line: nobody can tell so many bars apart."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One mark of a chart, and what it stands for."""

    x: str
    y: str
    width: str
    height: str
    label: str
    value: int
    before: int | None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Numbers in their order, and how they are drawn.

    ``before`` are the numbers of the period before, compared one by one. ``empty`` is what to say
    when there is nothing to draw.
    """

    title: str
    unit: str
    link: str
    empty: str
    bars: tuple[Bar, ...]
    ticks: tuple[int, ...]
    line: str
    area: str
    line_before: str

    @property
    def grid(self) -> list[str]:
        """Where the lines of the numbers beside the chart are, without that of 0."""
        return [_number(HEIGHT - HEIGHT * tick / self.ticks[-1]) for tick in self.ticks[1:]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(bar.value or bar.before for bar in self.bars)

    @property
    def has_before(self) -> bool:
        """Whether there is a period to compare with."""
        return any(bar.before is not None for bar in self.bars)

    @property
    def ends(self) -> list[str]:
        """What stands below the chart: its first mark, its middle and its last."""
        last = len(self.bars) - 1
        places = {0, last} if last % 2 else {0, last // 2, last}
        return [self.bars[place].label for place in sorted(places)]

    @property
    def words(self) -> str:
        """The chart as a sentence, for those who cannot see it."""
        values = [bar.value for bar in self.bars]
        highest = max(self.bars, key=lambda bar: bar.value)
        lowest = min(self.bars, key=lambda bar: bar.value)
        said = (
            f"{self.title}, {self.bars[0].label} to {self.bars[-1].label}:"
            f" between {lowest.value:,} ({lowest.label}) and {highest.value:,} ({highest.label}),"
            f" {sum(values) / len(values):,.1f} on average."
        )
        if not self.has_before:
            return said
        before = [bar.before or 0 for bar in self.bars]
        return f"{said} In the period before {sum(before) / len(before):,.1f} on average."


def chart_of(
    title: str,
    points: Sequence[tuple[str, int]],
    *,
    before: Sequence[int] = (),
    unit: str = "",
    link: str = "",
    empty: str = "Nothing happened in this period.",
) -> Chart:
    """Return labelled numbers as a chart; bars, or a line when they are many."""
    ticks = _ticks(max([1, *(value for _, value in points), *before]))
    bars = _bars(points, before, ticks[-1])
    is_line = len(points) > MOST_BARS
    line = _line([value for _, value in points], ticks[-1]) if is_line else ""
    return Chart(
        title=title,
        unit=unit,
        link=link,
        empty=empty,
        bars=tuple(bars),
        ticks=ticks,
        line=line,
        area=f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}" if line else "",
        line_before=_line(before, ticks[-1]) if len(before) > 1 and any(before) else "",
    )


@dataclass(frozen=True, slots=True)
class Rank:
    """One of several that are compared: what it is called, its number, its part of the longest."""

    label: str
    value: int
    width: str


MOST_RANKS: Final = 10


def ranks_of(numbers: Sequence[tuple[str, int]]) -> list[Rank]:
    """Return the highest of labelled numbers as bars beside each other."""
    first = sorted(numbers, key=lambda one: -one[1])[:MOST_RANKS]
    highest = max((value for _, value in first), default=0)
    if not highest:
        return []
    return [Rank(label, value, _number(WIDTH * value / highest)) for label, value in first]


def _ticks(highest: int) -> tuple[int, ...]:
    """Return 0, round numbers on the way, and one that is no lower than ``highest``."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if highest <= 4 * step * factor:
                upper = -(-highest // (step * factor))
                return tuple(step * factor * n for n in range(upper + 1))
        step *= 10


def _bars(points: Sequence[tuple[str, int]], before: Sequence[int], highest: int) -> list[Bar]:
    room = WIDTH / max(len(points), 1)
    gap = min(room * 0.25, 12)
    bars = []
    for place, (label, value) in enumerate(points):
        height = HEIGHT * value / highest
        bars.append(
            Bar(
                x=_number(place * room + gap / 2),
                y=_number(HEIGHT - height),
                width=_number(room - gap),
                height=_number(height),
                label=label,
                value=value,
                before=before[place] if place < len(before) else None,
            )
        )
    return bars


def _line(values: Sequence[int], highest: int) -> str:
    """Return the numbers as points, each in the middle of the place that its bar would have."""
    room = WIDTH / max(len(values), 1)
    return " ".join(
        f"{_number((place + 0.5) * room)},{_number(HEIGHT - HEIGHT * value / highest)}"
        for place, value in enumerate(values)
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
