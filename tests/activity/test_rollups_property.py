"""Whatever happens in whatever order, roll-ups equal a recount of everything that ever happened."""

import hashlib
import json
import os
import random
import threading
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

import pytest
from django.db import DataError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from activity import rollups
from activity.forgetting import erasing, places, retention
from activity.forgetting.people import Person, pseudonym
from activity.models import ActivityEvent, MonthlyTally, RollupCursor, Segment
from activity.periods import Period
from activity.recording import record
from activity.reports import build
from activity.rollups import counting, cursors, failures, folding, reading, rebuilding
from activity.rollups.comparing import compare
from activity.sealing import sealer
from tenants.context import enter_platform, enter_tenant
from tenants.models import TenantFigure, TenantMonth
from tests.activity.bundles import laboratory
from tests.activity.test_rollups import another_connection

EXAMPLES = int(os.environ.get("TEST_ROLLUPS_EXAMPLES", "10"))
NOW = datetime.now(UTC).replace(microsecond=0)
ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC")
PEOPLE = [f"0000000{n}-0000-4000-8000-00000000000{n}" for n in range(1, 5)]
YEAR = (NOW - timedelta(306)).year
"""The newest of which October is over, whatever day it is today."""
# Hours around the ends of days, weeks and months in several zones, and both changes of the clocks.
MOMENTS = [
    datetime(year, month, day, tzinfo=UTC) + timedelta(hours=hour, minutes=59)
    for year in (NOW.year - 1, NOW.year)
    for month, day in ((3, 28), (3, 29), (6, 29), (7, 1), (7, 15), (8, 31), (9, 1), (10, 24))
    for hour in (3, 10, 21, 22, 23)
]
MOMENTS = [moment for moment in MOMENTS if NOW - timedelta(300) < moment < NOW]
ADDRESSES = (None, "192.0.2.7", "192.0.2.200", "198.51.100.9", "2001:db8:1::5", "2001:db8:1:ff::1")

ACTIONS = (
    *("session.started", "session.failed", "user.changed", "group.member_added"),
    "export.finished",
)

INSERT = """
INSERT INTO activity_activityevent (action, outcome, severity, actor_kind, actor_id, actor_label,
    on_behalf_of_id, on_behalf_of_label, target_type, target_id, target_label, changes, details, ip,
    user_agent, channel, request_id, session_ref, reason, schema_version)
VALUES (%(action)s, %(outcome)s, 'info', %(kind)s, %(actor)s, %(label)s, '', '', %(type)s,
    %(target)s, %(name)s, '{}', %(details)s, %(ip)s, '', 'page', gen_random_uuid(), '', '', 1)
"""

# The stamp of an event, but at whichever moment a test says. Ids begin with their time.
STAMP = """
CREATE FUNCTION tests_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := coalesce(nullif(current_setting('tests.at', true), '')::timestamptz,
        clock_timestamp());
BEGIN
    NEW.occurred_at = at;
    NEW.id = (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || substr(replace(uuidv7()::text, '-', ''), 13))::uuid;
    NEW.xid = pg_current_xact_id()::text::bigint;
    NEW.cluster = (SELECT system_identifier FROM pg_control_system());
    NEW.actor_salt = uuid_send(gen_random_uuid());
    NEW.target_salt = uuid_send(gen_random_uuid());
    NEW.actor_commitment = NULL;
    NEW.target_commitment = NULL;
    RETURN NEW;
END $$;

ALTER TABLE activity_activityevent DISABLE TRIGGER USER;

UPDATE activity_activityevent SET occurred_at = '{first}', id = (lpad(to_hex(
    (extract(epoch FROM '{first}'::timestamptz) * 1000)::bigint), 12, '0')
    || substr(replace(id::text, '-', ''), 13))::uuid;

ALTER TABLE activity_activityevent ENABLE TRIGGER USER;

ALTER TABLE activity_activityevent DISABLE TRIGGER {stamp};

CREATE TRIGGER tests_stamp BEFORE INSERT ON activity_activityevent FOR EACH ROW
EXECUTE FUNCTION tests_stamp();

ALTER TABLE activity_retention DISABLE TRIGGER USER
"""


def an_event(dice):
    """The values of any event, as a random generator has it."""
    kind = dice.choice(("person", "person", "person", "anonymous", "service"))
    actor = dice.choice(PEOPLE) if kind == "person" else ""
    action = dice.choice(
        (
            "session.started",
            "session.failed",
            "user.changed",
            "group.member_added",
            "export.finished",
        )
    )
    failed = action == "session.failed" or dice.random() < 0.1
    details = {}
    if action == "session.failed" and dice.random() < 0.5:
        details = {"count": dice.choice((1, 2, 500, 2.6))}
    elif action == "session.started":
        details = {"method": dice.choice(("password", "totp"))}
    elif action == "export.finished":
        details = {"format": dice.choice(("csv", "parquet"))}
    target = dice.choice(PEOPLE) if action.startswith(("session.", "user.")) else "77"
    return {
        "at": dice.choice(MOMENTS) if dice.random() < 0.8 else timezone.now(),
        "action": action,
        "outcome": "failure" if failed else "success",
        "kind": kind,
        "actor": actor,
        "label": f"Person Number{actor[-1]}" if actor else "",
        "type": "user" if target in PEOPLE else "group",
        "target": target,
        "name": f"Person Number{target[-1]}" if target in PEOPLE else "a role",
        "details": json.dumps(details),
        "ip": dice.choice(ADDRESSES),
    }


def insert(cursor, values):
    cursor.execute("SELECT set_config('tests.at', %s, true)", [str(values["at"])])
    cursor.execute(INSERT, values)
    cursor.execute("SELECT set_config('tests.at', '', true)")


class World:
    """A tenant that things happen to, and what a recount must know of what is gone."""

    def __init__(self, tenant, slow):
        self.tenant, self.slow = tenant, slow
        self.facts = {}
        self.fixed = {}
        """Of events whose day stays: that day."""
        self.seam = (None, None)
        self.erased = set()
        self.is_forgetful = False

    # What happens

    def happen(self, seed):
        dice = random.Random(seed)
        for _ in range(dice.randint(1, 4)):
            with transaction.atomic(), connection.cursor() as cursor:
                insert(cursor, an_event(dice))

    def open(self, seed):
        dice = random.Random(seed)
        with dice.choice(self.slow).cursor() as cursor:
            insert(cursor, an_event(dice))

    def commit(self, seed):
        self.slow[seed % 2].commit()

    def roll_back(self, seed):
        self.slow[seed % 2].rollback()

    def seal(self, _):
        newest = ActivityEvent.objects.order_by("-occurred_at").values_list(
            "occurred_at", flat=True
        )
        sealer.seal(newest[0] + timedelta(seconds=1))

    def fold(self, seed):
        rollups.fold(timezone.now(), seed % 3 or None)

    def crash(self, seed):
        """A fold or a rebuild that dies after some of its statements."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("TALLIES", "TALLIES_OF_ONE_DAY"):
                cut = getattr(counting, name)[: seed % 6]
                patch.setattr(counting, name, (*cut, "SELECT 1 / 0"))
            with suppress(DataError):
                rollups.fold(timezone.now())
            with suppress(DataError):
                rebuilding.carry_on(timezone.now())

    def at_once(self, seed):
        """Workers that were all sent the same message."""

        def work(number):
            try:
                with enter_tenant(self.tenant):
                    if number == 2:
                        rebuilding.carry_on(timezone.now(), 1)
                    rollups.fold(timezone.now(), 1 + seed % 2)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def rebuild(self, seed):
        """Begin to count anew, and do some of it."""
        self.see()
        cursor = cursors.served()
        if cursor is not None:
            before = cursors.growing()
            rebuilding.begin()
            after = cursors.growing()
            if before is None or before.zone != after.zone:
                self.fix(cursor, self.seam[1])
        rebuilding.carry_on(timezone.now(), seed % 4)
        self.is_forgetful = True

    def since(self, seed):
        self.see()
        cursor = cursors.served()
        if cursor is not None and cursor.zone == self.tenant.time_zone and not cursors.growing():
            rebuilding.rebuild(timezone.now(), MOMENTS[seed % len(MOMENTS)].date())

    def move(self, seed):
        """Change the time zone; a rebuild follows, as the sweep has it."""
        self.tenant.time_zone = ZONES[seed % len(ZONES)]
        self.rebuild(seed)

    def cut(self, seed):
        self.see()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO activity_retention VALUES ('session', %s) ON CONFLICT (family)"
                " DO UPDATE SET days = EXCLUDED.days",
                [(30, 90, 200)[seed % 3]],
            )
        if RollupCursor.objects.count() > 1:
            self.is_forgetful = True
        retention.cut()
        cursor = cursors.served()
        if cursor and (cursor.cut_day, cursor.cut_at) != self.seam:
            self.fix(cursor, cursor.cut_at)
            self.seam = (cursor.cut_day, cursor.cut_at)

    def erase(self, seed):
        self.see()
        key = PEOPLE[seed % len(PEOPLE)]
        record("user.erased", target=self.person(key).subject)
        self.erased.add(key)
        self.sweep()

    def sweep(self):
        """Empty what is left of whom is erased, as it is done at once and every night."""
        self.see()
        for key in self.erased:
            places.rollups(self.person(key))
            erasing._own_events(self.person(key), lambda *_: None)
            places.rollups(self.person(key))

    def person(self, key):
        name = f"Person Number{key[-1]}"
        return Person(key, name, has_account=False, distinctive=frozenset({name}))

    # What is known of it

    def see(self):
        """Remember events as they are before anything is taken from them."""
        for event in ActivityEvent.objects.all():
            self.facts.setdefault(event.pk, event)

    def fix(self, cursor, before):
        """The day of what is counted already and older than ``before`` stays."""
        last = Segment.objects.filter(number__lte=cursor.number).order_by("-number").first()
        for key, fact in self.facts.items():
            if (
                before
                and fact.occurred_at < before
                and (fact.xid, key) <= (last.xid, last.event_id)
            ):
                self.fixed.setdefault(key, self.day(fact, cursor.zone))

    def day(self, fact, zone):
        if fact.pk in self.fixed:
            return self.fixed[fact.pk]
        local = fact.occurred_at.astimezone(ZoneInfo(zone)).date()
        day, moment = self.seam
        if moment is None:
            return local
        return min(local, day) if fact.occurred_at < moment else max(local, day + timedelta(1))

    def seal_all(self):
        while ActivityEvent.objects.filter(xid__gt=newest_xid()).exists():
            self.seal(0)

    def settle(self):
        for own in self.slow:
            own.commit()
        self.seal_all()
        rollups.fold(timezone.now())
        if rebuilding.is_due():
            self.rebuild(0)
            rebuilding.carry_on(timezone.now())
        self.sweep()


def newest_xid():
    return Segment.objects.order_by("-number").values_list("xid", flat=True).first() or 0


def weight(fact):
    count = fact.details.get("count")
    if fact.outcome == "success" or not isinstance(count, int | float):
        return 1
    # Halves go away from zero, as PostgreSQL's numbers do.
    return max(int(count + 0.5), 1)


def network(fact):
    if fact.ip is None:
        return ""
    return str(ip_network(f"{fact.ip}/{48 if ':' in fact.ip else 24}", strict=False))


def tallied(fact):
    """What an event adds to which tallies."""
    many, is_good = weight(fact), fact.outcome == "success"
    is_admin = fact.action in counting.ADMIN_ACTIONS
    signs_in = fact.action == "session.started" and is_good
    if fact.actor_kind == "person":
        yield (
            ("person", fact.actor_id),
            (many, many * signs_in, many * (not is_good), many * (is_admin and is_good)),
        )
    if fact.action in ("session.started", "session.failed"):
        yield ("network", network(fact)), (many, many * is_good, many * (not is_good), 0)
    if fact.action in counting.CHANGES and is_good and fact.target_id:
        yield ("object", f"{fact.target_type}:{fact.target_id}"), (1, 0, 0, 1)
    if is_admin:
        yield ("admin", f"{fact.actor_kind} {fact.action} {fact.actor_id}"), (many, 0, 0, 0)


def check(world):
    """Compare everything that can be read with a recount in Python."""
    served = cursors.served()
    days = {key: world.day(fact, served.zone) for key, fact in world.facts.items()}
    first, last = min(days.values()), max(days.values())
    whole = Period(first, last)
    part = Period(first + timedelta(3), last - timedelta(20)) if (last - first).days > 30 else whole

    totals, people = Counter(), {"day": set(), "week": set(), "month": set()}
    for key, fact in world.facts.items():
        day = days[key]
        totals[day, fact.action, fact.outcome] += weight(fact)
        if fact.actor_kind == "person":
            people["day"].add((day, fact.actor_id))
            people["week"].add((day - timedelta(day.weekday()), fact.actor_id))
            people["month"].add((day.replace(day=1), fact.actor_id))
    counted = Counter()
    for row in reading.daily(whole):
        counted[row.day, row.action, row.outcome] += row.events
    assert counted == totals
    for span, read in (
        ("day", reading.people_per_day),
        ("week", reading.people_per_week),
        ("month", reading.people_per_month),
    ):
        expected = Counter(start for start, _ in people[span])
        assert {start: n for start, n in read(whole) if n} == expected, span

    check_told(world, days)
    for period in (whole, part):
        check_tallies(world, days, period)
        check_attacks(world, days, period)
    assert compare().difference is None
    if not world.erased:
        facets = Counter()
        for key, fact in world.facts.items():
            facet = fact.details.get("method") or fact.details.get("format") or ""
            facets[days[key], fact.action, facet] += weight(fact)
        read = Counter()
        for row in reading.daily(whole):
            read[row.day, row.action, row.facet] += row.events
        assert read == facets


def check_tallies(world, days, period):
    expected = defaultdict(lambda: (0, 0, 0, 0))
    for key, fact in world.facts.items():
        if period.since <= days[key] <= period.until:
            for subject, counts in tallied(fact):
                expected[subject] = tuple(map(sum, zip(expected[subject], counts, strict=True)))
    for kind in ("person", "network", "object", "admin"):
        read = {
            row.subject: (row.events, row.sign_ins, row.failures, row.changes)
            for row in reading.tallies(kind, period)
        }
        wanted = {name: counts for (of, name), counts in expected.items() if of == kind}
        if kind == "network" and world.erased:
            # Networks of whom is erased may be unknown by now; nothing is lost.
            read, wanted = (
                [sum(column) for column in zip(*each.values(), strict=True)]
                for each in (read, wanted)
            )
        assert read == wanted, (kind, period)
        if kind == "person":
            most = sorted(wanted, key=lambda name: (-wanted[name][0], name))[:2]
            rows = reading.tallies(kind, period, 2)
            assert [(row.subject, *row[2:6]) for row in rows] == [(n, *wanted[n]) for n in most]
    assert reading.people_in(period) == len([1 for of, _ in expected if of == "person"])
    for key in world.erased:
        labels = MonthlyTally.objects.filter(label__contains=f"Number{key[-1]}")
        assert not labels.exists()
        assert {row.label for row in reading.tallies("person", period) if row.subject == key} <= {
            pseudonym(key)
        }


def check_told(world, days):
    """What operators read has every day, and each month is the sum of its days."""
    with enter_platform():
        told = TenantFigure.objects.filter(record=str(world.tenant.pk))
        months = TenantMonth.objects.filter(record=str(world.tenant.pk))
        figures = {one.day: one for one in told}
        sums = {one.month: one for one in months}
    counts = Counter()
    for key, fact in world.facts.items():
        counts[days[key]] += weight(fact)
    assert {day: one.events for day, one in figures.items()} == counts
    assert set(sums) == {day.replace(day=1) for day in figures}
    for month, one in sums.items():
        of_days = [figures[day] for day in figures if day.replace(day=1) == month]
        for name in ("events", "sign_ins", "failures", "changes"):
            assert getattr(one, name) == sum(getattr(each, name) for each in of_days)
        assert one.most_people == max(each.people for each in of_days)
        assert one.last_day == max(each.day for each in of_days)


def check_attacks(world, days, period):
    """A report that reads some days alone has the rows of one that reads all."""
    asked = {"least": "2", "attempts": "2"}
    rows = build("sign-in-attacks", period, asked).rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "spans", lambda period, **_: [period])
        assert build("sign-in-attacks", period, asked).rows == rows
    if world.erased or world.seam[0] or cursors.served().zone != world.tenant.time_zone:
        return
    counts = Counter()
    for key, fact in world.facts.items():
        if fact.action == "session.failed":
            counts[days[key], "name", group_of(fact)] += weight(fact)
        if fact.action in ("session.started", "session.failed") and fact.outcome != "success":
            counts[days[key], "network", network(fact)] += weight(fact)
    for least in (2, 500):
        wanted = {day for (day, _, name), count in counts.items() if name and count >= least}
        read = {day for span in failures.spans(period, network=least, name=least)
                for day in span.days}  # fmt: skip
        assert read == {day for day in wanted if period.since <= day <= period.until}


def group_of(fact):
    """Of the 1,024 groups of accounts, that of the one that was tried."""
    account = fact.target_id or fact.details.get("identifier_hash")
    return str(int(hashlib.sha256(account.encode()).hexdigest()[:3], 16) >> 2) if account else ""


@contextmanager
def a_world():
    """A tenant of its own, with the events of its making as old as any."""
    with laboratory() as tenant, ExitStack() as stack:
        tenant.time_zone = ZONES[0]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'pgtrigger_stamp_%'"
                " AND tgrelid = 'activity_activityevent'::regclass"
            )
            [stamp] = cursor.fetchone()
            for statement in STAMP.format(first=MOMENTS[0], stamp=stamp).split(";\n\n"):
                cursor.execute(statement)
        slow = [stack.enter_context(another_connection(tenant)) for _ in range(2)]
        yield World(tenant, slow)


STEPS = (
    *("happen", "happen", "happen", "open", "commit", "roll_back", "seal", "seal", "fold", "fold"),
    *("crash", "at_once", "rebuild", "since", "move", "cut", "erase"),
)


@pytest.fixture
def committed(django_db_setup, django_db_blocker):
    """What is done is committed."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def small(monkeypatch):
    """So few events a transaction that everything takes several."""
    monkeypatch.setattr(folding, "MOST_EVENTS", 4)


@effort(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 10_000)), min_size=6, max_size=25))
def test_any_order_of_anything_equals_a_recount(committed, small, steps):
    with a_world() as world:
        for step, seed in steps:
            getattr(world, step)(seed)
        world.settle()
        check(world)


def happens_at(moment, seed=0):
    """Let a sign-in by somebody happen at a moment."""
    values = an_event(random.Random(seed)) | {
        "action": "session.started", "outcome": "success", "details": "{}", "kind": "person",
        "actor": PEOPLE[seed % 4], "at": moment,
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        insert(cursor, values)


def test_days_that_were_cut_end_at_one_moment_whatever_zone_follows(committed):
    with a_world() as world:
        happens_at(NOW - timedelta(days=45))
        # In a segment of its own, however long other tests hold the horizon back.
        world.seal_all()
        end = datetime.combine(
            (NOW - timedelta(days=30)).astimezone(ZoneInfo(ZONES[0])).date() + timedelta(1),
            time.min,
            ZoneInfo(ZONES[0]),
        ).astimezone(UTC)
        for hour in range(-20, 30, 2):
            happens_at(end + timedelta(hours=hour, minutes=1), hour % 4)
        world.seal_all()
        world.fold(0)
        there = ActivityEvent.objects.filter(action="session.started").count()

        world.cut(0)

        assert ActivityEvent.objects.filter(action="session.started").count() < there
        assert world.seam[1] == end
        for zone in (3, 2, 1, 0):
            world.move(zone)
            happens_at(end + timedelta(hours=zone - 2), zone)
            world.settle()
            check(world)


def test_attempts_are_counted_after_their_event_was_erased(committed):
    with a_world() as world:
        values = an_event(random.Random(1)) | {
            "action": "session.failed", "outcome": "failure", "kind": "anonymous", "actor": "",
            "type": "user", "target": PEOPLE[0], "details": '{"count": 500}', "at": MOMENTS[3],
        }  # fmt: skip
        with transaction.atomic(), connection.cursor() as cursor:
            insert(cursor, values)
        world.settle()

        world.erase(0)
        world.rebuild(0)
        world.settle()

        assert ActivityEvent.objects.get(action="session.failed").details == {}
        failed = reading.daily(Period(MOMENTS[0].date(), NOW.date()), ["session.failed"])
        assert [row.events for row in failed] == [500]
        check(world)


def test_a_week_in_two_months_counts_somebody_once_whichever_day_is_folded_first(committed):
    with a_world() as world:
        for month, day in ((7, 1), (6, 29), (7, 15), (7, 3), (6, 30), (7, 14), (7, 14), (6, 22)):
            happens_at(datetime(YEAR, month, day, 12, tzinfo=UTC))
            world.settle()
        july = Period(date(YEAR, 7, 1), date(YEAR, 7, 18))

        check(world)
        assert [people for _, people in reading.people_per_week(july)] == [1, 0, 1]
