"""What reports read to be there at once: years of people, and the most failed sign-ins of a day.

Each of these says the same as what it saves from reading, whatever happens in between.
"""

import json
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import rollups
from activity.actions import CATALOGUE, names
from activity.models import RollupCursor
from activity.periods import Period
from activity.reports import build
from activity.rollups import comparing, counting, cursors, failures, reading, rebuilding, sweeping
from activity.rollups.comparing import compare
from tenants.context import enter_platform, enter_tenant
from tenants.errors import InvalidInput
from tenants.models import Tenant, TenantFigure, TenantMonth
from tests.activity.test_rollups_property import (
    PEOPLE,
    YEAR,
    ZONES,
    a_world,
    an_event,
    insert,
)

JULY = [datetime(YEAR, 7, day, 12, tzinfo=UTC) for day in range(1, 29)]
LAST_YEAR = Period(date(YEAR, 3, 1), timezone.now().date())


@pytest.fixture
def world(django_db_setup, django_db_blocker):
    """A tenant that things happen to; what is done is committed."""
    with django_db_blocker.unblock(), a_world() as world:
        yield world


def put(values, times):
    """Let what has these values happen so often."""
    with transaction.atomic(), connection.cursor() as cursor:
        for _ in range(times):
            insert(cursor, values)


def fails(at, account=PEOPLE[0], ip="192.0.2.7", times=1, count=None):
    """Let somebody fail to sign in."""
    values = an_event(random.Random(1)) | {
        "action": "session.failed", "outcome": "failure", "kind": "anonymous", "actor": "",
        "type": "user", "target": account, "ip": ip, "at": at,
        "details": json.dumps({} if count is None else {"count": count}),
    }  # fmt: skip
    put(values, times)


def acts(at, person, times=1):
    """Let somebody do something."""
    values = an_event(random.Random(2)) | {
        "action": "session.started", "outcome": "success", "kind": "person", "actor": person,
        "at": at, "details": "{}",
    }  # fmt: skip
    put(values, times)


def days_with(network=10**6, name=10**6, period=LAST_YEAR):
    """The days on which there may have been so many."""
    spans = failures.spans(period, network=network, name=name)
    return [day for span in spans for day in span.days]


def is_right():
    assert compare().difference is None
    return True


def test_a_day_keeps_its_most_whoever_fails_after(world):
    fails(JULY[3], times=4)
    world.settle()
    fails(JULY[3], PEOPLE[1], "198.51.100.9")
    fails(JULY[4], PEOPLE[1])
    world.settle()

    assert days_with(network=4) == [JULY[3].date()] == days_with(name=4)
    assert days_with(network=5) == [] == days_with(name=5)
    assert days_with(network=1) == [JULY[3].date(), JULY[4].date()] == days_with(name=1)
    assert is_right()


def test_a_network_and_an_account_are_each_reason_enough(world):
    for number in range(5):
        fails(JULY[1], ip=f"192.0.{number}.1")
        fails(JULY[8], account=PEOPLE[number % 4], ip="192.0.2.7")
    world.settle()

    assert days_with(name=5) == [JULY[1].date()]
    assert days_with(network=5) == [JULY[8].date()]
    assert days_with(network=5, name=5) == [JULY[1].date(), JULY[8].date()]


def test_a_flood_counts_as_often_as_it_says_and_no_network_is_none(world):
    fails(JULY[2], count=70)
    fails(JULY[5], ip=None, times=9)
    world.settle()

    assert days_with(network=70) == [JULY[2].date()]
    assert days_with(network=2) == [JULY[2].date()]
    assert days_with(name=9) == [JULY[2].date(), JULY[5].date()]
    assert is_right()


def test_what_is_not_counted_yet_may_be_an_attack(world):
    fails(JULY[2])
    world.settle()
    fails(JULY[20], times=6)
    rows = build("sign-in-attacks", LAST_YEAR, {"attempts": "6"}).rows

    assert [row[0] for row in rows] == [JULY[20].date()]
    assert days_with()[0] == JULY[20].date()
    world.seal_all()
    assert days_with()[0] == JULY[20].date()
    world.settle()
    assert days_with() == []
    assert build("sign-in-attacks", LAST_YEAR, {"attempts": "6"}).rows == rows


def test_figures_of_other_days_tell_nothing(world):
    fails(JULY[2])
    world.settle()
    assert days_with() == []

    world.tenant.time_zone = ZONES[2]
    assert days_with() == LAST_YEAR.days
    world.rebuild(0)
    world.settle()
    assert days_with() == []


def test_days_around_a_cut_are_read(world):
    fails(timezone.now() - timedelta(45))
    world.seal_all()
    fails(timezone.now() - timedelta(1), times=3)
    world.seal_all()
    world.fold(0)
    world.cut(0)
    day, _ = world.seam

    found = days_with(period=Period(day - timedelta(3), timezone.now().date()))

    assert found == [day + timedelta(n) for n in range(-3, 3)]
    assert is_right()


def test_days_that_are_taken_over_keep_their_most_and_their_years(world):
    fails(JULY[1], times=3)
    acts(JULY[1], PEOPLE[0], 2)
    acts(JULY[1] - timedelta(61), PEOPLE[0], 3)
    acts(JULY[20], PEOPLE[1], 4)
    world.settle()

    rebuilding.rebuild(timezone.now(), JULY[10].date())

    assert days_with(network=3) == [JULY[1].date()] == days_with(name=3)
    ranks = reading.tallies("person", LAST_YEAR, 1)
    assert [(one.subject, one.events) for one in ranks] == [(PEOPLE[0], 5)]
    assert is_right()


@pytest.mark.parametrize("last", [(8, 30), (8, 31), (9, 30), (10, 31)])
def test_what_is_taken_over_may_end_on_any_day_of_a_month(world, last):
    last = date(YEAR, *last)
    noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    acts(noon, PEOPLE[0], 3)
    acts(noon.replace(day=1), PEOPLE[0], 2)
    acts(noon + timedelta(1), PEOPLE[1])
    world.settle()

    rebuilding.rebuild(timezone.now(), last + timedelta(1))

    for since, events in ((last, 3), (last.replace(day=1), 5)):
        read = reading.tallies("person", Period(since, last))
        assert [(one.subject, one.events) for one in read] == [(PEOPLE[0], events)]
    after = reading.tallies("person", Period(last + timedelta(1), last + timedelta(1)))
    assert [(one.subject, one.events) for one in after] == [(PEOPLE[1], 1)]
    assert is_right()


def test_what_is_kept_for_good_may_end_on_a_31st(world):
    acts(datetime(YEAR, 8, 31, 12, tzinfo=UTC), PEOPLE[0], 3)
    world.settle()
    RollupCursor.objects.update(
        cut_day=date(YEAR, 8, 31), cut_at=datetime(YEAR, 9, 1, tzinfo=UTC), rules=1
    )

    rebuilding.rebuild(timezone.now())

    assert cursors.served().rules == counting.RULES
    read = reading.tallies("person", Period(date(YEAR, 8, 31), date(YEAR, 8, 31)))
    assert [one.events for one in read] == [3]


def test_days_are_added_to_a_month_in_any_order(world):
    acts(JULY[7], PEOPLE[0])
    world.settle()
    acts(JULY[6], PEOPLE[0], 2)
    acts(JULY[9], PEOPLE[0])
    world.settle()
    for place, times in ((2, 5), (20, 3), (20, 2), (4, 7), (27, 1), (0, 1)):
        acts(JULY[place], PEOPLE[0], times)
        world.settle()
    acts(JULY[3], PEOPLE[0], 2)
    acts(JULY[25], PEOPLE[0], 4)
    world.settle()

    counts = [
        (first, sum(one.events for one in reading.tallies("person", Period(first, first))))
        for first in Period(JULY[0].date(), JULY[27].date()).days
    ]

    assert [(day.day, n) for day, n in counts if n] == [
        (1, 1), (3, 5), (4, 2), (5, 7), (7, 2), (8, 1), (10, 1), (21, 5), (26, 4), (28, 1),
    ]  # fmt: skip
    assert is_right()


def test_who_did_most_is_told_by_years_as_by_months(world):
    dice = random.Random(3)
    for _ in range(12):
        month = dice.randint(3, 9)
        at = datetime(YEAR, month, dice.randint(1, 28), 12, tzinfo=UTC)
        acts(at, dice.choice(PEOPLE), dice.randint(1, 9))
    world.settle()

    for since, until in (((3, 1), (9, 30)), ((5, 1), (8, 31)), ((4, 9), (9, 12))):
        period = Period(date(YEAR, *since), date(YEAR, *until))
        everybody = reading.tallies("person", period)
        for most in (1, 2, 9):
            told = reading.tallies("person", period, most)
            assert [one[2:] for one in told] == [one[2:] for one in everybody[:most]]
            assert [one.subject for one in told] == [one.subject for one in everybody[:most]]


def test_of_a_period_that_ends_with_its_month_nobody_asks_what_came_after(world):
    def statements(until):
        with CaptureQueriesContext(connection) as queries:
            reading.tallies("person", Period(date(YEAR, 7, 1), until), 9)
        return len(queries)

    acts(JULY[2], PEOPLE[0])
    world.settle()

    assert statements(date(YEAR, 7, 31)) == statements(date(YEAR, 7, 30)) - 1


def test_a_month_that_has_no_day_any_more_is_no_month_of_operators_either(world):
    acts(datetime(YEAR, 6, 30, 22, 30, tzinfo=UTC), PEOPLE[0])
    world.settle()
    assert (YEAR, 7) in months_told(world)

    world.move(ZONES.index("UTC"))
    world.settle()

    assert (YEAR, 7) not in months_told(world)
    assert (YEAR, 6) in months_told(world)


def months_told(world):
    with enter_platform():
        rows = TenantMonth.objects.filter(record=str(world.tenant.pk))
        return {(row.month.year, row.month.month) for row in rows}


# What changes nothing


def does(action, times=1):
    """Let somebody do something to somebody else, by any action."""
    values = an_event(random.Random(3)) | {
        "action": action, "outcome": "success", "kind": "person", "actor": PEOPLE[0],
        "type": "user", "target": PEOPLE[1], "at": JULY[5], "details": "{}",
    }  # fmt: skip
    put(values, times)


def test_a_recount_agrees_on_every_action_there_is(world):
    for action in CATALOGUE:
        does(action)
    world.settle()

    assert is_right()


def test_asking_for_a_password_is_no_change_of_a_person(world):
    does("user.password_reset_requested", 7)
    does("user.exported", 2)
    does("user.password_rehashed", 2)
    does("user.invited")
    does("user.password_reset", 3)
    world.settle()

    assert [row[2:] for row in build("admin-changes", LAST_YEAR).rows] == [
        ("user.password_reset", 3)
    ]
    objects = build("most-changed", LAST_YEAR).rows
    assert [row[3] for row in objects if row[2] == PEOPLE[1]] == [3]
    assert [one.changes for one in reading.tallies("person", LAST_YEAR)] == [3]
    with enter_platform():
        told = TenantFigure.objects.filter(record=str(world.tenant.pk), day=JULY[5].date())
        assert [one.changes for one in told] == [3]
    assert is_right()


# Figures that older rules counted


def test_what_older_rules_took_for_a_change_is_none_when_it_is_counted_anew(world, monkeypatch):
    monkeypatch.setattr(counting, "ADMIN_ACTIONS", names("user", "group"))
    monkeypatch.setattr(counting, "CHANGES", names("user", "group"))
    does("user.password_reset_requested", 7)
    does("user.password_reset", 3)
    world.settle()
    monkeypatch.undo()
    RollupCursor.objects.update(rules=2)

    assert [one.changes for one in reading.tallies("person", LAST_YEAR)] == [10]
    assert [row[3] for row in build("admin-changes", LAST_YEAR).rows] == [3]
    assert is_right()
    assert rebuilding.is_due()

    rebuilding.rebuild(timezone.now())

    assert [one.changes for one in reading.tallies("person", LAST_YEAR)] == [3]
    assert [row[3] for row in build("admin-changes", LAST_YEAR).rows] == [3]
    assert is_right()


def test_what_a_comparison_found_is_not_said_of_figures_that_came_since(world, monkeypatch):
    acts(JULY[3], PEOPLE[0])
    world.settle()
    first = comparing._first

    def slowly(cursor):
        with connection.cursor() as sql:
            sql.execute("UPDATE activity_dailytotal SET events = events + 1 WHERE action > ''")
        found = first(cursor)
        rebuilding.rebuild(timezone.now())
        return found

    monkeypatch.setattr(comparing, "_first", slowly)
    assert compare().difference is not None

    served = cursors.served()
    assert (served.difference, served.compared_at) == ("", None)
    monkeypatch.undo()
    assert is_right()
    assert cursors.served().compared_at is not None


@pytest.fixture
def old(world):
    """A tenant whose figures were counted before these rules, and somebody who did most."""
    with enter_platform():
        Tenant.objects.filter(pk=world.tenant.pk).update(time_zone=world.tenant.time_zone)
    fails(JULY[1], times=6)
    acts(JULY[1], PEOPLE[0], 3)
    world.settle()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM activity_monthlytally WHERE kind IN ('year', 'name')")
        cursor.execute(
            "DELETE FROM activity_dailytotal WHERE action = '' AND facet IN ('network', 'name')"
        )
    RollupCursor.objects.update(rules=1)
    cursors.tell()
    return world


def test_figures_of_older_rules_are_served_until_new_ones_are_there(old):
    before = reading.tallies("person", LAST_YEAR, 1)
    attacks = build("sign-in-attacks", LAST_YEAR, {"attempts": "6"}).rows

    assert (before[0].subject, before[0].events) == (PEOPLE[0], 3)
    assert len(attacks) == 1
    assert days_with() == LAST_YEAR.days
    assert is_right()
    assert rebuilding.is_due()
    with enter_platform():
        assert str(old.tenant.pk) in sweeping.behind()

    acts(JULY[8], PEOPLE[0])
    old.seal_all()
    rollups.fold(timezone.now())
    assert reading.tallies("person", LAST_YEAR, 1)[0].events == 4
    assert is_right()

    old.rebuild(0)
    rebuilding.carry_on(timezone.now())
    assert cursors.served().rules == counting.RULES
    assert not rebuilding.is_due()
    assert reading.tallies("person", LAST_YEAR, 1)[0].events == 4
    assert build("sign-in-attacks", LAST_YEAR, {"attempts": "6"}).rows == attacks
    assert days_with(network=6) == [JULY[1].date()]
    assert is_right()
    with enter_platform():
        assert str(old.tenant.pk) not in sweeping.behind()


def test_a_part_can_not_be_counted_by_other_rules_than_the_rest(old):
    with enter_tenant(old.tenant), pytest.raises(InvalidInput, match="newer rules"):
        rebuilding.begin(JULY[3].date())


def test_what_was_begun_by_older_rules_is_begun_anew(old):
    rebuilding.begin()
    RollupCursor.objects.filter(is_served=False).update(rules=1, number=1)

    rebuilding.begin()
    rebuilding.carry_on(timezone.now())

    assert cursors.served().rules == counting.RULES
    assert is_right()
