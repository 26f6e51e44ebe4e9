"""Signing in, staying in, and being put out."""

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from accounts.models import CustomUser
from config.settings import people
from tenants import hosts, lifecycle
from tenants.context import enter_tenant
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")

SIGN_IN = "/accounts/login/"


def sign_in(client, login, password=PASSWORD, **extra):
    return client.post(SIGN_IN, {"login": login, "password": password}, **extra)


def is_signed_in(client):
    return client.get("/").status_code == 200


def session_of(client):
    return client.cookies[settings.SESSION_COOKIE_NAME].value


# How to get in


@pytest.mark.parametrize(
    "login", ["ann", "ANN", "ann@acme.example", "Ann@Acme.EXAMPLE", "  ann  ", " ANN@acme.example "]
)
def test_ann_signs_in_by_name_or_address_in_any_case(browser, acme, ann, recorded, login):
    client = browser(acme)

    response = sign_in(client, login)

    assert response.status_code == 302
    assert response["Location"] == "/admin/"
    assert is_signed_in(client)
    [event] = recorded(acme, "session.started")[-1:]
    assert event.actor_id == event.target_id == str(ann.public_id)
    assert event.outcome == "success"
    assert event.channel == "page"
    assert event.ip == "127.0.0.1"


def test_the_name_of_sam_opens_nothing_at_acme(browser, acme, sam, recorded):
    client = browser(acme)

    response = sign_in(client, "sam@globex.example")

    assert response.status_code == 200
    assert not is_signed_in(client)
    [event] = recorded(acme, "session.failed")
    assert event.target_id == ""


def test_one_who_may_not_open_the_panel_lands_on_their_account_and_is_told_so(browser, acme, cleo):
    client = browser(acme)

    landed = sign_in(client, "cleo")
    panel = client.get("/admin/")
    panel_login = client.get("/admin/login/")

    assert landed["Location"] == "/"
    assert is_signed_in(client)
    assert panel.status_code == 302
    assert panel_login.status_code == 403
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_panel_sends_ann_to_the_one_sign_in_and_back(browser, acme, ann):
    client = browser(acme)

    asked = client.get("/admin/accounts/customuser/", follow=True)
    wanted = asked.context["redirect_field_value"]
    back = client.post(SIGN_IN, {"login": "ann", "password": PASSWORD, "next": wanted})

    assert asked.request["PATH_INFO"] == SIGN_IN
    assert back["Location"] == "/admin/accounts/customuser/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "https://evil.example/admin/",
        "///evil.example",
        "http:///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "//globex.localhost:8000/",
        "http://globex.localhost:8000/",
        " //evil.example",
        "\t//evil.example",
    ],
)
@pytest.mark.parametrize("door", [SIGN_IN, "/admin/login/"])
def test_nobody_is_sent_elsewhere_after_signing_in(browser, acme, ann, door, elsewhere):
    client = browser(acme)

    page = client.get(door, {"next": elsewhere}, follow=True)
    wanted = page.context.get("redirect_field_value") or ""
    by_page = client.post(SIGN_IN, {"login": "ann", "password": PASSWORD, "next": wanted})
    client.logout()
    by_hand = client.post(SIGN_IN, {"login": "ann", "password": PASSWORD, "next": elsewhere})

    assert by_page["Location"] == "/admin/"
    assert by_hand["Location"] == "/admin/"


# Who does not get in


def without_what_differs(response, typed):
    """The page without its CSRF token and what was typed into it."""
    token = response.context["csrf_token"]
    return response.text.replace(str(token), "").replace(typed, "")


def test_wrong_unknown_and_deactivated_see_one_page_and_leave_one_event_each(
    browser, acme, bob, cleo, recorded
):
    with enter_tenant(acme):
        cleo.is_active = False
        cleo.save()
    client = browser(acme)

    wrong = sign_in(client, "bob", "not the password of bob")
    unknown = sign_in(client, "nobody-here")
    deactivated = sign_in(client, "cleo")

    pages = {
        without_what_differs(response, typed)
        for response, typed in ((wrong, "bob"), (unknown, "nobody-here"), (deactivated, "cleo"))
    }
    assert [wrong.status_code, unknown.status_code, deactivated.status_code] == [200] * 3
    assert len(pages) == 1
    assert not is_signed_in(client)
    events = recorded(acme, "session.failed")
    assert [event.target_id for event in events] == [str(bob.public_id), "", str(cleo.public_id)]
    assert {event.outcome for event in events} == {"failure"}
    assert {event.actor_kind for event in events} == {"anonymous"}


def test_an_address_that_is_unknown_and_a_wrong_password_see_one_page_too(browser, acme, bob):
    client = browser(acme)

    wrong = sign_in(client, "bob@acme.example", "not the password of bob")
    unknown = sign_in(client, "nobody@acme.example")

    assert without_what_differs(wrong, "bob@acme.example") == without_what_differs(
        unknown, "nobody@acme.example"
    )


def test_a_password_typed_as_user_name_is_nowhere_in_the_record(
    browser, acme, globex, recorded, caplog
):
    secret = "my-secret-typed-too-early"

    sign_in(browser(acme), secret, "x")
    sign_in(browser(globex), secret, "x")

    [here] = recorded(acme, "session.failed")
    [there] = recorded(globex, "session.failed")
    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT event::text FROM activity_activityevent event")
        rows = " ".join(row for (row,) in cursor.fetchall())
    assert secret not in rows
    assert "/accounts/login/" in caplog.text
    assert secret not in caplog.text
    assert len(here.details["identifier_hash"]) == 32
    assert here.details["identifier_hash"] != there.details["identifier_hash"]


def test_the_same_unknown_name_joins_its_attempts(browser, acme, recorded):
    client = browser(acme)

    sign_in(client, "ghost")
    sign_in(client, " GHOST ")

    hashes = {event.details["identifier_hash"] for event in recorded(acme, "session.failed")}
    assert len(hashes) == 1


@pytest.mark.parametrize("login", ["", "\0", "ann\0", "a" * 5_000, "\u202eann", "' OR 1=1 --", "%"])
def test_nonsense_is_answered_with_the_sign_in_page(browser, acme, ann, login):
    client = browser(acme)

    response = sign_in(client, login)

    assert response.status_code == 200
    assert not is_signed_in(client)


def test_sign_in_needs_the_token_of_the_form(acme, ann):
    client = Client(enforce_csrf_checks=True, headers={"host": "acme.localhost:8000"})

    response = sign_in(client, "ann")

    assert response.status_code == 403
    assert not is_signed_in(client)


def test_without_its_event_nobody_is_signed_in(browser, acme, ann, broken):
    client = browser(acme)
    client.raise_request_exception = False
    broken(acme, "session.started")

    response = sign_in(client, "ann")

    assert response.status_code == 503
    assert settings.SESSION_COOKIE_NAME not in client.cookies
    assert not is_signed_in(client)
    with enter_tenant(acme):
        assert CustomUser.objects.get(pk=ann.pk).last_login is None


# Sessions


def test_a03_the_session_and_the_csrf_token_are_new_after_signing_in(browser, acme, ann):
    client = browser(acme)
    client.get(SIGN_IN)
    with enter_tenant(acme):
        session = client.session
        session["planted"] = "by somebody else"
        session.save()
    planted, token = session.session_key, client.cookies["csrftoken"].value

    sign_in(client, "ann")

    assert session_of(client) != planted
    assert client.cookies["csrftoken"].value != token
    with enter_tenant(acme):
        assert not Session.objects.filter(session_key=planted).exists()
    client.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert not is_signed_in(client)


def test_the_cookie_is_for_this_host_alone(browser, acme, ann):
    client = browser(acme)

    sign_in(client, "ann")

    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["domain"] == ""
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_a_cookie_of_acme_is_nobody_at_globex(browser, acme, globex, ann, sam):
    client = browser(acme, ann)
    stranger = browser(globex)
    stranger.cookies[settings.SESSION_COOKIE_NAME] = session_of(client)

    response = stranger.get("/admin/")

    assert ann.pk == sam.pk
    assert is_signed_in(client)
    assert not is_signed_in(stranger)
    assert response.status_code == 302


def test_a_copied_session_of_an_equal_person_is_nobody_at_globex(browser, acme, globex, ann, sam):
    client = browser(acme, ann)
    key = session_of(client)
    with enter_tenant(acme):
        copied = Session.objects.get(session_key=key)
        data, expires = copied.session_data, copied.expire_date
    with enter_tenant(globex):
        CustomUser.objects.filter(pk=sam.pk).update(password=ann.password)
        Session.objects.create(session_key=key, session_data=data, expire_date=expires)
        cache.clear()
    stranger = browser(globex)
    stranger.cookies[settings.SESSION_COOKIE_NAME] = key

    response = stranger.get("/")

    assert ann.pk == sam.pk
    assert response.status_code == 302
    assert "sam" not in response.text


def test_a04_signing_out_ends_the_session_for_good_and_is_recorded(browser, acme, ann, recorded):
    client = browser(acme)
    sign_in(client, "ann")
    key = session_of(client)

    asked = client.get("/accounts/logout/")
    still_in = is_signed_in(client)
    client.post("/accounts/logout/")

    assert asked.status_code == 200
    assert still_in
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    assert not is_signed_in(client)
    [event] = recorded(acme, "session.ended")
    assert event.actor_id == str(ann.public_id)


def test_a04_a_deactivated_person_is_out_at_the_next_request(browser, acme, ann, cleo):
    at_work, at_home = browser(acme, cleo), browser(acme, cleo)
    admin = browser(acme, ann)
    assert is_signed_in(at_work)

    admin.post(
        "/admin/accounts/customuser/", {"action": "deactivate", "_selected_action": [cleo.pk]}
    )

    assert not is_signed_in(at_work)
    assert not is_signed_in(at_home)
    assert is_signed_in(admin)


def test_a04_a_new_password_ends_the_other_sessions_and_not_this_one(browser, acme, bob, recorded):
    here, elsewhere = browser(acme), browser(acme)
    sign_in(here, "bob")
    sign_in(elsewhere, "bob")
    before = session_of(here)
    fresh = "a sentence that only bob knows"

    response = here.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh},
    )

    assert response.status_code == 302
    assert is_signed_in(here)
    assert session_of(here) != before
    assert not is_signed_in(elsewhere)
    [event] = recorded(acme, "user.password_changed")
    assert event.actor_id == event.target_id == str(bob.public_id)
    assert event.changes == {}


def test_a_password_is_not_changed_without_the_old_one(browser, acme, bob, recorded):
    client = browser(acme, bob)
    fresh = "a sentence that only bob knows"

    response = client.post(
        "/accounts/password/change/",
        {"oldpassword": "wrong", "password1": fresh, "password2": fresh},
    )

    assert response.status_code == 200
    with enter_tenant(acme):
        bob.refresh_from_db()
        assert bob.check_password(PASSWORD)
    assert recorded(acme, "user.password_changed") == []


def test_a_leaver_who_was_deleted_is_nobody(browser, acme, cleo):
    client = browser(acme, cleo)
    with enter_tenant(acme):
        cleo.delete()

    assert not is_signed_in(client)


def test_a17_a_suspended_tenant_lets_nobody_in(browser, acme, globex, ann, sam):
    client, stranger = browser(acme, ann), browser(globex, sam)

    lifecycle.suspend(acme, reason="unpaid")
    hosts.forget_hosts()

    assert client.get("/").status_code == 403
    assert sign_in(browser(acme), "ann").status_code == 403
    assert is_signed_in(stranger)


# How often one may try


def test_a12_a_stranger_who_guesses_locks_out_nobody_at_another_address(browser, acme, globex, bob):
    with enter_tenant(globex):
        CustomUser.objects.create_user("bob", "bob@globex.example", PASSWORD)
    guesser = browser(acme)

    for _ in range(11):
        refused = sign_in(guesser, "bob", "a guess", REMOTE_ADDR="203.0.113.66")
    locked = sign_in(browser(acme), "bob", REMOTE_ADDR="203.0.113.66")
    elsewhere = sign_in(browser(acme), "bob", REMOTE_ADDR="203.0.113.7")
    other_tenant = sign_in(browser(globex), "bob", REMOTE_ADDR="203.0.113.66")

    assert "Too many failed" in refused.text
    assert locked.status_code == 200
    assert elsewhere.status_code == 302
    assert other_tenant.status_code == 302


def test_guessing_at_a_deactivated_account_counts_as_well(browser, acme, cleo):
    with enter_tenant(acme):
        cleo.is_active = False
        cleo.save()

    pages = [sign_in(browser(acme), "cleo") for _ in range(11)]

    assert "Too many failed" not in pages[9].text
    assert "Too many failed" in pages[10].text


def test_a_forwarded_address_that_anybody_can_write_resets_no_count(browser, acme, bob):
    for number in range(11):
        refused = sign_in(
            browser(acme), "bob", "a guess", headers={"x-forwarded-for": f"198.51.100.{number}"}
        )

    assert "Too many failed" in refused.text


def test_another_port_or_spelling_begins_no_new_count(browser, acme, bob):
    for number in range(10):
        login = ["bob", "BOB", " bob "][number % 3]
        host = f"acme.localhost:{number + 1}"
        page = sign_in(browser(acme), login, "a guess", headers={"host": host})
        assert "Too many failed" not in page.text
    refused = sign_in(browser(acme), "Bob", "a guess", headers={"host": "acme.localhost"})

    assert "Too many failed" in refused.text


def test_the_addresses_of_one_network_share_a_count_and_others_do_not(browser, acme, bob):
    for number in range(11):
        refused = sign_in(browser(acme), "bob", "a guess", REMOTE_ADDR=f"2001:db8:0:1::{number:x}")
    neighbour = sign_in(browser(acme), "bob", REMOTE_ADDR="2001:db8:0:2::1")

    assert "Too many failed" in refused.text
    assert neighbour.status_code == 302


def test_a12_no_count_tells_that_two_logins_are_one_persons(browser, acme, bob):
    def guess(login, address):
        return sign_in(browser(acme), login, "a guess", REMOTE_ADDR=address).text

    # From an address each, so that none meets the limit of its own.
    for login, address in (("bob", "203.0.113.5"), ("nobody", "203.0.113.6")):
        last = [guess(login, address) for _ in range(11)][-1]
        assert "Too many failed" in last
        assert "Too many failed" not in guess(f"{login}@acme.example", address)


# Passwords as they are typed


@effort(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=15, max_size=64
    ).filter(lambda text: text.strip())
)
def test_a14_any_password_of_unicode_and_spaces_is_kept_as_typed(in_acme, password):
    person = CustomUser(username="pia", email="pia@acme.example")

    person.set_password(password)

    assert person.check_password(password)
    assert not person.check_password(password + " ")
    assert not person.check_password(password[:-1])


@pytest.mark.parametrize("length", [64, 72, 73, 1_024])
def test_a_long_password_signs_in_whole_and_not_cut(browser, acme, bob, length):
    password = ("åß 漢字🔑 \t" * 200)[: length - 1] + "!"
    with enter_tenant(acme):
        bob.set_password(password)
        bob.save()

    cut = sign_in(browser(acme), "bob", password[:-1])
    whole = sign_in(browser(acme), "bob", password)

    assert cut.status_code == 200
    assert whole.status_code == 302


def test_a14_a_password_of_1025_characters_is_refused_with_a_sentence(browser, acme, bob):
    client = browser(acme, bob)
    too_long = "a b c d " * 128 + "!"

    response = client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": too_long, "password2": too_long},
    )

    assert len(too_long) == 1_025
    assert response.status_code == 200
    assert "use at most 1024 characters" in response.text
    with enter_tenant(acme):
        bob.refresh_from_db()
        assert bob.check_password(PASSWORD)


@override_settings(PASSWORD_HASHERS=people.PASSWORD_HASHERS)
def test_passwords_are_kept_as_argon2id_with_46_mib_and_one_pass(browser, acme, bob):
    with enter_tenant(acme):
        bob.set_password(PASSWORD)
        bob.save()

    response = sign_in(browser(acme), "bob")

    assert bob.password.startswith("argon2$argon2id$v=19$m=47104,t=1,p=1$")
    assert check_password(PASSWORD, bob.password)
    assert response.status_code == 302


@override_settings(
    PASSWORD_HASHERS=[*people.PASSWORD_HASHERS, "django.contrib.auth.hashers.MD5PasswordHasher"]
)
def test_an_older_hash_is_renewed_at_sign_in_and_that_is_no_new_password(
    browser, acme, bob, recorded
):
    assert bob.password.startswith("md5$")
    before = len(recorded(acme))

    response = sign_in(browser(acme), "bob")

    assert response.status_code == 302
    with enter_tenant(acme):
        bob.refresh_from_db()
        assert bob.password.startswith("argon2$argon2id$")
    events = [(event.action, event.actor_id) for event in recorded(acme)[before:]]
    bob_himself = str(bob.public_id)
    assert events == [
        ("user.password_rehashed", bob_himself),
        ("session.started", bob_himself),
    ]


def test_a_form_in_another_encoding_is_refused_and_no_error_of_ours(browser, acme):
    response = browser(acme).post(
        "/accounts/login/",
        b"login=ann",
        content_type="application/x-www-form-urlencoded; charset=utf-16",
    )

    assert response.status_code == 400


@pytest.mark.parametrize(
    "other", ["//localhost/", "https://globex.localhost/admin/", "//.localhost/"]
)
def test_signing_in_leads_to_no_other_host_of_ours(browser, acme, cleo, other):
    response = browser(acme).post(
        "/accounts/login/", {"login": "cleo", "password": PASSWORD, "next": other}
    )

    assert response.headers["Location"] == "/"
