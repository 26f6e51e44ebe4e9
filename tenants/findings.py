"""What the doctor found: one thing that is not as it should be, and maybe how it is repaired."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import DatabaseError

from tenants.owner import owner_alias, owner_cursor
from tenants.patience import patient

logger = logging.getLogger(__name__)

_LOCK_SECONDS: Final = 3
"""How long a repair waits for whoever uses a table. It is then left, to be tried again."""

Repair = Callable[[Any], None]
"""Called with a cursor of the owner's connection, in a transaction."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a tenant, or with the platform where ``slug`` is empty."""

    slug: str
    code: str
    sentence: str
    repair: Repair | None = field(default=None, compare=False)
    """Only where nothing can be lost by it. ``None``: a person has to look."""

    @property
    def is_repairable(self) -> bool:
        """Whether ``--fix`` would try."""
        return self.repair is not None


def running(statements: Sequence[str]) -> Repair:
    """Return the repair that runs these statements."""

    def run(cursor: Any) -> None:
        for statement in statements:
            cursor.execute(statement)

    return run


def repair(finding: Finding) -> bool:
    """Repair it, wholly or not at all; ``False`` when the database refused."""
    if finding.repair is None:
        return False
    details = {"tenant": finding.slug, "code": finding.code, "finding": finding.sentence}
    try:
        # Whoever waits for a table's lock makes everybody wait who comes after.
        with patient(lock=_LOCK_SECONDS, using=owner_alias()), owner_cursor() as cursor:
            finding.repair(cursor)
    except DatabaseError as error:
        logger.warning("The doctor could not repair it.", extra={**details, "error": str(error)})
        return False
    logger.info("The doctor repaired it.", extra=details)
    return True
