"""How long a statement may take where somebody waits for the answer.

A table that somebody has locked, or a question that nobody foresaw, must not hold a web process
until all its threads wait and other tenants get no answer either (OWASP ASVS 5.0, 13.1.2). The
limits travel as the search path does: in the statement's own message, for one transaction, right
behind any pooler. Commands and tasks have none of their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from tenants.backend.pin import bounds_for


@contextmanager
def patient(*, statement: float, lock: float | None = None) -> Iterator[None]:
    """Let PostgreSQL give up each statement of the block after ``statement`` seconds.

    ``lock`` is how many of them it may wait for one lock. What is given up raises Django's
    ``OperationalError``, and the page is a 503. An inner block's limits replace the outer's.
    """
    connection: Any = connections[DEFAULT_DB_ALIAS]
    before = connection.bounds
    connection.bound(bounds_for(statement, lock))
    try:
        yield
    finally:
        connection.bound(before)
