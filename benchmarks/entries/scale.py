"""What a page costs when there are many tenants.

The list of people in the panel, signed in, through all of the production middleware. Requests go
to all tenants at random, so with a thousand of them nearly every request is the first in a while to
its tenant: its host is looked up again, and PostgreSQL has to find its tables among all others.
The figure is the time within which 95 of 100 requests are answered, four at a time.
"""

import random
from collections.abc import Mapping

from benchmarks import latency, load
from benchmarks.entry import Contestant, Entry, Goal, Sample
from benchmarks.ground import BenchmarkError, Ground, Place
from benchmarks.serving import WebServer, request
from benchmarks.worker import fill

_CAST = "benchmarks.web.crowd"
_SETTINGS = "benchmarks.settings.tenantry_panel"
_PAGE = "/admin/accounts/customuser/"
_EACH_ROUND = 400


class Panel:
    """The list of people of every tenant, visited at random."""

    def __init__(self, server: WebServer, cookies: Mapping[str, str]) -> None:
        self._server = server
        self._requests = [request(slug, _PAGE, header) for slug, header in cookies.items()]
        # The same walk each time the benchmark runs, another one in each round.
        self._random = random.Random(len(cookies))
        answer = load.fetch(server.address, self._requests[0])
        if not answer.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"{_PAGE} answers {answer[:2000]!r}")
        # Everybody once: a process that has just started is another question.
        latency.seconds_of_each(server.address, self._requests)

    def measure(self) -> Sample:
        """Return the milliseconds within which 95 of 100 requests are answered."""
        chosen = self._random.choices(self._requests, k=_EACH_ROUND)
        taken = latency.seconds_of_each(self._server.address, chosen)
        middle = latency.percentile(taken, 0.5) * 1000
        return Sample(latency.percentile(taken, 0.95) * 1000, {"median ms": middle})

    def facts(self) -> Mapping[str, float]:
        """Return how much memory PostgreSQL's processes for this server have to themselves."""
        return {"MiB a backend": self._server.backend_mebibytes()}


def _contestant(name: str, place: Place) -> Contestant:
    def prepare(ground: Ground) -> Panel:
        cookies = fill(ground, place)
        server = ground.once(("server", place.database), lambda: WebServer(ground, place))
        return Panel(server, cookies)

    return Contestant(name, prepare)


ENTRIES = [
    Entry(
        name="scale-page",
        sentence="How long a page of the panel takes with 10 tenants and with 1,000.",
        unit="ms, 95th percentile",
        more_is_better=False,
        rounds=9,
        is_seldom=True,
        contestants=[
            _contestant("10 tenants", Place(_SETTINGS, "bench_few", f"{_CAST}:few")),
            _contestant("1,000 tenants", Place(_SETTINGS, "bench_many", f"{_CAST}:many")),
        ],
        goal=Goal("1,000 tenants", 1.1),
    )
]
