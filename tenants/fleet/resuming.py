"""Carrying on a run by its operation, as ``tenant operations --resume`` and workers do."""

import logging

from tenants import plans
from tenants.errors import Conflict
from tenants.models import Operation
from tenants.plans import Plan, Step, Work

logger = logging.getLogger(__name__)


def register() -> None:
    """Say how a migration of the fleet is carried on. Imports nothing of it before."""
    plans.register(Operation.Kind.MIGRATE, Plan(steps=(Step("tenants", _tenants),)))


def _tenants(work: Work) -> None:
    """Migrate whoever is behind.

    The step is a transaction that holds the fleet's lock and the operation's row. The tenants are
    migrated in threads of their own: in this one, all would be done or undone together.
    """
    from tenants.fleet.crew import apart
    from tenants.fleet.graph import target
    from tenants.fleet.lag import public_plan
    from tenants.fleet.report import NotMigrated, Report
    from tenants.fleet.running import Run
    from tenants.fleet.wish import Wish

    if work.request.get("target") != target() or apart(public_plan, on_interrupt=lambda: None):
        raise Conflict(
            "another release began this, or the platform's own schema is behind.",
            "With the release that is to be served: manage.py migrate",
        )
    wish = Wish.of(work.request)
    report = Report(jobs=wish.at_once)
    run = Run(wish, report, lambda *_: None)

    def bring() -> None:
        if run.find():
            run.work()

    apart(bring, on_interrupt=run.stopped.set)
    work.result.update(report.document())
    for failure in report.failures:
        logger.warning(
            "A tenant was not migrated.", extra={"slug": failure.slug, "error": failure.error}
        )
    if report.failures:
        raise NotMigrated(report)
