"""Runs entries: contestants take turns, round by round."""

import time
from collections.abc import Callable

from benchmarks import machine
from benchmarks.entry import Entry, Result, Sample
from benchmarks.ground import Ground

Say = Callable[[str], None]

LONGEST = 14.0
"""Seconds after which an entry begins no further round, unless their number was asked for."""
FEWEST = 3
"""Rounds that are measured in any case."""


def run(entry: Entry, ground: Ground, *, rounds: int | None, say: Say) -> Result:
    """Measure one entry.

    The first round warms caches up and is dropped. In each round another contestant begins, so
    that none always follows the same one. A machine that is too busy gets fewer rounds.
    """
    say(f"{entry.name}: preparing")
    running = [(one.name, one.prepare(ground)) for one in entry.contestants]
    samples: dict[str, list[Sample]] = {name: [] for name, _ in running}
    total = rounds or entry.rounds
    for _, contestant in running if entry.warms_up else ():
        contestant.measure()
    before = machine.cpu_time(ground.processes())
    deadline = time.monotonic() + LONGEST
    for number in range(total):
        if rounds is None and number >= FEWEST and time.monotonic() > deadline:
            break
        say(f"{entry.name}: round {number + 1} of {total}")
        first = number % len(running)
        for name, contestant in running[first:] + running[:first]:
            samples[name].append(contestant.measure())
    after = machine.cpu_time(ground.processes())
    say(f"{entry.name}: counting")
    facts = {name: contestant.facts() for name, contestant in running}
    return Result(entry, samples, facts, machine.foreign_share(before, after))
