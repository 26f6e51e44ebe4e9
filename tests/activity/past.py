"""Events of the past: what tests of reports need, and no door makes."""

import random
import uuid
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection

from activity.actions import CATALOGUE
from activity.models import ActivityEvent

_random = random.Random(7)


def id_at(moment: datetime) -> uuid.UUID:
    """An id as the database would have made it then (RFC 9562, 5.7)."""
    milliseconds = int(moment.timestamp() * 1_000)
    rest = _random.getrandbits(74)
    value = milliseconds << 80 | 7 << 76 | (rest >> 62) << 64 | 2 << 62 | rest & ((1 << 62) - 1)
    return uuid.UUID(int=value)


@contextmanager
def unguarded(*tables: str) -> Any:
    """Write past the triggers of some tables."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            yield
        finally:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def event(at: datetime, action: str, **fields: Any) -> ActivityEvent:
    """An event of a moment that is not saved yet."""
    usual: dict[str, Any] = {
        "outcome": "success",
        "severity": CATALOGUE[action].severity,
        "actor_kind": "person",
        "actor_id": "a",
        "actor_label": "Ann",
        "channel": "page",
        "request_id": uuid.UUID(int=1),
    }
    return ActivityEvent(id=id_at(at), occurred_at=at, action=action, **{**usual, **fields})


def happened(events: Iterable[ActivityEvent]) -> None:
    """Put events into the record as if they had happened."""
    with unguarded("activity_activityevent"):
        ActivityEvent.objects.bulk_create(events)
