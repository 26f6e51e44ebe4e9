"""What programs send: whatever it is, the answer is a sentence, and never an error of ours."""

import pytest

from activity.models import ExportJob, Schedule
from activity.numbers import whole_number
from tenants.context import enter_tenant
from tests.api import API, program, token_of
from tests.exports import exports_of_its_own as exports_of_its_own

pytestmark = pytest.mark.usefixtures("exports_of_its_own")

HALF = rb"\ud800"
"""Half of a character: JSON can say it, and UTF-8 cannot."""
DOORS = {
    "exports": b'{"source": "who-could-what", "filters": %b}',
    "schedules": b'{"name": "x", "source": "who-could-what", "cron": "daily", "parameters": %b}',
    "schedules/preview": (
        b'{"name": "x", "source": "who-could-what", "cron": "daily", "parameters": %b}'
    ),
}


@pytest.fixture
def client(acme, ann):
    return program(acme, token_of(acme, ann, "record:read", "schedules:write")[1])


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (b"[" * 60_000, "The body is no JSON object."),
        (b'{"person":' * 5_000 + b"1" + b"}" * 5_000, "The body is no JSON object."),
        (b'{"%b": "1"}' % HALF, "is no text."),
        (b'{"person": "%b"}' % HALF, "Person is no text."),
        (rb'{"person": "\u0000"}', "Person is no text."),
    ],
    ids=["lists", "objects", "a name", "a value", "nul"],
)
def test_a_body_that_is_nobodys_is_answered_with_a_sentence(client, acme, door, filters, said):
    answer = client.post(f"{API}{door}", DOORS[door] % filters, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")
    assert said in answer.json()["detail"]
    with enter_tenant(acme):
        assert not ExportJob.objects.exists()
        assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    "limit",
    ["0", "10001", "000000001999", "000000001" + "9" * 20, "9" * 5_000, "-1", "1e2", "²", "٣"],
)
@pytest.mark.parametrize("door", ["exports", "schedules", "events", "reports/sign-ins"])
def test_a_limit_that_is_none_is_refused(client, door, limit):
    answer = client.get(f"{API}{door}", {"limit": limit})

    assert answer.status_code == 400
    said = answer.json()
    assert "limit is" in said.get("errors", [said])[0]["detail"].lower()


@pytest.mark.parametrize(
    ("door", "body"),
    [
        ("exports", {"source": "events", "filters": {"q": "user.* acter:x"}}),
        ("schedules", {"name": "x", "source": "events", "cron": "daily", "search": "a acter:x"}),
        (
            "schedules/preview",
            {"name": "x", "source": "events", "cron": "daily", "search": "a acter:x"},
        ),
    ],
)
def test_a_search_that_cannot_be_read_is_a_value_with_its_place(client, door, body):
    answer = client.post(f"{API}{door}", body, content_type="application/json")

    said = answer.json()
    assert (answer.status_code, said["code"]) == (400, "invalid-input")
    assert said["type"] == "/api/v1/problems/invalid-input"
    assert (said["detail"], said["hint"]) == ("There is no filter 'acter'.", "Did you mean actor:?")
    search = body.get("search") or body["filters"]["q"]
    assert said["position"] == search.index("acter")
    assert said["pointed"] == f"{search}\n{' ' * said['position']}^"


@pytest.mark.parametrize("door", ["exports", "schedules", "runs"])
def test_all_that_is_wrong_with_a_page_is_listed(client, acme, ann, door):
    if door == "runs":
        asked = {"name": "x", "source": "sign-ins", "cron": "daily"}
        made = client.post(f"{API}schedules", asked, content_type="application/json").json()
        door = f"schedules/{made['id']}/runs"

    answer = client.get(f"{API}{door}?limit=9999&before=xx&befor=1")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameters")
    errors = answer.json()["errors"]
    assert [(error["parameter"], error["code"]) for error in errors] == [
        ("befor", "unknown-parameter"),
        ("before", "invalid-value"),
        ("limit", "invalid-value"),
    ]
    assert errors[0]["hint"] == "Did you mean before?"
    assert errors[2]["detail"] == "limit is a number from 1 to 200."


@pytest.mark.parametrize("page", ["0", "1001", "000000001999", "000000001" + "9" * 20, "²"])
def test_a_page_of_a_report_that_there_is_not_is_said(browser, acme, ann, page):
    answer = browser(acme, ann).get("/admin/reports/sign-ins/", {"page": page})

    assert answer.status_code == 400
    assert "the report has no such page" in answer.text.lower()


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("200", 200), ("007", 7), ("0", None), ("201", None)]
)
def test_a_whole_number_is_read_within_its_bounds(text, number):
    assert whole_number(text, 200) == number
