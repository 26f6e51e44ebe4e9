"""What a run found and did."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from tenants.errors import TenantryError


@dataclass(frozen=True)
class Failure:
    """A tenant that stayed as it was, and why."""

    slug: str
    error: str
    lacks: tuple[str, ...]
    is_served: bool
    """Whether this code serves it all the same."""


@dataclass(kw_only=True)
class Report:
    """What a run found and did; ``document`` is what ``--json`` prints and operations keep."""

    jobs: int
    tenants: int = 0
    lagging: int = 0
    public: list[str] = field(default_factory=list)
    migrations: list[str] = field(default_factory=list)
    replayed: int = 0
    executed: int = 0
    why_executed: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return time.monotonic() - self.started

    @property
    def migrated(self) -> int:
        """How many tenants have become current."""
        return self.replayed + self.executed

    @property
    def how(self) -> Literal["nothing", "replayed", "executed", "both"]:
        """How the tenants were migrated."""
        if not self.migrated:
            return "nothing"
        if not self.executed:
            return "replayed"
        return "both" if self.replayed else "executed"

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "public": self.public,
            "migrations": self.migrations,
            "tenants": self.tenants,
            "lagging": self.lagging,
            "migrated": self.migrated,
            "replayed": self.replayed,
            "executed": self.executed,
            "how": self.how,
            "why_executed": self.why_executed,
            "failed": len(self.failures),
            "failures": [
                {
                    "tenant": failure.slug,
                    "error": failure.error,
                    "lacks": list(failure.lacks),
                    "is_served": failure.is_served,
                }
                for failure in self.failures
            ],
            "jobs": self.jobs,
            "seconds": round(self.seconds, 3),
        }


class NotMigrated(TenantryError):
    """Some tenants could not be migrated; the others were."""

    def __init__(self, report: Report) -> None:
        slugs = ", ".join(failure.slug for failure in report.failures[:5])
        more = len(report.failures) - 5
        super().__init__(
            f"{len(report.failures)} of {report.tenants} tenants could not be migrated:"
            f" {slugs}{f' and {more} more' if more > 0 else ''}.",
            "They are as they were before. Repair what is named above, then: manage.py migrate",
        )
        self.details = report.document()


class Stopped(TenantryError):
    """Somebody interrupted the run."""

    code = "interrupted"
    exit_status = 130


class CanaryFailed(TenantryError):
    """The tenant that was to go first could not be migrated, so nobody followed."""

    def __init__(self, slug: str, error: str) -> None:
        super().__init__(
            f'the canary "{slug}" could not be migrated: {error}.',
            "No tenant was migrated after it, and it is as it was. Repair the migration.",
        )
