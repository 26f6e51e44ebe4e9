"""Erasing, and taking out what is kept, on a person's page: who may, and what is asked first."""

import re
import zipfile
from io import BytesIO

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import CustomUser
from activity.forgetting import erasing, retention
from activity.models import ActivityEvent, Hold
from activity.verifying import verify
from tenants.context import enter_tenant
from tests.activity.settling import settle
from tests.activity.test_forgetting import CANARIES, EMAIL, USERNAME, found_anywhere, lived


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
    others = ("view_customuser", "change_customuser", "delete_customuser", "disclose_person")
    assert browser(helper(*others)).post(page(user, "erase"), form).status_code == 403
    may = helper("view_customuser", "erase_person", username="ed")
    client = browser(may)
    assert client.post(page(user, "take-out")).status_code == 403
    assert client.post(page(user, "erase"), form).status_code == 302
    assert not CustomUser.objects.filter(pk=user.pk).exists()


def test_nobody_erases_themselves_or_who_may_do_more(house):
    _, _, owner, browser = house
    may = helper("view_customuser", "erase_person")
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


RULES = "/admin/retention/"


def refused_in(answer):
    """The input that is marked, and whether a sentence beside it says why."""
    [field] = re.findall(
        r'id="([\w-]+)"[^>]* aria-invalid="true" aria-describedby="refused"', answer.text
    )
    return field, answer.text.count('id="refused" role="alert"') == 1


def test_what_was_typed_of_a_hold_stays_when_it_is_refused(house):
    _, user, owner, browser = house
    client = browser(owner)
    wrong = client.post(RULES, {"act": "hold", "who": "nobdy", "reason": "case <7>"})
    assert 'value="nobdy"' in wrong.text
    assert 'value="case &lt;7&gt;"' in wrong.text
    assert refused_in(wrong) == ("who", True)
    named = {"act": "hold", "who": USERNAME, "reason": f"about {USERNAME}"}
    wrong = client.post(RULES, named)
    assert f'value="{USERNAME}"' in wrong.text
    assert refused_in(wrong) == ("reason", True)

    client.post(RULES, {**named, "reason": "case 7"})
    release = {"act": "release", "subject": str(user.public_id), "reason": f"of {USERNAME}"}
    wrong = client.post(RULES, release)
    assert f'value="of {USERNAME}"' in wrong.text
    assert refused_in(wrong) == (f"why-{user.public_id}", True)
    assert Hold.objects.count() == 1


def test_how_long_events_are_kept_is_said_in_the_panel(house):
    _, _, owner, browser = house
    client = browser(owner)
    page = client.get(RULES).content.decode()
    assert "for ever" in page
    for family in retention.families():
        assert re.search(f'<span class="t-soft" id="about-{family}">[^<]+[.]</span>', page)
    answer = client.post(RULES, {"act": "keep", "family": "session", "days": "400"})
    assert answer.status_code == 302
    for days, sentence in (("5", "5 days are not between"), ("x", "no number of days")):
        said = client.post(RULES, {"act": "keep", "family": "session", "days": days})
        assert f'value="{days}"' in said.text
        assert refused_in(said) == ("days-session", True)
        assert sentence in said.text
        assert retention.rules() == {"session": 400}
    client.post(RULES, {"act": "keep", "family": "session", "days": ""})
    client.post(RULES, {"act": "keep", "family": "record", "days": "90"})
    client.post(RULES, {"act": "no such act"})
    assert retention.rules() == {}
    [first, _] = ActivityEvent.objects.filter(action="record.retention_changed").order_by("id")
    assert first.actor_id == str(owner.public_id)


def test_holds_are_placed_and_released_in_the_panel_by_whoever_may(house):
    _, user, owner, browser = house
    client = browser(owner)
    form = {"act": "hold", "who": USERNAME, "reason": "case 1"}
    client.post(RULES, form)
    [hold] = Hold.objects.all()
    assert (hold.subject, hold.placed_by) == (user.public_id, str(owner.public_id))
    assert "Mallory Quistgaard" in client.get(RULES).content.decode()
    erase = {"reason": "request 1", "username": USERNAME}
    assert "legal hold" in client.post(page(user, "erase"), erase).content.decode()
    client.post(RULES, {**form, "who": "nobody"})
    client.post(RULES, {"act": "release", "subject": "x", "reason": ""})
    assert Hold.objects.count() == 1

    half = browser(helper("change_retention"))
    assert "Legal holds" not in half.get(RULES).content.decode()
    release = {"act": "release", "subject": str(user.public_id), "reason": "closed"}
    assert half.post(RULES, release).status_code == 403
    assert browser(helper("view_activityevent", username="ed")).get(RULES).status_code == 403
    client.post(RULES, release)
    assert Hold.objects.count() == 0
