"""What an operator was shown under support access is in the tenant's record, page by page."""

import pytest
from django.test import Client

from accounts.api_tokens import make
from accounts.models import CustomUser
from activity import floods
from activity.catalogue import fields_of_details
from activity.events import sentence
from activity.models import ActivityEvent
from activity.schemas import problem
from tenants.context import enter_tenant
from tenants.models import Tenant
from tests.accounts.test_support import PAGES, REASON, inside, olga, open_for, the_access

__all__ = ["inside", "olga"]

PEOPLE = "/admin/accounts/customuser/"
VIEWS = ("activity.searched", "activity.viewed", "history.viewed", "report.viewed")


def looks(tenant: Tenant, *, settled: bool = False) -> list[ActivityEvent]:
    """Return what the record has of pages; ``settled`` with what was counted."""
    with enter_tenant(tenant):
        if settled:
            floods.settle_now()
        return list(ActivityEvent.objects.filter(action="support.viewed").order_by("id"))


def test_each_page_that_is_shown_is_an_event_with_both_names(inside, acme, olga, ann):
    answer = inside.get(PEOPLE, {"q": "somebody in particular"})
    assert answer.status_code == 200
    [event] = looks(acme)
    assert (event.actor_id, event.actor_label) == (str(olga.public_id), "olga, operator")
    assert (event.on_behalf_of_id, event.reason) == (str(ann.public_id), REASON)
    assert (event.channel, str(event.request_id)) == ("page", answer["X-Request-ID"])
    assert event.details == {"page": "accounts_customuser_changelist"}
    assert (event.target_type, event.target_label) == ("page", PEOPLE)
    assert sentence(event) == f"olga, operator looked at {PEOPLE}"
    assert "in particular" not in f"{vars(event)}"


def test_a_person_s_form_and_a_token_s_page_name_whose_they_are(inside, acme, bob, cleo):
    with enter_tenant(acme):
        token, _ = make(cleo, "Warehouse", ["record:read"], 30)
    inside.get(f"{PEOPLE}{bob.pk}/change/")
    inside.get(f"/admin/accounts/apitoken/{token.pk}/change/")
    about_bob, about_token = looks(acme)
    assert (about_bob.target_type, about_bob.target_id) == ("user", str(bob.public_id))
    assert about_token.target_type == "token"
    assert "Warehouse" in about_token.target_label


def test_a_form_that_is_sent_back_was_shown_as_well(inside, acme, bob):
    form = {"display_name": "x" * 400, "time_zone": "", "is_active": "on"}
    assert inside.post(f"{PEOPLE}{bob.pk}/change/", form).status_code == 200
    [event] = looks(acme)
    assert event.target_id == str(bob.public_id)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_shown_without_a_trace(page, inside, acme, recorded):
    shown = inside.get(page).status_code == 200
    assert len(looks(acme)) + len(recorded(acme, *VIEWS)) == shown


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("/admin/activity/activityevent/", "activity.searched"),
        ("/admin/activity/activityevent/{event}/change/", "activity.viewed"),
        (f"{PEOPLE}{{person}}/history/", "history.viewed"),
        ("/admin/reports/most-active/", "report.viewed"),
    ],
)
def test_what_has_an_action_of_its_own_is_told_once(page, action, inside, acme, bob, recorded):
    event = recorded(acme)[0]
    assert inside.get(page.format(event=event.pk, person=bob.pk)).status_code == 200
    assert len(recorded(acme, action)) == 1
    assert looks(acme) == []


def test_paging_is_one_event_and_an_exact_count(inside, acme, bob):
    for page in range(4):
        inside.get(PEOPLE, {"p": page})
        inside.get(f"{PEOPLE}{bob.pk}/change/")
    assert len(looks(acme)) == 2
    counted = [event for event in looks(acme, settled=True) if "count" in event.details]
    assert {event.target_type: event.details["count"] for event in counted} == {
        "page": 3,
        "user": 3,
    }
    for event in looks(acme):
        assert problem(fields_of_details(event.action), event.details) == ""
        assert event.reason == REASON


def test_looks_of_two_accesses_are_not_one_flood(browser, acme, olga, ann, bob):
    """The fold of another access would have its person, and its reason."""
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(is_superuser=True)
    for person in ("ann", "bob"):
        client = browser(acme)
        assert client.post(open_for(acme, olga, person)).status_code == 302
        client.get(PEOPLE)
        client.get("/admin/activity/activityevent/")
        client.post("/support/end/")
    assert [event.on_behalf_of_id for event in looks(acme, settled=True)] == [
        str(ann.public_id),
        str(bob.public_id),
    ]
    with enter_tenant(acme):
        searched = ActivityEvent.objects.filter(action="activity.searched").order_by("id")
        assert [event.on_behalf_of_id for event in searched] == [
            str(ann.public_id),
            str(bob.public_id),
        ]


def test_what_nobody_was_shown_is_no_look(inside, acme):
    assert inside.get(f"{PEOPLE}999999/change/").status_code == 302
    assert inside.get("/nothing/").status_code == 404
    assert inside.get("/accounts/password/change/").status_code == 403
    inside.get("/admin/jsi18n/")
    inside.post("/", {"display_name": "Ann Renamed", "time_zone": ""})
    assert looks(acme) == []


def test_nobody_else_s_looks_are_recorded(browser, acme, ann):
    for page in PAGES:
        browser(acme, ann).get(page)
    assert looks(acme) == []


def test_a_page_that_the_record_cannot_tell_of_is_not_shown(inside: Client, acme, cleo, broken):
    broken(acme, "support.viewed")
    answer = inside.get(PEOPLE)
    assert answer.status_code == 503
    assert cleo.email not in answer.content.decode()


def test_what_was_looked_at_counts_as_done_and_is_reported(inside, browser, acme, ann, bob):
    inside.get(PEOPLE)
    inside.get(f"{PEOPLE}{bob.pk}/change/")
    inside.post("/support/end/")
    assert the_access().acts == 2
    told = browser(acme, ann).get("/admin/reports/support-access/").content.decode()
    assert f"olga, operator looked at {PEOPLE}" in told
    assert "olga, operator looked at Bob" in told
