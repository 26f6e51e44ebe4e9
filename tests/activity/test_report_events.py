"""The reports that read events, each against a recount, over a day that is not 24 hours long."""

import ipaddress
import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activity.models import ActivityEvent
from activity.periods import Period
from activity.reports import REPORTS, build
from activity.reports.lifecycle import STEPS
from activity.reports.registry import Source
from tenants.context import enter_tenant
from tests.activity.past import event, happened

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, LAST = date(2026, 3, 27), date(2026, 3, 31)
"""In the night to the 29th the clocks go forward in Berlin."""
SPRING = Period(FIRST, LAST)
HOSTILE = [
    "=1+1",
    "Zoë' OR 1=1 --",
    "%s %(day)s {}",
    "a\u202eb",
    "<b>",
    "x" * 200,
    "ann the role b",
]
FAILED = "session.failed"


@pytest.fixture
def berlin(acme):
    acme.time_zone = "Europe/Berlin"
    with enter_tenant(acme):
        yield acme


def moments(chance, count):
    """Moments around the period, many of them close to where a day begins."""
    edges = [datetime.combine(FIRST + timedelta(n), datetime.min.time(), BERLIN) for n in range(6)]
    for _ in range(count):
        if chance.random() < 0.4:
            yield (chance.choice(edges) + timedelta(milliseconds=chance.randint(-2, 2))).astimezone(
                UTC
            )
        else:
            yield datetime(2026, 3, 26, tzinfo=UTC) + timedelta(
                seconds=chance.uniform(0, 7 * 86_400)
            )


def inside(period=SPRING):
    """The events of a period, newest first, found one by one."""
    return [
        one
        for one in ActivityEvent.objects.order_by("-id")
        if period.since <= one.occurred_at.astimezone(BERLIN).date() <= period.until
    ]


def day_of(one):
    return one.occurred_at.astimezone(BERLIN).date()


# Clusters of failed sign-ins


def attempts(chance, count):
    addresses = [
        "203.0.113.1",
        "203.0.113.2",
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8:0:1::1",
        None,
    ]
    for at in moments(chance, count):
        known = chance.random() < 0.7
        number = chance.randint(1, 4)
        details = {} if known else {"identifier_hash": f"{number:032x}"}
        if chance.random() < 0.3:
            details |= {"count": chance.randint(1, 9)}
        yield event(
            at, FAILED, outcome="failure", actor_kind="anonymous", actor_id="", actor_label="",
            target_type="user" if known else "", target_id=f"id-{number}" if known else "",
            target_label=chance.choice(HOSTILE) if known else "",
            details=details if known or chance.random() < 0.9 else {},
            ip=chance.choice(addresses),
        )  # fmt: skip


def source_of(one):
    if one.ip is None:
        return None
    address = ipaddress.ip_address(one.ip)
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((one.ip, 64), strict=False))


def recount_clusters(events, least, most):
    pairs, spans = Counter(), defaultdict(list)
    for one in events:
        account = one.target_id or one.details.get("identifier_hash")
        key = day_of(one), source_of(one), account
        pairs[key] += one.details.get("count", 1)
        spans[key].append(one.occurred_at)
    found = set()

    def add(day, pattern, source, account, keys):
        times = [moment for key in keys for moment in spans[key]]
        found.add(
            (day, pattern, source, account, sum(pairs[key] for key in keys),
             len({key[2] for key in keys} - {None}), len({key[1] for key in keys} - {None}),
             min(times), max(times))
        )  # fmt: skip

    for day, source, account in pairs:
        if source:
            keys = [key for key in pairs if key[:2] == (day, source)]
            if len({key[2] for key in keys} - {None}) >= least:
                add(day, "one source, many accounts", source, "", keys)
        if account:
            keys = [key for key in pairs if (key[0], key[2]) == (day, account)]
            if len({key[1] for key in keys} - {None}) >= least:
                add(day, "one account, many sources", "", account, keys)
        if source and account and pairs[day, source, account] >= most:
            add(day, "one source, one account", source, account, [(day, source, account)])
    return found


@pytest.mark.parametrize("seed", range(8))
def test_clusters_of_failed_sign_ins_equal_a_recount(berlin, seed):
    chance = random.Random(seed)
    happened(attempts(chance, 120))
    least, most = chance.randint(2, 4), chance.randint(2, 9)

    rows = build("sign-in-attacks", SPRING, {"least": str(least), "attempts": str(most)}).rows

    events = [one for one in inside() if one.action == FAILED]
    newest = {one.target_id: one.target_label for one in ActivityEvent.objects.order_by("id")}
    expected = {
        (*row[:3], newest.get(row[3], "an unknown account") if row[3] else "", *row[4:])
        for row in recount_clusters(events, least, most)
    }
    assert set(rows) == expected
    assert len(rows) == len(recount_clusters(events, least, most))
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    assert expected, "nothing was tested"


def test_somebody_who_forgot_is_no_attack(berlin):
    at = datetime(2026, 3, 28, 9, tzinfo=UTC)
    happened(
        event(at + timedelta(seconds=n), FAILED, outcome="failure", target_id="a", ip="203.0.113.1")
        for n in range(4)
    )

    assert build("sign-in-attacks", SPRING).rows == ()


# Changes of privilege


def privileges(chance, count):
    for at in moments(chance, count):
        action = chance.choice(
            ["user.created", "user.deleted", "user.privileges_changed", "group.permissions_changed",
             "group.member_added", "group.member_removed", "user.changed", "session.started"]
        )  # fmt: skip
        flags = {
            name: chance.choice(
                [[None, True], [None, False], [True, None], [False, True], [True, False]]
            )
            for name in ("is_superuser", "is_staff")
            if chance.random() < 0.6
        }
        changes = {"display_name": [True, chance.choice(HOSTILE)], **flags}
        if chance.random() < 0.5:
            changes["permissions"] = chance.choice([[None, ["a.b"]], [["a.b", "c.d"], None]])
        yield event(
            at, action, changes=changes, target_type="user", target_id=f"id-{chance.randint(1, 3)}",
            target_label=chance.choice(HOSTILE), actor_label=chance.choice(HOSTILE),
            reason=chance.choice(HOSTILE), channel=chance.choice(["page", "command", "database"]),
        )  # fmt: skip


def told(one):
    """What an event says of powers: what was gained, and what was lost."""
    if one.action.startswith("group.member_"):
        return ("the role", "") if one.action.endswith("added") else ("", "the role")
    words = {"is_superuser": "administrator", "is_staff": "may open the panel"}
    gained = [word for name, word in words.items() if one.changes.get(name, [0, 0])[1]]
    lost = [word for name, word in words.items() if one.changes.get(name, [0, 0])[0]]
    taken, given = one.changes.get("permissions", [None, None])
    return ", ".join(gained + (given or [])), ", ".join(lost + (taken or []))


@pytest.mark.parametrize("seed", range(5))
def test_changes_of_privilege_equal_a_recount(berlin, seed):
    happened(privileges(random.Random(seed), 150))

    rows = build("privilege-changes", SPRING).rows

    expected = []
    for one in inside():
        always = one.action in (
            "user.privileges_changed", "group.permissions_changed", "group.member_added",
            "group.member_removed",
        )  # fmt: skip
        of_power = one.action in ("user.created", "user.deleted") and any(
            one.changes.get(name, [0])[-1] or one.changes.get(name, [0])[0]
            for name in ("is_superuser", "is_staff")
        )
        if always or of_power:
            what = (one.occurred_at, one.target_label, *told(one))
            expected.append((*what, one.actor_label, one.channel, one.reason, str(one.pk)))
    assert list(rows) == expected
    assert len(rows) > 20


def test_who_is_forgotten_is_not_named_in_reports(berlin):
    at = datetime(2026, 3, 28, 9, tzinfo=UTC)
    happened(
        [
            event(at, "user.privileges_changed", actor_label="", actor_id="person-12345678",
                  target_type="user", target_label="", target_id="person-87654321")
        ]
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
        ActivityEvent.objects.filter(actor_id="person-12345678").update(
            actor_salt=None, target_salt=None
        )
        cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")

    [row] = build("privilege-changes", SPRING).rows

    assert (row[1], row[4]) == ("erased person 87654321", "erased person 12345678")


# Data that left, and operators


def others(chance, count):
    for at in moments(chance, count):
        yield event(
            at,
            chance.choice(
                ["export.requested", "export.finished", "user.exported", "tenant.exported",
                 "tenant.suspended", "operation.cancelled", "user.changed", "session.started"]
            ),
            details=chance.choice(
                [{}, {"format": "csv", "rows": 3, "bytes": 70}, {"format": 7, "rows": "many"}]
            ),
            actor_label=chance.choice(HOSTILE),
            target_label=chance.choice(HOSTILE),
            on_behalf_of_id=chance.choice(["", "", "b"]),
            on_behalf_of_label=chance.choice(HOSTILE),
            channel=chance.choice(["page", "page", "api", "task", "command", "database"]),
            ip=chance.choice([None, "203.0.113.9"]),
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_exports_and_operators_equal_a_recount(berlin, seed):
    happened(others(random.Random(seed), 120))

    exports, support = build("exports", SPRING).rows, build("support-access", SPRING).rows

    def number(value):
        return value if isinstance(value, int) else None

    assert list(exports) == [
        (one.occurred_at, one.action, one.target_label,
         one.details.get("format") if one.details.get("format") == "csv" else "",
         number(one.details.get("rows")), number(one.details.get("bytes")),
         one.actor_label, one.channel, one.ip or "", str(one.pk))
        for one in inside()
        if one.action.startswith("export.") or one.action in ("user.exported", "tenant.exported")
    ]  # fmt: skip
    assert [row[-1] for row in support] == [
        str(one.pk)
        for one in inside()
        if one.channel in ("command", "database")
        or one.on_behalf_of_id
        or one.action.partition(".")[0] in ("tenant", "operation", "support")
    ]
    assert exports
    assert support


# How accounts come and go


@pytest.mark.parametrize("span", ["day", "week", "month"])
@pytest.mark.parametrize("seed", range(3))
def test_how_accounts_come_and_go_equals_a_recount(berlin, seed, span):
    chance = random.Random(seed)
    happened(
        event(at, chance.choice([*STEPS, "user.changed"]), target_id=f"id-{chance.randint(1, 9)}",
              target_type="user")
        for at in moments(chance, 200)
    )  # fmt: skip

    report = build("account-life-cycle", SPRING, {"by": span})

    invited, chose, counts = set(), set(), Counter()
    for one in ActivityEvent.objects.order_by("id"):
        action = one.action
        if action == "user.invited":
            invited.add(one.target_id)
        if action == "user.password_reset":
            is_first = one.target_id in invited and one.target_id not in chose
            chose.add(one.target_id)
            if not is_first:
                continue
        day = day_of(one)
        if FIRST <= day <= LAST:
            begins = {
                "day": day,
                "week": day - timedelta(day.weekday()),
                "month": day.replace(day=1),
            }[span]
            counts[begins, action] += 1
    firsts = sorted({row[0] for row in report.rows})
    assert report.rows == tuple(
        (first, *(counts[first, action] for action in STEPS)) for first in firsts
    )
    assert {first for first, action in counts if action in STEPS} <= set(firsts)
    assert sum(map(sum, (row[1:] for row in report.rows))) > 20
    assert sum(row[3] for row in report.rows) > 0, "nobody was activated"


def test_every_span_has_a_row_also_where_nothing_happened(berlin):
    assert [row[0] for row in build("account-life-cycle", SPRING, {"by": "week"}).rows] == [
        date(2026, 3, 23),
        date(2026, 3, 30),
    ]
    assert len(build("account-life-cycle", SPRING).rows) == 5


# All of them

EVENTS = [name for name, one in REPORTS.items() if one.reads == Source.EVENTS and one.has_period]


@pytest.mark.parametrize("name", EVENTS)
def test_a_record_without_such_events_has_an_empty_report(berlin, name):
    rows = build(name, Period(date(2020, 1, 1), date(2020, 1, 3))).rows

    assert not [row for row in rows if any(row[1:])]


@pytest.mark.parametrize("name", EVENTS)
def test_a_report_of_many_events_asks_no_more_than_of_few(berlin, name):
    chance = random.Random(1)
    with CaptureQueriesContext(connection) as few:
        build(name, SPRING)
    happened([*attempts(chance, 80), *privileges(chance, 80), *others(chance, 80)])
    with CaptureQueriesContext(connection) as many:
        build(name, SPRING)

    # Of attacks it is asked first on which days there may be some.
    assert len(many) <= len(few) <= 2 + (name == "sign-in-attacks")


@pytest.mark.parametrize("name", EVENTS)
def test_a_page_of_a_report_is_its_beginning(berlin, name):
    chance = random.Random(2)
    happened([*attempts(chance, 80), *privileges(chance, 80), *others(chance, 80)])

    whole, page = build(name, SPRING), build(name, SPRING, most=3)

    assert page.rows == whole.rows[:3]
    assert page.is_cut == (len(whole.rows) > 3)
    assert not whole.is_cut
    assert not build(name, SPRING, most=len(whole.rows)).is_cut


def test_the_other_tenants_events_are_not_here(globex, berlin):
    with enter_tenant(globex):
        happened([*privileges(random.Random(3), 50), *others(random.Random(3), 50)])

    for name in EVENTS:
        assert not [row for row in build(name, SPRING).rows if any(row[1:])]
