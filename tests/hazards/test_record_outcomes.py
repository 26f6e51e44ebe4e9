"""Hazards of the record at the doors: rollbacks, hostile text, secrets, and a record that fails."""

import json

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import override_settings
from django.urls import path
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from accounts.models import CustomUser
from activity import signins
from activity.models import ActivityEvent
from config.urls_tenant import handler400, handler500, urlpatterns
from tenants.context import enter_tenant
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")

__all__ = ["handler400", "handler500"]

SIGN_IN = "/accounts/login/"
SECRET = "Tr0ub4dor&3-canary-of-a-password"


def attempt_then_raise(request):
    signins.refused("ann")
    CustomUser.objects.update(display_name="half done")
    raise ZeroDivisionError


urlpatterns = [path("raises/", attempt_then_raise), *urlpatterns]


def events_of(tenant, action):
    with enter_tenant(tenant):
        return list(ActivityEvent.objects.filter(action=action).order_by("id"))


def is_valid_and_bounded(event):
    texts = [event.user_agent, event.target_label, event.actor_label, *event.details.values()]
    assert not [c for text in texts for c in text if ord(c) < 32 or c in "\x7f\x85\u202e\u2028"]
    assert len(event.user_agent) <= 400
    assert len(event.target_label) <= 200
    assert all(len(value) <= 2000 for value in event.details.values())
    json.dumps(event.details).encode()


# L07


@override_settings(ROOT_URLCONF=__name__)
def test_l07_an_attempt_outlives_a_view_that_raises_and_what_it_did_does_not(
    browser, acme, ann, recorded
):
    client = browser(acme)
    client.raise_request_exception = False

    assert client.get("/raises/").status_code == 500

    [event] = events_of(acme, "session.failed")
    assert event.target_id == str(ann.public_id)
    with enter_tenant(acme):
        assert not CustomUser.objects.filter(display_name="half done").exists()


# L09

HOSTILE = [
    "a\r\nForged: line",
    "\x1b[2J\x1b[31mred",
    "nul\0nul",
    "\u202egnp.exe",
    "\u2028separator",
    "x" * 1_000_000,
    "\udcff\udc80",
    "{actor}{0.__class__}",
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_l09_hostile_names_and_browsers_leave_one_valid_bounded_event(browser, acme, text):
    name = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    agent = text.encode("utf-8", "surrogatepass").decode("latin-1")

    browser(acme).post(SIGN_IN, {"login": name, "password": "x"}, HTTP_USER_AGENT=agent)

    found = events_of(acme, "session.failed")
    # A form that allauth does not take for one, such as with NUL, is no attempt.
    assert len(found) <= 1
    if "\0" not in name and len(name) < 1000:
        assert len(found) == 1
    for event in found:
        is_valid_and_bounded(event)


@effort(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=400))
def test_l09_any_path_that_is_refused_leaves_one_valid_bounded_event(
    browser, acme, bob, cleo, text
):
    before = len(events_of(acme, "access.denied"))
    raw = text.encode("utf-8", "surrogatepass").decode("latin-1")
    # From an address of its own, so that it is no flood.
    where = {"REMOTE_ADDR": f"10.{before >> 16 & 255}.{before >> 8 & 255}.{before & 255}"}

    response = browser(acme, cleo).get("/admin/login/", {"next": text}, **where)
    refused = browser(acme, bob).post(
        "/admin/accounts/customuser/1/delete/", HTTP_USER_AGENT=raw, **where
    )

    assert response.status_code == refused.status_code == 403
    found = events_of(acme, "access.denied")[before:]
    assert len(found) == 2
    for event in found:
        is_valid_and_bounded(event)


# L10


def test_l10_a_password_typed_as_the_name_is_nowhere(browser, acme, caplog):
    client = browser(acme)
    client.post(SIGN_IN, {"login": SECRET, "password": "x"})
    client.post(SIGN_IN, {"login": "ann", "password": SECRET})
    for _ in range(11):
        client.post(SIGN_IN, {"login": SECRET, "password": SECRET})

    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(event)::text FROM activity_activityevent AS event")
        rows = [row for (row,) in cursor.fetchall()]
    assert len(rows) > 2
    assert not [row for row in rows if SECRET.lower() in row.lower()]
    assert not [line for line in caplog.records if SECRET in str(line.msg) + str(line.args)]


# L16

BREAKS = {
    "the table is missing": "ALTER TABLE activity_activityevent RENAME TO elsewhere",
    "the disk is full": "53100",
    "the right is missing": "42501",
    "a constraint refuses it": (
        "ALTER TABLE activity_activityevent ADD CONSTRAINT broken CHECK (false) NOT VALID"
    ),
}


@pytest.fixture(params=BREAKS)
def broken_record(request, acme):
    """Break Acme's record in one of the ways a record breaks. The test's rollback mends it."""

    def break_it():
        statement = BREAKS[request.param]
        with enter_tenant(acme), connection.cursor() as cursor:
            if statement.isdecimal():
                cursor.execute(
                    "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                    f" RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{statement}';"
                    " END$$"
                )
                statement = (
                    "CREATE TRIGGER fails BEFORE INSERT ON activity_activityevent"
                    " FOR EACH ROW EXECUTE FUNCTION fails()"
                )
            cursor.execute(statement)

    return break_it


def test_l16_nobody_signs_in_while_the_record_cannot_be_written(browser, acme, ann, broken_record):
    client = browser(acme)
    broken_record()
    with enter_tenant(acme):
        sessions = Session.objects.count()

    response = client.post(SIGN_IN, {"login": "ann", "password": PASSWORD})

    assert response.status_code == 503
    assert "Nothing was done" in response.text
    assert settings.SESSION_COOKIE_NAME not in client.cookies
    with enter_tenant(acme):
        assert Session.objects.count() == sessions
        assert CustomUser.objects.get(pk=ann.pk).last_login is None


def test_l16_no_change_is_made_and_pages_that_change_nothing_answer(
    browser, acme, ann, broken_record
):
    client = browser(acme, ann)
    broken_record()

    response = client.post("/", {"display_name": "Half Done"})

    assert response.status_code == 503
    assert client.get("/").status_code == 200
    assert client.get("/admin/accounts/customuser/").status_code == 200
    with enter_tenant(acme):
        assert CustomUser.objects.get(pk=ann.pk).display_name == ann.display_name


def test_l16_no_failure_and_no_denial_is_swallowed(browser, acme, bob, broken_record):
    client = browser(acme, bob)
    stranger = browser(acme)
    broken_record()

    assert client.post("/admin/accounts/customuser/1/delete/").status_code == 503
    failed = stranger.post(SIGN_IN, {"login": "ann", "password": "a guess"})
    assert failed.status_code == 503


# L17


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("/admin/activity/activityevent/?q=actor:ann", "activity.searched"),
        ("/admin/activity/activityevent/{event}/change/", "activity.viewed"),
        ("/admin/accounts/customuser/{person}/history/", "history.viewed"),
        ("/admin/reports/sign-ins/", "report.viewed"),
        ("/admin/activity/activityevent/?export=csv", "export.requested"),
        ("/admin/reports/sign-ins/?export=ndjson", "export.requested"),
    ],
)
def test_l17_reading_and_exporting_the_record_is_recorded_before_anything_leaves(
    browser, acme, ann, recorded, page, action
):
    address = page.format(event=recorded(acme)[0].pk, person=ann.pk)

    response = browser(acme, ann).get(address)

    # Not a byte of a file was asked for yet.
    assert response.status_code == 200
    [event] = events_of(acme, action)
    assert event.actor_id == str(ann.public_id)
    assert str(event.request_id) == response["X-Request-ID"]
