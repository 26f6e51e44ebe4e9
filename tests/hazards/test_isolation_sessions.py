"""S25, MT 8: a session of one tenant opens nothing at another; the attempt is recorded there."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as BareStore
from django.contrib.sessions.models import Session
from django.core import signing
from django.test import Client

from accounts import sessions
from accounts.sessions import SessionStore, is_foreign, new_key
from activity.actions import CATALOGUE
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant
from tests.conftest import CANARY, PASSWORD

NAME = settings.SESSION_COOKIE_NAME
pytestmark = pytest.mark.usefixtures("no_attempts_yet")


@pytest.fixture(autouse=True)
def _no_attempts_on_the_platform(db: None) -> None:
    from django.core.cache import cache

    with enter_platform():
        cache.clear()


@pytest.fixture
def attempts(db: None) -> Any:
    """Return what reads the refusals in the record of a place."""
    from activity.models import ActivityEvent

    def read(tenant: Tenant | None) -> list[ActivityEvent]:
        with enter_tenant(tenant) if tenant else enter_platform():
            return list(ActivityEvent.objects.filter(action="session.refused").order_by("id"))

    return read


def key_of(client: Client) -> str:
    return client.cookies[NAME].value


def bring(client: Client, key: str, path: str = "/admin/", **extra: str) -> Any:
    client.cookies[NAME] = key
    return client.get(path, **extra)


def test_s25_a_foreign_session_is_nobody_and_an_event_where_it_was_presented(
    browser, acme, globex, ann, attempts
):
    key = key_of(browser(acme, ann))

    response = bring(browser(globex), key, REMOTE_ADDR="203.0.113.9", HTTP_USER_AGENT="curl")

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")
    assert CANARY["acme"] not in response.text
    assert response.cookies[NAME].value == ""
    [event] = attempts(globex)
    assert (event.outcome, event.severity) == ("denied", CATALOGUE["session.refused"].severity)
    assert (event.actor_kind, event.actor_id) == ("anonymous", "")
    assert (event.ip, event.user_agent) == ("203.0.113.9", "curl")
    assert str(event.request_id) == response["X-Request-ID"]
    assert attempts(acme) == attempts(None) == []


def test_s25_the_event_does_not_say_whose_session_it_was(browser, acme, globex, ann, attempts):
    key = key_of(browser(acme, ann))
    bring(browser(globex), key)

    [event] = attempts(globex)
    said = str({field.attname: getattr(event, field.attname) for field in event._meta.fields})
    telling = (key, str(acme.pk), acme.schema_name, str(ann.public_id), "acme", CANARY["acme"])
    assert not [word for word in telling if word in said.lower()]


@pytest.mark.parametrize("way", ["tenant to platform", "platform to tenant"])
def test_s25_between_the_platform_and_a_tenant_it_is_the_same(
    way, browser, acme, ann, operator, attempts
):
    if way == "tenant to platform":
        bring(browser(None), key_of(browser(acme, ann)))
        assert len(attempts(None)) == 1
        assert attempts(acme) == []
    else:
        bring(browser(acme), key_of(browser(None, operator)))
        assert len(attempts(acme)) == 1
        assert attempts(None) == []


def test_s25_a_minute_and_an_address_make_one_event(browser, acme, globex, ann, attempts):
    key = key_of(browser(acme, ann))
    stranger = browser(globex)
    for _ in range(5):
        bring(stranger, key, REMOTE_ADDR="203.0.113.9")
    assert len(attempts(globex)) == 1
    bring(stranger, key, REMOTE_ADDR="203.0.113.10")
    assert len(attempts(globex)) == 2


@pytest.mark.parametrize(
    "invent",
    [
        lambda key: "x" * 32,
        lambda key: "a" * 40,
        lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
        lambda key: ("a" if key[0] != "a" else "b") + key[1:],
        lambda key: key[:26] + key[33:] + key[26:33],
        lambda key: key.upper(),
        lambda key: key + "a",
        lambda key: key + "\n",
        lambda key: key[:39] + "ä",
        lambda key: "",
        lambda key: "a" * 5000,
    ],
)
def test_s25_what_is_invented_makes_no_event(invent, browser, acme, globex, sam, attempts):
    key = key_of(browser(globex, sam))
    response = bring(browser(acme), invent(key))
    assert response.status_code == 302
    # The last characters are the mark of the tenant: with others the key is still genuine.
    changed_tenant = invent(key)[:33] == key[:33] and len(invent(key)) == 40
    expected = changed_tenant and invent(key).isascii()
    assert len(attempts(acme)) == int(expected)


def test_s25_a_session_that_has_ended_here_makes_no_event(browser, acme, ann, attempts):
    client = browser(acme, ann)
    key = key_of(client)
    client.post("/accounts/logout/")
    bring(browser(acme), key)
    with enter_tenant(acme):
        assert not Session.objects.filter(pk=key).exists()
    assert attempts(acme) == []


def test_s25_a_session_that_has_ended_there_is_still_foreign_here(
    browser, acme, globex, ann, attempts
):
    client = browser(acme, ann)
    key = key_of(client)
    client.post("/accounts/logout/")
    bring(browser(globex), key)
    assert len(attempts(globex)) == 1


def test_s25_the_event_outlives_a_page_that_fails(browser, acme, globex, ann, attempts):
    key = key_of(browser(acme, ann))
    stranger = browser(globex)
    stranger.raise_request_exception = False
    # The view's transaction, in which the session was looked for, is rolled back.
    assert bring(stranger, key, "/admin/no/such/page/").status_code in (302, 404)
    assert len(attempts(globex)) == 1


def test_s25_pages_of_ones_own_session_cost_no_further_query(
    browser, acme, ann, django_assert_num_queries, monkeypatch
):
    client = browser(acme, ann)
    client.get("/")
    asked: list[str] = []
    monkeypatch.setattr(sessions, "is_foreign", lambda key: asked.append(key) or False)
    assert client.get("/").status_code == 200
    assert asked == []


def test_s25_the_marks_bind_to_the_place_and_tell_a_stranger_nothing(acme, globex, settings):
    with enter_tenant(acme):
        keys = [new_key() for _ in range(50)]
        assert not any(is_foreign(key) for key in keys)
    for elsewhere in (enter_tenant(globex), enter_platform()):
        with elsewhere:
            assert all(is_foreign(key) for key in keys)
    assert len({key[26:33] for key in keys}) == len({key[33:] for key in keys}) == 50
    assert {len(key) for key in keys} == {40}
    settings.SECRET_KEY = "another"
    with enter_tenant(globex):
        assert not any(is_foreign(key) for key in keys)


def test_s25_a_copied_row_cannot_be_read_by_the_next_tenant(acme, globex):
    with enter_tenant(acme):
        store = SessionStore()
        store["cart"] = CANARY["acme"]
        store.create()
        row = Session.objects.get(pk=store.session_key)
    with enter_tenant(globex):
        Session.objects.create(
            session_key=row.session_key, session_data=row.session_data, expire_date=row.expire_date
        )
        assert dict(SessionStore(row.session_key).items()) == {}
    with enter_tenant(acme):
        assert SessionStore(row.session_key)["cart"] == CANARY["acme"]


def test_s25_twin_bare_django_reads_the_copied_row(acme, globex):
    with enter_tenant(acme):
        store = BareStore()
        store["cart"] = CANARY["acme"]
        store.create()
        row = Session.objects.get(pk=store.session_key)
    with enter_tenant(globex):
        Session.objects.create(
            session_key=row.session_key, session_data=row.session_data, expire_date=row.expire_date
        )
        assert BareStore(row.session_key)["cart"] == CANARY["acme"]


def test_s25_keys_rotate_and_end_as_django_does_it(acme):
    with enter_tenant(acme):
        store = SessionStore()
        store["a"] = 1
        store.create()
        first = store.session_key
        store.cycle_key()
        assert store.session_key != first
        assert store["a"] == 1
        assert not store.exists(first)
        assert not is_foreign(store.session_key)
        store.flush()
        assert store.session_key is None
        assert Session.objects.count() == 0


# The rest of what is carried from place to place


def test_a_signature_of_a_session_is_no_signature_elsewhere(acme, globex):
    with enter_tenant(acme):
        data = SessionStore().encode({"a": 1})
    with enter_tenant(globex):
        assert SessionStore().decode(data) == {}
        with pytest.raises(signing.BadSignature):
            signing.loads(data, salt=SessionStore().key_salt)


def test_a_csrf_token_of_acme_is_none_of_the_cookie_that_globex_gave(browser, acme, globex, sam):
    here, there = (Client(enforce_csrf_checks=True) for _ in range(2))
    token = here.get("/accounts/login/", headers={"host": "acme.localhost:8000"})
    there.get("/accounts/login/", headers={"host": "globex.localhost:8000"})
    response = there.post(
        "/accounts/login/",
        {
            "login": "sam",
            "password": "x",
            "csrfmiddlewaretoken": token.cookies[settings.CSRF_COOKIE_NAME].value,
        },
        headers={"host": "globex.localhost:8000"},
    )
    assert response.status_code == 403


def test_a_message_of_acme_is_not_shown_at_globex(browser, acme, globex, ann, bob, sam):
    at_acme = browser(acme, ann)
    at_acme.post(
        "/admin/accounts/customuser/", {"action": "deactivate", "_selected_action": [bob.pk]}
    )
    said = at_acme.cookies["messages"].value
    for place, person, shown in ((globex, sam, False), (acme, ann, True)):
        client = browser(place, person)
        client.cookies["messages"] = said
        assert ("1 person deactivated." in client.get("/admin/").text) is shown


def test_a02_no_cookie_is_ever_for_more_than_its_host(browser, acme, bob):
    client = browser(acme)
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
    client.post(
        "/admin/accounts/customuser/", {"action": "deactivate", "_selected_action": [bob.pk]}
    )
    seen = client.cookies
    assert {settings.CSRF_COOKIE_NAME, NAME, "messages"} <= {*seen}
    for name, cookie in seen.items():
        assert not cookie["domain"], name
        assert cookie["httponly"], name
        assert cookie["samesite"] in ("Lax", "Strict"), name
