"""My activity: everybody's own devices and account, and nobody else's."""

import json
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import devices
from accounts.devices import devices_of, name_of
from accounts.models import CustomUser
from accounts.sessions import SessionStore, mark_of
from activity import context
from activity.context import Actor, ActorKind, Channel, Context
from activity.recording import keyed_hash, record
from tenants.context import enter_platform, enter_tenant
from tests.conftest import CANARY, PASSWORD

MINE = "/activity/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0"
    " Mobile/15E148 Safari/604.1"
)
ADMIN_ADDRESS = "198.51.100.77"


def sign_in(tenant, login, *, agent=FIREFOX, ip="203.0.113.5", password=PASSWORD):
    client = Client(headers={"host": f"{tenant.slug}.localhost:8000", "user-agent": agent})
    client.defaults["REMOTE_ADDR"] = ip
    answered = client.post("/accounts/login/", {"login": login, "password": password})
    assert answered.status_code == (302 if password == PASSWORD else 200)
    return client


def refs(tenant, person):
    with enter_tenant(tenant):
        return {device.user_agent: device.ref for device in devices_of(person, None)}


@pytest.fixture(autouse=True)
def _unlimited(no_attempts_yet):
    """Sign in as often as a test likes."""


def test_who_is_not_staff_sees_their_devices_with_name_address_and_which_is_this(acme, cleo):
    here = sign_in(acme, "cleo")
    sign_in(acme, "cleo", agent=IPHONE, ip="2001:db8::7")

    text = here.get(MINE).text

    assert "Firefox on Linux</strong> · this one" in text
    assert "Safari on iPhone</strong></p>" in text
    assert "203.0.113.5" in text
    assert "2001:db8::7" in text


def test_sign_ins_failures_and_changes_are_there_and_by_whom(acme, ann, cleo):
    sign_in(acme, "cleo", password="wrong", ip="192.0.2.66", agent=IPHONE)
    with (
        enter_tenant(acme),
        context.acting_as(
            Context(
                actor=Actor(ActorKind.PERSON, str(ann.public_id), "Ann Lee (ann)"),
                channel=Channel.PAGE,
                ip=ADMIN_ADDRESS,
                user_agent="Secret browser of Ann",
                reason="They asked on the phone",
            )
        ),
    ):
        person = CustomUser.objects.get(pk=cleo.pk)
        person.display_name = "Cleo D."
        person.save()
    here = sign_in(acme, "cleo")

    text = here.get(MINE).text

    assert "You signed in" in text
    assert "Somebody failed to sign in as" in text
    assert "192.0.2.66" in text
    assert "Ann Lee (ann) changed Cleo D. (cleo)" in text
    assert "name: Cleo canary-of-acme → Cleo D." in text
    # What is the administrator's own stays with those who may read the record.
    assert ADMIN_ADDRESS not in text
    assert "Secret browser" not in text
    assert "on the phone" not in text


def test_the_operators_machines_are_not_named(acme, cleo):
    with enter_tenant(acme):
        record("user.invited", target=CustomUser.objects.get(pk=cleo.pk))
    text = sign_in(acme, "cleo").get(MINE).text

    assert "An operator sent Cleo" in text
    with enter_tenant(acme):
        assert context.current().actor.label not in text


def test_one_session_is_ended_at_once_and_recorded(acme, cleo, recorded):
    here, phone = sign_in(acme, "cleo"), sign_in(acme, "cleo", agent=IPHONE)
    ref = refs(acme, cleo)[IPHONE]

    answered = here.post(MINE, {"session": ref}, follow=True)

    assert "That session is ended." in answered.text
    assert phone.get(MINE).status_code == 302
    assert here.get(MINE).status_code == 200
    [revoked] = recorded(acme, "session.revoked")
    assert revoked.details == {"revoked_session_ref": ref}
    assert revoked.actor_id == revoked.target_id == str(cleo.public_id)
    begun = recorded(acme, "session.started")
    assert ref in {event.session_ref for event in begun}
    assert "ended already" in here.post(MINE, {"session": ref}, follow=True).text
    assert len(recorded(acme, "session.revoked")) == 1


def test_signing_out_everywhere_else_leaves_this_one_and_other_people(acme, ann, cleo, recorded):
    here = sign_in(acme, "cleo")
    others = [sign_in(acme, "cleo", agent=IPHONE) for _ in range(2)]
    owner = sign_in(acme, "ann")

    answered = here.post(MINE, {"session": "others"}, follow=True)

    assert "signed out on 2 other devices." in answered.text
    assert [client.get(MINE).status_code for client in (here, owner, *others)] == [
        200,
        200,
        302,
        302,
    ]
    assert len(recorded(acme, "session.revoked")) == 2
    again = here.post(MINE, {"session": "others"}, follow=True)
    assert "signed in nowhere else" in again.text


def test_nobody_ends_or_sees_the_sessions_of_others(acme, globex, ann, cleo, sam, recorded):
    mine, owner, stranger = sign_in(acme, "cleo"), sign_in(acme, "ann"), sign_in(globex, "sam")
    [ref] = refs(acme, ann).values()
    [foreign] = refs(globex, sam).values()

    for target in (ref, foreign, "", "x" * 5_000, "others\0"):
        assert mine.post(MINE, {"session": target}, follow=True).status_code == 200

    assert owner.get(MINE).status_code == stranger.get(MINE).status_code == 200
    assert recorded(acme, "session.revoked") == recorded(globex, "session.revoked") == []
    # Sam has Ann's primary key.
    assert sam.pk == ann.pk
    assert CANARY["acme"] not in stranger.get(MINE).text
    with enter_tenant(acme):
        of_ann = mark_of(ann.pk)
    with enter_tenant(globex):
        assert mark_of(sam.pk) != of_ann


def test_whose_session_it_is_says_the_signed_part_and_not_the_mark(in_acme, ann, cleo):
    foreign = SessionStore()
    foreign["_auth_user_id"] = str(ann.pk)
    foreign.create()
    row = Session.objects.get(session_key=foreign.session_key)
    forged = mark_of(cleo.pk) + row.session_data.rpartition("/")[2]
    Session.objects.filter(pk=row.pk).update(session_data=forged)

    assert devices_of(cleo, None) == []


def test_sessions_of_an_old_password_are_not_shown(acme, cleo):
    sign_in(acme, "cleo")
    with enter_tenant(acme):
        person = CustomUser.objects.get(pk=cleo.pk)
        assert len(devices_of(person, None)) == 1
        person.set_password("another umbrella in the rain")
        person.save()
        assert devices_of(person, None) == []


def test_sessions_that_have_expired_are_not_shown(acme, cleo):
    sign_in(acme, "cleo")
    with enter_tenant(acme):
        assert len(devices_of(cleo, None)) == 1
        Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
        assert devices_of(cleo, None) == []


def test_a_device_moves_on_after_five_minutes_and_its_end_does_not(acme, cleo, monkeypatch):
    here = sign_in(acme, "cleo")
    with enter_tenant(acme):
        before = Session.objects.get(session_data__startswith=mark_of(cleo.pk))
    here.defaults["REMOTE_ADDR"] = "203.0.113.99"
    here.get(MINE)
    with enter_tenant(acme):
        assert Session.objects.get(pk=before.pk).session_data == before.session_data

    monkeypatch.setattr(devices, "SEEN_RESOLUTION", timedelta(0))
    answered = here.get(MINE)

    with enter_tenant(acme):
        after = Session.objects.get(pk=before.pk)
        [device] = devices_of(CustomUser.objects.get(pk=cleo.pk), None)
    assert device.ip == "203.0.113.99"
    assert after.expire_date == before.expire_date
    assert "sessionid" not in answered.cookies


def test_a_session_that_changed_meanwhile_is_left_as_it_is(in_acme, cleo, monkeypatch):
    monkeypatch.setattr(devices, "SEEN_RESOLUTION", timedelta(0))
    made = SessionStore()
    made["_auth_user_id"] = str(cleo.pk)
    made.create()
    slow, quick = SessionStore(made.session_key), SessionStore(made.session_key)
    assert slow.get("_auth_user_id")
    quick["basket"] = "full"
    quick.save()

    devices.note_device(slow)

    assert SessionStore(made.session_key)["basket"] == "full"


def test_sessions_from_before_this_page_are_good_and_marked_at_their_next_use(acme, cleo):
    here = sign_in(acme, "cleo")
    with enter_tenant(acme):
        row = Session.objects.get(session_data__startswith=mark_of(cleo.pk))
        data = SessionStore().decode(row.session_data)
        del data["device"]
        unmarked = SessionStore().encode(data).partition("/")[2]
        Session.objects.filter(pk=row.pk).update(session_data=unmarked)
        assert devices_of(cleo, None) == []

    assert "this one" in here.get(MINE).text
    with enter_tenant(acme):
        assert len(devices_of(CustomUser.objects.get(pk=cleo.pk), None)) == 1


def test_the_page_needs_somebody_who_is_signed_in(browser, acme):
    answered = browser(acme).get(MINE)

    assert answered.status_code == 302
    assert answered.url.startswith("/accounts/login/")


def test_the_pages_go_on_by_key_and_nonsense_is_answered_in_words(acme, cleo):
    with enter_tenant(acme):
        for _ in range(60):
            record("user.invited", target=CustomUser.objects.get(pk=cleo.pk))
    here = sign_in(acme, "cleo")

    first = here.get(MINE)
    older = first.context["page"].older
    second = here.get(MINE, {"before": older})

    with enter_tenant(acme):
        seen = [line.event.pk for r in (first, second) for line in r.context["lines"]]
    assert len(seen) == len(set(seen)) == 61 + 1
    assert here.get(MINE, {"before": "zzz"}).status_code == 400


def test_operators_have_the_page_too(operator):
    client = Client(headers={"host": "localhost:8000", "user-agent": FIREFOX})
    client.post("/accounts/login/", {"login": "olga", "password": PASSWORD})

    assert "Firefox on Linux" in client.get(MINE).text
    with enter_platform():
        assert len(devices_of(operator, None)) == 1


def test_many_sessions_of_others_cost_no_more_statements(acme, cleo, ann):
    here = sign_in(acme, "cleo")
    here.get(MINE)
    with enter_tenant(acme):
        for _ in range(20):
            store = SessionStore()
            store["_auth_user_id"] = str(ann.pk)
            store.create()
    with CaptureQueriesContext(connection) as sent:
        here.get(MINE)

    assert len([q for q in sent.captured_queries if "django_session" in q["sql"]]) == 2


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("curl/8.9", "curl/8.9"),
        ("", "An unknown program"),
        ("\x1b[31m" + "x" * 999, None),
    ],
)
def test_a_browser_is_named_by_what_it_says(agent, name):
    named = name_of(agent)

    assert named == name if name else len(named) <= 60
    assert "\x1b" not in named


def test_the_reference_of_a_session_is_the_records(acme, cleo):
    here = sign_in(acme, "cleo")
    key = here.cookies["sessionid"].value

    with enter_tenant(acme):
        assert list(refs(acme, cleo).values()) == [keyed_hash("session", key)]
    assert key not in json.dumps(here.get(MINE).text)


def test_sessions_under_a_secret_key_of_before_are_shown_and_ended_too(acme, cleo, settings):
    here = sign_in(acme, "cleo")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, of which nobody has heard before " * 2

    with enter_tenant(acme):
        assert len(devices_of(cleo, None)) == 1
        assert devices.end_others(cleo, None) == 1

    assert here.get(MINE).status_code == 302
