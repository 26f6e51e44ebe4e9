"""Erasing, and taking out what is kept, on a person's page: who may, and what is asked first."""

import zipfile
from io import BytesIO

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import CustomUser
from activity.forgetting import erasing
from activity.models import ActivityEvent
from activity.verifying import verify
from tenants.context import enter_tenant
from tests.activity.test_forgetting import CANARIES, EMAIL, USERNAME, found_anywhere, lived
from tests.activity.test_sealing import settle


@pytest.fixture
def house(lab):
    """A person with traces, an owner, and a browser for whoever is asked for."""
    with enter_tenant(lab):
        user, owner = lived()

        def browser(person):
            client = Client(headers={"host": f"{lab.slug}.localhost:8000"})
            with enter_tenant(lab):
                client.force_login(person)
            return client

        yield lab, user, owner, browser


def page(user, what):
    return f"/admin/accounts/customuser/{user.pk}/{what}/"


def helper(*codenames, username="dora"):
    person = CustomUser.objects.create_user(
        username, f"{username}@lab.example", "x" * 20, is_staff=True
    )
    role = Group.objects.create(name=f"Role of {username}")
    role.permissions.set(Permission.objects.filter(codename__in=codenames))
    person.groups.add(role)
    return person


def test_an_administrator_erases_somebody_and_the_record_is_intact(house):
    lab, user, owner, browser = house
    client = browser(owner)
    asked = client.get(page(user, "erase"))
    assert f"Type {USERNAME} to go on" in asked.content.decode()

    answer = client.post(page(user, "erase"), {"reason": "request 1", "username": USERNAME})

    assert answer.status_code == 302
    assert found_anywhere([lab.schema_name]) == []
    said = client.get(answer["Location"]).content.decode()
    assert "is being erased" in said
    assert not any(word in said.lower() for word in CANARIES)
    settle()
    assert verify().wrong is None
    [begun] = ActivityEvent.objects.filter(action="user.erased")
    assert (begun.actor_id, begun.channel) == (str(owner.public_id), "page")
    assert erasing.unfinished() == set()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"reason": "request 1", "username": "owner"},
        {"reason": "", "username": USERNAME},
        {"reason": f"asked by {EMAIL}", "username": USERNAME},
    ],
)
def test_without_reason_and_name_nothing_happens(house, form):
    _, user, owner, browser = house
    answer = browser(owner).post(page(user, "erase"), form)
    assert answer.status_code == 200
    assert CustomUser.objects.filter(pk=user.pk).exists()
    assert not ActivityEvent.objects.filter(action="user.erased").exists()


def test_opening_the_pages_does_nothing(house):
    _, user, owner, browser = house
    before = ActivityEvent.objects.count()
    client = browser(owner)
    for what in ("erase", "take-out"):
        assert client.get(page(user, what)).status_code == 200
    assert ActivityEvent.objects.filter(action__in=["user.erased", "user.exported"]).count() == 0
    assert ActivityEvent.objects.count() - before <= 1
    assert client.get(page(CustomUser(pk=999_999), "erase")).status_code in (302, 404)


def test_erasing_has_a_permission_of_its_own(house):
    _, user, _, browser = house
    form = {"reason": "request 1", "username": USERNAME}
    others = ("view_customuser", "change_customuser", "delete_customuser", "disclose_customuser")
    assert browser(helper(*others)).post(page(user, "erase"), form).status_code == 403
    may = helper("view_customuser", "erase_customuser", username="ed")
    client = browser(may)
    assert client.post(page(user, "take-out")).status_code == 403
    assert client.post(page(user, "erase"), form).status_code == 302
    assert not CustomUser.objects.filter(pk=user.pk).exists()


def test_nobody_erases_themselves_or_who_may_do_more(house):
    _, _, owner, browser = house
    may = helper("view_customuser", "erase_customuser")
    client = browser(may)
    for person in (may, owner):
        form = {"reason": "request 1", "username": person.username}
        assert client.post(page(person, "erase"), form).status_code == 403
    form = {"reason": "request 1", "username": "owner"}
    assert browser(owner).post(page(owner, "erase"), form).status_code == 403
    assert CustomUser.objects.filter(pk__in=[may.pk, owner.pk]).count() == 2


def test_the_buttons_are_there_for_whoever_may(house):
    _, user, owner, browser = house
    seen = browser(owner).get(page(user, "change")).content.decode()
    assert page(user, "erase") in seen
    assert page(user, "take-out") in seen
    seen = browser(helper("view_customuser")).get(page(user, "change")).content.decode()
    assert page(user, "erase") not in seen
    assert page(user, "take-out") not in seen


def test_what_is_kept_is_taken_out_as_a_file_and_recorded(house):
    _, user, owner, browser = house
    answer = browser(owner).post(page(user, "take-out"))
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert USERNAME not in answer["Content-Disposition"]
    container = zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content)))
    assert EMAIL in container.read("account.ndjson").decode()
    [said] = ActivityEvent.objects.filter(action="user.exported")
    assert said.actor_id == str(owner.public_id)
