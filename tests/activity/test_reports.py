"""The reports: each against a recount, on its page, and behind each number its rows."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from activity.actions import CATALOGUE
from activity.context import Actor, ActorKind
from activity.periods import Period, last_days, parse_day, period_between
from activity.recording import record
from activity.reports import ADMIN_ACTIONS, REPORTS, build, definition_of
from tenants.context import enter_tenant
from tenants.errors import InvalidInput
from tests.activity.rolled import put

REPORT = "/admin/reports/{}/"
HERE = [name for name, report in REPORTS.items() if not report.is_for_operators]
FIRST = date(2026, 3, 1)
MARCH = Period(FIRST, date(2026, 3, 10))

ROLLUP = st.tuples(
    st.integers(-2, 11).map(lambda n: FIRST + timedelta(n)),
    st.sampled_from(["session.started", "session.failed", "user.changed", "group.created"]),
    st.sampled_from([("person", "a"), ("person", "b"), ("person", "c"), ("anonymous", "")]),
    st.integers(1, 5),
)


def roll_up(rows):
    """Put down what a fold would have left."""
    put(
        [
            (
                day,
                action,
                "failure" if action == "session.failed" else "success",
                kind,
                key,
                f"Person {key}" if key else "",
                events,
            )
            for day, action, (kind, key), events in rows
        ]
    )
    return [row for row in rows if MARCH.since <= row[0] <= MARCH.until]


@effort(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ROLLUP, max_size=25))
def test_every_report_equals_a_recount(in_acme, rows):
    inside = roll_up(rows)

    def per_day(count):
        return tuple((day, count(day)) for day in MARCH.days)

    def events(day, action):
        return sum(row[3] for row in inside if row[0] == day and row[1] == action)

    def people(day):
        return len({row[2] for row in inside if row[0] == day and row[2][0] == "person"})

    assert build("sign-ins", MARCH).rows == per_day(lambda day: events(day, "session.started"))
    assert build("failed-sign-ins", MARCH).rows == per_day(
        lambda day: events(day, "session.failed")
    )
    assert build("active-users", MARCH).rows == per_day(people)
    assert set(build("most-active", MARCH).rows) == {
        (
            f"Person {key}",
            sum(row[3] for row in inside if row[2][1] == key),
            sum(row[3] for row in inside if row[2][1] == key and row[1] == "session.started"),
            sum(row[3] for row in inside if row[2][1] == key and row[1] in ADMIN_ACTIONS),
        )
        for key in {row[2][1] for row in inside if row[2][0] == "person"}
    }
    changes = Counter()
    for day, action, (_, key), number in inside:
        if action in ADMIN_ACTIONS:
            changes[day, f"Person {key}" if key else "", action] += number
    assert Counter({row[:3]: row[3] for row in build("admin-changes", MARCH).rows}) == changes


def test_most_active_is_in_order_and_by_the_newest_name(in_acme):
    put(
        [
            (date(2026, 2, 1), "session.started", "success", "person", "a", "Old Name", 3),
            (date(2026, 3, 2), "session.started", "success", "person", "a", "New Name", 3),
            (FIRST, "session.ended", "success", "person", "b", "Second", 2),
        ]
    )

    rows = build("most-active", Period(date(2026, 2, 1), MARCH.until)).rows

    assert [row[:2] for row in rows] == [("New Name", 6), ("Second", 2)]


def test_most_active_knows_a_name_that_changed_today(in_acme):
    for label in ("Old Name", "New Name"):
        record("session.started", actor=Actor(ActorKind.PERSON, "a", label))
    put([(FIRST, "session.started", "success", "person", "a", "Old Name", 2)])

    assert [row[0] for row in build("most-active", MARCH).rows] == ["New Name"]


def test_silent_days_are_there_with_a_zero(in_acme):
    for name in ("sign-ins", "failed-sign-ins", "active-users"):
        report = build(name, MARCH)

        assert report.rows == tuple((day, 0) for day in MARCH.days)
        assert len(report.rows) == 10


def test_the_other_tenants_figures_are_not_here(acme, globex):
    with enter_tenant(globex):
        roll_up([(FIRST, "session.started", ("person", "a"), 5)])

    with enter_tenant(acme):
        assert build("sign-ins", MARCH).total("sign_ins") == 0
    with enter_tenant(globex):
        assert build("sign-ins", MARCH).total("sign_ins") == 5


def test_a_report_that_there_is_not_names_those_there_are():
    with pytest.raises(InvalidInput, match=r"Choose one of .*sign-ins, failed-sign-ins"):
        definition_of("sign_ins")


# Periods


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        ("2026-03-02", "2026-03-01", "is after until"),
        ("2010-01-01", "2026-01-01", "longer than ten years"),
        ("2026-02-30", "", "is not a day"),
        ("", "2026-02-30", "is not a day"),
        ("yesterday", "", "is not a day"),
        ("20260301", "", "is not a day"),
        ("2026-W01-1", "", "is not a day"),
        ("2026-3-1", "", "is not a day"),
        (" 2026-03-01", "", "is not a day"),
        ("\u0662\u0660\u0662\u0666-\u0660\u0663-\u0660\u0661", "", "is not a day"),
        ("2026-03-01T00:00", "", "is not a day"),
        ("\0", "", "is not a day"),
        ("x" * 10_000, "", "is not a day"),
        ("", "0001-01-01", "out of range"),
        ("", "0001-01-31", "out of range"),
        ("9999-12-31", "9999-12-31", "out of range"),
        ("1969-12-31", "1970-01-01", "out of range"),
    ],
)
def test_what_is_no_period_is_refused_with_a_sentence(in_acme, since, until, sentence):
    with pytest.raises(InvalidInput, match=sentence) as refused:
        period_between(since, until)

    assert len(str(refused.value)) < 200
    assert refused.value.hint


def test_a_beginning_after_today_is_not_said_to_be_the_wrong_way_round(acme):
    acme.time_zone = "Pacific/Kiritimati"
    with enter_tenant(acme):
        today = last_days(1).since
        tomorrow = today + timedelta(1)

        with pytest.raises(InvalidInput) as refused:
            period_between(str(tomorrow), "")

    sentence = f"since {tomorrow} is after today, which is {today} in Pacific/Kiritimati."
    assert str(refused.value) == f"{sentence} Choose an earlier day."


@given(st.text(max_size=12))
def test_any_text_is_a_day_or_refused(text):
    try:
        day = parse_day(text, "since")
    except InvalidInput:
        return
    assert day is None or day.isoformat() == text


def test_without_days_it_is_the_last_thirty_of_the_tenant(acme, still):
    acme.time_zone = "Pacific/Kiritimati"
    with enter_tenant(acme):
        period = period_between("", "")
        today = timezone.now().astimezone(timezone.get_fixed_timezone(14 * 60)).date()

        assert period == last_days(30)
        assert len(period.days) == 30
        assert period.until == today


def test_a_period_begins_and_ends_with_the_tenants_days(acme):
    acme.time_zone = "Europe/Berlin"
    with enter_tenant(acme):
        summer_begins = Period(date(2026, 3, 29), date(2026, 3, 29))

        assert summer_begins.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
        assert summer_begins.end == datetime(2026, 3, 29, 22, tzinfo=UTC)


# Pages


@pytest.mark.parametrize("name", HERE)
def test_bob_opens_every_report(browser, acme, bob, name):
    period = {"since": "2026-03-01", "until": "2026-03-10"} if REPORTS[name].has_period else {}
    response = browser(acme, bob).get(REPORT.format(name), period)

    assert response.status_code == 200
    assert REPORTS[name].title in response.text


def test_the_list_of_reports_links_to_each(browser, acme, bob):
    page = browser(acme, bob).get("/admin/reports/").text

    for name in HERE:
        assert f'href="{REPORT.format(name)}"' in page


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("since=2026-03-02&until=2026-03-01", "is after until"),
        ("since=nonsense", "is not a day"),
        ("until=0001-01-01", "out of range"),
        ("since=%3Cscript%3E", "is not a day"),
        ("since=%00", "is not a day"),
    ],
)
def test_a_period_that_is_none_is_said_on_the_page(browser, acme, bob, query, sentence):
    response = browser(acme, bob).get(f"{REPORT.format('sign-ins')}?{query}")
    file = browser(acme, bob).get(f"{REPORT.format('sign-ins')}?{query}&export=csv")

    assert response.status_code == file.status_code == 400
    assert sentence in response.text
    assert sentence in file.text
    assert "<script>" not in response.text.partition("is not a day")[0][-200:]


@pytest.mark.parametrize("days", ["abc", "8", "%00", "-7", "%3Cscript%3E"])
def test_days_that_no_link_offers_are_refused_unless_others_are_typed(browser, acme, bob, days):
    response = browser(acme, bob).get(f"{REPORT.format('sign-ins')}?days={days}")
    file = browser(acme, bob).get(f"{REPORT.format('sign-ins')}?days={days}&export=csv")

    assert response.status_code == file.status_code == 400
    assert "Choose one of 1, 7, 30, 90, or write two days. Shown: " in response.text
    assert "There is no period of " in file.text
    # Days that are typed count, whatever else the address has.
    typed = f"{REPORT.format('sign-ins')}?days={days}&since=2026-03-01&until=2026-03-02"
    assert browser(acme, bob).get(typed).status_code == 200


def test_a_misspelt_report_is_guessed(in_acme):
    with pytest.raises(InvalidInput) as refused:
        definition_of("sigins")
    assert refused.value.hint.startswith("Did you mean sign-ins? Choose one of ")
    with pytest.raises(InvalidInput) as refused:
        definition_of("zzz")
    assert refused.value.hint.startswith("Choose one of ")


@pytest.mark.parametrize("name", ["sign_ins", "x", "sign-ins%00", "%3Cscript%3E", "..%2f"])
def test_an_unknown_report_is_not_found(browser, acme, bob, name):
    assert browser(acme, bob).get(REPORT.format(name)).status_code == 404


def test_a_report_as_a_file_has_the_rows_of_its_page(browser, acme, bob):
    with enter_tenant(acme):
        roll_up([(FIRST, "session.started", ("person", "a"), 5)])
    client = browser(acme, bob)
    query = {"since": "2026-03-01", "until": "2026-03-03"}

    shown = client.get(REPORT.format("sign-ins"), query).context["report"].rows
    file = b"".join(client.get(REPORT.format("sign-ins"), query | {"export": "csv"})).decode()

    assert shown == ((FIRST, 5), (date(2026, 3, 2), 0), (date(2026, 3, 3), 0))
    assert file.splitlines()[1:] == ["2026-03-01,5", "2026-03-02,0", "2026-03-03,0"]


def test_the_actions_that_reports_count_are_in_the_catalogue():
    assert {"session.started", "session.failed", *ADMIN_ACTIONS} <= set(CATALOGUE)


def test_a_long_report_is_cut_on_the_page_and_whole_as_a_file(browser, acme, bob, monkeypatch):
    monkeypatch.setattr("activity.pages.MOST_ROWS", 3)
    client = browser(acme, bob)

    page = client.get(REPORT.format("sign-ins")).text
    file = b"".join(client.get(REPORT.format("sign-ins"), {"export": "csv"})).decode()

    assert "Rows 1 to 3. An export has them all." in page
    assert len(file.splitlines()) == 31
