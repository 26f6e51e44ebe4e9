"""What tenancy costs a request.

The same views, served by gunicorn (two sync workers) on a Unix socket to four connections, with a
database connection that is kept. Requests alternate between two tenants, the worst case for
everything that remembers where a connection points.

- *bare Django* has one schema, no middleware and the settings of ``startproject``.
- *django-tenants* adds its middleware and its backend, once with its defaults and once with
  ``TENANT_LIMIT_SET_CALLS``. It looks the tenant up in the database for each request.
- *Tenantry* adds ``tenants.middleware``, ``tenants.backend`` and the cache of hosts.

``request-page`` is another question: what everything together costs. A page that names whoever is
signed in goes through all of Tenantry's production middleware, in a transaction, with one log
line; beside it ``startproject``'s middleware with and without django-tenants. Sessions are in the
database for all three.
"""

from benchmarks.entry import Entry, Goal
from benchmarks.ground import Place
from benchmarks.serving import contestant

_CAST = "benchmarks.web.cast"
_SETTINGS = "benchmarks.settings"

BARE = Place(f"{_SETTINGS}.bare", "bench_bare", f"{_CAST}:bare")
STOCK = Place(f"{_SETTINGS}.stock", "bench_stock", f"{_CAST}:stock")
STOCK_LIMITED = Place(f"{_SETTINGS}.stock_limited", "bench_stock", f"{_CAST}:stock")
TENANTRY = Place(f"{_SETTINGS}.tenantry", "bench_tenantry", f"{_CAST}:tenantry")

BARE_PAGE = Place(f"{_SETTINGS}.bare_page", "bench_bare", f"{_CAST}:bare")
STOCK_PAGE = Place(f"{_SETTINGS}.stock_page", "bench_stock", f"{_CAST}:stock")
TENANTRY_PAGE = Place(f"{_SETTINGS}.tenantry_page", "bench_tenantry_page", f"{_CAST}:tenantry")


def _tenancy(name: str, what: str, path: str, *, count: int, goal: float) -> Entry:
    return Entry(
        name=f"request-{name}",
        sentence=f"What tenancy costs a view that {what}.",
        unit="requests/s",
        contestants=[
            contestant("bare Django", BARE, path, count=count),
            contestant("django-tenants", STOCK, path, count=count),
            contestant("django-tenants, limited SETs", STOCK_LIMITED, path, count=count),
            contestant("Tenantry", TENANTRY, path, count=count),
        ],
        goal=Goal("Tenantry", goal),
    )


ENTRIES = [
    _tenancy("empty", "does nothing", "/empty", count=1200, goal=0.88),
    _tenancy("one", "reads one row", "/one", count=800, goal=0.95),
    _tenancy("five", "reads five rows", "/five", count=500, goal=0.95),
    Entry(
        name="request-page",
        sentence="What a signed-in page costs with everything that a real request goes through.",
        unit="requests/s",
        contestants=[
            contestant("startproject", BARE_PAGE, "/who", count=500),
            contestant("startproject and django-tenants", STOCK_PAGE, "/who", count=500),
            contestant("Tenantry in production", TENANTRY_PAGE, "/who", count=500),
        ],
    ),
]
