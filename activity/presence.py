"""That somebody still has an account, for as long as one writes what belongs to them.

Between reading who asks and keeping something of theirs they may have been erased. The row would
then refer to nobody, which the database refuses when the transaction is over, too late for a
sentence. Whoever holds the account first is told at once, or has the erasure wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection

from tenants.errors import Conflict

_HOLD: Final = """
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))
FROM {table} WHERE id = %s FOR KEY SHARE
"""


class AccountGone(Conflict):
    """Somebody was erased, or their account deleted, while something of theirs was being kept.

    ``key`` is that of the account.
    """

    def __init__(self, key: Any) -> None:
        self.key = key
        super().__init__(
            "the account is gone: it was erased or deleted meanwhile.", "Nothing was kept."
        )


def hold(person: Any, purpose: str) -> None:
    """Keep somebody's account until the transaction ends, and let ``purpose`` be theirs alone.

    Two that hold one account for the same purpose wait for each other. Nobody else does: every
    request may write the row. In one statement, which finds no row once the account is gone.

    Raises ``AccountGone``.
    """
    table = connection.ops.quote_name(get_user_model()._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(_HOLD.format(table=table), [f"{purpose}/{person.public_id}", person.pk])
        if cursor.fetchone() is None:
            raise AccountGone(person.pk)


@contextmanager
def held(person: Any) -> Iterator[None]:
    """Say what it means when an account is saved that is not there: Django's words are no answer.

    Raises ``AccountGone``.
    """
    try:
        yield
    except DatabaseError as error:
        # Django's own, of a statement that changed no row; the database's have a cause.
        if type(error) is not DatabaseError or error.__cause__ is not None:
            raise
        raise AccountGone(person.pk) from None
