"""The same closed-loop client as ``load``, which says of each request how long it took."""

import os
import signal
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ground import BenchmarkError
from benchmarks.load import CONNECTIONS, fetch
from config.processes import follow_parent

_FLOAT = struct.Struct("d")


def seconds_of_each(address: Path, requests: Sequence[bytes]) -> list[float]:
    """Send all requests over a few connections, dealt out in turn; return the seconds of each.

    Raises ``BenchmarkError`` when an answer is anything but 200.
    """
    children = [_fork(address, requests[number::CONNECTIONS]) for number in range(CONNECTIONS)]
    taken: list[float] = []
    complete = True
    for child, reading, sent in children:
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        complete &= status == 0 and len(said) == sent * _FLOAT.size
        taken += [value for (value,) in _FLOAT.iter_unpack(said[: len(said) // 8 * 8])]
    if not complete:
        raise BenchmarkError("The server answered something else than the page.")
    return taken


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie: the nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, round(share * len(ranked)))]


def _fork(address: Path, requests: Sequence[bytes]) -> tuple[int, int, int]:
    us = os.getpid()
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading, len(requests)
    # From here on we are the child, and never return.
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        follow_parent(us, signal.SIGKILL)
        taken = []
        for request in requests:
            started = time.perf_counter()
            answer = fetch(address, request)
            taken.append(time.perf_counter() - started)
            if answer[9:12] != b"200":
                break
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"".join(map(_FLOAT.pack, taken)))
        status = 0
    finally:
        os._exit(status)
