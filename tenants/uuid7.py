"""Time-ordered identifiers made by the database."""

from django.db.models import Func, UUIDField


class UUIDv7(Func):
    """A UUID of version 7 (RFC 9562), from PostgreSQL 18's ``uuidv7()``.

    Time-ordered, so that the index of a table that only grows stays dense, and equally unique on
    every node of a cluster.
    """

    function = "uuidv7"
    arity = 0
    output_field = UUIDField()
