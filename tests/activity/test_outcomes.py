"""How acts end that change no row: failures and denials, whatever becomes of the request."""

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from accounts.models import CustomUser
from activity import outcomes, unavailable
from activity.models import ActivityEvent, Outcome
from activity.recording import record
from activity.unavailable import RecordUnavailable
from config.urls_tenant import handler400, handler500, urlpatterns
from tenants import lifecycle
from tenants.context import enter_platform, enter_tenant
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")

__all__ = ["handler400", "handler500"]


def fails_then_raises(request):
    record("session.ended")
    record("session.failed", outcome=Outcome.FAILURE)
    raise ZeroDivisionError


def fails_elsewhere(request):
    with enter_platform():
        record("session.failed", outcome=Outcome.FAILURE)
    return HttpResponse("done")


def swallows(request):
    request.user.display_name = "changed"
    request.user.save()
    try:
        record("session.ended")
    except RecordUnavailable:
        return HttpResponse("never mind")
    return HttpResponse("done")


def refuses(request, key):
    raise PermissionDenied


urlpatterns = [
    path("raises/", fails_then_raises),
    path("elsewhere/", fails_elsewhere),
    path("swallows/", swallows),
    path("refused/<str:key>/", refuses),
    path("api/", csrf_exempt(lambda request: HttpResponse(status=403))),
    *urlpatterns,
]

ours = override_settings(ROOT_URLCONF=__name__)


# Kept until the transaction is over


@ours
def test_a_failure_outlives_the_rollback_of_its_request_and_a_success_does_not(
    browser, acme, ann, recorded
):
    client = browser(acme, ann)
    client.raise_request_exception = False

    response = client.get("/raises/", HTTP_USER_AGENT="curl")

    assert response.status_code == 500
    assert recorded(acme, "session.ended") == []
    [event] = recorded(acme, "session.failed")
    assert (event.outcome, event.actor_id) == ("failure", str(ann.public_id))
    assert (event.user_agent, event.channel) == ("curl", "page")
    assert str(event.request_id) == response["X-Request-ID"]


@ours
def test_a_failure_is_written_in_the_record_of_the_place_where_it_happened(browser, acme, recorded):
    assert browser(acme).get("/elsewhere/").status_code == 200

    assert recorded(acme, "session.failed") == []
    with enter_platform():
        assert ActivityEvent.objects.filter(action="session.failed").count() == 1


def test_outside_a_request_a_failure_shares_the_transaction_one_is_in(in_acme):
    before = ActivityEvent.objects.count()

    record("session.failed", outcome=Outcome.FAILURE)

    assert ActivityEvent.objects.count() == before + 1


def test_nothing_is_kept_past_its_block(in_acme):
    with outcomes.keeping() as kept:
        record("session.failed", outcome=Outcome.FAILURE)
        assert kept.has("session.failed")
        assert ActivityEvent.objects.filter(action="session.failed").count() == 0
        outcomes.write(kept)

    assert kept.events == []
    assert ActivityEvent.objects.filter(action="session.failed").count() == 1


# Denials


def test_who_may_not_open_the_panel_is_a_denial(browser, acme, cleo, recorded):
    client = browser(acme, cleo)

    response = client.get("/admin/", follow=True, HTTP_USER_AGENT="curl")

    assert response.status_code == 403
    [event] = recorded(acme, "access.denied")
    assert (event.outcome, event.severity) == ("denied", "warning")
    assert (event.actor_id, event.actor_label[:4]) == (str(cleo.public_id), "Cleo")
    assert (event.target_type, event.target_label) == ("page", "/admin/")
    assert event.details == {"method": "GET", "path": "/admin/", "why": "not permitted"}
    assert str(event.request_id) == response["X-Request-ID"]


def test_a_denial_names_the_object_where_the_address_does(browser, acme, bob, ann, recorded):
    response = browser(acme, bob).post(f"/admin/accounts/customuser/{ann.pk}/delete/")

    assert response.status_code == 403
    [event] = recorded(acme, "access.denied")
    assert (event.target_type, event.target_id) == ("user", str(ann.public_id))
    assert event.target_label.startswith("Ann")
    assert event.details["method"] == "POST"


def test_whom_an_action_leaves_out_for_lack_of_power_is_a_denial(browser, acme, bob, ann, recorded):
    with enter_tenant(acme):
        bob.user_permissions.add(Permission.objects.get(codename="change_customuser"))
        cleo = CustomUser.objects.get(username="cleo")
    chosen = [ann.pk, bob.pk, cleo.pk]

    response = browser(acme, bob).post(
        "/admin/accounts/customuser/", {"action": "deactivate", "_selected_action": chosen}
    )

    assert response.status_code == 302
    denied = recorded(acme, "access.denied")
    assert {event.target_id for event in denied} == {str(ann.public_id), str(bob.public_id)}
    assert len(recorded(acme, "user.deactivated")) == 1


@pytest.mark.parametrize("key", ["999999999", "99999999999999999999", "x", "%00", "_5F", "-1"])
def test_a_denial_of_an_object_that_is_not_there_names_the_page(browser, acme, bob, recorded, key):
    response = browser(acme, bob).post(f"/admin/accounts/customuser/{key}/delete/")

    assert response.status_code == 403
    [event] = recorded(acme, "access.denied")
    assert event.target_type == "page"


def test_an_operator_without_rights_is_denied_in_the_platforms_record(browser, acme, recorded):
    with enter_platform():
        someone = CustomUser.objects.create_user(
            "otto", "otto@platform.example", PASSWORD, is_staff=True
        )
    response = browser(None, someone).get(f"/admin/tenants/tenant/{acme.pk}/domains/")

    assert response.status_code == 403
    assert recorded(acme, "access.denied") == []
    with enter_platform():
        event = ActivityEvent.objects.get(action="access.denied")
    assert (event.target_type, event.target_id) == ("tenant", str(acme.pk))
    assert event.actor_id == str(someone.public_id)


def test_a_form_without_its_token_is_a_denial(acme, recorded):
    client = Client(enforce_csrf_checks=True, headers={"host": "acme.localhost:8000"})

    response = client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})

    assert response.status_code == 403
    [event] = recorded(acme, "access.denied")
    assert event.details["why"] == "forged form"
    assert event.actor_kind == "anonymous"


@ours
def test_what_needs_no_token_is_not_taken_for_a_forged_form(acme, recorded):
    client = Client(enforce_csrf_checks=True, headers={"host": "acme.localhost:8000"})

    client.post("/api/")

    [event] = recorded(acme, "access.denied")
    assert event.details["why"] == "not permitted"


@pytest.mark.parametrize("page", ["/admin/", "/", "/admin/activity/activityevent/"])
def test_a_stranger_who_is_sent_to_the_sign_in_page_is_no_denial(browser, acme, recorded, page):
    before = len(recorded(acme))

    assert browser(acme).get(page).status_code == 302
    assert len(recorded(acme)) == before


@pytest.mark.parametrize("page", ["/nowhere/", "/admin/accounts/customuser/999999/change/"])
def test_a_page_that_is_not_there_is_no_denial(browser, acme, ann, recorded, page):
    browser(acme, ann).get(page)

    assert recorded(acme, "access.denied") == []


@ours
def test_the_key_of_a_one_time_link_stays_out_of_a_denial(browser, acme, ann, recorded):
    response = browser(acme, ann).get("/refused/the-secret-key/")

    assert response.status_code == 403
    [event] = recorded(acme, "access.denied")
    assert event.details["path"] == "/refused/…/"
    assert "the-secret-key" not in str(vars(event))


# Attempts that a limit keeps from being tried


def test_an_attempt_that_the_limit_refuses_is_recorded_with_the_account(
    browser, acme, bob, recorded, monkeypatch
):
    limits = {"login_failed": "1/m/ip"}
    monkeypatch.setattr("allauth.account.app_settings.AppSettings.RATE_LIMITS", limits)
    guesser = browser(acme)
    guesser.post("/accounts/login/", {"login": "bob", "password": "a guess"})

    refused = guesser.post("/accounts/login/", {"login": "bob", "password": PASSWORD})

    assert "Too many failed" in refused.text
    _, event = recorded(acme, "session.failed")
    assert event.target_id == str(bob.public_id)
    assert event.details["why"] == "too many attempts"


def test_who_is_answered_429_at_the_door_has_failed_to_sign_in(
    browser, acme, bob, recorded, monkeypatch
):
    monkeypatch.setattr("allauth.account.app_settings.AppSettings.RATE_LIMITS", {"login": "1/m/ip"})
    guesser = browser(acme)
    guesser.post("/accounts/login/", {"login": "bob", "password": "a guess"})

    response = guesser.post("/accounts/login/", {"login": "bob", "password": "a guess"})

    assert response.status_code == 429
    assert [event.details.get("why") for event in recorded(acme, "session.failed")] == [
        None,
        "too many attempts",
    ]


# Closed when the record is


def test_without_its_event_a_failed_sign_in_is_answered_503(browser, acme, ann, broken, recorded):
    broken(acme, "session.failed")
    client = browser(acme)

    response = client.post("/accounts/login/", {"login": "ann", "password": "a guess"})

    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert "Nothing was done" in response.text
    assert response["X-Request-ID"]
    assert recorded(acme, "session.failed") == []


def test_without_its_event_no_denial_is_swallowed(browser, acme, cleo, broken):
    broken(acme, "access.denied")

    assert browser(acme, cleo).get("/admin/", follow=True).status_code == 503


@ours
def test_an_error_of_the_record_that_somebody_swallows_still_stops_the_act(
    browser, acme, ann, broken
):
    broken(acme, "session.ended")

    response = browser(acme, ann).get("/swallows/")

    assert response.status_code == 503
    with enter_tenant(acme):
        assert CustomUser.objects.get(pk=ann.pk).display_name == ann.display_name


def test_the_log_has_the_reason_and_not_the_row_with_its_salts(browser, acme, ann, broken, caplog):
    broken(acme, "session.failed")

    browser(acme).post("/accounts/login/", {"login": "ann", "password": "a guess"})

    said = [str(record.msg) for record in caplog.records if record.name == "tenantry.errors"]
    assert any("violates check constraint" in line for line in said)
    assert not any("Failing row" in line or "\\x" in line for line in said)


def test_an_operators_act_without_its_event_is_undone_and_says_so(browser, acme, operator, request):
    console = browser(None, operator)
    request.getfixturevalue("broken_platform")

    response = console.post(
        "/admin/tenants/tenant/", {"action": "suspend", "_selected_action": str(acme.pk)}
    )

    assert response.status_code == 503
    acme.refresh_from_db()
    assert acme.is_active


@pytest.fixture
def broken_platform(db):
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE activity_activityevent ADD CONSTRAINT broken CHECK (false) NOT VALID"
        )


def test_a_command_without_its_event_fails_with_a_sentence(acme, broken_platform):
    with pytest.raises(RecordUnavailable, match="nothing was done"):
        lifecycle.suspend(acme, reason="test")

    acme.refresh_from_db()
    assert acme.is_active


def test_a_trigger_that_cannot_write_the_record_is_known_by_what_postgresql_says(in_acme):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION writes_the_record() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN INSERT INTO activity_activityevent (action) VALUES ('x'); RETURN NEW; END$$"
        )
        cursor.execute(
            "CREATE TRIGGER writes BEFORE UPDATE ON accounts_customuser"
            " FOR EACH ROW EXECUTE FUNCTION writes_the_record()"
        )
    with pytest.raises(DatabaseError) as raised, transaction.atomic():
        CustomUser.objects.update(display_name="x")

    assert unavailable.concerns_the_record(raised.value)


def test_an_error_of_another_table_is_not_taken_for_one_of_the_record(in_acme):
    with pytest.raises(DatabaseError) as raised, transaction.atomic():
        CustomUser.objects.update(username=None)

    assert not unavailable.concerns_the_record(raised.value)
    assert not unavailable.concerns_the_record(ZeroDivisionError())
