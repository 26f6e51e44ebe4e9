"""What a page of each report takes in the database, over a year of a tenant with 10,000 people.

A million events of the year before today: sign-ins for the most part, 60,000 failed ones, and of
each other action about as many as such an organisation has. They are counted into roll-ups by the
statements that folding uses. Every person has five rows of history, one in fifty opens the panel.

A turn builds each report over the whole year, with as many rows as its page shows; the time is that
of its statements until their last row is there. Operators' reports are of 1,000 tenants.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction

from benchmarks.entries.pages import PERSON
from benchmarks.entries.requests import TENANTRY
from benchmarks.entry import Contestant, Entry, Sample
from benchmarks.ground import Ground
from benchmarks.worker import Turns, Worker, fill

_HERE: Final = "benchmarks.entries.reports:year"
_PEOPLE: Final = 10_000
_EVENTS: Final = 1_000_000
_TENANTS: Final = 1_000

NAMES: Final = (
    *("sign-ins", "failed-sign-ins", "sign-ins-by-method", "sign-ins-by-network"),
    *("sign-in-attacks", "active-users", "active-people", "stickiness", "account-life-cycle"),
    *("most-active", "dormant-accounts", "admin-changes", "most-changed", "privilege-changes"),
    *("support-access", "administrators", "who-could-what", "exports", "record-volume"),
    *("record-health", "second-factors", "people-without-second-factor"),
    *("all-tenants", "tenants", "tenant-outliers"),
)

_CLUSTER: Final = "(SELECT system_identifier FROM pg_control_system())"

# Of a thousand events: up to which number, and what they are.
_SHARES: Final = (
    (560, "session.started"), (800, "session.ended"), (860, "session.failed"),
    (960, "activity.searched"), (975, "user.changed"), (985, "user.password_reset"),
    (988, "user.created"), (991, "user.invited"), (994, "group.member_added"),
    (996, "group.member_removed"), (997, "user.privileges_changed"), (998, "export.requested"),
    (999, "export.finished"), (1000, "user.deactivated"),
)  # fmt: skip

_PAST: Final = """
INSERT INTO accounts_historicalcustomuser (id, date_joined, public_id, username, email,
    display_name, is_active, is_staff, is_superuser, time_zone, history_date, history_type,
    actor_label, request_id)
SELECT n, now() - interval '1 year', ({person})::uuid, 'person' || n, n || '@a.example',
    'Person ' || n, true, n %% 50 = 0, n %% 1000 = 0, '',
    now() - interval '1 year' + each * interval '70 days', CASE each WHEN 0 THEN '+' ELSE '~' END,
    'Somebody', gen_random_uuid()
FROM generate_series(1, {people}) n, generate_series(0, 4) each;
INSERT INTO accounts_customuser (id, password, date_joined, public_id, username, email,
    display_name, is_active, is_staff, is_superuser, time_zone, last_seen)
SELECT n, '!', now() - interval '1 year', ({person})::uuid, 'person' || n, n || '@a.example',
    'Person ' || n, true, n %% 50 = 0, n %% 1000 = 0, '',
    CASE WHEN n %% 9 > 0 THEN now() - n %% 120 * interval '1 day' END
FROM generate_series(1, {people}) n;
INSERT INTO auth_group (id, name) SELECT n, 'Role ' || n FROM generate_series(1, 20) n;
INSERT INTO accounts_historicalgroup (id, name, history_date, history_type, actor_label, request_id)
SELECT id, name, now() - interval '1 year', '+', '', gen_random_uuid() FROM auth_group;
INSERT INTO auth_group_permissions (group_id, permission_id)
SELECT role.id, permission.id FROM auth_group role, auth_permission permission
WHERE permission.id %% 20 <= role.id %% 5;
INSERT INTO accounts_historicalmembership (id, user_id, group_id, history_date, history_type,
    actor_label, request_id)
SELECT n, 1 + n %% {people}, 1 + n %% 20, now() - n %% 360 * interval '1 day', '+', 'Somebody',
    gen_random_uuid() FROM generate_series(1, 400) n;
ANALYZE;
"""

_TOLD: Final = """
INSERT INTO public.tenants_tenant (id, slug, name, state, schema_name, time_zone, created_at, lacks,
    restored_state)
SELECT (lpad(to_hex(n), 8, '0') || '-0000-4000-8000-000000000000')::uuid, 'many-' || n, 'Many',
    'active', 't_' || lpad(translate(n::text, '0123456789', 'abcdefghij'), 16, 'a'), 'UTC',
    now() - interval '2 years', '[]', ''
FROM generate_series(1, {tenants}) n;
INSERT INTO public.tenants_tenantfigure (day, record, events, sign_ins, failures, people, changes)
SELECT current_date - back, lpad(to_hex(n), 8, '0') || '-0000-4000-8000-000000000000',
    100 + (n * 31 + back * 17) % 50, 40, 3, 20, 2
FROM generate_series(1, {tenants}) n, generate_series(0, 394) back;
INSERT INTO public.tenants_tenantmonth
SELECT date_trunc('month', day)::date, record, sum(events), sum(sign_ins), sum(failures),
    max(people), sum(changes), max(day)
FROM public.tenants_tenantfigure GROUP BY 1, record;
ANALYZE public.tenants_tenantfigure, public.tenants_tenantmonth;
"""


def _columns() -> dict[str, str]:
    """Return each column as SQL of the number ``n``: the same in every run."""
    one = f"1 + (n::bigint * 7919 % {_PEOPLE})::int"
    cases = " ".join(f"WHEN n % 1000 < {end} THEN '{name}'" for end, name in _SHARES)
    back = f"(n - {_EVENTS}) * interval '1 year' / {_EVENTS}"
    failed = "n % 1000 BETWEEN 800 AND 859"
    changes = (
        "CASE WHEN n % 1000 = 996 THEN '{\"is_staff\": [false, true]}'::jsonb"
        ' WHEN n % 1000 BETWEEN 860 AND 996 THEN \'{"display_name": ["a", "b"]}\' ELSE \'{}\' END'
    )
    return {
        "id": f"uuidv7({back})",
        "occurred_at": f"now() + {back}",
        "action": f"CASE {cases} END",
        "outcome": f"CASE WHEN {failed} THEN 'failure' ELSE 'success' END",
        "severity": "'info'",
        "actor_kind": f"CASE WHEN {failed} THEN 'anonymous' ELSE 'person' END",
        "actor_id": f"CASE WHEN {failed} THEN '' ELSE {PERSON.format(f'({one})')} END",
        "actor_label": f"CASE WHEN {failed} THEN '' ELSE 'Person ' || {one} END",
        "on_behalf_of_id": "CASE WHEN n % 5003 = 0 THEN 'somebody' ELSE '' END",
        "on_behalf_of_label": "''",
        "target_type": "'user'",
        "target_id": PERSON.format(f"(1 + (n::bigint * 104729 % {_PEOPLE})::int)"),
        "target_label": f"'Person ' || 1 + (n::bigint * 104729 % {_PEOPLE})::int",
        "changes": changes,
        "details": "'{}'::jsonb",
        "ip": "('10.' || n % 4 || '.' || n::bigint * 31 % 251 || '.' || n::bigint * 7 % 83)::inet",
        "user_agent": "'Mozilla/5.0'",
        "channel": "CASE WHEN n % 997 = 0 THEN 'command' ELSE 'page' END",
        "request_id": f"uuidv7({back})",
        "session_ref": "''",
        "reason": "''",
        "schema_version": "1",
        "xid": "1000 + n",
        "cluster": _CLUSTER,
        "actor_salt": "uuid_send(gen_random_uuid())",
        "target_salt": "uuid_send(gen_random_uuid())",
    }


def _fill() -> None:
    """Put the year down, and count it."""
    columns = _columns()
    person = PERSON.format("n")
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'; SET synchronous_commit = off")
        for table in ("activity_activityevent", "accounts_customuser", "auth_group_permissions"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE auth_group DISABLE TRIGGER USER")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
            " AND tablename = 'activity_activityevent' AND indexname LIKE 'event_by%'"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute(
            f"INSERT INTO activity_activityevent ({', '.join(columns)})"
            f" SELECT {', '.join(columns.values())} FROM generate_series(1, {_EVENTS}) n"
        )
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute(_PAST.format(person=person, people=_PEOPLE).replace("%%", "%"))
        cursor.execute("VACUUM ANALYZE activity_activityevent")
    _count()


def _count() -> None:
    """Count all of it, as folding one run of segments does."""
    from activity.models import RollupCursor
    from activity.rollups import counting, folding
    from activity.sealing import sealer

    run: dict[str, Any] = {
        "build": 1,
        "zone": "UTC",
        "cut_at": None,
        "cut_day": None,
        "since": None,
        "cluster": sealer.own_cluster(),
        "after_xid": -1,
        "after_id": "00000000-0000-0000-0000-000000000000",
        "xid": 2**62,
        "id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "admin": counting.ADMIN_ACTIONS,
        "changes": counting.CHANGES,
    }
    with transaction.atomic():
        folding.count(run)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE activity_dailytotal")
        cursor.execute("VACUUM ANALYZE activity_monthlytally")
        # As if all of it were sealed.
        cursor.execute(
            "INSERT INTO activity_segment (number, first, events, cluster, xid, event_id,"
            f" sealed_at, note) VALUES (1, 0, {_EVENTS}, {_CLUSTER}, {2**62}, %s, now(), '')",
            [run["id"]],
        )
    RollupCursor.objects.all().delete()
    RollupCursor.objects.create(zone="UTC", number=1, size=_EVENTS, rules=counting.RULES)


def year() -> Turns:
    """Yield, each turn, the milliseconds and the statements of every report."""
    from activity.periods import last_days
    from activity.reports import REPORTS
    from tenants.context import enter_platform, enter_tenant
    from tenants.provisioning import create
    from tenants.requests import TenantRequest

    tenant = create(TenantRequest(slug="reports")).tenant
    with enter_tenant(tenant):
        _fill()
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE public.tenants_tenant DISABLE TRIGGER USER")
        cursor.execute(_TOLD.format(tenants=_TENANTS))
        cursor.execute("ALTER TABLE public.tenants_tenant ENABLE TRIGGER USER")
    with enter_tenant(tenant):
        whole = last_days(365)
    assert set(NAMES) == set(REPORTS), sorted(set(NAMES) ^ set(REPORTS))
    yield None
    while True:
        answers = {}
        for name in NAMES:
            place = enter_platform() if REPORTS[name].is_for_operators else enter_tenant(tenant)
            with place:
                answers[name] = _measured(name, whole)
        yield answers


def _measured(name: str, whole: Any) -> list[float]:
    """Return the milliseconds that a report's statements take, how many those are, and its rows."""
    from activity.pages import MOST_ROWS
    from activity.reports import build

    given = {"day": str(whole.until - timedelta(60))} if name == "who-could-what" else {}
    taken, statements = 0.0, 0

    def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal taken, statements
        statements += 1
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            taken += time.perf_counter() - started

    with connection.execute_wrapper(timed):
        rows = len(build(name, whole, given, most=MOST_ROWS).rows)
    return [taken * 1_000, statements, rows]


class _Asked:
    """One report's share of the answers of a process that builds all of them."""

    def __init__(self, shared: "_Shared", name: str) -> None:
        self._shared = shared
        self._name = name

    def measure(self) -> Sample:
        """Return the milliseconds; along with them the statements and the rows."""
        taken, statements, rows = self._shared.answer(self._name)
        return Sample(taken, {"statements": statements, "rows": rows})

    def facts(self) -> Mapping[str, float]:
        """Return nothing more."""
        return {}


class _Shared:
    """The process. It is asked anew when somebody asks for a second time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._last: dict[str, Any] = {}
        self._served: set[str] = set()

    def answer(self, name: str) -> list[float]:
        """Return the answers of this round."""
        if not self._last or name in self._served:
            self._last = self._worker.ask()
            self._served.clear()
        self._served.add(name)
        found: list[float] = self._last[name]
        return found


def _contestant(name: str) -> Contestant:
    def prepare(ground: Ground) -> _Asked:
        def start() -> _Shared:
            fill(ground, TENANTRY)
            return _Shared(Worker(ground, TENANTRY.settings, TENANTRY.database, _HERE))

        return _Asked(ground.once((_HERE,), start), name)

    return Contestant(name, prepare)


ENTRIES = [
    Entry(
        name="reports-year",
        sentence="What a page of each report takes over a year of a tenant with 10,000 people.",
        unit="ms in the database",
        more_is_better=False,
        rounds=5,
        is_seldom=True,
        contestants=[_contestant(name) for name in NAMES],
    )
]
