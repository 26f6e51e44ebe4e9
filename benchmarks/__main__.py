"""``python -m benchmarks``: run the entries that are named, or all."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, report, runner
from benchmarks.catalogue import ENTRIES, chosen
from benchmarks.entry import Entry, Result
from benchmarks.ground import BenchmarkError, Ground
from config.embedded import EmbeddedError


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of rounds")
    return int(text)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Tenantry beside bare Django and other libraries.",
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="an entry, or its first word")
    parser.add_argument("--list", action="store_true", help="list the entries and end")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="measured rounds per entry")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    return parser


def main() -> int:
    """Run; return the exit status: 0 done, 1 failed, 2 usage, 130 interrupted."""
    options = arguments().parse_args()
    if options.list:
        for entry in ENTRIES:
            print(f"{entry.name:<16} {entry.sentence}")
        return 0
    try:
        entries = chosen(options.names)
    except BenchmarkError as error:
        return _fail(error, 2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return measure(entries, rounds=options.rounds, file=options.json)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing is left running.", 130)
    except (BenchmarkError, EmbeddedError) as error:
        return _fail(error, 1)


def measure(entries: Sequence[Entry], *, rounds: int | None, file: Path | None) -> int:
    """Run the entries, and show what was measured even when one of them fails."""
    results: list[Result] = []
    described: dict[str, str] = {}
    try:
        with Ground() as ground:
            ((postgresql,),) = ground.ask("SHOW server_version")
            described = machine.describe(postgresql=postgresql)
            for entry in entries:
                # One by one: what was measured before an error is shown.
                results += [runner.run(entry, ground, rounds=rounds, say=_say)]
    finally:
        _clear()
        if results:
            report.show(results, described)
        if results and file:
            text = json.dumps(report.document(results, described), ensure_ascii=False, indent=2)
            file.write_text(text + "\n")
    return 0


def _fail(reason: object, status: int) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return status


def _say(sentence: str) -> None:
    """Show progress, in one line on a terminal and nowhere else."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{sentence}")
        sys.stderr.flush()


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _interrupt(signum: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(signum).name)


if __name__ == "__main__":
    sys.exit(main())
