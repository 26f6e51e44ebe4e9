"""Contestants that are Python functions: each in a process with settings of its own.

The function is named ``module:function`` and is a generator. What it does before its first
``yield`` is preparation; each ``yield`` afterwards answers one turn with a number, or whatever
else JSON can say. The two sides talk in lines over the child's standard input and output.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

from benchmarks import machine
from benchmarks.entry import Contestant, Sample
from benchmarks.ground import BenchmarkError, Ground, Place, dumps, python

Turns = Iterator[Any]
"""What such a function returns: yields ``None`` when it is ready, then an answer a turn."""


class Worker:
    """The parent's side: a running function."""

    def __init__(self, ground: Ground, settings: str, database: str, function: str) -> None:
        self._ground = ground
        self._name = function.replace(":", ".")
        environment = ground.environment(settings, database)
        command = python("benchmarks.worker", function)
        self._child = ground.start(
            self._name, command, environment, stdin=PIPE, stdout=PIPE, text=True
        )
        self._answer()

    @property
    def pid(self) -> int:
        """The process that it runs in."""
        return self._child.pid

    def ask(self) -> Any:
        """Let the function take a turn; return its answer."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # Its end is noticed, and explained, when reading.
            self._child.stdin.write("\n")
            self._child.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """Let the function go."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            words = self._ground.last_words(self._name)
            raise BenchmarkError(f"{self._name} ended early:\n{words}")
        return json.loads(line)

    def measure(self) -> Sample:
        """Take a turn that yields the figure; see also what CPU time all of it cost, servers too.

        The second hardly depends on what else the machine is doing.
        """
        before = machine.cpu_time(self._ground.processes())
        value = float(self.ask())
        seconds = machine.own_seconds(before, machine.cpu_time(self._ground.processes()))
        return Sample(value, {} if seconds is None else {"CPU ms a turn": seconds * 1000})

    def facts(self) -> Mapping[str, float]:
        """Return nothing: a function has no more to say than its figures."""
        return {}


def fill(ground: Ground, place: Place) -> Any:
    """Fill the place's database unless that has been done; return what its function answered."""

    def run() -> Any:
        worker = Worker(ground, place.settings, place.database, place.prepare)
        answer = worker.ask()
        worker.end()
        return answer

    return ground.once(("filled", place.database, place.prepare), run)


def contestant(name: str, place: Place, function: str) -> Contestant:
    """Return the contestant that runs ``function`` with the settings of ``place``."""

    def prepare(ground: Ground) -> Worker:
        fill(ground, place)
        return Worker(ground, place.settings, place.database, function)

    return Contestant(name, prepare)


def main(name: str) -> None:
    """Be the child's side."""
    import django

    # Whatever Django's commands print must not come between the lines.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    django.setup()
    module, _, function = name.partition(":")
    turns: Turns = getattr(importlib.import_module(module), function)()
    next(turns)
    answers.write(dumps(None) + "\n")
    for _ in sys.stdin:
        answers.write(dumps(next(turns)) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main(sys.argv[1])
