"""Subject access: all that is kept on one person, and nothing of others."""

import hashlib
import json
import re
import zipfile
from datetime import UTC, datetime
from io import BytesIO

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from activity.forgetting import disclosure, places
from activity.forgetting.people import people
from activity.forgetting.verbs import SubjectVerb
from activity.models import ActivityEvent
from activity.reading import saved
from activity.subjects import label_of, nouns_of
from config.environment import CHECKOUT
from tenants.context import enter_tenant
from tests.activity.test_forgetting import AGENT, EMAIL, IP, USERNAME, as_them, erased, lived
from tests.api import token_of

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def opened(data):
    container = zipfile.ZipFile(BytesIO(data))
    manifest = json.loads(container.read("manifest.json"))
    lists = {
        name: [json.loads(line) for line in container.read(name).splitlines()]
        for name in container.namelist()
        if name != "manifest.json"
    }
    for name, said in manifest["files"].items():
        assert said["rows"] == len(lists[name])
        assert said["sha256"] == hashlib.sha256(container.read(name)).hexdigest()
    assert set(manifest["files"]) == set(lists)
    return manifest, lists


def taken(text=EMAIL):
    file = BytesIO()
    disclosure.write(people().find(text), file)
    return opened(file.getvalue())


def test_all_that_is_kept_on_somebody_is_in_the_file(lab):
    with enter_tenant(lab):
        user, _ = lived()
        person = str(user.public_id)
        manifest, lists = taken()

        assert manifest["person"] == person
        assert [row["email"] for row in lists["account.ndjson"]] == [EMAIL]
        assert "password" not in lists["account.ndjson"][0]
        assert lists["roles.ndjson"] == [{"role": "Finance and more"}]
        assert len(lists["account-history.ndjson"]) == 3
        theirs = [event for event in lists["events.ndjson"] if event["actor_id"] == person]
        assert len(theirs) == ActivityEvent.objects.filter(actor_id=person).count()
        assert {event["ip"] for event in theirs} == {IP}
        [said] = ActivityEvent.objects.filter(action="user.exported", target_id=person)
        assert said.details["rows"] == sum(one["rows"] for one in manifest["files"].values())


def test_what_an_app_above_keeps_is_in_the_file_too(lab, monkeypatch):
    def badges(person):
        yield {"title": f"Badge of {person.label}", "given_at": MOMENT}

    monkeypatch.setitem(places.LISTS, "badges", badges)
    with enter_tenant(lab):
        lived()
        manifest, lists = taken()
        [said] = ActivityEvent.objects.filter(action="user.exported")

    [badge] = lists["badges.ndjson"]
    assert USERNAME in badge["title"]
    assert badge["given_at"].startswith("2026-01-31")
    assert said.details["rows"] == sum(one["rows"] for one in manifest["files"].values())
    assert list(manifest["files"])[-1] == "events.ndjson"


def test_what_is_others_is_left_out(lab):
    with enter_tenant(lab):
        user, owner = lived()
        _, lists = taken()
        events = lists["events.ndjson"]

        [changed] = [event for event in events if event["target_id"] == str(owner.public_id)]
        assert (changed["changes"], changed["target_label"]) == ({}, "")
        assert "owner@lab.example" not in json.dumps(lists)

        _, of_owner = taken("owner")
        assert IP not in json.dumps(of_owner)
        assert str(user.public_id) in json.dumps(of_owner)


def test_devices_tokens_and_searches_are_in_the_file_and_no_secret(lab):
    with enter_tenant(lab):
        user, _ = lived()
        token, text = token_of(lab, user, name="nightly")
        with transaction.atomic():
            saved.save(user, "Mine", "actor:owner", is_shared=False)
        client = Client(headers={"host": f"{lab.slug}.localhost:8000"})
        asked = {"login": USERNAME, "password": "x" * 20}
        client.post("/accounts/login/", asked, REMOTE_ADDR=IP, headers={"user-agent": AGENT})
        _, lists = taken()

        [session] = lists["sessions.ndjson"]
        assert (session["device"]["ip"], session["device"]["user_agent"]) == (IP, AGENT)
        assert [one["name"] for one in lists["tokens.ndjson"]] == ["nightly"]
        assert [one["search"] for one in lists["searches.ndjson"]] == ["actor:owner"]
        everything = json.dumps(lists)
        secrets = (token.digest, text, client.cookies[settings.SESSION_COOKIE_NAME].value)
        assert [one for one in secrets if one in everything] == []


def test_addresses_and_tokens_of_others_are_left_out(lab):
    with enter_tenant(lab):
        user, owner = lived()
        with as_them(user):
            EmailAddress.objects.create(user=owner, email="private@lab.example")
            token_of(lab, owner, name="of the owner")
        everything = json.dumps(taken()[1])

    assert "private@lab.example" not in everything
    assert "of the owner" not in everything


def test_the_second_factor_of_others_is_left_out(lab):
    with enter_tenant(lab):
        user, owner = lived()
        factor = Authenticator.objects.create(user=owner, type="totp", data={"secret": "x"})
        own = Authenticator.objects.create(user=user, type="totp", data={"secret": "y"})
        with as_them(user):
            factor.delete()
            own.delete()
        events = taken()[1]["events.ndjson"]

    removed = [event for event in events if event["action"] == "factor.removed"]
    assert [event["target_label"] for event in removed] == [
        "",
        f"the second factor (totp) of {label_of(user)}",
    ]
    assert removed[0]["changes"] == {}


def test_whatever_is_told_by_a_persons_id_is_known_to_be_a_persons():
    """Without a list by hand, which a new kind would not be in."""
    kinds = {"user", "membership", "email", "token", "factor"}
    assert nouns_of(get_user_model()) == kinds


def test_what_is_in_the_file_is_said_before_it_is_taken(lab):
    with enter_tenant(lab):
        lived()
        names = {name.removesuffix(".ndjson") for name in taken()[1]}
    page = (CHECKOUT / "docs/activity.md").read_text()
    said = page.partition("### What is kept on somebody")[2].partition("each as NDJSON")[0]
    assert set(re.findall(r"`([a-z-]+)`", said)) == names
    for name in names:
        assert all(word in SubjectVerb.help for word in name.split("-") if word != "role")


def test_of_somebody_who_was_erased_nothing_is_left_to_take_out(lab):
    with enter_tenant(lab):
        user, _ = lived()
        erased()
        _, lists = taken(str(user.public_id))
        text = json.dumps(lists)
        assert lists["account.ndjson"] == []
        assert "quistgaard" not in text.lower()
        assert IP not in text


def test_a_file_is_written_by_command_for_its_owner_alone(lab, tmp_path, capsys):
    with enter_tenant(lab):
        lived()
    file = tmp_path / "them.zip"
    asked = ["subject", "--tenant", lab.slug, "--subject", USERNAME, "--output", str(file)]
    call_command("activity", *asked, "--json")
    said = json.loads(capsys.readouterr().out)

    manifest, _ = opened(file.read_bytes())
    assert said["files"] == manifest["files"]
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError) as error:
        call_command("activity", *asked)
    assert error.value.returncode == 4
    with pytest.raises(CommandError) as error:
        call_command("activity", *asked[:3], "--subject", "nobody", "--output", str(tmp_path / "x"))
    assert error.value.returncode == 3
    assert [path.name for path in tmp_path.iterdir()] == ["them.zip"]
