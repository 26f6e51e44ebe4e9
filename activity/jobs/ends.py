"""Whoever wants to know that a job is over."""

from collections.abc import Callable

import structlog
from django.db import transaction

from activity.models import ExportJob

logger = structlog.get_logger("tenantry.exports")

Told = Callable[[ExportJob], None]
"""Called in the place of the job when it is ready, failed, cancelled or expired.

After the commit, so a process that is killed right then calls nobody: who must not miss an end
looks at the row as well.
"""

_told: list[Told] = []


def register(told: Told) -> None:
    """Have ``told`` called at the end of each job. Registered twice, it is called once."""
    if told not in _told:
        _told.append(told)


def tell(job: ExportJob) -> None:
    """Call everybody when the transaction commits. Their errors are logged, and nobody else's."""

    def call() -> None:
        for told in _told:
            try:
                told(job)
            except Exception:
                logger.exception("end of export not heeded", job=str(job.pk), state=job.state)

    transaction.on_commit(call)
