"""The panel's first page: what it says, where its numbers lead, and who does not see it."""

import re
from collections import Counter
from datetime import date, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import CustomUser
from activity import pages, rollups
from activity.context import ANONYMOUS, Actor, ActorKind
from activity.models import ActivityEvent, RollupCursor, Schedule
from activity.overview import attention
from activity.overview.choosing import before, choose, in_words
from activity.overview.dashboard import dashboard
from activity.periods import Period, last_days
from activity.recording import record
from activity.reports import build
from activity.schedules import keeping, steps
from activity.schedules.wishes import Wish
from activity.sealing import checking, lag
from activity.subjects import Subject
from tenants.context import current_scope, enter_platform, enter_tenant
from tenants.models import RecordCheck
from tests.activity.rolled import put
from tests.conftest import CANARY

PAGE = "/admin/"
ANN = Actor(ActorKind.PERSON, "a", "Ann Lee (ann)")


def counted(tenant, day):
    """Have all of a tenant's events counted on a day, within the test's own transaction."""
    with enter_tenant(tenant):
        events = Counter(
            (event.action, event.outcome, event.actor_kind, event.actor_id)
            for event in ActivityEvent.objects.all()
        )
        put([(day, *key, "", number) for key, number in events.items()])


def roll_up(tenant, *rows):
    with enter_tenant(tenant):
        put([(day, action, "success", "person", who, who, n) for day, action, who, n in rows])


def figures_of(shown):
    return {figure.title: figure for figure in shown.figures}


# Where the numbers lead


def test_the_people_behind_the_number_are_as_many_as_it_says(browser, acme, ann, monkeypatch):
    monkeypatch.setattr(pages, "MOST_ROWS", 50)
    today = last_days(1).until
    roll_up(acme, *((today, "session.started", f"p{n:03}", 1) for n in range(130)))
    with enter_tenant(acme):
        people = figures_of(dashboard(last_days(7)))["People active"]
    assert people.value == 130
    client, link, named = browser(acme, ann), people.link, set()
    while link:
        page = client.get(link).text
        table = page[page.index("<tbody>") : page.index("</tbody>")]
        named |= set(re.findall(r"<td>(p\d+)</td>", table))
        after = re.search(r'href="(\?[^"]*)" rel="next"', page)
        link = people.link.partition("?")[0] + unescape(after[1]) if after else ""
    assert len(named) == 130
    assert client.get(f"{people.link}&page=4").status_code == 400
    for nonsense in ("0", "x", "-1", "1001", "9" * 30):
        assert client.get(f"{people.link}&page={nonsense}").status_code == 400
    before = client.get(f"{people.link}&page=2").text
    assert "Rows 51 to 100." in before
    assert 'rel="prev"' in before


def test_each_number_links_to_the_very_rows_it_counts(browser, acme, ann, bob):
    with enter_tenant(acme):
        for _ in range(3):
            record("session.failed", target=bob, outcome="failure")
            record("user.password_reset_requested", target=bob, actor=ANONYMOUS)
        record("user.exported", target=bob, details={"rows": 1})
        record("user.password_rehashed", target=bob)
        bob.display_name = "Bob the Second"
        bob.save()
    client = browser(acme, ann)
    # Of a test that begins before midnight, events are yesterday's.
    days = last_days(2)
    counted(acme, days.until)
    with enter_tenant(acme):
        shown = dashboard(days)
        known = set(ActivityEvent.objects.values_list("pk", flat=True))

    for figure in shown.figures[1:]:
        listed = client.get(figure.link).context["cl"].queryset
        with enter_tenant(acme):
            behind = [event for event in listed if event.pk in known]
        assert len(behind) == figure.value, figure.title
    found = figures_of(shown)
    assert found["Failed sign-ins"].value == 3
    assert found["Sign-ins"].value >= 1
    assert found["Changes to people and roles"].value >= 1
    with enter_tenant(acme):
        reported = build("admin-changes", days).rows
    assert sum(row[3] for row in reported) == found["Changes to people and roles"].value
    changing_nothing = {"user.password_reset_requested", "user.exported", "user.password_rehashed"}
    assert not changing_nothing & {row[2] for row in reported}


def test_the_people_who_were_active_are_the_rows_of_the_report_behind(browser, acme, ann):
    today = last_days(1).until
    roll_up(
        acme, *[(today - timedelta(n % 7), "session.started", f"p{n % 5}", 2) for n in range(12)],
        (today - timedelta(8), "session.started", "gone", 1),
    )  # fmt: skip

    client = browser(acme, ann)
    week = {"since": str(today - timedelta(6)), "until": str(today)}
    people = figures_of(client.get(PAGE, week).context["overview"])["People active"]

    assert (people.value, people.before) == (5, 1)
    assert len(client.get(people.link).context["report"].rows) == 5


def test_all_changes_of_the_period_are_behind_the_link_below_the_last_ten(browser, acme, ann, bob):
    with enter_tenant(acme):
        for number in range(12):
            bob.display_name = f"Bob {number}"
            bob.save()
    client = browser(acme, ann)

    shown = client.get(PAGE).context["overview"]

    assert len(shown.changes) == 10
    assert shown.changes[0].at >= shown.changes[-1].at
    listed = client.get(shown.all_changes).context["cl"].queryset
    with enter_tenant(acme):
        assert [str(event.pk) for event in listed[:10]] == [change.id for change in shown.changes]


# Periods


def test_a_period_is_compared_with_the_one_of_the_same_length_before(acme):
    monday = date(2026, 3, 9)
    roll_up(
        acme,
        (monday, "session.started", "a", 4),
        (monday + timedelta(6), "session.started", "b", 3),
        (monday - timedelta(7), "session.started", "a", 2),
        (monday - timedelta(1), "session.started", "a", 3),
        (monday - timedelta(8), "session.started", "a", 50),
        (monday + timedelta(7), "session.started", "a", 60),
    )
    week = Period(monday, monday + timedelta(6))

    with enter_tenant(acme):
        shown = dashboard(week)

    assert shown.before == Period(date(2026, 3, 2), date(2026, 3, 8))
    sign_ins = figures_of(shown)["Sign-ins"]
    assert (sign_ins.value, sign_ins.before) == (7, 5)
    assert sign_ins.change == "2 more than in the 7 days before"
    people = figures_of(shown)["People active"]
    assert (people.value, people.before) == (2, 1)
    chart = next(chart for chart in shown.charts if chart.title == "Sign-ins per day")
    assert [bar.value for bar in chart.bars] == [4, 0, 0, 0, 0, 0, 3]
    assert [bar.before for bar in chart.bars] == [2, 0, 0, 0, 0, 0, 3]
    assert len(chart.line_before.split()) == 7


@pytest.mark.parametrize(
    ("value", "earlier", "words"),
    [
        (0, 0, "none in the 7 days before either"),
        (4, 4, "as many as in the 7 days before"),
        (1, 3, "2 fewer than in the 7 days before"),
        (2_000, 1, "1,999 more than in the 7 days before"),
    ],
)
def test_a_comparison_is_said_in_words(acme, value, earlier, words):
    monday = date(2026, 3, 9)
    numbers = ((monday, value), (monday - timedelta(7), earlier))
    roll_up(acme, *[(day, "session.started", "a", number) for day, number in numbers if number])

    with enter_tenant(acme):
        shown = dashboard(Period(monday, monday + timedelta(6)))

    assert figures_of(shown)["Sign-ins"].change == words


@pytest.mark.parametrize(
    ("query", "days"),
    [("", 7), ("days=1", 1), ("days=7", 7), ("days=30", 30), ("days=90", 90), ("days=", 7),
     ("since=2026-02-01&until=2026-03-01", 29), ("since=2025-03-01&until=2026-03-01", 366)],
)  # fmt: skip
def test_the_page_shows_the_period_that_was_chosen(browser, acme, bob, query, days):
    response = browser(acme, bob).get(f"{PAGE}?{query}")

    assert response.status_code == 200
    assert len(response.context["overview"].period.days) == days
    assert len(response.content) < 150_000
    assert CANARY["globex"] not in response.text


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("since=2026-03-02&until=2026-03-01", "since", "is after until"),
        ("since=1926-01-01&until=2026-01-01", "since", "out of range"),
        ("since=1980-01-01&until=2026-01-01", "since", "longer than ten years"),
        ("since=2024-01-01&until=2026-01-01", "since", "Choose 366 days at most here"),
        ("since=nonsense", "since", "is not a day"),
        ("until=2026-02-30", "until", "is not a day"),
        ("until=0001-01-01", "until", "out of range"),
        ("since=%3Cscript%3Ealert(1)%3C/script%3E", "since", "is not a day"),
        ("since=%00", "since", "is not a day"),
    ],
)
def test_what_is_no_period_is_said_beside_its_field(browser, acme, bob, query, field, sentence):
    response = browser(acme, bob).get(f"{PAGE}?{query}")

    assert response.status_code == 400
    assert sentence in response.text
    tag = re.search(f'<input id="{field}"[^>]*>', response.text)[0]
    assert 'aria-invalid="true" aria-describedby="period-error"' in tag
    assert response.text.count('aria-invalid="true"') == 1
    assert len(response.context["overview"].period.days) == 7
    assert "<script>alert" not in response.text


@pytest.mark.parametrize("days", ["0", "-5", "abc", "8", "\0", "9" * 50, "<b>"])
@pytest.mark.parametrize(("page", "usual"), [(PAGE, 7), (f"{PAGE}reports/sign-ins/", 30)])
def test_days_that_cannot_be_clicked_are_said_to_be_none(browser, acme, bob, page, usual, days):
    response = browser(acme, bob).get(page, {"days": days})

    assert response.status_code == 400
    [said] = re.findall(r'id="period-error" role="alert">([^<]*)<', response.text)
    assert said.startswith("There is no period of ")
    assert "Choose one of 1, 7, 30, 90, or write two days. Shown: " in said
    assert len(response.context["chosen"].period.days) == usual
    assert "<b>" not in said


@pytest.mark.parametrize("more", [{}, {"export": "csv"}])
def test_no_file_is_made_of_days_that_are_none(browser, acme, bob, more):
    path = f"{PAGE}reports/sign-ins/" if more else f"{PAGE}summary/"
    assert browser(acme, bob).get(path, {"days": "abc", **more}).status_code == 400


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2026, 11, 17), date(2026, 11, 23), "17 to 23 November 2026"),
        (date(2026, 11, 23), date(2026, 11, 23), "23 November 2026"),
        (date(2026, 9, 30), date(2026, 10, 1), "30 September to 1 October 2026"),
        (date(2025, 12, 31), date(2026, 1, 1), "31 December 2025 to 1 January 2026"),
    ],
)
def test_a_period_is_written_as_people_do(first, last, words):
    assert in_words(Period(first, last)) == words


def test_the_period_before_ends_the_day_before():
    leap = Period(date(2024, 3, 1), date(2024, 3, 31))

    assert before(leap) == Period(date(2024, 1, 30), date(2024, 2, 29))


def test_an_address_with_the_chosen_period_asks_for_the_same(in_acme):
    typed = choose({"since": "2026-02-01", "until": "2026-02-03"}, "7")
    clicked = choose({"days": "30"}, "7")

    assert typed.query == "since=2026-02-01&until=2026-02-03"
    assert clicked.query == "days=30"


# Is anything wrong?


def said(tenant, period=None):
    with enter_tenant(tenant):
        shown = dashboard(period or last_days(7))
    return [notice.sentence for notice in shown.wrong], [n.sentence for n in shown.worth_a_look]


@pytest.fixture
def healthy(acme):
    """Acme, verified three minutes ago, counted, and with two administrators."""
    with enter_tenant(acme):
        CustomUser.objects.filter(username="bob").update(is_superuser=True)
        rollups.fold(timezone.now())
        scope = current_scope()
    with enter_platform():
        RecordCheck.objects.update_or_create(
            record=scope,
            defaults={
                "checked_at": timezone.now() - timedelta(minutes=3),
                "events": 48_211, "seconds": 1.0, "wrong": "", "sentence": "",
            },
        )  # fmt: skip
    return acme


def check_says(tenant, **values):
    with enter_platform():
        RecordCheck.objects.filter(record=str(tenant.pk)).update(**values)


def test_when_nothing_is_wrong_the_page_says_so_with_a_line_of_trust(browser, healthy, ann):
    page = browser(healthy, ann).get(PAGE).text

    assert "Nothing is wrong." in page
    assert re.search(r"Record intact up to event 48,211 · verified 3\xa0minutes ago", page), page[
        page.index("t-trust") :
    ][:400]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"wrong": "leaf", "sentence": "Event 7 was changed."}, "The record is not intact. Event"),
        ({"sentence": "could not be verified: see the log."}, "The record could not be verified."),
        (
            {"checked_at": timezone.now() - checking.OVERDUE - timedelta(hours=1)},
            "The record was not verified for more than two days.",
        ),
    ],
)
def test_what_is_wrong_with_the_record_is_said_first(browser, healthy, ann, values, sentence):
    check_says(healthy, **values)

    page = browser(healthy, ann).get(PAGE)

    assert page.context["overview"].wrong[0].sentence.startswith(sentence)
    assert "Nothing is wrong." not in page.text
    assert "Tell whoever runs this platform" in page.text or "tell whoever" in page.text


def test_a_record_that_was_never_verified_is_wrong_when_it_is_old(healthy):
    with enter_platform():
        RecordCheck.objects.all().delete()
    assert said(healthy)[0] == []

    healthy.created_at -= timedelta(days=3)

    assert said(healthy)[0] == ["The record was never verified."]


def test_seals_that_lag_are_wrong_where_they_do(healthy, globex, monkeypatch):
    now = timezone.now().timestamp()
    waiting = lag.Lag(at=now, since={str(globex.pk): now - 600, str(healthy.pk): now - 5})
    monkeypatch.setattr(attention.lag, "read", lambda: waiting)

    assert said(healthy)[0] == []
    assert "New events wait for their seal for 10 minutes." in said(globex)[0]


def test_figures_are_behind_when_they_lack_events(healthy, monkeypatch):
    later = timezone.now() + timedelta(hours=1)
    with enter_tenant(healthy):
        monkeypatch.setattr(attention.timezone, "now", lambda: later)
        # Old figures that lack nothing are no matter.
        RollupCursor.objects.update(folded_at=timezone.now() - timedelta(seconds=3_600))
    check_says(healthy, checked_at=later)
    assert said(healthy)[0] == []

    with enter_tenant(healthy), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE activity_rollupcursor SET folded_at = statement_timestamp() - interval '1 day'"
        )

    assert said(healthy)[0][0].startswith("The figures on this page are behind")


def test_figures_that_differ_from_a_recount_are_wrong(healthy):
    with enter_tenant(healthy):
        RollupCursor.objects.update(difference="2026-11-22 has 3 sign-ins and not 4.")

    [sentence] = said(healthy)[0]

    assert sentence.startswith("The figures differ from a recount of the record. 2026-11-22 has 3")


def test_failed_sign_ins_are_wrong_when_they_are_up_and_no_typos(healthy):
    today = last_days(1).until
    last_week = today - timedelta(7)

    roll_up(healthy, (today, "session.failed", "a", 4))
    assert said(healthy)[0] == []
    roll_up(healthy, (today, "session.failed", "a", 5), (last_week, "session.failed", "a", 5))
    assert said(healthy)[0] == []
    roll_up(healthy, (today, "session.failed", "a", 6), (last_week, "session.failed", "a", 5))
    assert said(healthy)[0] == ["6 sign-ins failed, 1 more than in the 7 days before."]


def test_an_export_that_failed_is_wrong_in_its_period(healthy):
    target = Subject("export", "1", "events")
    told = {"source": "events", "format": "csv", "why": "no space", "attempts": 3}
    for sentence in ("An export failed.", "2 exports failed."):
        with enter_tenant(healthy):
            record("export.failed", target=target, outcome="failure", details=told)
        assert said(healthy)[0] == [sentence]

    with enter_tenant(healthy):
        earlier = last_days(1).until - timedelta(2)

    assert said(healthy, Period(earlier, earlier))[0] == []


def test_a_schedule_that_does_not_run_is_wrong_unless_somebody_paused_it(healthy, ann):
    with enter_tenant(healthy):
        wish = Wish(name="Monday", source="sign-ins", cron="0 7 * * 1")
        kept = keeping.create(ann, wish)
    assert said(healthy)[0] == []

    with enter_tenant(healthy):
        keeping.pause(ann, kept.pk)
    assert "The schedule Monday is paused: it was paused by hand." in said(healthy)[1]
    assert said(healthy)[0] == []

    with enter_tenant(healthy):
        Schedule.objects.update(why=steps.LEFT)
    [sentence] = said(healthy)[0]
    assert sentence.startswith("The schedule Monday is paused: its owner has no account here")

    with enter_tenant(healthy):
        keeping.resume(ann, kept.pk)
        Schedule.objects.update(outcome=Schedule.Outcome.FAILED, why=steps.NOT_SENT)
    assert said(healthy)[0] == [
        "The schedule Monday had no file in its last run: the file could not be delivered."
    ]


def test_a_new_administrator_is_worth_a_look_with_who_made_them_one(browser, healthy, ann, cleo):
    # What the fixture did, and the first administrator, are there as well.
    known = said(healthy)[1]
    with enter_tenant(healthy):
        cleo.is_superuser = True
        cleo.save()
    new = [sentence for sentence in said(healthy)[1] if sentence not in known]

    assert new
    with enter_tenant(healthy):
        earlier = last_days(1).until - timedelta(2)
    assert not [s for s in said(healthy, Period(earlier, earlier))[1] if "administrator:" in s]


def test_more_than_three_new_administrators_are_a_number(healthy):
    with enter_tenant(healthy):
        for number in range(4):
            CustomUser.objects.create(
                username=f"p{number}", email=f"p{number}@acme.example", is_superuser=True
            )

    assert "More than 3 people became administrators." in said(healthy)[1]


def test_a_sole_administrator_is_worth_a_look_and_none_is_wrong(healthy, ann):
    with enter_tenant(healthy):
        CustomUser.objects.filter(username="bob").update(is_superuser=False)
    assert f"{ann} is the only administrator." in said(healthy)[1]

    with enter_tenant(healthy):
        CustomUser.objects.update(is_superuser=False)

    assert "Nobody here is an administrator." in said(healthy)[0]


def test_every_notice_leads_somewhere(browser, healthy, ann, bob):
    check_says(healthy, wrong="leaf", sentence="Event 7 was changed.")
    with enter_tenant(healthy):
        CustomUser.objects.filter(username="bob").update(is_superuser=False)
    today = last_days(1).until
    roll_up(healthy, (today, "session.failed", "a", 6))
    client = browser(healthy, ann)

    notices = client.get(PAGE).context["overview"].notices

    assert len(notices) >= 3
    for notice in notices:
        assert notice.advice
        assert client.get(notice.link).status_code == 200, notice


# Who does not see it


def test_who_may_not_read_the_record_sees_no_figures(browser, acme, bob):
    client = browser(acme, bob)
    with enter_tenant(acme):
        bob.groups.clear()

    response = client.get(PAGE)

    assert response.status_code == 200
    assert response.context["overview"] is None
    for word in (f"Cleo {CANARY['acme']}", "Is anything wrong", "Sign-ins", "intact"):
        assert word not in response.text


def test_a_stranger_sees_nothing_of_it(browser, acme, globex, sam):
    with enter_tenant(acme):
        record("user.changed", target=CustomUser.objects.get(username="cleo"))
    counted(acme, last_days(1).until)

    page = browser(globex, sam).get(PAGE).text
    there = browser(acme)
    there.cookies = browser(globex, sam).cookies

    assert CANARY["acme"] not in page
    assert there.get(PAGE).status_code == 302


# How it is read


class Outline(HTMLParser):
    """Headings, pictures and tables of a page, and whatever it fetches or runs."""

    def __init__(self):
        super().__init__()
        self.headings, self.drawings, self.tables, self.fetched = [], [], 0, []

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "svg" and known.get("class") == "t-svg":
            self.drawings.append(known)
        self.tables += tag == "table"
        if tag in ("script", "img", "iframe") and known.get("src"):
            self.fetched.append(known["src"])
        if tag == "link":
            self.fetched.append(known.get("href", ""))


def outline(text):
    found = Outline()
    found.feed(text)
    return found


def test_behind_every_chart_is_a_table_and_a_sentence(browser, acme, ann):
    today = last_days(1).until
    roll_up(
        acme, (today, "session.started", "a", 1_234), (today, "session.failed", "a", 2),
        (today, "user.changed", "a", 1),
        (today - timedelta(9), "session.started", "a", 5),
    )  # fmt: skip

    response = browser(acme, ann).get(PAGE)
    page = outline(response.text)

    assert len(page.drawings) == page.tables == 4
    assert all(drawing["role"] == "img" for drawing in page.drawings)
    sentence = page.drawings[1]["aria-label"]
    assert sentence.startswith("Sign-ins per day, ")
    assert "1,234" in sentence
    assert "In the period before 0.7 on average." in sentence
    assert "<td>1,234</td>" in response.text


def test_a_year_has_lines_one_table_and_less_than_150_kilobytes(browser, acme, ann):
    today = last_days(1).until
    actions = ("session.started", "session.failed", "user.changed")
    roll_up(
        acme, *[(today - timedelta(n), action, f"p{n % 30}", 10_000 + n) for n in range(366)
                for action in actions],
    )  # fmt: skip

    response = browser(acme, ann).get(f"{PAGE}?since={today - timedelta(365)}&until={today}")
    page = outline(response.text)

    assert len(page.drawings) == 4
    assert page.tables == 1
    assert response.text.count('<th scope="row">') == 366
    assert response.text.count("<td>10,365</td>") == 3
    assert len(response.content) < 150_000


def test_the_page_fetches_from_nobody_else_and_brings_no_script(browser, acme, ann):
    text = browser(acme, ann).get(PAGE).text
    content = text[text.index('id="content"') :]

    assert [url for url in outline(text).fetched if not url.startswith("/static/")] == []
    assert re.search(r'<div class="t-period".*</section>', content, re.DOTALL)
    shown = re.search(r'<div class="t-period".*</section>', content, re.DOTALL)[0]
    assert not re.search(r"<script|style=|\son\w+=|javascript:", shown)


def test_headings_leave_no_level_out(browser, acme, ann):
    text = browser(acme, ann).get(PAGE).text
    levels = outline(text[text.index('id="content"') :]).headings

    assert levels[0] == 2
    assert all(after - level <= 1 for level, after in pairwise(levels))


def test_the_page_of_a_tenant_where_nothing_happened_says_what_will_be_there(browser, acme, ann):
    quiet = "?since=2020-01-01&until=2020-01-07"
    response = browser(acme, ann).get(PAGE + quiet)

    assert response.status_code == 200
    for sentence in (
        "Whoever signs in or changes something is counted.",
        "Each sign-in is counted on its day.",
        "Typos and attacks are counted on their day.",
        "What is done to people and roles is counted on its day.",
        "Whoever is added, changed or given a role appears here.",
    ):
        assert sentence in response.text
    assert outline(response.text).drawings == []
