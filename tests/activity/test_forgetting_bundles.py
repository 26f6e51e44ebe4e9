"""Somebody lives, is erased, and an outsider checks bundles from before and after."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client

from accounts.models import CustomUser
from accounts.sessions import SessionStore
from activity.forgetting import erasing, retention
from activity.forgetting.people import people
from activity.models import SavedSearch
from activity.reading import saved
from activity.sealing import keys
from activity.verifying import verify
from tenants.context import enter_tenant
from tests.activity.bundles import check, made, members
from tests.activity.settling import settle
from tests.activity.test_forgetting import AGENT, EMAIL, IP, erased, found_anywhere, person_called
from tests.activity.test_forgetting_retention import seal_as_of
from tests.api import EVENTS, program, token_of

VKEY = ("--key", keys.signer().vkey)
CANARIES = ("quistgaard", "mallory", IP)

# With a name of two words, and with nothing but a user name of one.
PEOPLE = [("mallory.q", "Mallory Quistgaard"), ("mallory", "")]


def by_command(user):
    erased(str(user.public_id))


def by_panel(user):
    """The account goes at once, the rest when a worker comes."""
    erasing.begin(people().find(str(user.public_id)), "request 4711")
    assert erasing.sweep() == 1


def after_removal(user):
    """Somebody removed the account before anybody thought of erasing."""
    person = str(user.public_id)
    user.delete()
    erased(person)


def browser(lab, **more):
    return Client(headers={"host": f"{lab.slug}.localhost:8000"}, **more)


def theirs():
    return {"REMOTE_ADDR": IP, "HTTP_USER_AGENT": AGENT}


def signed_in(lab, name, **more):
    client = browser(lab, **more)
    sent = client.post("/accounts/login/", {"login": name, "password": "x" * 20})
    assert sent.status_code == 302, sent.content
    return client


CHANGES = (
    "UPDATE accounts_customuser SET time_zone = 'Europe/Paris' WHERE id = %(key)s",
    "UPDATE accounts_customuser SET email = 'm@quistgaard.test' WHERE id = %(key)s",
    "UPDATE accounts_customuser SET email = %(email)s WHERE id = %(key)s",
    "INSERT INTO accounts_membership (user_id, group_id) VALUES (%(key)s, %(group)s)",
    """INSERT INTO account_emailaddress (user_id, email, verified, "primary")
    VALUES (%(key)s, 'private@quistgaard.test', true, false)""",
)


def changed_by_sql(user):
    """Changes that no Python sees: triggers write all that is known of them."""
    group = Group.objects.create(name="Finance")
    with connection.cursor() as cursor:
        for statement in CHANGES:
            cursor.execute(statement, {"key": user.pk, "email": EMAIL, "group": group.pk})


def watched_by(owner, lab, name):
    """What a colleague searched for, kept and took out about somebody."""
    with transaction.atomic():
        saved.save(owner, "Failed sign-ins", "action:session.failed", is_shared=True)
        named = saved.save(owner, f"What {name} did", f'actor:"{name}"', is_shared=True)
        saved.rename(owner, named.pk, f"All that {name} did")
    client = signed_in(lab, owner.username)
    listed = "/admin/activity/activityevent/"
    assert client.get(listed, {"q": f'actor:"{name}"'}).status_code == 200
    taken = client.get(listed, {"q": f'target:"{name}"', "export": "csv"})
    assert b"".join(taken.streaming_content)


def presented(lab, text):
    return program(lab, text, REMOTE_ADDR=IP, HTTP_USER_AGENT=AGENT).get(EVENTS)


def lived(lab, username, name):
    """Leave traces in every place that a person leaves some in; return them and a colleague."""
    owner = CustomUser.objects.create_superuser("owner", "owner@lab.example", "x" * 20)
    user = person_called(username, EMAIL, name, is_staff=True, is_superuser=True)
    changed_by_sql(user)
    browser(lab, **theirs()).post("/accounts/login/", {"login": username, "password": "wrong"})
    client = signed_in(lab, username, **theirs())
    assert client.get("/admin/activity/activityevent/").status_code == 200
    with transaction.atomic():
        saved.save(user, "Mine", "actor:owner", is_shared=True)
    _, good = token_of(lab, user, name="nightly")
    revoked, ended = token_of(lab, user, name="of old")
    assert presented(lab, good).status_code == 200
    revoked.user.api_tokens.filter(pk=revoked.pk).update(revoked_at=revoked.created_at)
    assert presented(lab, ended).status_code == 401
    watched_by(owner, lab, name or username)
    watched_by(owner, lab, "private@quistgaard.test")
    return user, good


def sessions_as_text():
    store = SessionStore()
    rows = store.model.objects.values_list("session_data", flat=True)
    return str([store.decode(data) for data in rows])


def proven(path):
    """An outsider finds the bundle whole; returns its events as text."""
    made(path)
    status, found = check(path, *VKEY)
    assert (status, found["intact"]) == (0, True), found
    assert verify().wrong is None
    return members(path)["events.ndjson"].decode().lower()


@pytest.mark.parametrize("erase", [by_command, by_panel, after_removal])
@pytest.mark.parametrize(("username", "name"), PEOPLE)
def test_bundles_from_before_and_after_an_erasure_and_a_cut_are_all_good(
    lab, tmp_path, username, name, erase
):
    with enter_tenant(lab):
        user, token = lived(lab, username, name)
        seal_as_of(400)
        before = proven(tmp_path / "before.zip")
        assert all(word in before for word in CANARIES)
        assert AGENT in sessions_as_text()

        erase(user)

        settle()
        after = proven(tmp_path / "after.zip")
        assert found_anywhere([lab.schema_name, "public"], (*CANARIES, AGENT)) == []
        assert [word for word in (*CANARIES, AGENT.lower()) if word in after] == []
        assert AGENT not in sessions_as_text()
        assert [one.name for one in SavedSearch.objects.all()] == ["Failed sign-ins"]
        assert presented(lab, token).status_code == 401

        retention.keep("session", 30)
        assert retention.cut().events > 0
        seal_as_of(0)
        proven(tmp_path / "cut.zip")
