"""The overview as a PDF: it says what the page says, and no name makes it say something else."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from accounts.models import CustomUser
from activity.overview import summary
from activity.overview.charts import chart_of
from activity.overview.dashboard import Change, dashboard
from activity.overview.printing import Sheets
from activity.periods import Period, last_days
from activity.schedules import keeping
from activity.schedules.wishes import Wish
from tenants.context import enter_platform, enter_tenant
from tenants.errors import InvalidInput
from tests.activity.rolled import put
from tests.conftest import CANARY

PAGE = "/admin/summary/"
AT = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
WEEK = Period(date(2026, 3, 9), date(2026, 3, 15))


@pytest.fixture
def told(tmp_path):
    """Return what reads a PDF's text with a program of its own."""
    if shutil.which("pdftotext") is None:
        if os.environ.get("CI"):
            pytest.fail("no pdftotext is installed")
        pytest.skip("no pdftotext is installed (Debian: apt-get install poppler-utils)")

    def read(content):
        file = tmp_path / "summary.pdf"
        file.write_bytes(content)
        finished = subprocess.run(
            ["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True
        )
        assert finished.stderr == ""
        return finished.stdout

    return read


def with_names(shown, *names):
    return replace(
        shown,
        changes=tuple(
            Change(id=str(n), sentence=f"{name} changed Bob", at=AT) for n, name in enumerate(names)
        ),
    )


@pytest.fixture
def busy(acme):
    """Acme with a week of sign-ins."""
    with enter_tenant(acme):
        days = ((WEEK.since, 1_234), (WEEK.until, 5), (date(2026, 3, 2), 1_000))
        put([(day, "session.started", "success", "person", "a", "a", n) for day, n in days])
    return acme


def printed(tenant, shown=None, period=WEEK):
    with enter_tenant(tenant):
        return summary.printed(shown or dashboard(period), made_at=AT)


def test_it_says_what_the_page_says(busy, told):
    with enter_tenant(busy):
        shown = dashboard(WEEK)
    text = told(printed(busy, shown))
    said = " ".join(text.split())

    for sentence in (
        "Acme", "Summary of 9 to 15 March 2026", "Compared with 2 to 8 March 2026",
        "Made on 2026-11-23 15:00:00. Days and times are those of UTC", "Is anything wrong?",
        "Who is active", "What changed", "Sign-ins per day", "checkpoint",
        "Nobody changed people or roles in this period.",
    ):  # fmt: skip
        assert sentence in said, sentence
    for figure in shown.figures:
        assert f"{figure.value:,}" in said
    assert "1,239" in said
    for notice in shown.notices:
        assert notice.sentence in said
    for bar in shown.charts[1].bars:
        assert re.search(rf"{bar.label} +\d+ +{bar.value:,} ", text), bar


def test_equal_data_is_equal_bytes_and_the_moment_is_all_that_differs(busy):
    first, second = printed(busy), printed(busy)

    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()
    assert first.startswith(b"%PDF-")
    with enter_tenant(busy):
        later = summary.printed(dashboard(WEEK), made_at=AT + timedelta(seconds=1))
    assert later != first


@pytest.mark.parametrize(
    "name",
    ["Zoë Łukasz", "Ωmega Παπαδοπούλου", "Жанна Ёлкина", "Արամ Խաչատրյան", "ნინო გიორგი"],
)
def test_names_in_these_scripts_are_printed_as_they_are(busy, told, name):
    with enter_tenant(busy):
        shown = with_names(dashboard(WEEK), name)

    assert f"{name} changed Bob" in " ".join(told(printed(busy, shown)).split())


@pytest.mark.parametrize("name", ["عمر", "שלום"])
def test_names_from_right_to_left_are_whole(busy, told, name):
    with enter_tenant(busy):
        shown = with_names(dashboard(WEEK), name)
    text = told(printed(busy, shown))

    # Whoever reads a PDF puts marks of direction around it.
    assert name in re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text)
    assert "\\u" not in text


def test_what_the_font_has_not_is_written_as_its_code(busy, told):
    with enter_tenant(busy):
        shown = with_names(dashboard(WEEK), "李雷", "李霆", "\U0001f984")
    said = " ".join(told(printed(busy, shown)).split())

    assert r"\u674e\u96f7 changed Bob" in said
    assert r"\u674e\u9706 changed Bob" in said
    assert r"\U0001f984 changed Bob" in said
    assert "are written as their codes" in said


def test_without_such_a_name_nothing_is_said_of_codes(busy, told):
    assert "are written as their codes" not in " ".join(told(printed(busy)).split())


HOSTILE = [
    "{nb}", "**bold** __under__", "<b>x</b>", "=1+1", "(\\) Tj ET", "endstream endobj",
    "%PDF-1.7", "x" * 3_000, "\0\x1b[31m", "\u202egnp.exe", "\ud800", "a\nb\rc", "",
    "/JavaScript (app.alert(1))", "${x}", "[x](http://evil.example)",
]  # fmt: skip


def test_hostile_names_are_text_and_nothing_else(busy, told):
    with enter_tenant(busy):
        shown = with_names(dashboard(WEEK), *HOSTILE)
    busy.name = "{nb} (\\) endobj"
    content = printed(busy, shown)
    said = " ".join(told(content).split())

    for sentence in (
        "{nb} changed Bob", "**bold** __under__ changed Bob", "(\\) Tj ET changed Bob",
        "[x](http://evil.example) changed Bob", r"\u202egnp.exe changed Bob",
        r"a\u000ab\u000dc changed Bob", r"\u0000\u001b[31m changed Bob",
    ):  # fmt: skip
        assert sentence in said, sentence
    for object_ in (b"/JavaScript", b"/Annot", b"/URI", b"/OpenAction /", b"/Launch"):
        assert object_ not in content, object_


@effort(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.text(max_size=40))
def test_no_text_breaks_a_sheet(in_acme, text):
    paper = Sheets(text, text, AT)
    paper.text(text)
    paper.heading(text)
    paper.boxes([(text, "1", text, False)] * 4)
    paper.charts([chart_of(text, [(text, 1), (text, 2)], before=[1, 2])])
    paper.table([text, text], [[text, "1"]])

    assert paper.finished().startswith(b"%PDF-")


def test_a_long_period_goes_on_on_further_pages(busy, told):
    text = told(printed(busy, period=Period(date(2025, 3, 16), date(2026, 3, 15))))

    assert text.count("\f") > 5
    assert "page 6" in text
    assert text.count("Failed sign-ins") > 5  # The head of the table, on each page.


# Asking for it


def test_the_days_of_a_summary_are_checked(in_acme, still):
    assert summary.checked({"since": "2026-03-09", "until": "2026-03-15"}) == {
        "since": "2026-03-09",
        "until": "2026-03-15",
    }
    week = last_days(7)
    assert summary.checked({}) == {"since": str(week.since), "until": str(week.until)}
    for wrong in (
        {"since": "x"}, {"since": "2026-03-09", "until": "2026-03-01"},
        {"since": "2024-01-01", "until": "2026-01-01"}, {"since": "1926-01-01"}, {"q": "x"},
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            summary.checked(wrong)
        assert refused.value.hint


def test_the_pieces_are_the_file(busy):
    with enter_tenant(busy):
        content = b"".join(summary.pieces({"since": "2026-03-09", "until": "2026-03-15"}, "pdf"))

    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")


def test_the_panel_answers_with_it_and_records_what_left(browser, busy, bob, recorded, told, still):
    response = browser(busy, bob).get(PAGE, {"since": "2026-03-09", "until": "2026-03-15"})
    content = b"".join(response)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/pdf"
    today = timezone.localdate()
    assert response["Content-Disposition"] == (f'attachment; filename="acme-summary-{today}.pdf"')
    assert "no-store" in response["Cache-Control"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "1,239" in told(content)
    assert CANARY["globex"] not in told(content)
    [asked] = recorded(busy, "export.requested")[-1:]
    [done] = recorded(busy, "export.finished")[-1:]
    assert asked.target_id == done.target_id == "summary"
    assert asked.details == {"format": "pdf", "period": "2026-03-09 to 2026-03-15"}
    assert done.details["format"] == "pdf"
    assert done.details["sha256"] == hashlib.sha256(content).hexdigest()
    assert done.details["bytes"] == len(content)
    assert done.actor_label.startswith("Bob")


def test_the_overview_offers_the_period_it_shows(browser, busy, bob):
    client = browser(busy, bob)

    assert f'href="{PAGE}?days=30"' in client.get("/admin/?days=30").text
    typed = client.get("/admin/?since=2026-03-09&until=2026-03-15").text
    assert f'href="{PAGE}?since=2026-03-09&amp;until=2026-03-15"' in typed


@pytest.mark.parametrize(
    "query", ["since=x", "since=1926-01-01", "since=2026-03-09&until=2026-03-01"]
)
def test_what_is_no_period_is_no_file(browser, busy, bob, recorded, query):
    before = len(recorded(busy, "export.requested"))

    response = browser(busy, bob).get(f"{PAGE}?{query}")

    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")
    assert len(recorded(busy, "export.requested")) == before


def command(*words):
    out, err = io.StringIO(), io.StringIO()
    call_command("activity", *words, stdout=out, stderr=err)
    return out.getvalue()


def test_the_command_writes_it_with_what_proves_it(busy, tmp_path, recorded, told):
    days = ("--since", "2026-03-09", "--until", "2026-03-15")
    file = tmp_path / "week.pdf"

    with enter_platform():
        said = command(
            *("export", "--tenant", "acme", "--report", "summary", *days),
            *("--output", str(file), "--manifest"),
        )

    content = file.read_bytes()
    assert f"{len(content):,} bytes written to" in said
    assert "1,239" in told(content)
    manifest = json.loads((tmp_path / "week.pdf.manifest.json").read_text())
    assert manifest["source"] == "summary"
    assert manifest["filters"] == {"since": "2026-03-09", "until": "2026-03-15"}
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    [done] = recorded(busy, "export.finished")[-1:]
    assert str(done.pk) == manifest["event"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--format", "csv"), "cannot be written as 'csv'"),
        (("--compress", "gzip"), "compressed already"),
        (("--since", "1926-01-01"), "out of range"),
        (("--since", "2024-01-01", "--until", "2026-01-01"), "366 days at most"),
        (("--param", "x=1"), "no filter 'x'"),
        (("--columns", "id"), "--search and --columns are of events"),
    ],
)
def test_what_the_command_cannot_make_is_said_and_leaves_no_file(busy, tmp_path, words, sentence):
    file = tmp_path / "week.pdf"

    with enter_platform(), pytest.raises(CommandError, match=re.escape(sentence)):
        command("export", "--tenant", "acme", "--report", "summary", *words, "--output", str(file))

    assert list(tmp_path.iterdir()) == []


def test_a_schedule_can_have_it(busy, ann):
    with enter_tenant(busy):
        wish = Wish(name="Monday", source="summary", form="pdf", cron="0 7 * * 1", span="week")

        kept = keeping.create(ann, wish)

    assert (kept.source, kept.form) == ("summary", "pdf")


def test_strangers_and_who_may_not_read_get_nothing(browser, acme, globex, cleo, bob, sam):
    for user in (None, cleo):
        assert browser(acme, user).get(PAGE).status_code in (302, 403)
    client = browser(acme, bob)
    with enter_tenant(acme):
        bob.groups.clear()
    assert client.get(PAGE).status_code == 403
    there = browser(acme)
    there.cookies = browser(globex, sam).cookies
    assert there.get(PAGE).status_code == 302


def test_a_place_where_nothing_was_ever_has_a_summary_too(acme, told):
    with enter_tenant(acme):
        put([])
        CustomUser.objects.all().update(is_superuser=False)
    said = " ".join(told(printed(acme, period=Period(date(2020, 1, 1), date(2020, 1, 1)))).split())

    assert "Summary of 1 January 2020" in said
    assert "none the day before either" in said
    assert "Nobody here is an administrator." in said
    assert "Day by day" not in said
