"""What a page of the record takes in the database, for every filter of the list, and its size.

A tenant gets events of a year: 1,000 people of whom few do most, 5,000 objects, every action of the
catalogue. ``pages-100k`` and ``pages-1m`` insert with the indexes in place, as events come, so that
sizes are those of a record that has grown. ``pages-3m`` and ``pages-10m`` add the indexes at the
end, which takes minutes instead of an hour; their sizes are those of fresh indexes.

A turn asks for the first and for the 1,000th page of each filter, in the statements of the panel;
the time is that of its statements until their last row is there. A filter with fewer events is
asked for its last page instead.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import connection

from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Contestant, Entry, Sample
from benchmarks.ground import Ground
from benchmarks.worker import Turns, Worker, fill

_HERE: Final = "benchmarks.entries.pages"
_SLUG: Final = "pages"
_DEEP: Final = 50_000
"""How many events lie before the 1,000th page."""

PERSON: Final = "lpad(to_hex({}), 8, '0') || '-0000-4000-8000-000000000000'"

FILTERS: Final = {
    "newest": "",
    "actor by ID": "actor:00000003-0000-4000-8000-000000000000",
    "actor by name": "actor:person-3",
    "on behalf of, by ID": "behalf:00000005-0000-4000-8000-000000000000",
    "target by ID": "target:00000007-0000-4000-8000-000000000000",
    "target by name": "target:person-77",
    "action": "action:user.changed",
    "rare action": "action:tenant.renamed",
    "family": "family:user",
    "rare family": "family:tenant",
    "outcome success": "outcome:success",
    "outcome failure": "outcome:failure",
    "severity": "severity:warning",
    "channel page": "channel:page",
    "channel api": "channel:api",
    "address": "ip:10.0.3.7",
    "network": "ip:10.0.3.0/24",
    "changed field": "field:is_superuser",
    "words": "person-77",
    "words nobody has": "nobody-at-all",
    "actor and action": "actor:00000003-0000-4000-8000-000000000000 action:user.changed",
    "no page": "-channel:page",
    "a week": "since:{week} until:{later}",
    "a request": "request:{request}",
}


def _columns(events: int) -> dict[str, str]:
    """Return each column as SQL of the number ``n``: skewed, and the same in every run."""
    few = "(1000 * pow((n::bigint * 7919 % 10007) / 10007.0, 3))::int"
    many = "(5000 * pow((n::bigint * 104729 % 10009) / 10009.0, 2))::int"
    from activity.actions import CATALOGUE

    names = sorted(CATALOGUE)
    actions = ", ".join(f"'{name}'" for name in names)
    # Signing in and changing people is most of what happens.
    action = (
        "CASE WHEN n % 10 < 5 THEN 'session.started' WHEN n % 10 < 8 THEN 'user.changed' ELSE"
        f" (ARRAY[{actions}])[1 + (n::bigint * 31337 % 10007 % {len(names)})::int] END"
    )
    back = f"(n - {events}) * interval '1 year' / {events}"
    return {
        "id": f"uuidv7({back})",
        "occurred_at": f"now() + {back}",
        "action": action,
        "outcome": "CASE WHEN n % 37 = 0 THEN 'failure' ELSE 'success' END",
        "severity": "CASE WHEN n % 23 = 0 THEN 'warning' ELSE 'info' END",
        "actor_kind": "'person'",
        "actor_id": PERSON.format(few),
        "actor_label": f"'Person-' || {few} || ' Lee (person' || {few} || ')'",
        "on_behalf_of_id": f"CASE WHEN n % 101 = 0 THEN {PERSON.format('n % 11')} ELSE '' END",
        "on_behalf_of_label": "CASE WHEN n % 101 = 0 THEN 'Somebody' ELSE '' END",
        "target_type": "'user'",
        "target_id": PERSON.format(many),
        "target_label": f"'Person-' || {many} || ' Ray (person' || {many} || ')'",
        "changes": (
            "CASE WHEN n % 10 IN (5, 6, 7) THEN jsonb_build_object(CASE WHEN n % 997 = 6 THEN"
            " 'is_superuser' ELSE 'display_name' END, jsonb_build_array('Old name ' || n,"
            " 'New name ' || n)) ELSE '{}' END"
        ),
        "details": "'{}'::jsonb",
        "ip": "('10.0.' || n % 16 || '.' || n::bigint * 31 % 251)::inet",
        "user_agent": (
            "'Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/' || 100 + n % 31"
        ),
        "channel": "CASE WHEN n % 19 = 0 THEN 'api' ELSE 'page' END",
        "request_id": f"uuidv7({back})",
        "session_ref": "md5((n / 20)::text)",
        "reason": "''",
        "schema_version": "1",
        "xid": "1000 + n",
        "cluster": "1",
        "actor_salt": "uuid_send(gen_random_uuid())",
        "target_salt": "uuid_send(gen_random_uuid())",
    }


def _fill(events: int, *, indexes_first: bool) -> None:
    """Insert so many events by one statement."""
    columns = _columns(events)
    # The trigger would stamp this moment on all of them. Pages are read from a table without a log
    # as from one with it.
    insert = (
        "ALTER TABLE activity_activityevent DISABLE TRIGGER USER;"
        " TRUNCATE activity_activityevent;"
        " ALTER TABLE activity_activityevent SET UNLOGGED;"
        f" INSERT INTO activity_activityevent ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM generate_series(1, {events}) n;"
        " ALTER TABLE activity_activityevent ENABLE TRIGGER USER"
    )
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'; SET synchronous_commit = off")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
            " AND tablename = 'activity_activityevent' AND indexname LIKE 'event_by%'"
        )
        kept = [] if indexes_first else cursor.fetchall()
        for name, _ in kept:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute(insert)
        for _, definition in kept:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE activity_activityevent")


def pages(events: int, *, indexes_first: bool) -> Turns:
    """Yield, each turn, the milliseconds of the first and the deep page of each filter."""
    from activity.models import ActivityEvent
    from activity.reading.events import narrow
    from activity.reading.query import parse
    from tenants.context import enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    with enter_tenant(create(TenantRequest(slug=_SLUG)).tenant):
        _fill(events, indexes_first=indexes_first)
        some = ActivityEvent.objects.order_by("id")[events // 2]
        day = some.occurred_at.date()
        week = {"week": day.isoformat(), "later": (day + timedelta(days=7)).isoformat()}
        queries = {
            name: parse(text.format(request=some.request_id, **week))
            for name, text in FILTERS.items()
        }
        places = {}
        for name, query in queries.items():
            ids = narrow(ActivityEvent.objects.all(), query).order_by("-id").values_list("id")
            deep = ids[_DEEP : _DEEP + 1] or ids.reverse()[:1]
            places[name] = deep[0][0] if deep else None
        sizes = _sizes(events)
        yield None
        while True:
            yield sizes | {
                name: [_milliseconds(query, None), _milliseconds(query, places[name])]
                for name, query in queries.items()
            }


def _sizes(events: int) -> dict[str, float]:
    """Return the bytes an event takes, in the table and in each index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class"
            " WHERE oid = 'activity_activityevent'::regclass OR oid IN (SELECT indexrelid"
            " FROM pg_index WHERE indrelid = 'activity_activityevent'::regclass)"
        )
        return {f"bytes of {name}": size / events for name, size in cursor.fetchall()}


def small() -> Turns:
    """Ask a record of 100,000 events."""
    yield from pages(100_000, indexes_first=True)


def middle() -> Turns:
    """Ask a record of a million events."""
    yield from pages(1_000_000, indexes_first=True)


def fresh() -> Turns:
    """Ask a record of three million events, with fresh indexes."""
    yield from pages(3_000_000, indexes_first=False)


def large() -> Turns:
    """Ask a record of ten million events, with fresh indexes."""
    yield from pages(10_000_000, indexes_first=False)


def _milliseconds(query: Any, before: Any) -> float:
    """Return how long the statements of a page take until their rows are there."""
    from activity.models import ActivityEvent
    from activity.reading.events import narrow
    from activity.reading.paging import Cursor, page

    taken = 0.0

    def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal taken
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            taken += time.perf_counter() - started

    with connection.execute_wrapper(timed):
        page(narrow(ActivityEvent.objects.all(), query), query, Cursor(before=before))
    return taken * 1_000


class _Asked:
    """One filter's share of the answers of a process that asks for all of them."""

    def __init__(self, shared: "_Shared", name: str) -> None:
        self._shared = shared
        self._name = name

    def measure(self) -> Sample:
        """Return the milliseconds of the first page, and of the 1,000th along with it."""
        first, deep = self._shared.answer(self._name)[self._name]
        return Sample(first, {"ms the 1,000th": deep})

    def facts(self) -> Mapping[str, float]:
        """Return, beside the newest page, the bytes that an event takes."""
        if self._name != "newest":
            return {}
        return {name: size for name, size in self._shared.last.items() if name.startswith("bytes")}


class _Shared:
    """The process. It is asked anew when somebody asks for a second time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._served: set[str] = set()
        self.last: dict[str, Any] = {}

    def answer(self, name: str) -> dict[str, Any]:
        """Return the answers of this round."""
        if not self.last or name in self._served:
            self.last = self._worker.ask()
            self._served.clear()
        self._served.add(name)
        return self.last


def _contestant(name: str, function: str) -> Contestant:
    def prepare(ground: Ground) -> _Asked:
        def start() -> _Shared:
            fill(ground, TENANTRY)
            return _Shared(
                Worker(ground, TENANTRY.settings, TENANTRY.database, f"{_HERE}:{function}")
            )

        return _Asked(ground.once((_HERE, function), start), name)

    return Contestant(name, prepare)


def _entry(label: str, function: str, events: str) -> Entry:
    return Entry(
        name=f"pages-{label}",
        sentence=f"What a page of a record of {events} takes in the database, by filter.",
        unit="ms the first",
        more_is_better=False,
        rounds=5,
        is_seldom=True,
        contestants=[_contestant(name, function) for name in FILTERS],
    )


ENTRIES = [
    _entry("100k", "small", "100,000 events"),
    _entry("1m", "middle", "a million events"),
    _entry("3m", "fresh", "three million events"),
    _entry("10m", "large", "ten million events"),
]
