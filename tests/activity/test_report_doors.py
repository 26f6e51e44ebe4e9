"""Reports at their doors: the same parameters, errors and rows on the page, by command and API."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from activity.models import ActivityEvent, Segment
from activity.periods import last_days
from activity.recording import record
from activity.reports import REPORTS, build
from activity.reports.registry import READ, Kind
from activity.rollups import fold
from activity.sealing import checking, sealer
from tenants.context import enter_tenant
from tests.activity.past import event, happened, unguarded
from tests.activity.settling import settle
from tests.activity.test_command import activity as activity
from tests.api import program, token_of
from tests.conftest import CANARY

REPORT = "/admin/reports/{}/"
HERE = [name for name, report in REPORTS.items() if not report.is_for_operators]
API = "/api/v1/activity/reports"
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def asking(acme, bob, no_attempts_yet):
    """A program that reads Acme's record as Bob."""
    return program(acme, token_of(acme, bob)[1])


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_says_all_that_people_need(name):
    report = REPORTS[name]
    names = [column.name for column in report.columns]

    assert report.sentence.endswith(".")
    assert report.title
    assert report.about
    assert report.permission == ("tenants.view_tenant" if report.is_for_operators else READ)
    assert len(set(names)) == len(names)
    for column in report.columns:
        assert column.title
        assert (column.kind in (Kind.COUNT, Kind.NUMBER, Kind.SHARE)) <= bool(column.unit), (
            column.name
        )
    for parameter in report.parameters:
        assert parameter.sentence.endswith(".")
        # Words of the page's and the API's addresses, and of commands.
        taken = {"since", "until", "export", "compress", "limit", "columns", "format", "name"}
        assert parameter.name not in taken
    if report.chart:
        assert {report.chart.along, *report.chart.values} <= set(names)


@pytest.mark.parametrize("name", HERE)
def test_rows_have_a_value_for_each_column_of_its_kind(in_acme, name):
    happened(
        event(
            datetime.now(UTC), "session.failed", outcome="failure", target_id="a",
            target_type="user", target_label="Ann", ip="203.0.113.1",
        )
        for _ in range(12)
    )  # fmt: skip
    of = {
        Kind.DAY: str, Kind.MOMENT: (datetime, type(None)), Kind.COUNT: (int, type(None)),
        Kind.SHARE: (float, int, type(None)), Kind.NUMBER: (float, int), Kind.TEXT: str,
    }  # fmt: skip

    for row in build(name, last_days(3)).rows:
        for column, value in zip(REPORTS[name].columns, row, strict=True):
            if column.kind == Kind.DAY:
                assert type(value).__name__ in ("date", "NoneType")
            else:
                assert isinstance(value, of[column.kind]), (column.name, value)


@pytest.mark.parametrize("name", HERE)
def test_a_page_with_something_in_it_opens(browser, acme, ann, name):
    with enter_tenant(acme):
        happened(event(datetime.now(UTC), "session.started", ip="10.0.0.1") for _ in range(3))
        sealer.arrive()
        fold(timezone.now())

    assert browser(acme, ann).get(REPORT.format(name)).status_code == 200


@pytest.mark.parametrize("name", HERE)
def test_every_door_has_the_same_rows(browser, acme, bob, asking, activity, name):
    period = (
        [] if not REPORTS[name].has_period else ["--since", "2026-03-01", "--until", "2026-03-03"]
    )
    query = "since=2026-03-01&until=2026-03-03" if period else ""

    page = browser(acme, bob).get(f"{REPORT.format(name)}?{query}").context["report"]
    file = b"".join(browser(acme, bob).get(f"{REPORT.format(name)}?{query}&export=csv")).decode()
    said = asking.get(f"{API}/{name}?{query}").json()
    status, out, _ = activity("report", name, "--tenant", "acme", "--json", *period)

    assert status == 0
    assert len(page.rows) == len(said["rows"]) == len(json.loads(out)["rows"])
    assert [column["name"] for column in said["columns"]] == list(page.columns)
    rows = list(csv.reader(io.StringIO(file.removeprefix("\ufeff"))))
    assert rows[0] == list(page.columns)
    if name not in ("exports", "record-health"):
        # These two tell of the file itself.
        assert len(rows) == len(page.rows) + 1


WRONG = [
    ("who-could-what", "day=2026-02-30", "is not a day"),
    ("who-could-what", "people=some", "is none of them"),
    ("who-could-what", "dya=2026-02-03", "no parameter"),
    ("dormant-accounts", "dormant_days=0", "no number of this report"),
    ("dormant-accounts", "dormant_days=%00", "no number of this report"),
    ("account-life-cycle", "by=year", "is none of them"),
    ("account-life-cycle", "since=1926-01-01", "out of range"),
    ("account-life-cycle", "since=1971-01-01&until=2071-01-01", "longer than ten years"),
    ("sign-ins", "by=day", "no parameter"),
]


@pytest.mark.parametrize(("name", "query", "sentence"), WRONG)
def test_what_cannot_be_asked_is_said_at_every_door(
    browser, acme, bob, asking, activity, name, query, sentence
):
    page = browser(acme, bob).get(f"{REPORT.format(name)}?{query}")
    file = browser(acme, bob).get(f"{REPORT.format(name)}?{query}&export=csv")
    said = asking.get(f"{API}/{name}?{query}")
    given = parse_qsl(query)
    options = [
        word
        for key, value in given
        for word in (
            [f"--{key}", value] if key in ("since", "until") else ["--param", f"{key}={value}"]
        )
    ]
    status, _, err = activity("report", name, "--tenant", "acme", *options)
    written, _, _ = activity("export", "--report", name, "--tenant", "acme", *options)

    assert [page.status_code, file.status_code, said.status_code] == [400, 400, 400]
    assert status == written == 2
    for text in (page.text, file.text, said.json()["detail"], err):
        assert re.search(sentence, text), text
    [error] = said.json()["errors"]
    assert error["parameter"] in (key for key, _ in given)


@pytest.mark.parametrize("text", ["by", "=day", "by=day=week", "by=day --param by=day"])
def test_half_a_parameter_is_refused(activity, text):
    words = [word for part in text.split(" --param ") for word in ("--param", part)]
    status, _, err = activity("report", "account-life-cycle", "--tenant", "acme", *words)

    assert status == 2
    assert "is no parameter" in err or "is none of them" in err


def test_parameters_without_a_report_are_refused(activity):
    status, _, err = activity("export", "--tenant", "acme", "--param", "by=day")

    assert status == 2
    assert "--param is of reports" in err


def test_parameters_stay_in_the_form_and_in_the_links_to_files(browser, acme, bob):
    page = browser(acme, bob).get(f"{REPORT.format('account-life-cycle')}?by=week").text

    assert "<option selected>week</option>" in page
    assert "&amp;by=week&amp;export=csv" in page


def test_the_record_says_of_a_file_what_was_asked_for(acme, activity, tmp_path, recorded):
    path = tmp_path / "who.ndjson"
    status, _, _ = activity(
        "export", "--report", "who-could-what", "--tenant", "acme", "--param", "person=bob",
        "--output", str(path), "--manifest",
    )  # fmt: skip

    manifest = json.loads(path.with_name("who.ndjson.manifest.json").read_text())
    rows = [json.loads(line) for line in path.read_text().splitlines()]

    assert status == 0
    assert manifest["filters"] == {"person": "bob"}
    assert {row["user_name"] for row in rows} == {"bob"}


# The API


def test_the_list_has_every_report_once(asking):
    listed = asking.get(API).json()["reports"]

    assert sorted(one["name"] for one in listed) == sorted(HERE)
    for one in listed:
        assert [column["name"] for column in one["columns"]] == [
            column.name for column in REPORTS[one["name"]].columns
        ]


def test_rows_are_cut_at_the_limit_and_say_so(asking):
    first = asking.get(f"{API}/sign-ins?since=2026-03-01&until=2026-03-05&limit=2").json()
    whole = asking.get(f"{API}/sign-ins?since=2026-03-01&until=2026-03-05").json()

    assert [row["day"] for row in first["rows"]] == ["2026-03-01", "2026-03-02"]
    assert first["is_cut"]
    assert len(whole["rows"]) == 5
    assert not whole["is_cut"]


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("limit=0", "limit", "invalid-value"),
        ("limit=10001", "limit", "invalid-value"),
        ("limit=x", "limit", "invalid-value"),
        ("since=2026-03-02&until=2026-03-01", "since", "invalid-value"),
        ("until=x", "until", "invalid-value"),
        ("nonsense=1", "nonsense", "unknown-parameter"),
        ("since=2026-03-01&since=2026-03-02", "since", "repeated-parameter"),
    ],
)
def test_wrong_parameters_are_named(asking, query, parameter, code):
    response = asking.get(f"{API}/sign-ins?{query}")

    assert response.status_code == 400
    assert [(e["parameter"], e["code"]) for e in response.json()["errors"]] == [(parameter, code)]


@pytest.mark.parametrize("name", ["nonsense", "sign_ins", "%00", "x" * 300])
def test_a_report_that_there_is_not_is_not_found(asking, name):
    assert asking.get(f"{API}/{name}").status_code == 404


def test_asking_for_a_report_is_recorded(asking, acme, recorded):
    asking.get(f"{API}/sign-ins?since=2026-03-01&until=2026-03-05")

    [seen] = recorded(acme, "report.viewed")
    assert (seen.target_id, seen.channel) == ("sign-ins", "api")
    assert seen.details["period"] == "2026-03-01 to 2026-03-05"


@pytest.mark.parametrize("address", [API, f"{API}/sign-ins", f"{API}/who-could-what"])
def test_who_may_not_read_the_record_is_refused(acme, globex, cleo, sam, bob, address):
    token = token_of(acme, bob)[1]

    assert program(acme, token_of(acme, cleo)[1]).get(address).status_code == 403
    assert program(globex, token).get(address).status_code == 401
    assert program(None, token).get(address).status_code == 401
    assert program(acme).get(address).status_code == 401
    assert program(acme, token_of(acme, bob, "record:verify")[1]).get(address).status_code == 403
    answer = program(globex, token_of(globex, sam)[1]).get(address)
    assert answer.status_code == 200
    assert CANARY["acme"] not in answer.text


def test_a_permission_of_its_own_is_asked_for_at_every_door(
    browser, acme, bob, ann, asking, monkeypatch
):
    special = replace(REPORTS["administrators"], permission="accounts.delete_customuser")
    monkeypatch.setitem(REPORTS, "administrators", special)

    assert browser(acme, bob).get(REPORT.format("administrators")).status_code == 403
    assert asking.get(f"{API}/administrators").status_code == 403
    assert "administrators" not in [one["name"] for one in asking.get(API).json()["reports"]]
    assert REPORT.format("administrators") not in browser(acme, bob).get("/admin/reports/").text
    assert browser(acme, ann).get(REPORT.format("administrators")).status_code == 200


# How the record is


def health(place):
    with enter_tenant(place):
        return {row[0]: row[1] for row in build("record-health", last_days(1)).rows}


def test_the_health_of_a_record_is_that_of_its_seals(lab):
    with enter_tenant(lab):
        for _ in range(3):
            record("session.started")
            settle()
        seals = list(Segment.objects.order_by("number"))
        first_of = {
            one.number: ActivityEvent.objects.order_by("xid", "id")[one.first] for one in seals
        }
        record("session.started")
        record("session.started")
        waits = ActivityEvent.objects.order_by("-id")[1]

        figures = health(lab)

        waited = sorted(
            (one.sealed_at - first_of[one.number].occurred_at).total_seconds() for one in seals[1:]
        )
        assert figures["Events that are sealed"] == str(seals[-1].size)
        assert figures["Segments"] == str(len(seals))
        assert figures["Events that wait to be sealed"] == "2"
        assert figures["The oldest of them is from"].startswith(
            waits.occurred_at.astimezone(BERLIN).isoformat(timespec="seconds")
        )
        assert figures["Seconds until sealed, the longest of the last 100 seals"] == (
            f"{waited[-1]:.1f}"
        )
        assert figures["Verified last"] == ""
        verdict = checking.check()
        figures = health(lab)
        assert figures["Found intact"] == str(verdict.events) == str(seals[-1].size)
        assert figures["Verified last"]
        assert figures["What was wrong"] == ""


def test_an_empty_record_has_a_health_too(lab):
    with enter_tenant(lab), unguarded("activity_activityevent"):
        ActivityEvent.objects.all().delete()

    figures = health(lab)

    assert figures["Events that are sealed"] == figures["Events that wait to be sealed"] == "0"
    assert figures["Sealed last"] == ""
