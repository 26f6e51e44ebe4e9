"""Choosing a password: by a link that was asked for, by an invitation, and never a weak one."""

import re
import socket
import time
from datetime import datetime, timedelta
from io import StringIO
from smtplib import SMTPServerDisconnected
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress, EmailConfirmation
from django.conf import settings
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import TestCase
from django.utils import timezone

from accounts.invitations import invite, link_for
from accounts.models import CustomUser
from accounts.reset_tokens import TenantPasswordResetTokenGenerator
from activity.models import ActivityEvent
from config.celery import app as celery_app
from tenants.context import enter_platform, enter_tenant
from tenants.models import Domain
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")

ASK = "/accounts/password/reset/"
FRESH = "nine quiet herons at dawn"


class BrokenServer(BaseEmailBackend):
    """A mail server that is down."""

    def send_messages(self, messages):
        raise SMTPServerDisconnected("Connection unexpectedly closed")


class SlowServer(BaseEmailBackend):
    """A mail server that takes its time: more than any machine needs for a page."""

    SECONDS = 60

    def send_messages(self, messages):
        time.sleep(self.SECONDS)
        return len(messages)


def ask(client, email, **extra):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(ASK, {"email": email}, **extra)


def link_in(message):
    return re.search(r"https?://\S+", message.body)[0]


def path_of(link):
    return urlsplit(link).path


def open_link(client, path):
    """Follow the link to its form; the key leaves the address on the way."""
    return client.get(path, follow=True)


def choose(client, path, password=FRESH, again=None):
    page = open_link(client, path)
    form = page.request["PATH_INFO"]
    return client.post(form, {"password1": password, "password2": again or password})


def may_sign_in(browser, tenant, login, password):
    response = browser(tenant).post("/accounts/login/", {"login": login, "password": password})
    return response.status_code == 302


def works(browser, tenant, path):
    page = open_link(browser(tenant), path)
    return not page.context.get("token_fail")


# A forgotten password, from mail to sign-in


def test_bob_forgets_his_password_and_chooses_a_new_one(browser, acme, ann, bob, recorded):
    at_work, client = browser(acme, bob), browser(acme)

    asked = ask(client, "BOB@acme.example")
    [message] = mail.outbox
    link = link_in(message)
    opened = open_link(client, path_of(link))
    chosen = choose(client, path_of(link))

    assert asked["Location"] == "/accounts/password/reset/done/"
    assert message.to == ["bob@acme.example"]
    assert "Acme" in message.subject
    assert link.startswith("http://acme.localhost:8000/")
    assert opened.status_code == 200
    assert chosen.status_code == 302
    assert may_sign_in(browser, acme, "bob", FRESH)
    assert not may_sign_in(browser, acme, "bob", PASSWORD)
    assert at_work.get("/").status_code == 302
    asked_for, done, *_ = [e for e in recorded(acme) if "password" in e.action]
    assert asked_for.action == "user.password_reset_requested"
    assert done.action == "user.password_reset"
    assert asked_for.actor_kind == "anonymous"
    assert done.actor_id == str(bob.public_id)
    assert asked_for.target_id == done.target_id == str(bob.public_id)
    assert asked_for.changes == done.changes == {}


def test_the_mail_about_a_new_password_is_in_our_words_and_the_readers_zone(browser, acme, bob):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(time_zone="America/Sao_Paulo")
        path = path_of(link_for(bob))

    choose(browser(acme), path)
    client = browser(acme)
    client.post("/accounts/login/", {"login": "bob", "password": FRESH})
    form = {"oldpassword": FRESH, "password1": PASSWORD, "password2": PASSWORD}
    client.post("/accounts/password/change/", form)

    by_link, changed = mail.outbox
    assert {message.subject for message in mail.outbox} == {"Your password at Acme"}
    assert "your password for Acme was chosen with the link that was mailed to you." in by_link.body
    assert "your password for Acme was changed." in changed.body
    for message in mail.outbox:
        assert message.to == ["bob@acme.example"]
        assert re.search(r"When: \w{3} \d+ \w{3} \d{4}, \d\d:\d\d -03\n", message.body)
        assert "From: 127.0.0.1" in message.body


def test_the_key_leaves_the_address_before_the_form_is_shown(browser, acme, bob):
    with enter_tenant(acme):
        path = path_of(link_for(bob))
    key = path.rstrip("/").rpartition("-")[2]

    page = open_link(browser(acme), path)

    assert key not in page.request["PATH_INFO"]
    assert key not in page.text


def test_neither_link_nor_password_enters_the_record_or_the_log(browser, acme, bob, caplog):
    client = browser(acme)

    ask(client, "bob@acme.example")
    path = path_of(link_in(mail.outbox[0]))
    choose(client, path)

    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT event::text FROM activity_activityevent event")
        rows = " ".join(row for (row,) in cursor.fetchall())
        cursor.execute("SELECT history::text FROM accounts_historicalcustomuser history")
        rows += " ".join(row for (row,) in cursor.fetchall())
        bob.refresh_from_db()
    token = path.rstrip("/").rpartition("-")[2]
    for secret in (FRESH, token, bob.password):
        assert secret not in rows
    assert "/accounts/password/reset/key/" in caplog.text
    assert FRESH not in caplog.text
    assert token.rpartition("-")[2] not in caplog.text


# When a link is dead


def test_a07_a_link_works_once(browser, acme, bob):
    with enter_tenant(acme):
        path = path_of(link_for(bob))

    choose(browser(acme), path)

    assert not works(browser, acme, path)


def test_a_form_that_was_open_when_the_link_was_used_elsewhere_is_refused(browser, acme, bob):
    with enter_tenant(acme):
        path = path_of(link_for(bob))
    thief = browser(acme)
    form = open_link(thief, path).request["PATH_INFO"]

    choose(browser(acme), path)
    thief.post(form, {"password1": "stolen stolen stolen", "password2": "stolen stolen stolen"})

    assert may_sign_in(browser, acme, "bob", FRESH)


def test_a07_a_link_dies_when_its_person_signs_in(browser, acme, bob):
    with enter_tenant(acme):
        path = path_of(link_for(bob))
    assert works(browser, acme, path)

    browser(acme).post("/accounts/login/", {"login": "bob", "password": PASSWORD})

    assert not works(browser, acme, path)


def test_a07_a_link_dies_when_the_address_changes(browser, acme, bob):
    with enter_tenant(acme):
        path = path_of(link_for(bob))
        bob.email = "robert@acme.example"
        bob.save()

    assert not works(browser, acme, path)


def test_a07_a_link_dies_after_half_a_day(browser, acme, bob, monkeypatch):
    with enter_tenant(acme):
        path = path_of(link_for(bob))
    now = datetime.now()  # noqa: DTZ005
    generator = TenantPasswordResetTokenGenerator

    monkeypatch.setattr(generator, "_now", lambda _: now + timedelta(hours=11, minutes=59))
    in_time = works(browser, acme, path)
    monkeypatch.setattr(generator, "_now", lambda _: now + timedelta(hours=12, minutes=1))
    too_late = works(browser, acme, path)

    assert in_time
    assert not too_late
    assert settings.PASSWORD_RESET_TIMEOUT == 12 * 3600


def test_a_link_of_acme_opens_nothing_for_an_equal_person_at_globex(
    browser, acme, globex, ann, sam
):
    with enter_tenant(acme):
        path = path_of(link_for(ann))
    with enter_tenant(globex):
        # All that the token is made of, but the tenant, is the same.
        CustomUser.objects.filter(pk=sam.pk).update(
            password=ann.password, email=ann.email, last_login=ann.last_login
        )

    assert ann.pk == sam.pk
    assert works(browser, acme, path)
    assert not works(browser, globex, path)


def test_a_link_for_somebody_deactivated_lets_nobody_in(browser, acme, cleo):
    with enter_tenant(acme):
        path = path_of(link_for(cleo))
        cleo.is_active = False
        cleo.save()

    client = browser(acme)
    choose(client, path)

    assert client.get("/").status_code == 302
    assert not may_sign_in(browser, acme, "cleo", FRESH)


@pytest.mark.parametrize("path", ["1-abc", "zzzzzzzzzzzzzzzzzzz-a-b", "1-" + "a" * 4_000, "0-0-0"])
def test_an_invented_link_is_answered_kindly(browser, acme, path):
    response = browser(acme).get(f"{ASK}key/{path}/")

    assert response.status_code == 200
    assert "does not work any more" in response.text


def test_a_link_that_would_confirm_an_address_shows_whose_it_is(browser, acme, cleo):
    """No page mails one, but a row of it opens the page."""
    with enter_tenant(acme):
        address = EmailAddress.objects.create(user=cleo, email=cleo.email)
        EmailConfirmation.objects.create(email_address=address, key="k" * 20, sent=timezone.now())

    response = browser(acme).get(f"/accounts/confirm-email/{'k' * 20}/")

    assert response.status_code == 200
    assert cleo.email in response.content.decode()


# What a stranger can find out


def test_a11_known_unknown_and_a_broken_mail_server_are_answered_alike(
    browser, acme, cleo, settings
):
    with enter_tenant(acme):
        CustomUser.objects.create_user("dan", "dan@acme.example", PASSWORD, is_active=False)

    known = ask(browser(acme), "cleo@acme.example", follow=True)
    unknown = ask(browser(acme), "nobody@acme.example", follow=True)
    deactivated = ask(browser(acme), "dan@acme.example", follow=True)
    settings.EMAIL_BACKEND = f"{__name__}.BrokenServer"
    broken = ask(browser(acme), "cleo@acme.example", follow=True)

    answers = {(r.status_code, r.request["PATH_INFO"], r.text) for r in (known, unknown)}
    answers |= {(r.status_code, r.request["PATH_INFO"], r.text) for r in (deactivated, broken)}
    assert len(answers) == 1
    assert [message.to for message in mail.outbox] == [["cleo@acme.example"]]


@pytest.fixture
def queue():
    """Tasks go to the broker, whose address the test may change, instead of running at once."""
    conf, before = celery_app.conf, celery_app.conf.broker_write_url
    conf.task_always_eager = False
    celery_app.amqp._producer_pool = None
    yield conf
    conf.task_always_eager = True
    conf.broker_write_url = before
    celery_app.amqp._producer_pool = None


def test_a11_a_slow_mail_server_does_not_tell_who_has_an_account(
    browser, acme, cleo, settings, queue
):
    settings.EMAIL_BACKEND = f"{__name__}.SlowServer"

    def seconds(email):
        started = time.perf_counter()
        ask(browser(acme), email)
        return time.perf_counter() - started

    known, unknown = seconds("cleo@acme.example"), seconds("nobody@acme.example")

    assert known - unknown < SlowServer.SECONDS / 2


def test_without_a_broker_the_link_is_mailed_all_the_same(browser, acme, cleo, queue):
    queue.broker_write_url = "redis://127.0.0.1:1/0"

    ask(browser(acme), "cleo@acme.example")

    assert [message.to for message in mail.outbox] == [["cleo@acme.example"]]


def test_a_broker_that_hangs_holds_nobody_up(browser, acme, cleo, queue):
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        queue.broker_write_url = f"redis://127.0.0.1:{hanging.getsockname()[1]}/0"
        started = time.perf_counter()

        ask(browser(acme), "cleo@acme.example")

    assert time.perf_counter() - started < 10
    assert [message.to for message in mail.outbox] == [["cleo@acme.example"]]


def test_mail_goes_only_to_the_people_of_this_tenant(browser, acme, sam):
    ask(browser(acme), "sam@globex.example")

    assert mail.outbox == []


def test_a_link_names_the_stored_host_whatever_the_request_says(browser, acme, bob):
    with enter_platform():
        Domain.objects.create(tenant=acme, domain="people.acme.example", verified_at=Now())

    ask(browser(acme), "bob@acme.example", headers={"host": "people.acme.example"})
    forged = ask(
        browser(acme),
        "bob@acme.example",
        headers={"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"},
    )
    unknown_host = ask(browser(acme), "bob@acme.example", headers={"host": "evil.example"})

    assert forged.status_code == 302
    assert unknown_host.status_code == 404
    assert [link_in(message).partition("/accounts")[0] for message in mail.outbox] == [
        "http://acme.localhost:8000"
    ] * 2


def test_asking_often_for_one_person_is_refused_for_a_while(browser, acme, cleo):
    statuses = [ask(browser(acme), "cleo@acme.example").status_code for _ in range(6)]

    assert statuses == [302] * 5 + [429]
    assert len(mail.outbox) == 5


# What is no password


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short", "at least 15 characters"),
        ("password1234", "too common"),
        ("bob@acme.example", "too similar"),
        ("x" * 1_025, "use at most 1024 characters"),
    ],
)
def test_a_weak_password_is_refused_with_a_sentence(browser, acme, bob, password, sentence):
    with enter_tenant(acme):
        path = path_of(link_for(bob))

    response = choose(browser(acme), path, password)

    assert response.status_code == 200
    assert sentence in response.text
    assert may_sign_in(browser, acme, "bob", PASSWORD)


def test_two_passwords_that_differ_are_refused(browser, acme, bob):
    with enter_tenant(acme):
        path = path_of(link_for(bob))

    response = choose(browser(acme), path, FRESH, "nine quiet herons at dusk")

    assert response.status_code == 200
    assert may_sign_in(browser, acme, "bob", PASSWORD)


# Invitations


def test_an_invitation_names_the_place_and_carries_a_link_that_works(browser, acme):
    with enter_tenant(acme):
        eve = CustomUser(username="eve", email="eve@acme.example", display_name="Eve <b>Bold</b>")
        eve.set_unusable_password()
        eve.save()

        with TestCase.captureOnCommitCallbacks(execute=True):
            invite(eve)
            assert mail.outbox == []

    [message] = mail.outbox
    html = message.alternatives[0].content
    assert message.to == ["eve@acme.example"]
    assert "Acme" in message.subject
    assert "user name is eve" in message.body
    assert "<b>Bold" not in html
    assert link_in(message) in html
    choose(browser(acme), path_of(link_in(message)))
    assert may_sign_in(browser, acme, "eve", FRESH)


def test_an_invitation_that_cannot_be_sent_says_so(in_acme, cleo, settings):
    settings.EMAIL_BACKEND = f"{__name__}.BrokenServer"

    said = []
    with TestCase.captureOnCommitCallbacks(execute=True):
        invite(cleo, said.append)

    assert said == [False]


def test_an_invitation_from_the_platform_leads_to_the_platform(operator):
    with enter_platform():
        link = link_for(operator)

    assert link.startswith("http://localhost:8000/accounts/password/reset/key/")


def test_a_password_set_by_djangos_own_command_is_recorded_too(operator, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda **_: FRESH)

    call_command("changepassword", "olga", stdout=StringIO())

    with enter_platform():
        event = ActivityEvent.objects.first()
    assert (event.action, event.target_label) == ("user.password_changed", "olga")
    assert event.channel == "command"
    assert event.changes == {}


def better_hashes(settings):
    """Hash passwords in another way from now on; the old hashes are still understood."""
    better = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
    settings.PASSWORD_HASHERS = [better, *settings.PASSWORD_HASHERS]


def test_a_hash_that_is_only_made_better_is_no_new_password(acme, cleo, settings):
    better_hashes(settings)
    with enter_tenant(acme):
        before = ActivityEvent.objects.count()
        rows = cleo.history.count()

        assert cleo.check_password(PASSWORD)

        cleo.refresh_from_db()
        assert cleo.password.startswith("pbkdf2")
        assert cleo.check_password(PASSWORD)
        [event] = ActivityEvent.objects.order_by("id")[before:]
        assert (event.action, event.severity) == ("user.password_rehashed", "info")
        assert (event.target_id, event.actor_id) == (str(cleo.public_id),) * 2
        assert event.changes == {}
        assert cleo.history.count() == rows


def test_where_no_mail_can_be_sent_the_panel_says_so(browser, acme, ann, cleo, settings, commits):
    settings.TENANTRY_SENDS_MAIL = False
    client = browser(acme, ann)

    response = client.post(f"/admin/accounts/customuser/{cleo.pk}/send-link/", follow=True)

    assert "could not be sent" in response.text
    assert mail.outbox == []
