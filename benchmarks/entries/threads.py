"""What threads in the web process are worth: gunicorn's `gthread` beside its `sync` workers.

Both have two processes. `threads-one` asks for the view that reads one row, from four connections.
`threads-wait` is a day with a slow query in it: of eight connections two ask for a page that waits
50 ms for PostgreSQL, and the figure is how long the other six wait for theirs (95th percentile).
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import quantiles

from benchmarks import load
from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Contestant, Entry, Sample
from benchmarks.ground import Ground
from benchmarks.serving import TENANTS, WebServer, contestant, request
from benchmarks.worker import fill

THREADED = ("--worker-class=gthread", "--threads=4")
_QUICK, _SLOW = 6, 2
_SECONDS = 1.0


@dataclass
class Mixed:
    """A server with visitors of whom some wait."""

    server: WebServer

    def measure(self) -> Sample:
        """Return the 95th percentile of the quick visitors' waits, in milliseconds."""
        until = time.perf_counter() + _SECONDS
        with ThreadPoolExecutor(_QUICK + _SLOW) as pool:
            slow = [pool.submit(self._visit, "/wait", until, n) for n in range(_SLOW)]
            quick = [pool.submit(self._visit, "/one", until, n) for n in range(_QUICK)]
            waits = [wait for visits in quick for wait in visits.result()]
            waited = sum(len(visits.result()) for visits in slow)
        p95 = quantiles(waits, n=20)[-1] * 1000
        return Sample(p95, {"quick/s": len(waits) / _SECONDS, "slow/s": waited / _SECONDS})

    def _visit(self, path: str, until: float, number: int) -> list[float]:
        sent = request(TENANTS[number % len(TENANTS)], path)
        waits = []
        while (started := time.perf_counter()) < until:
            load.fetch(self.server.address, sent)
            waits.append(time.perf_counter() - started)
        return waits

    def facts(self) -> Mapping[str, float]:
        """Return nothing more."""
        return {}


def _mixed(name: str, *options: str) -> Contestant:
    def prepare(ground: Ground) -> Mixed:
        fill(ground, TENANTRY)
        key = ("server", TENANTRY.settings, *options)
        return Mixed(ground.once(key, lambda: WebServer(ground, TENANTRY, options)))

    return Contestant(name, prepare)


ENTRIES = [
    Entry(
        name="threads-one",
        sentence="What four threads in each process do to a view that reads one row.",
        unit="requests/s",
        contestants=[
            contestant("2 sync", TENANTRY, "/one", count=800),
            contestant("2 x 4 gthread", TENANTRY, "/one", count=800, options=THREADED),
        ],
    ),
    Entry(
        name="threads-wait",
        sentence="How long a quick page takes (p95) while two of eight wait for slow ones.",
        unit="ms",
        more_is_better=False,
        contestants=[_mixed("2 sync"), _mixed("2 x 4 gthread", *THREADED)],
    ),
]
