"""Folding events into daily roll-ups: each committed event once, whatever happens."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from activity import context, rollups
from activity.context import Actor, ActorKind
from activity.models import ActivityEvent, DailyTotal, MonthlyTally, RollupCursor
from activity.periods import last_days
from activity.recording import record
from activity.reports import build
from activity.sealing import sealer
from activity.tasks import aggregate_tenant
from tenants.context import enter_tenant
from tests.activity import settling
from tests.activity.settling import until

BERLIN = ZoneInfo("Europe/Berlin")
ANN = Actor(ActorKind.PERSON, "id-of-ann", "Ann Lee (ann)")
BOB = Actor(ActorKind.PERSON, "id-of-bob", "Bob Ray (bob)")


def happen(action="session.started", actor=ANN, at=None):
    """Let something happen, now or at a moment of the past."""
    event = record(action, actor=actor)
    if at is not None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            ActivityEvent.objects.filter(pk=event.pk).update(occurred_at=at)
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
    return event


def fold():
    """Seal what can be sealed, and count what is sealed."""
    sealer.seal(timezone.now())
    return rollups.fold(timezone.now()).events


def recount():
    """What the roll-ups must say, counted one by one."""
    return Counter(
        (
            event.occurred_at.astimezone(BERLIN).date(),
            event.action,
            event.outcome,
        )
        for event in ActivityEvent.objects.all()
    ) + Counter(
        ("person", event.occurred_at.astimezone(BERLIN).date(), event.actor_id)
        for event in ActivityEvent.objects.filter(actor_kind="person")
    )


def totals():
    keys = ("day", "action", "outcome", "events")
    rows = DailyTotal.objects.exclude(action="").values_list(*keys)
    return Counter({row[:-1]: row[-1] for row in rows})


def rolled_up():
    people = Counter()
    for row in MonthlyTally.objects.filter(kind="person"):
        for place, before in enumerate([0, *row.events_through[:-1]]):
            if row.events_through[place] > before:
                day = row.month + timedelta(place)
                people["person", day, row.subject] = row.events_through[place] - before
    return totals() + people


def settle():
    """Fold until every event is counted; return how many that were."""
    folded = [fold()]
    until(
        lambda: totals().total() >= ActivityEvent.objects.count(),
        lambda: folded.append(fold()),
    )
    return sum(folded)


@contextmanager
def another_connection(tenant):
    """A connection of its own in the tenant's schema, as another process has one."""
    own = connection.get_new_connection(connection.get_connection_params())
    own.autocommit = False
    try:
        with own.cursor() as cursor:
            cursor.execute(f'SET search_path = "{tenant.schema_name}"')
            own.commit()
        yield own
    finally:
        own.close()


def happen_on(own, actor_id="somebody-else"):
    """Insert an event into the open transaction of another connection."""
    with own.cursor() as cursor:
        cursor.execute(
            "INSERT INTO activity_activityevent (action, outcome, severity, actor_kind, actor_id,"
            " actor_label, on_behalf_of_id, on_behalf_of_label, target_type, target_id,"
            " target_label, changes, details, user_agent, channel, request_id, session_ref,"
            " reason, schema_version) VALUES ('session.started', 'success', 'info', 'person', %s,"
            " '', '', '', '', '', '', '{}', '{}', '', 'page', gen_random_uuid(), '', '', 1)",
            [actor_id],
        )


def test_tallies_that_were_empty_when_they_were_analyzed_are_found_by_their_key(lab):
    with enter_tenant(lab), connection.cursor() as cursor:
        MonthlyTally.objects.all().delete()
        cursor.execute("VACUUM ANALYZE activity_monthlytally")
        # A week that is in two months, of both of which a person's tally is looked up.
        for day in (datetime(2025, 9, 30, 12, tzinfo=UTC), datetime(2025, 10, 2, 12, tzinfo=UTC)):
            happen(at=day)
        settling.settle()
        cursor.execute("SELECT pg_stat_force_next_flush()")
        with transaction.atomic():
            rollups.fold(timezone.now())
            cursor.execute(
                "SELECT seq_scan, idx_scan > 0 FROM pg_stat_xact_user_tables"
                " WHERE relid = 'activity_monthlytally'::regclass"
            )
            assert cursor.fetchone() == (0, True)


def test_every_event_is_counted_once_however_often_one_folds(lab):
    with enter_tenant(lab):
        settle()
        for _ in range(3):
            happen()
        happen("session.failed", Actor(ActorKind.ANONYMOUS))
        first = settle()

        again = [fold(), fold(), fold()]

        assert first == 4
        assert again == [0, 0, 0]
        assert rolled_up() == recount()
        assert RollupCursor.objects.count() == 1


def test_the_task_folds_inside_its_tenant(lab):
    with enter_tenant(lab):
        happen()
        settle()
        happen(actor=BOB)
    deadline = time.monotonic() + 120
    counted = 0
    while not counted and time.monotonic() < deadline:
        with enter_tenant(lab):
            sealer.seal(timezone.now())
        counted += aggregate_tenant.delay(tenant_id=str(lab.pk)).get()

    with enter_tenant(lab):
        assert counted == 1
        assert rolled_up() == recount()


def test_what_commits_late_is_counted_late_and_not_lost(lab):
    with enter_tenant(lab), another_connection(lab) as slow:
        settle()
        happen_on(slow)
        happen(actor=BOB)

        while_open = fold(), totals()
        slow.commit()
        after = settle()

        assert while_open[0] == 0
        assert while_open[1].total() == ActivityEvent.objects.count() - 2
        assert after == 2
        assert rolled_up() == recount()


def test_what_is_rolled_back_is_never_counted(lab):
    with enter_tenant(lab), another_connection(lab) as doomed:
        settle()
        before = rolled_up()
        happen_on(doomed)

        fold()
        doomed.rollback()
        folded = settle()

        assert folded == 0
        assert rolled_up() == before == recount()


def test_a_fold_that_is_rolled_back_moves_nothing(lab):
    with enter_tenant(lab):
        happen()
        cursor = RollupCursor.objects.filter(pk=1).values().first()

        with suppress(ZeroDivisionError), transaction.atomic():
            fold()
            raise ZeroDivisionError

        assert RollupCursor.objects.filter(pk=1).values().first() == cursor
        assert rolled_up().total() == 0
        settle()
        assert rolled_up() == recount()


def test_two_folds_at_once_count_nothing_twice(lab):
    with enter_tenant(lab):
        settle()
        for _ in range(50):
            happen()
    barrier = threading.Barrier(4)

    def folding():
        try:
            barrier.wait(timeout=30)
            with enter_tenant(lab):
                return fold()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counted = sum(future.result() for future in [pool.submit(folding) for _ in range(4)])

    with enter_tenant(lab):
        assert counted + settle() == 50
        assert rolled_up() == recount()


def test_writers_and_folders_at_the_same_time_end_with_an_exact_count(lab):
    writing = threading.Event()
    writing.set()

    def write(seed):
        dice = random.Random(seed)
        try:
            with enter_tenant(lab):
                for _ in range(25):
                    with suppress(ZeroDivisionError), transaction.atomic():
                        happen(actor=dice.choice((ANN, BOB)))
                        time.sleep(dice.random() / 200)
                        if dice.random() < 0.3:
                            raise ZeroDivisionError
        finally:
            connection.close()

    def keep_folding():
        try:
            with enter_tenant(lab):
                while writing.is_set():
                    fold()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        folders = [pool.submit(keep_folding) for _ in range(2)]
        for writer in [pool.submit(write, seed) for seed in range(4)]:
            writer.result(timeout=60)
        writing.clear()
        for folder in folders:
            folder.result(timeout=60)

    with enter_tenant(lab):
        settle()
        assert rolled_up() == recount()


DAYS = [
    # The day on which summer time begins has 23 hours in Berlin, the other one 25.
    (datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC), date(2026, 3, 28)),
    (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), date(2026, 3, 29)),
    (datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC), date(2026, 3, 29)),
    (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), date(2026, 3, 30)),
    (datetime(2026, 10, 24, 22, 0, tzinfo=UTC), date(2026, 10, 25)),
    (datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), date(2026, 10, 25)),
    (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), date(2026, 10, 26)),
]


def test_a_day_is_the_tenants_own_also_when_the_clocks_change(lab):
    with enter_tenant(lab):
        for moment, _ in DAYS:
            happen(at=moment)

        settle()

        own = {key: n for key, n in rolled_up().items() if key[2] == ANN.id}
        days = {key[1]: n for key, n in own.items()}
        assert days == Counter(day for _, day in DAYS)
        assert rolled_up() == recount()


def test_a_restored_cluster_counts_on_and_nothing_twice(lab):
    def stamp(cluster, xid, actor):
        event = happen(actor=actor)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            ActivityEvent.objects.filter(pk=event.pk).update(cluster=cluster, xid=xid)
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")

    with enter_tenant(lab):
        settle()
        stamp(4711, 1_000_000_000_000, ANN)
        stamp(4711, 1_000_000_000_005, ANN)
        stamp(4711, 1_000_000_000_009, BOB)
        before = totals().total()
        # What came from elsewhere is sealed when it arrives, in segments of that cluster.
        sealer.arrive()

        folded = settle()
        again = fold()

        assert folded == 3
        assert again == 0
        assert totals().total() == before + 3
        assert rolled_up() == recount()


def test_a_person_who_was_renamed_keeps_one_row_with_the_newest_name(lab):
    with enter_tenant(lab):
        happen()
        settle()
        happen(actor=Actor(ANN.kind, ANN.id, "Ann Miller (ann)"))

        settle()

        [row] = MonthlyTally.objects.filter(kind="person", subject=ANN.id)
        assert row.events == 2
        assert row.label == "Ann Miller (ann)"


def test_the_reports_age_is_that_of_the_last_fold(lab):
    with enter_tenant(lab):
        before = rollups.folded_at()
        moment = timezone.now()

        rollups.fold(moment)

        assert before is None
        assert rollups.folded_at() == moment


STEP = st.one_of(
    st.tuples(st.just("happen"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["open", "commit", "rollback"]), st.integers(0, 2)),
    st.tuples(st.just("fold"), st.just(0)),
)


@pytest.fixture
def entered_lab(lab):
    with enter_tenant(lab):
        yield lab


@effort(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(STEP, min_size=3, max_size=15))
def test_any_order_of_opening_committing_and_folding_equals_a_recount(entered_lab, steps):
    with (
        another_connection(entered_lab) as a,
        another_connection(entered_lab) as b,
        another_connection(entered_lab) as c,
    ):
        slow = (a, b, c)
        for step, number in steps:
            if step == "happen":
                for _ in range(number):
                    happen(actor=BOB)
            elif step == "open":
                happen_on(slow[number])
            elif step == "commit":
                slow[number].commit()
            elif step == "rollback":
                slow[number].rollback()
            else:
                fold()
                assert not rolled_up() - recount(), "something was counted twice"
        for own in slow:
            own.commit()

    settle()

    assert rolled_up() == recount()


def test_what_two_people_did_by_command_is_not_added_up_as_one_persons(lab, monkeypatch):
    with enter_tenant(lab):
        for user in ("root", "deploy", "deploy"):
            monkeypatch.setattr("getpass.getuser", lambda user=user: user)
            context._of_process.cache_clear()
            record("group.changed")
        context._of_process.cache_clear()
        settle()
        fold()
        rows = build("admin-changes", last_days(2)).rows

    assert sorted(
        (row[1].partition("@")[0], row[3]) for row in rows if row[2] == "group.changed"
    ) == [
        ("deploy", 2),
        ("root", 1),
    ]
