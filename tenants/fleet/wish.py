"""What somebody wants of a run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tenants.fleet.bounds import Bounds
from tenants.fleet.graph import target

MOST_JOBS: Final = 64


def usual_jobs() -> int:
    """Return how many tenants are worked on at once: PostgreSQL is kept busy, not crowded."""
    return min(4, max(2, os.cpu_count() or 1))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants of a run.

    The ``canary`` is the slug of the tenant that goes first; if it fails, nobody follows. ``only``
    are the slugs of the tenants to migrate, empty for all. Without ``replays`` Django's executor
    runs in every tenant.
    """

    jobs: int = 0
    canary: str = ""
    only: tuple[str, ...] = ()
    replays: bool = True
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def at_once(self) -> int:
        """How many tenants are worked on at once."""
        return self.jobs or usual_jobs()

    def request(self) -> dict[str, Any]:
        """Return it as an operation stores it, with what this code migrates to."""
        return {
            "jobs": self.jobs,
            "canary": self.canary,
            "only": list(self.only),
            "replays": self.replays,
            "lock_seconds": self.bounds.lock,
            "statement_seconds": self.bounds.statement,
            "target": target(),
        }

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Return what an operation has stored."""
        return cls(
            jobs=request["jobs"],
            canary=request["canary"],
            only=tuple(request["only"]),
            replays=request["replays"],
            bounds=Bounds(request["lock_seconds"], request["statement_seconds"]),
        )
