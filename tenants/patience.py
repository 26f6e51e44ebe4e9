"""How long a statement may take where somebody waits for the answer.

A table that somebody has locked, or a question that nobody foresaw, must not hold a web process
until all its threads wait and other tenants get no answer either (OWASP ASVS 5.0, 13.1.2). The
limits travel as the search path does: in the statement's own message, for one transaction, right
behind any pooler. Commands and tasks have none of their own.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from tenants.backend.pin import Limits

_LOCKED: Final = 0.1
"""Of the time of a statement, how much it may wait for one lock: requests hold theirs for
milliseconds."""


@contextmanager
def patient(
    *, statement: float | None = None, lock: float | None = None, using: str = DEFAULT_DB_ALIAS
) -> Iterator[None]:
    """Let PostgreSQL give up each statement of the block after ``statement`` seconds.

    ``lock`` is how many it may wait for one lock. What is not given stays as it is around the
    block. What is given up raises Django's ``OperationalError``, and the page is a 503.

    Limits are said by this alone: the statement after a ``SET LOCAL`` of one's own may say these
    again.
    """
    connection: Any = connections[using]
    before: Limits = connection.limits
    connection.limit(
        Limits(
            before.statement if statement is None else statement,
            before.lock if lock is None else lock,
        )
    )
    try:
        yield
    finally:
        connection.limit(before)


def of_a_request() -> AbstractContextManager[None]:
    """Let PostgreSQL give up what keeps a request waiting, after ``TENANTRY_STATEMENT_SECONDS``."""
    seconds = settings.TENANTRY_STATEMENT_SECONDS
    return patient(statement=seconds, lock=seconds * _LOCKED)
