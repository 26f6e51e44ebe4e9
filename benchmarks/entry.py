"""What a benchmark is: a question, who takes part, and how the answers are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Protocol

from benchmarks.ground import Ground

TOO_BUSY = 0.1
"""Share of the machine's CPU used by others above which no goal is judged."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contestant did in one round: the figure, and others measured along with it."""

    value: float
    also: Mapping[str, float] = field(default_factory=dict)


class Running(Protocol):
    """A contestant that is ready."""

    def measure(self) -> Sample:
        """Take the contestant's turn in a round."""

    def facts(self) -> Mapping[str, float]:
        """Return what needs to be found out only once, after the last round."""


@dataclass(frozen=True)
class Contestant:
    """One way of doing what the entry asks for. ``prepare`` is not measured."""

    name: str
    prepare: Callable[[Ground], Running]


@dataclass(frozen=True)
class Goal:
    """The ratio to the baseline that a contestant is meant to reach, at best from both sides."""

    contestant: str
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One question. The first contestant is the baseline, with which all others are compared."""

    name: str
    sentence: str
    unit: str
    contestants: Sequence[Contestant]
    more_is_better: bool = True
    rounds: int = 9
    warms_up: bool = True
    """Whether a first round is dropped. Not where a round takes minutes."""
    is_seldom: bool = False
    """Whether it runs only when it is named."""
    goal: Goal | None = None


@dataclass(frozen=True)
class Result:
    """Everything that one entry measured."""

    entry: Entry
    samples: Mapping[str, Sequence[Sample]]
    facts: Mapping[str, Mapping[str, float]]
    foreign_cpu: float | None

    @property
    def rounds(self) -> int:
        """How many rounds were measured."""
        return len(self.samples[self.entry.contestants[0].name])

    def median(self, name: str) -> float:
        """Return the middle of the contestant's figures."""
        return median(sample.value for sample in self.samples[name])

    def spread(self, name: str) -> float:
        """Return how far the middle half of the figures reaches, as a share of their median."""
        values = [sample.value for sample in self.samples[name]]
        if len(values) < 2:
            return 0.0
        first, _, third = quantiles(values, n=4, method="inclusive")
        return (third - first) / self.median(name)

    def ratio(self, name: str) -> float:
        """Return the contestant's figure over the baseline's: the median of all rounds' ratios.

        Within a round the two were taken shortly after each other, so what else the machine was
        doing bears on both.
        """
        base = self.samples[self.entry.contestants[0].name]
        pairs = zip(self.samples[name], base, strict=True)
        return median(sample.value / other.value for sample, other in pairs)

    def also(self, name: str) -> dict[str, float]:
        """Return the medians of what was measured along with the figure, and the facts."""
        first = self.samples[name][0].also
        medians = {
            label: median(sample.also[label] for sample in self.samples[name]) for label in first
        }
        return medians | dict(self.facts[name])

    def cost(self, name: str) -> dict[str, float]:
        """Return what was measured along with the figure, over the same of the baseline.

        The median of all rounds' ratios, as ``ratio`` is.
        """
        base = self.samples[self.entry.contestants[0].name]
        return {
            label: median(
                sample.also[label] / other.also[label]
                for sample, other in zip(self.samples[name], base, strict=True)
                if other.also[label]
            )
            for label in self.samples[name][0].also
            if any(other.also[label] for other in base)
        }

    def reached(self) -> bool | None:
        """Say whether the goal was reached in this run.

        ``None`` when the entry has none, or when the machine was too busy with something else.
        """
        goal = self.entry.goal
        if goal is None or (self.foreign_cpu or 0) > TOO_BUSY:
            return None
        ratio = self.ratio(goal.contestant)
        return ratio >= goal.ratio if self.entry.more_is_better else ratio <= goal.ratio
