"""Content types as another tenant might have them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def other_content_types() -> Iterator[None]:
    """Give the content types of the place one is in other ids, seen by this transaction alone."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("""
            UPDATE django_content_type AS mine
            SET id = (SELECT max(id) + mine.id FROM django_content_type)
        """)
        yield
        transaction.set_rollback(True)
