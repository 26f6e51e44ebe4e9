"""What programs send: whatever it is, the answer is a sentence, and never an error of ours."""

import pytest

from activity.models import ExportJob, Schedule
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
