"""Time-ordered identifiers, UUIDs of version 7 (RFC 9562): made by the database, or here."""

import secrets
import time
import uuid

from django.db.models import Func, UUIDField


class UUIDv7(Func):
    """A UUID of version 7 (RFC 9562), from PostgreSQL 18's ``uuidv7()``.

    Time-ordered, so that the index of a table that only grows stays dense, and equally unique on
    every node of a cluster.
    """

    function = "uuidv7"
    arity = 0
    output_field = UUIDField()


def uuid7() -> uuid.UUID:
    """Return a UUID of version 7 of this moment: 48 bits of milliseconds, 74 bits at random.

    For what is named before the database is asked, such as a request. Python has its own from
    version 3.14 on.
    """
    moment = time.time_ns() // 1_000_000 & (1 << 48) - 1
    number = moment << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62
    return uuid.UUID(int=number | secrets.randbits(62))
