"""What writing an event costs.

Beside ``activity.recording.record()`` stand two things that are no record: ``objects.create`` of a
model with the very columns of an event, on a table without any index or trigger (the least that
the ORM takes for a row of that width), and Django's own ``LogEntry``, which has eight columns, two
indexes and two foreign keys. All write into the same tenant.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import connection, models, transaction

from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Entry
from benchmarks.worker import Turns, contestant

_HERE = "benchmarks.entries.recording"
_TOGETHER = 500
_APART = 200

Write = Callable[[], Any]


def _turns(write: Write, *, together: bool) -> Turns:
    """Yield writes per second, of many in one transaction or of each in its own."""
    yield None
    count = _TOGETHER if together else _APART
    while True:
        started = time.perf_counter()
        with transaction.atomic() if together else nullcontext():
            for _ in range(count):
                write()
        yield count / (time.perf_counter() - started)


def _page() -> Any:
    """Return the circumstances of a person on a page."""
    from activity.context import Actor, ActorKind, Channel, Context

    ann = Actor(ActorKind.PERSON, "0199aa00-0000-7000-8000-000000000001", "Ann Example")
    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    return Context(actor=ann, channel=Channel.PAGE, ip="192.0.2.7", user_agent=browser)


@contextmanager
def _on_a_page() -> Iterator[None]:
    """Be inside a tenant, as a person on a page."""
    from activity.context import acting_as
    from benchmarks.serving import TENANTS
    from tenants.context import enter_tenant
    from tenants.directory import tenant_called

    with enter_tenant(tenant_called(TENANTS[0])), acting_as(_page()):
        yield


def written_on_a_page() -> Any:
    """Write an event of a person on a page, in the tenant that one is in; return it."""
    from activity.context import acting_as

    with acting_as(_page()):
        return _record()


def _record() -> Any:
    from activity.recording import record
    from activity.subjects import Subject

    target = Subject("user", "0199aa00-0000-7000-8000-000000000002", "Bob Example")
    changes = {"display_name": ("Bob", "Bob Example"), "is_staff": (False, True)}
    return record("user.changed", target=target, changes=changes)


def _plain_write() -> Write:
    """Make the table without indexes and triggers; return what writes a row into it."""
    from activity.models import ActivityEvent

    event = _record()
    fields = ActivityEvent._meta.local_fields
    table = "benchmark_plain_event"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (LIKE {ActivityEvent._meta.db_table}"
            " INCLUDING DEFAULTS)"
        )
    meta = type("Meta", (), {"app_label": "benchmark_web", "db_table": table, "managed": False})
    namespace = {"__module__": __name__, "Meta": meta}
    plain: Any = type(
        "PlainEvent", (models.Model,), namespace | {field.name: field.clone() for field in fields}
    )
    values = {field.name: getattr(event, field.name) for field in fields if field.editable}
    # Left to their defaults, as record() leaves them.
    del values["occurred_at"]
    return lambda: plain.objects.create(**values)


def _log_entry_write() -> Write:
    """Make the table of Django's log, which no tenant has; return what writes a row into it."""
    from django.contrib.admin.models import CHANGE, LogEntry
    from django.contrib.contenttypes.models import ContentType

    from accounts.models import CustomUser

    if LogEntry._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(LogEntry)
    values = {
        "user": CustomUser.objects.get(username="ann"),
        "content_type": ContentType.objects.get_for_model(CustomUser),
        "object_id": "0199aa00-0000-7000-8000-000000000002",
        "object_repr": "Bob Example",
        "action_flag": CHANGE,
        "change_message": '[{"changed": {"fields": ["Name", "May open the panel"]}}]',
    }
    return lambda: LogEntry.objects.create(**values)


def plain_together() -> Turns:
    """Rows of an event's width in one transaction."""
    with _on_a_page():
        yield from _turns(_plain_write(), together=True)


def plain_apart() -> Turns:
    """Rows of an event's width, each in its own transaction."""
    with _on_a_page():
        yield from _turns(_plain_write(), together=False)


def log_entry_together() -> Turns:
    """Django's log entries in one transaction."""
    with _on_a_page():
        yield from _turns(_log_entry_write(), together=True)


def log_entry_apart() -> Turns:
    """Django's log entries, each in its own transaction."""
    with _on_a_page():
        yield from _turns(_log_entry_write(), together=False)


def record_together() -> Turns:
    """Events in one transaction."""
    with _on_a_page():
        yield from _turns(_record, together=True)


def record_apart() -> Turns:
    """Events, each in its own transaction."""
    with _on_a_page():
        yield from _turns(_record, together=False)


def _entry(name: str, how: str) -> Entry:
    return Entry(
        name=f"record-{name}",
        sentence=f"What writing an event costs, {how}.",
        unit="writes/s",
        rounds=15,
        contestants=[
            contestant("create(), no index", TENANTRY, f"{_HERE}:plain_{name}"),
            contestant("django LogEntry", TENANTRY, f"{_HERE}:log_entry_{name}"),
            contestant("Tenantry's record()", TENANTRY, f"{_HERE}:record_{name}"),
        ],
    )


ENTRIES = [
    _entry("together", f"{_TOGETHER} in one transaction"),
    _entry("apart", "each in its own transaction"),
]
