"""Who looks at the record is in it."""

import pytest

from activity import floods
from activity.catalogue import fields_of_details
from activity.events import sentence
from activity.models import ActivityEvent
from activity.schemas import problem
from tenants.context import enter_platform, enter_tenant

EVENTS = "/admin/activity/activityevent/"
VIEWS = ("activity.searched", "activity.viewed", "history.viewed", "report.viewed")


def events_of(tenant, *actions):
    with enter_tenant(tenant):
        return list(ActivityEvent.objects.filter(action__in=actions or VIEWS).order_by("id"))


def settled(tenant, *actions):
    with enter_tenant(tenant):
        floods.settle_now()
    return events_of(tenant, *actions)


def times(events):
    return sum(event.details.get("count", 1) for event in events)


def test_looking_through_the_record_is_an_event_that_says_who_and_what_for(browser, acme, bob):
    response = browser(acme, bob).get(EVENTS, {"q": "actor:ann outcome:denied"})

    assert response.status_code == 200
    [event] = events_of(acme)
    assert (event.action, event.outcome) == ("activity.searched", "success")
    assert event.actor_id == str(bob.public_id)
    assert str(event.request_id) == response["X-Request-ID"]
    assert event.target_label == "the record: actor:ann outcome:denied"
    assert sentence(event).endswith("looked through the record: actor:ann outcome:denied")


def test_paging_through_a_list_is_one_event_and_an_exact_count(browser, acme, bob):
    client = browser(acme, bob)
    for _ in range(30):
        shown = client.get(EVENTS, {"date": "2030-01-01"})
        cursor = shown.context["cl"].page.older or "00000000-0000-7000-8000-000000000000"
        client.get(EVENTS, {"before": str(cursor)})

    assert len(events_of(acme)) == 1
    assert [event.details.get("count") for event in settled(acme)] == [None, 59]


def test_another_search_and_another_person_are_events_of_their_own(browser, acme, ann, bob):
    browser(acme, bob).get(EVENTS)
    browser(acme, bob).get(EVENTS, {"q": "actor:ann"})
    browser(acme, ann).get(EVENTS)
    browser(acme, ann).get(EVENTS)

    assert len(events_of(acme)) == 3
    assert times(settled(acme)) == 4


def test_looking_at_events_names_the_first_and_counts_the_rest(browser, acme, bob, recorded):
    client = browser(acme, bob)
    chosen = recorded(acme)[:6]
    for event in chosen:
        assert client.get(f"{EVENTS}{event.pk}/change/").status_code == 200

    single, fold = settled(acme)
    assert (single.target_type, single.target_id) == ("event", str(chosen[0].pk))
    assert single.target_label == chosen[0].action
    assert fold.details["count"] == 5
    assert (fold.target_type, fold.target_id) == ("several", "")


@pytest.mark.parametrize("whose", ["cleo", "bob"])
def test_looking_at_somebodys_history_names_them(browser, acme, ann, request, whose):
    person = request.getfixturevalue(whose)
    client = browser(acme, ann)
    for _ in range(3):
        client.get(f"/admin/accounts/customuser/{person.pk}/history/")

    single, fold = settled(acme)
    assert (single.action, single.target_type) == ("history.viewed", "user")
    assert single.target_id == fold.target_id == str(person.public_id)
    assert fold.details["count"] == 2


def test_one_old_version_is_history_too(browser, acme, ann, cleo):
    with enter_tenant(acme):
        version = cleo.history.first().pk
    response = browser(acme, ann).get(f"/admin/accounts/customuser/{cleo.pk}/history/{version}/")

    assert response.status_code == 200
    [event] = events_of(acme)
    assert (event.action, event.target_id) == ("history.viewed", str(cleo.public_id))


def test_looking_at_a_report_names_report_and_period(browser, acme, bob):
    client = browser(acme, bob)
    client.get("/admin/reports/sign-ins/", {"since": "2026-01-01", "until": "2026-01-31"})
    client.get("/admin/reports/most-active/")

    first, second = events_of(acme)
    assert (first.action, first.target_id) == ("report.viewed", "sign-ins")
    assert first.details["period"].startswith("2026-01-01")
    assert second.target_id == "most-active"


@pytest.mark.parametrize(
    "page",
    [
        "/",
        "/admin/",
        "/admin/accounts/customuser/",
        "/admin/reports/",
        "/admin/reports/nothing/",
        f"{EVENTS}00000000-0000-7000-8000-000000000000/change/",
        f"{EVENTS}?nonsense=1",
    ],
)
def test_other_pages_are_no_view_of_the_record(browser, acme, ann, page):
    browser(acme, ann).get(page)

    assert events_of(acme) == []


def test_who_is_refused_has_not_looked(browser, acme, cleo):
    browser(acme, cleo).get(EVENTS)
    browser(acme).get(EVENTS)

    assert events_of(acme) == []


def test_a_download_is_an_export_and_not_a_view(browser, acme, bob, recorded):
    response = browser(acme, bob).get(EVENTS, {"export": "csv"})
    b"".join(response.streaming_content)

    assert events_of(acme) == []
    assert len(recorded(acme, "export.requested", "export.finished")) == 2


def test_what_cannot_be_recorded_is_not_shown(browser, acme, bob, broken):
    client = browser(acme, bob)
    broken(acme, "activity.searched")

    response = client.get(EVENTS)

    assert response.status_code == 503
    assert "canary" not in response.text


def test_an_operator_who_looks_is_in_the_platforms_record(browser, acme, operator):
    browser(None, operator).get(EVENTS)

    assert events_of(acme) == []
    with enter_platform():
        assert ActivityEvent.objects.filter(action="activity.searched").count() == 1


def test_views_follow_their_schemas(browser, acme, ann, cleo):
    client = browser(acme, ann)
    for page in (
        EVENTS,
        f"/admin/accounts/customuser/{cleo.pk}/history/",
        "/admin/reports/sign-ins/",
    ):
        for _ in range(3):
            client.get(page)

    found = settled(acme)
    assert len(found) == 6
    for event in found:
        assert problem(fields_of_details(event.action), event.details) == ""
