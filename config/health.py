"""Whether the service is alive, and whether it is ready; no tenant is touched."""

from collections.abc import Callable
from typing import Final

from django.core.cache import cache
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.celery import WORKER_SEEN_KEY
from tenants.context import enter_platform
from tenants.patience import of_a_request

ALIVE_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"

_migrated: set[bool] = set()
"""Holds ``True`` once all migrations were found applied, which does not change while we run."""


def alive(request: HttpRequest) -> HttpResponse:
    """Answer that this process answers."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when everything that serving needs is there, else 503; each part by name."""
    with enter_platform(), of_a_request():
        parts = {name: _state(check) for name, check in CHECKS.items()}
    is_ready = all(state == "ok" for state in parts.values())
    document = {"status": "ready" if is_ready else "not ready", "checks": parts}
    response = JsonResponse(document, status=200 if is_ready else 503)
    # Whoever asks decides whether it matters: not ready is no error of this process's.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _state(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        # The kind only: messages of drivers hold addresses and user names.
        return f"failed: {type(error).__name__}"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    if not _migrated:
        loader = MigrationLoader(connection)
        # A plan to the newest sees no gap beneath it, which a restored database may have.
        waiting = loader.graph.nodes.keys() - loader.applied_migrations.keys()
        if waiting:
            return f"{len(waiting)} not applied"
        _migrated.add(True)
    return "ok"


def _redis() -> str:
    # Past the cache's own methods, which answer for a Redis that is gone.
    cache._cache.get_client(None).ping()  # type: ignore[attr-defined]
    return "ok"


def _worker() -> str:
    return "ok" if cache.get(WORKER_SEEN_KEY) else "not seen"


CHECKS: Final[dict[str, Callable[[], str]]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
    "worker": _worker,
}
