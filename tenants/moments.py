"""Reading at one moment: what is committed meanwhile is not seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def one_moment(*, read_only: bool = False, durable: bool = False) -> Iterator[Any]:
    """Let all that is read in the block be of one moment; yield a cursor.

    It is one repeatable-read transaction (PostgreSQL, Transaction Isolation), ``read_only`` on
    request. In a transaction that is open already, each statement is of its own moment, as that
    began; with ``durable`` such a one is refused.
    """
    is_inside = connection.in_atomic_block
    with transaction.atomic(durable=durable), connection.cursor() as cursor:
        if not is_inside:
            kind = ", READ ONLY" if read_only else ""
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ{kind}")
        yield cursor
