"""Announced support access: opened with reason and password, entered once, both names on all."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver
from django.utils.functional import SimpleLazyObject

from accounts import factor_codes, second_factors
from accounts.models import CustomUser
from accounts.support import ending, opening, refusals
from accounts.tasks import end_support
from activity.models import ActivityEvent
from activity.reports import build, period_for
from config import pages
from tenants import deletion, lifecycle
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict
from tenants.models import SupportAccess, Tenant
from tests.conftest import CANARY, PASSWORD

Browser = Callable[..., Client]
REASON = "Ticket 4711: the list of people is empty"


@pytest.fixture
def olga(operator: CustomUser) -> CustomUser:
    """Runs the platform and may open support access."""
    return operator


def console_of(tenant: Tenant) -> str:
    return f"/admin/tenants/tenant/{tenant.pk}/support/"


def wanted(**others: str) -> dict[str, str]:
    asked = {"act": "open", "reason": REASON, "person": "ann", "minutes": "30"}
    return {**asked, "password": PASSWORD, **others}


def open_for(tenant: Tenant, operator: CustomUser, person: str = "ann", minutes: int = 30) -> str:
    """Open an access; return the path of its link."""
    with enter_platform():
        opened = opening.open_access(tenant, operator, person, reason=REASON, minutes=minutes)
    return re.sub(r"^https?://[^/]+", "", opened.link)


@pytest.fixture
def inside(browser: Browser, acme: Tenant, olga: CustomUser) -> Client:
    """Olga's browser at Acme, as Ann."""
    client = browser(acme)
    answer = client.post(open_for(acme, olga))
    assert answer.status_code == 302, answer.content
    return client


def switch_on(person: CustomUser) -> list[str]:
    """Give somebody a second factor, in the place one is in; returns their recovery codes."""
    secret = factor_codes.new_secret()
    code = factor_codes.code_at(secret, int(time.time()) // 30)
    return second_factors.switch_on(person, secret, code)


def the_access() -> SupportAccess:
    with enter_platform():
        return SupportAccess.objects.select_related("tenant").get()


def shift(**fields: Any) -> None:
    """Let time pass for the only access: the clock is PostgreSQL's, so its row moves instead."""
    with enter_platform(), connection.cursor() as cursor:
        for name, by in fields.items():
            cursor.execute(
                f"UPDATE tenants_supportaccess SET {name} = {name} - %s, begun_at = begun_at - %s",
                [by, by],
            )


def platform_events(*actions: str) -> list[ActivityEvent]:
    with enter_platform():
        return list(ActivityEvent.objects.filter(action__in=actions).order_by("id"))


# Opening


def test_the_console_opens_access_and_both_records_and_mails_say_so(
    browser, acme, olga, ann, recorded, django_capture_on_commit_callbacks
):
    client = browser(None, olga)
    assert "Open support access" in client.get(console_of(acme)).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post(console_of(acme), wanted()).content.decode()
    link = re.search(r'href="(http://acme.localhost:8000/support/enter/[^"]+)"', page)
    assert link

    access = the_access()
    assert (access.operator_id, access.person_id) == (olga.public_id, ann.public_id)
    assert access.ends_at - access.begun_at == timedelta(minutes=30)
    assert link[1].rstrip("/").rpartition("/")[2] not in str(vars(access))

    [theirs] = recorded(acme, "support.opened")
    assert (theirs.target_id, theirs.reason) == (str(ann.public_id), REASON)
    assert (theirs.actor_id, theirs.actor_label) == (str(olga.public_id), "olga, operator")
    [ours] = platform_events("support.opened")
    assert (ours.target_id, ours.details["person"]) == (str(acme.pk), str(ann.public_id))
    # Names of a tenant's people are not for the platform's record.
    assert CANARY["acme"] in theirs.target_label
    assert CANARY["acme"] not in f"{vars(ours)}"

    told = {to for message in mail.outbox for to in message.to}
    assert told == {"ann@acme.example"}
    assert REASON in mail.outbox[0].body
    assert "to act as you" in mail.outbox[0].body
    assert REASON in mail.outbox[0].alternatives[0][0]


def test_administrators_are_told_of_access_as_somebody_else(
    acme, olga, cleo, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        open_for(acme, olga, "cleo@acme.example")
    told = {message.to[0]: message.body for message in mail.outbox}
    assert set(told) == {"ann@acme.example", "cleo@acme.example"}
    assert "http://acme.localhost:8000/admin/support/" in told["ann@acme.example"]
    assert "http://acme.localhost:8000/activity/" in told["cleo@acme.example"]


@pytest.mark.parametrize(
    ("given", "said", "why"),
    [
        ({"password": "wrong"}, "not your password", "wrong password"),
        ({"reason": "  "}, "A reason is needed", ""),
        ({"reason": "x" * 301}, "A reason is needed", ""),
        ({"minutes": "600"}, "cannot be opened for 600 minutes", ""),
        ({"minutes": "soon"}, "no number of minutes", ""),
        ({"person": "nobody"}, "Nobody who may sign in there", "unknown person"),
        ({"person": ""}, "Nobody who may sign in there", "unknown person"),
    ],
)
def test_what_cannot_be_opened_is_explained_and_nothing_is_open(
    given, said, why, browser, acme, olga, recorded
):
    page = browser(None, olga).post(console_of(acme), wanted(**given)).content.decode()
    assert said in page
    with enter_platform():
        assert not SupportAccess.objects.exists()
    assert not recorded(acme, "support.opened")
    assert [one.details["why"] for one in platform_events("support.refused")] == [why] * bool(why)


def test_attempts_that_the_limit_refuses_are_recorded_too(browser, acme, olga, settings):
    settings.ACCOUNT_RATE_LIMITS = {"reauthenticate": "1/m/user"}
    client = browser(None, olga)
    assert "not your password" in client.post(console_of(acme), wanted(password="wrong")).text
    assert "There were too many attempts" in client.post(console_of(acme), wanted()).text
    told = [one.details["why"] for one in platform_events("support.refused")]
    assert told == ["wrong password", "too many attempts"]
    with enter_platform():
        assert not SupportAccess.objects.exists()


def test_the_code_is_asked_of_an_operator_who_has_a_second_factor(browser, acme, olga):
    with enter_platform():
        recovery = switch_on(olga)
    client = browser(None, olga)
    assert (
        "not the right code" in client.post(console_of(acme), wanted(code="123")).content.decode()
    )
    with enter_platform():
        assert not SupportAccess.objects.exists()
    client.post(console_of(acme), wanted(code=recovery[0]))
    assert the_access().tenant_id == acme.pk


def test_staff_without_the_permission_see_and_may_not_open(browser, acme, olga):
    with enter_platform():
        paul = CustomUser.objects.create_user(
            "paul", "paul@platform.example", PASSWORD, is_staff=True
        )
        paul.user_permissions.set(
            Permission.objects.filter(codename__in=["view_tenant", "change_tenant"])
        )
    client = browser(None, paul)
    assert "Open support access" not in client.get(console_of(acme)).content.decode()
    assert client.post(console_of(acme), wanted()).status_code == 403
    with enter_platform():
        assert not SupportAccess.objects.exists()
        paul.user_permissions.add(Permission.objects.get(codename="open_support"))
    browser(None, paul).post(console_of(acme), wanted())
    assert the_access().operator_id == paul.public_id


def test_access_that_the_record_cannot_tell_of_is_not_opened(browser, acme, olga):
    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent RENAME TO elsewhere")
    answer = browser(None, olga).post(console_of(acme), wanted())
    assert answer.status_code == 503
    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO activity_activityevent")
    with enter_platform():
        assert not SupportAccess.objects.exists()
    assert not platform_events("support.opened")


def test_one_operator_has_one_access_to_a_tenant(acme, globex, olga):
    open_for(acme, olga)
    with pytest.raises(Conflict, match="already"):
        open_for(acme, olga, "bob")
    open_for(globex, olga, "sam")


# Entering


def test_following_the_link_begins_nothing_and_the_form_does(browser, acme, olga, ann, recorded):
    client, path = browser(acme), open_for(acme, olga)
    page = client.get(path)
    assert page.status_code == 200
    assert REASON in page.content.decode()
    assert the_access().entered_at is None
    assert client.get("/admin/").status_code == 302

    assert client.post(path)["Location"] == "/admin/"
    assert the_access().entered_at is not None
    [event] = recorded(acme, "support.entered")
    assert (event.actor_id, event.on_behalf_of_id) == (str(olga.public_id), str(ann.public_id))
    assert event.session_ref
    assert [one.actor_label for one in platform_events("support.entered")] == ["olga"]
    assert not recorded(acme, "session.started")


def test_a_link_is_good_once_here_and_in_time(browser, acme, globex, olga, recorded):
    path = open_for(acme, olga)
    # At another tenant, with a key nobody made, late, and a second time.
    assert browser(globex).post(path).status_code == 404
    assert browser(globex).get(path).status_code == 404
    assert browser(acme).post("/support/enter/nothing/").status_code == 404
    assert browser(None).post(path).status_code == 404
    assert the_access().entered_at is None
    assert browser(acme).post(path).status_code == 302
    stranger = browser(acme)
    again = stranger.post(path)
    assert again.status_code == 409
    assert "was used" in again.content.decode()
    assert stranger.get("/admin/").status_code == 302
    whys = [event.details["why"] for event in recorded(acme, "support.refused")]
    assert whys == ["unknown link", "used link"]
    assert [event.details["why"] for event in recorded(globex, "support.refused")] == [
        "unknown link",
        "unknown link",
    ]


def test_a_link_that_is_not_used_at_once_is_void(browser, acme, olga, recorded):
    path = open_for(acme, olga)
    with enter_platform():
        row = SupportAccess.objects.get()
        SupportAccess.objects.update(link_until=row.link_until - timedelta(minutes=6))
    answer = browser(acme).post(path)
    assert answer.status_code == 409
    assert "not used in time" in answer.content.decode()
    # It keeps nobody from opening another, and its end is told.
    open_for(acme, olga, "bob")
    [event] = recorded(acme, "support.ended")
    assert (event.details["how"], event.details["acts"]) == ("unused", 0)


def _forbid(acme: Tenant, olga: CustomUser, ann: CustomUser) -> None:
    with enter_platform():
        Tenant.objects.filter(pk=acme.pk).update(allows_support=False)


def _deactivate_olga(acme: Tenant, olga: CustomUser, ann: CustomUser) -> None:
    with enter_platform():
        CustomUser.objects.filter(pk=olga.pk).update(is_active=False)


def _demote_olga(acme: Tenant, olga: CustomUser, ann: CustomUser) -> None:
    with enter_platform():
        CustomUser.objects.filter(pk=olga.pk).update(is_superuser=False)


def _deactivate_ann(acme: Tenant, olga: CustomUser, ann: CustomUser) -> None:
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=ann.pk).update(is_active=False)


def _new_password(acme: Tenant, olga: CustomUser, ann: CustomUser) -> None:
    with enter_tenant(acme):
        fresh = CustomUser.objects.get(pk=ann.pk)
        fresh.set_password("another horse battery staple")
        fresh.save()


def _end_it(acme: Tenant, olga: CustomUser, ann: CustomUser) -> None:
    ending.end(the_access(), SupportAccess.How.PLATFORM)


def _expire(acme: Tenant, olga: CustomUser, ann: CustomUser) -> None:
    shift(ends_at=timedelta(minutes=31))


LOSSES = [
    (_forbid, "forbidden"),
    (_deactivate_olga, "operator lost"),
    (_demote_olga, "operator lost"),
    (_deactivate_ann, "person lost"),
    (_new_password, "person lost"),
    (_end_it, "platform"),
    (_expire, "expired"),
]


@pytest.mark.parametrize("loss", [one for one, _ in LOSSES if one is not _new_password])
def test_a_link_begins_nothing_once_what_it_needs_is_gone(loss, browser, acme, olga, ann):
    path = open_for(acme, olga)
    loss(acme, olga, ann)
    client = browser(acme)
    assert client.post(path).status_code == 409
    assert client.get("/admin/").status_code == 302
    assert the_access().entered_at is None


def test_a_form_from_elsewhere_begins_nothing_and_ends_nothing(acme, olga):
    path = open_for(acme, olga)
    forger = Client(enforce_csrf_checks=True, headers={"host": "acme.localhost:8000"})
    assert forger.post(path).status_code == 403
    assert the_access().entered_at is None
    page = forger.get(path).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    assert forger.post(path, {"csrfmiddlewaretoken": token[1]}).status_code == 302
    assert forger.post("/support/end/").status_code == 403
    # The token from before is not good in the new session.
    assert forger.post("/support/end/", {"csrfmiddlewaretoken": token[1]}).status_code == 403
    assert the_access().ended_at is None


def test_of_two_who_take_a_link_at_once_one_comes_in(lab):
    name = f"zoe-{lab.slug}"
    with enter_tenant(lab):
        CustomUser.objects.create_user("ann", "ann@lab.example", PASSWORD)
    with enter_platform():
        zoe = CustomUser.objects.create_superuser(name, f"{name}@platform.example", PASSWORD)
    try:
        path, both = open_for(lab, zoe), threading.Barrier(2)

        def take() -> int:
            both.wait(30)
            try:
                return Client(headers={"host": f"{lab.slug}.localhost:8000"}).post(path).status_code
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(take) for _ in range(2)]
            assert sorted(one.result(60) for one in answers) == [302, 409]
        with enter_tenant(lab):
            assert Session.objects.count() == 1
            assert ActivityEvent.objects.filter(action="support.entered").count() == 1
    finally:
        with enter_platform():
            CustomUser.objects.filter(pk=zoe.pk).delete()


def test_entering_leaves_whatever_session_there_was(browser, acme, olga, cleo):
    client = browser(acme, cleo)
    before = client.cookies["sessionid"].value
    client.post(open_for(acme, olga))
    after = client.cookies["sessionid"].value
    assert before != after
    with enter_tenant(acme):
        assert list(Session.objects.values_list("session_key", flat=True)) == [after]
        row = Session.objects.get()
    assert row.expire_date == the_access().ends_at


# Inside


def test_every_event_names_the_operator_and_the_person(inside, acme, olga, ann, bob, recorded):
    inside.post("/", {"display_name": "Ann Renamed", "time_zone": ""})
    inside.get("/admin/activity/activityevent/")
    inside.get(f"/admin/accounts/customuser/{bob.pk}/history/")
    inside.post("/accounts/password/change/", {})
    events = recorded(acme, "user.changed", "activity.searched", "history.viewed", "access.denied")
    assert {one.action for one in events} == {
        *("user.changed", "activity.searched", "history.viewed", "access.denied"),
    }
    for event in events:
        assert (event.actor_kind, event.actor_id) == ("person", str(olga.public_id))
        assert event.actor_label == "olga, operator"
        assert event.on_behalf_of_id == str(ann.public_id)
        assert (event.channel, event.reason) == ("page", REASON)
    with enter_tenant(acme):
        row = CustomUser.objects.get(pk=ann.pk).history.first()
    assert row.actor_label == "olga, operator"


def test_the_person_was_not_here(inside, acme, ann):
    inside.get("/admin/")
    inside.get("/")
    with enter_tenant(acme):
        fresh = CustomUser.objects.get(pk=ann.pk)
    assert (fresh.last_login, fresh.last_seen) == (ann.last_login, ann.last_seen)


PAGES = [
    *("/", "/activity/", "/admin/", "/admin/reports/", "/admin/reports/most-active/"),
    *("/admin/accounts/customuser/", "/admin/auth/group/", "/admin/accounts/apitoken/"),
    *("/admin/activity/activityevent/", "/admin/exports/", "/admin/schedules/"),
    *("/admin/retention/", "/admin/support/", "/accounts/second-factor/", "/accounts/tokens/"),
    *("/accounts/logout/", "/admin/activity/activityevent/searches/"),
]


@pytest.mark.parametrize("page", PAGES)
def test_each_page_says_that_somebody_is_here_in_another_s_place(page, inside):
    said = inside.get(page)
    assert said.status_code == 200
    text = said.content.decode()
    assert 'aria-label="Support access"' in text
    assert REASON in text
    assert "olga acts for" in " ".join(text.split())
    assert 'action="/support/end/"' in text


def test_nobody_else_sees_the_banner(browser, acme, ann, inside):
    for page in PAGES:
        assert 'class="support"' not in browser(acme, ann).get(page).content.decode()


REFUSALS: list[tuple[str, str, dict[str, Any]]] = [
    ("post", "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": "x" * 20}),
    ("get", "/accounts/password/change/", {}),
    ("get", "/accounts/second-factor/on/", {}),
    ("post", "/accounts/second-factor/off/", {}),
    ("get", "/accounts/tokens/new/", {}),
    ("post", "/accounts/tokens/01a20a18-2cb9-72be-8a84-724edb07b0ab/revoke/", {}),
    ("get", "/accounts/reauthenticate/", {}),
    ("get", "/accounts/login/", {}),
    ("post", "/accounts/password/reset/", {"email": "ann@acme.example"}),
    ("post", "/activity/", {"session": "others"}),
    ("get", "/admin/accounts/customuser/add/", {}),
    ("post", "/admin/accounts/customuser/{bob}/send-link/", {}),
    ("get", "/admin/accounts/customuser/{bob}/erase/", {}),
    ("post", "/admin/accounts/customuser/{bob}/erase/", {"reason": "x", "username": "bob"}),
    ("post", "/admin/accounts/customuser/{bob}/take-out/", {}),
    ("post", "/admin/accounts/customuser/{bob}/take-second-factor-away/", {}),
    ("post", "/admin/accounts/customuser/{bob}/delete/", {"post": "yes"}),
    ("post", "/admin/accounts/customuser/", {"action": "activate", "_selected_action": "1"}),
    (
        "post",
        "/admin/accounts/customuser/",
        {"action": ["deactivate", "delete_selected"], "index": "1", "_selected_action": "1"},
    ),
    ("post", "/admin/auth/group/add/", {"name": "All"}),
    ("get", "/admin/activity/activityevent/?export=csv", {}),
    ("get", "/admin/reports/most-active/?export=csv", {}),
    ("get", "/admin/summary/", {}),
    ("post", "/admin/exports/new/", {"source": "events"}),
    ("get", "/admin/exports/new/", {}),
    ("post", "/admin/schedules/new/", {}),
    ("post", "/admin/retention/", {"family": "user", "days": "30", "act": "keep"}),
    ("post", "/admin/support/", {"act": "forbid"}),
    ("get", "/api/v1/activity/events", {}),
    ("post", "/api/v1/activity/exports", {}),
]


@pytest.mark.parametrize(("method", "path", "form"), REFUSALS)
def test_what_nobody_may_do_for_another_is_refused_and_recorded(
    method, path, form, inside, acme, ann, bob, recorded
):
    path = path.format(bob=bob.pk)
    with enter_tenant(acme):
        before = list(CustomUser.objects.order_by("pk").values())
    answer = getattr(inside, method)(path, form)
    assert answer.status_code == 403
    if not path.startswith("/api/"):
        assert "Not under support access" in answer.content.decode()
        assert 'aria-label="Support access"' in answer.content.decode()
    with enter_tenant(acme):
        assert list(CustomUser.objects.order_by("pk").values()) == before
    [event] = recorded(acme, "access.denied")
    assert event.details["why"] == "support access"
    assert event.on_behalf_of_id == str(ann.public_id)
    # The same is Ann's to do, or at least to be asked about.
    assert the_access().ended_at is None


def test_a_person_s_form_takes_no_power_and_no_address(inside, acme, bob):
    page = f"/admin/accounts/customuser/{bob.pk}/change/"
    given = {"display_name": "Bobby", "time_zone": "", "is_active": "on", "username": "mallory"}
    power = {"is_staff": "on", "is_superuser": "on", "email": "olga@platform.example"}
    assert inside.post(page, {**given, **power}).status_code == 302
    with enter_tenant(acme):
        fresh = CustomUser.objects.get(pk=bob.pk)
    assert fresh.display_name == "Bobby"
    assert (fresh.username, fresh.email, fresh.is_superuser) == ("bob", bob.email, False)


def test_somebody_may_be_kept_out_and_not_let_back_in(inside, acme, bob):
    people = "/admin/accounts/customuser/"
    inside.post(people, {"action": "deactivate", "_selected_action": bob.pk, "index": "0"})
    with enter_tenant(acme):
        assert not CustomUser.objects.get(pk=bob.pk).is_active
    given = {"display_name": "Bob", "time_zone": "", "is_active": "on"}
    inside.post(f"{people}{bob.pk}/change/", given)
    with enter_tenant(acme):
        assert not CustomUser.objects.get(pk=bob.pk).is_active


def test_other_administrators_are_not_for_support_access_to_change(inside, acme, bob):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(is_superuser=True)
    people = "/admin/accounts/customuser/"
    inside.post(people, {"action": "deactivate", "_selected_action": bob.pk, "index": "0"})
    given = {"display_name": "Bobby", "time_zone": ""}
    assert inside.post(f"{people}{bob.pk}/change/", given).status_code == 403
    with enter_tenant(acme):
        fresh = CustomUser.objects.get(pk=bob.pk)
    assert (fresh.is_active, fresh.display_name) == (True, bob.display_name)


def test_every_page_of_a_tenant_is_judged():
    def names(patterns: Any, before: str = "") -> Any:
        for pattern in patterns:
            address = f"{before}{pattern.pattern}"
            if isinstance(pattern, URLResolver):
                yield from names(pattern.url_patterns, address)
            elif pattern.name and not address.startswith("api/"):
                yield pattern.name

    there = set(names(get_resolver("config.urls_tenant").url_patterns))
    assert there == refusals.LOOKING | refusals.REFUSED
    assert not refusals.LOOKING & refusals.REFUSED
    assert set(refusals.ACTING) <= refusals.LOOKING


# Ending


@pytest.mark.parametrize(("loss", "how"), LOSSES)
def test_the_next_request_is_nobody_s_once_something_is_lost(
    loss, how, inside, acme, olga, ann, recorded
):
    assert inside.get("/admin/").status_code == 200
    loss(acme, olga, ann)
    answer = inside.get("/admin/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
    assert "The support access is over." in inside.get("/accounts/login/").content.decode()
    [event] = recorded(acme, "support.ended")
    assert event.details["how"] == how == the_access().ended_how
    assert [one.details["how"] for one in platform_events("support.ended")] == [how]
    # And whatever comes back later brings nothing back.
    with enter_platform():
        CustomUser.objects.filter(pk=olga.pk).update(is_active=True, is_superuser=True)
        Tenant.objects.filter(pk=acme.pk).update(allows_support=True)
    assert inside.get("/admin/").status_code == 302


def test_a_cookie_that_was_kept_opens_nothing_after_the_end(inside, browser, acme, recorded):
    kept = inside.cookies["sessionid"].value
    over = inside.post("/support/end/")
    assert "Support access is over" in over.content.decode()
    assert 'class="support"' not in over.content.decode()
    replay = browser(acme)
    replay.cookies["sessionid"] = kept
    assert replay.get("/admin/").status_code == 302
    [event] = recorded(acme, "support.ended")
    assert event.details["how"] == "operator"
    assert event.actor_label == "olga, operator"


def test_a_row_that_is_put_back_opens_nothing(inside, acme):
    """Somebody restores the session's row: the access itself has ended."""
    with enter_tenant(acme):
        row = Session.objects.get()
        kept = (row.session_key, row.session_data, row.expire_date)
    inside.post("/support/end/")
    with enter_tenant(acme):
        Session.objects.create(session_key=kept[0], session_data=kept[1], expire_date=kept[2])
    inside.cookies["sessionid"] = kept[0]
    assert inside.get("/admin/").status_code == 302


def test_the_cookie_at_another_tenant_is_nobody(inside, browser, globex, recorded):
    thief = browser(globex)
    thief.cookies["sessionid"] = inside.cookies["sessionid"].value
    assert thief.get("/admin/").status_code == 302
    assert recorded(globex, "session.refused")


@pytest.mark.parametrize("way", ["/accounts/logout/", "/admin/logout/"])
def test_signing_out_ends_it(way, inside, acme, recorded):
    assert "Support access is over" in inside.post(way).content.decode()
    assert [one.details["how"] for one in recorded(acme, "support.ended")] == ["operator"]
    assert not recorded(acme, "session.ended")


@pytest.mark.parametrize(
    ("close", "open_again"),
    [(lifecycle.suspend, lifecycle.resume), (deletion.schedule, deletion.undelete)],
)
def test_closing_the_tenant_ends_it_for_good(close, open_again, inside, acme, recorded):
    with enter_platform():
        close(acme, reason="unpaid")
    assert the_access().ended_how == "closed"
    assert inside.get("/admin/").status_code == 403
    with enter_platform():
        open_again(acme)
    assert inside.get("/admin/").status_code == 302
    assert [one.details["how"] for one in recorded(acme, "support.ended")] == ["closed"]


def test_the_sweep_writes_down_what_is_over(acme, globex, olga, recorded):
    open_for(acme, olga)
    open_for(globex, olga, "sam")
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_supportaccess SET ends_at = ends_at - %(by)s, begun_at = begun_at"
            " - %(by)s WHERE tenant_id = %(acme)s",
            {"by": timedelta(hours=1), "acme": acme.pk},
        )
    assert end_support() == 1
    assert end_support() == 0
    [event] = recorded(acme, "support.ended")
    assert (event.details["how"], event.actor_kind) == ("expired", "service")
    assert not recorded(globex, "support.ended")


def test_a_page_costs_three_statements_more_and_only_there(inside, browser, acme, ann):
    """The access with its tenant, the operator, and that it was looked at; no device is noted."""

    def sent(client: Client) -> int:
        client.get("/admin/auth/group/")
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/admin/auth/group/").status_code == 200
        return len(queries)

    assert sent(inside) == sent(browser(acme, ann)) + 3


def test_the_page_of_an_error_is_shown_where_nothing_can_be_asked(rf):
    request = rf.get("/")

    def broken() -> Any:
        raise OperationalError("the server closed the connection")

    request.user = SimpleLazyObject(broken)
    assert not pages.place(request)["support"]


@pytest.mark.parametrize(
    ("loss", "how"), [(_demote_olga, "operator lost"), (_deactivate_ann, "person lost")]
)
def test_the_sweep_ends_what_has_lost_somebody(loss, how, inside, acme, olga, ann, recorded):
    assert end_support() == 0
    loss(acme, olga, ann)
    assert end_support() == 1
    assert [one.details["how"] for one in recorded(acme, "support.ended")] == [how]


def test_what_was_done_is_counted_and_reported(inside, acme, olga, recorded):
    inside.post("/", {"display_name": "Ann Renamed", "time_zone": ""})
    inside.post("/accounts/password/change/", {})
    inside.post("/support/end/")
    [event] = recorded(acme, "support.ended")
    assert event.details["acts"] == the_access().acts == 2
    with enter_tenant(acme):
        report = build("support-access", period_for("support-access", "", ""))
    rows = [dict(zip(report.columns, row, strict=True)) for row in report.rows]
    access = the_access()
    [ended, began, opened] = [row for row in rows if "support access" in row["what"].lower()]
    assert (ended["acts"], ended["on_behalf_of"]) == (2, "Ann Renamed (ann)")
    assert began["what"].startswith("olga, operator began support access to Ann")
    assert opened["until"] == access.ends_at
    assert {one["reason"] for one in (ended, began, opened)} == {REASON}
