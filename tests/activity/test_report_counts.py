"""The reports that read roll-ups: each against a recount of the events that were folded."""

import ipaddress
import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.actions import names
from activity.models import ActivityEvent
from activity.periods import Period
from activity.reports import ADMIN_ACTIONS, REPORTS, build
from activity.reports.registry import Source
from activity.rollups import arrive, figures, fold, rebuilding
from activity.rollups.counting import CHANGES
from activity.sealing import sealer
from tenants.context import enter_platform, enter_tenant
from tenants.models import TenantFigure
from tests.activity.past import event, happened
from tests.activity.test_report_events import HOSTILE, moments

BERLIN = ZoneInfo("Europe/Berlin")
MARCH = Period(date(2026, 3, 26), date(2026, 4, 2))
"""Two months, two weeks and a day of 23 hours."""
CHANGE_NOTHING = {
    *("user.exported", "user.invited", "user.password_rehashed", "user.password_reset_requested")
}

ACTIONS = [
    *("session.started", "session.failed", "session.ended", "user.changed", "user.created"),
    *("group.member_added", "group.changed", "email.changed", "export.finished", "user.invited"),
]


@pytest.fixture
def berlin(acme):
    acme.time_zone = "Europe/Berlin"
    acme.save()
    with enter_tenant(acme):
        yield acme


def some(chance, count):
    for at in moments(chance, count):
        action = chance.choice(ACTIONS)
        failed = action == "session.failed" or chance.random() < 0.1
        number = chance.randint(1, 9)
        kind = chance.choice(["person"] * 6 + ["anonymous", "command"])
        details = {}
        if action.startswith("session.") and chance.random() < 0.3:
            details["method"] = chance.choice(["password", "passkey", HOSTILE[0]])
        if failed and chance.random() < 0.3:
            details["count"] = chance.randint(2, 9)
        yield event(
            at, action, outcome="failure" if failed else "success", actor_kind=kind,
            actor_id=f"id-{number}" if kind == "person" else "", details=details,
            actor_label=HOSTILE[number % len(HOSTILE)] if kind == "person" else kind,
            target_type="user", target_id=chance.choice(["", *(f"of-{n}" for n in range(6))]),
            target_label=chance.choice(HOSTILE),
            ip=chance.choice([None, "203.0.113.5", "203.0.113.250", "198.51.100.1", "2001:db8::1"]),
        )  # fmt: skip


@pytest.fixture(params=range(4))
def folded(request, berlin):
    """Events of a fortnight, sealed and counted; those of the period, found one by one."""
    happened(some(random.Random(request.param), 250))
    sealer.arrive()
    fold(timezone.now())
    return [one for one in ActivityEvent.objects.order_by("id") if inside(one)]


def day_of(one):
    return one.occurred_at.astimezone(BERLIN).date()


def inside(one):
    return MARCH.since <= day_of(one) <= MARCH.until


def weight(one):
    return one.details.get("count", 1) if one.outcome != "success" else 1


def network(one):
    if one.ip is None:
        return "unknown"
    size = 24 if ipaddress.ip_address(one.ip).version == 4 else 48
    return str(ipaddress.ip_network((one.ip, size), strict=False))


def rows(name, **given):
    return build(name, MARCH, given).rows


def test_days_equal_a_recount(folded):
    for name, counts in {
        "sign-ins": lambda one: one.action == "session.started",
        "failed-sign-ins": lambda one: one.action == "session.failed",
        "record-volume": lambda one: True,
    }.items():
        assert rows(name) == tuple(
            (day, sum(weight(one) for one in folded if day_of(one) == day and counts(one)))
            for day in MARCH.days
        ), name


def test_methods_equal_a_recount(folded):
    counts = defaultdict(Counter)
    for one in folded:
        if one.action in ("session.started", "session.failed"):
            counts[one.details.get("method") or "password"][one.action] += weight(one)

    found = rows("sign-ins-by-method")

    assert {row[0]: row[1:] for row in found} == {
        method: (by["session.started"], by["session.failed"]) for method, by in counts.items()
    }
    assert [-sum(row[1:]) for row in found] == sorted(-sum(row[1:]) for row in found)


@pytest.mark.parametrize("order", ["failures", "sign_ins", "last_at"])
def test_networks_equal_a_recount(folded, order):
    counts, last = defaultdict(lambda: [0, 0]), {}
    for one in folded:
        if one.action in ("session.started", "session.failed"):
            counts[network(one)][one.outcome != "success"] += weight(one)
            last[network(one)] = one.occurred_at

    found = rows("sign-ins-by-network", order=order)

    assert {row[0]: list(row[1:3]) for row in found} == counts
    assert all(row[3] >= last[row[0]] for row in found)
    place = {"failures": 2, "sign_ins": 1, "last_at": 3}[order]
    assert [row[place] for row in found] == sorted((row[place] for row in found), reverse=True)


def whole(span):
    """The events of every span that the period touches."""
    starts = {
        "day": lambda day: day,
        "week": lambda day: day - timedelta(day.weekday()),
        "month": lambda day: day.replace(day=1),
    }[span]
    wanted = {starts(day) for day in MARCH.days}
    for one in ActivityEvent.objects.filter(actor_kind="person"):
        if starts(day_of(one)) in wanted:
            yield starts(day_of(one)), one.actor_id, day_of(one)


@pytest.mark.parametrize("span", ["day", "week", "month"])
def test_active_people_equal_a_recount(folded, span):
    people = defaultdict(set)
    for start, who, _ in whole(span):
        people[start].add(who)

    found = rows("active-people", by=span)

    assert {row[0]: row[1] for row in found if row[1]} == {
        start: len(ids) for start, ids in people.items()
    }
    assert [row[0] for row in found] == sorted({row[0] for row in found})
    if span == "day":
        assert found == rows("active-users")


def test_stickiness_equals_a_recount(folded):
    people, per_day = defaultdict(set), defaultdict(set)
    for start, who, day in whole("month"):
        people[start].add(who)
        per_day[start].add((day, who))
    lengths = {date(2026, 3, 1): 31, date(2026, 4, 1): 30}

    found = {row[0]: row[1:] for row in rows("stickiness")}

    assert set(found) == set(lengths)
    for month, days in lengths.items():
        usual = len(per_day[month]) / days
        everybody = len(people[month])
        share = round(usual / everybody, 3) if everybody else 0.0
        assert found[month] == (round(usual, 1), everybody, share)


def test_people_equal_a_recount(folded):
    counts = defaultdict(Counter)
    for one in folded:
        if one.actor_kind == "person":
            mine = counts[one.actor_label]
            mine["events"] += weight(one)
            if one.outcome == "success":
                mine["sign_ins"] += one.action == "session.started"
                mine["changes"] += one.action in ADMIN_ACTIONS

    found = rows("most-active")

    by_label = defaultdict(lambda: (0, 0, 0))
    for label, *numbers in found:
        by_label[label] = tuple(map(sum, zip(by_label[label], numbers, strict=True)))
    assert by_label == {
        label: (mine["events"], mine["sign_ins"], mine["changes"]) for label, mine in counts.items()
    }
    assert [row[1] for row in found] == sorted((row[1] for row in found), reverse=True)


def test_objects_equal_a_recount(folded):
    counts, newest = Counter(), {}
    for one in ActivityEvent.objects.order_by("id"):
        if one.action in CHANGES and one.outcome == "success" and one.target_id:
            if inside(one):
                counts[one.target_id] += 1
            newest.setdefault(one.target_id, {})[day_of(one).replace(day=1)] = one.target_label

    found = rows("most-changed")

    assert {(row[1], row[2]): row[3] for row in found} == {
        ("user", key): number for key, number in counts.items()
    }
    assert all(row[0] in newest[row[2]].values() for row in found)
    assert [row[3] for row in found] == sorted((row[3] for row in found), reverse=True)


def test_changes_to_people_and_roles_equal_a_recount(folded):
    counts = Counter()
    for one in folded:
        if one.action in set(names("user", "group")) - CHANGE_NOTHING:
            counts[day_of(one), one.actor_label, one.action] += weight(one)

    found = rows("admin-changes")

    assert Counter({row[:3]: row[3] for row in found}) == counts
    assert [row[0] for row in found] == sorted((row[0] for row in found), reverse=True)


def test_operators_figures_are_those_of_the_tenant(folded, berlin):
    with enter_platform():
        told = {
            one.day: (one.events, one.sign_ins, one.failures, one.people, one.changes)
            for one in TenantFigure.objects.filter(
                record=str(berlin.pk), day__range=(MARCH.since, MARCH.until)
            )
        }

    for day in MARCH.days:
        today = [one for one in folded if day_of(one) == day]
        assert told.get(day, (0, 0, 0, 0, 0)) == (
            sum(map(weight, today)),
            sum(weight(one) for one in today if one.action == "session.started"),
            sum(weight(one) for one in today if one.action == "session.failed"),
            len({one.actor_id for one in today if one.actor_kind == "person"}),
            sum(weight(one) for one in today if one.action in ADMIN_ACTIONS),
        )
    assert told


# All of them

COUNTED = [name for name, one in REPORTS.items() if one.reads == Source.ROLLUPS]


@pytest.mark.parametrize("name", COUNTED)
def test_a_report_of_many_counts_asks_no_more_than_of_few(berlin, name):
    def asked(events):
        happened(some(random.Random(1), events))
        sealer.arrive()
        fold(timezone.now())
        with CaptureQueriesContext(connection) as queries:
            build(name, MARCH)
        return len(queries)

    few = asked(25)

    assert asked(250) <= few <= 6


@pytest.mark.parametrize("name", COUNTED)
def test_a_record_in_which_nothing_is_counted_has_an_empty_report(berlin, name):
    found = build(name, Period(date(2020, 1, 1), date(2020, 1, 3))).rows

    assert not [row for row in found if any(row[1:])]


def test_nothing_of_another_tenant_is_counted(globex, berlin):
    with enter_tenant(globex):
        happened(some(random.Random(2), 60))
        sealer.arrive()
        fold(timezone.now())

    for name in COUNTED:
        assert not [row for row in rows(name) if any(row[1:])], name


def test_the_month_that_is_not_over_is_counted_up_to_today(berlin, still):
    today = timezone.now().astimezone(BERLIN).date()
    noon = datetime.combine(today, datetime.min.time(), BERLIN).astimezone(UTC)
    happened(event(noon, "session.started", actor_id=f"id-{n}") for n in range(90))
    sealer.arrive()
    fold(timezone.now())

    [(month, usual, people, share)] = build("stickiness", Period(today, today)).rows

    assert month == today.replace(day=1)
    assert people >= 90
    assert usual == round(sum(
        row[1] for row in build("active-users", Period(month, today)).rows
    ) / today.day, 1)  # fmt: skip
    assert 0 < share <= 1


def told(place):
    with enter_platform():
        known = TenantFigure.objects.filter(record=str(place.pk), day__lt=date(2026, 6, 1))
        return list(known.values_list("day", "events", "sign_ins", "failures", "people", "changes"))


def test_figures_are_the_same_however_often_they_are_told(berlin):
    chance = random.Random(9)
    for turn in range(3):
        happened(event(at, "session.started", xid=turn) for at in moments(chance, 20))
        sealer.arrive()
        fold(timezone.now())
    grown = told(berlin)

    counted = Counter(day_of(one) for one in ActivityEvent.objects.filter(xid__lt=3))
    assert {row[0]: row[1] for row in grown} == counted
    rebuilding.rebuild(timezone.now())
    assert told(berlin) == grown
    arrive()
    assert told(berlin) == grown


def test_the_figures_of_a_tenant_end_with_it(globex, berlin):
    for place in (globex, berlin):
        with enter_tenant(place):
            happened(some(random.Random(3), 30))
            sealer.arrive()
            fold(timezone.now())
    others = told(globex)

    assert figures.forget(berlin) > 0

    assert told(berlin) == []
    assert told(globex) == others != []
