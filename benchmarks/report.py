"""How results are shown: a table on a terminal, tab-separated lines in a pipe, JSON on request."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.entry import Result

_COLUMNS = ("benchmark", "contestant", "median", "unit", "spread", "ratio", "also")


def show(results: Sequence[Result], machine: Mapping[str, str]) -> None:
    """Print what was measured, and where."""
    if sys.stdout.isatty():
        _show_table(results)
        for line in notes(results, machine):
            print(line)
        return
    for result in results:
        for row in _rows(result):
            print("\t".join(row))
    for line in notes(results, machine):
        print(f"# {line}")


def _show_table(results: Sequence[Result]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in ("median", "ratio") else "left")
    for result in results:
        for number, (name, *cells) in enumerate(_rows(result)):
            table.add_row(name if number == 0 else "", *cells)
        table.add_section()
    Console().print(table)


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    for contestant in result.entry.contestants:
        yield (
            result.entry.name,
            contestant.name,
            _figure(result.median(contestant.name)),
            result.entry.unit,
            f"±{result.spread(contestant.name) / 2:.0%}",
            f"{result.ratio(contestant.name):.3g}",
            _also(result, contestant.name),
        )


def _also(result: Result, name: str) -> str:
    cost = result.cost(name)
    shown = (
        f"{_figure(value)} {label}" + (f" ({cost[label]:.2f})" if label in cost else "")
        for label, value in result.also(name).items()
    )
    return ", ".join(shown)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def notes(results: Sequence[Result], machine: Mapping[str, str]) -> Iterator[str]:
    """Say what the figures alone do not."""
    for result in results:
        goal = result.entry.goal
        if goal is not None:
            sign = "≥" if result.entry.more_is_better else "≤"
            reached = {
                True: "reached",
                False: "not reached",
                None: "not judged on so busy a machine",
            }[result.reached()]
            yield (
                f"{result.entry.name}: goal {sign} {goal.ratio:.3f} times "
                f"{result.entry.contestants[0].name}, {reached} "
                f"({result.ratio(goal.contestant):.3f})"
            )
    for result in results:
        foreign = result.foreign_cpu
        others = "" if foreign is None else f"; other processes used {foreign:.0%} of the CPU"
        yield f"{result.entry.name}: {result.rounds} rounds{others}"
    yield "; ".join(f"{name} {value}" for name, value in machine.items())


def document(results: Sequence[Result], machine: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that was measured, for other programs."""
    return {"machine": dict(machine), "entries": [_as_dict(result) for result in results]}


def _as_dict(result: Result) -> dict[str, Any]:
    goal = result.entry.goal
    return {
        "name": result.entry.name,
        "sentence": result.entry.sentence,
        "unit": result.entry.unit,
        "more_is_better": result.entry.more_is_better,
        "baseline": result.entry.contestants[0].name,
        "goal": {"contestant": goal.contestant, "ratio": goal.ratio} if goal else None,
        "reached": result.reached(),
        "rounds": result.rounds,
        "foreign_cpu": result.foreign_cpu,
        "contestants": [
            {
                "name": contestant.name,
                "median": result.median(contestant.name),
                "spread": result.spread(contestant.name),
                "ratio": result.ratio(contestant.name),
                "also": result.also(contestant.name),
                "cost": result.cost(contestant.name),
                "samples": [sample.value for sample in result.samples[contestant.name]],
            }
            for contestant in result.entry.contestants
        ],
    }
