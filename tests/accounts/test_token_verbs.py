"""``account token``: tokens that who runs services makes, lists and ends, each in the record."""

import json

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import api_tokens
from accounts.models import ApiToken, CustomUser
from tenants.context import enter_tenant
from tests.api import EVENTS, program, token_of

MAKE = ("make", "--name", "nightly", "--reason", "ticket 17")


@pytest.fixture
def run(capsys):
    def call(*arguments):
        call_command("account", "token", *arguments)
        return capsys.readouterr().out

    return call


def test_a_token_is_made_shown_once_mailed_and_recorded(run, acme, ann, recorded):
    said = json.loads(run(*MAKE, "--tenant", "acme", "--person", "ann", "--json"))

    text = said["token"].pop("text")
    assert (said["changed"], said["dry_run"], said["person"]) == (True, False, str(ann.public_id))
    assert (said["token"]["scopes"], said["token"]["state"]) == (["record:read"], "good")
    assert program(acme, text).get(EVENTS).status_code == 200
    [event] = recorded(acme, "token.created")
    assert (event.channel, event.actor_kind, event.reason) == ("command", "command", "ticket 17")
    assert event.target_id == str(ann.public_id)
    [sent] = mail.outbox
    assert sent.to == [ann.email]
    assert "nightly" in sent.body
    assert text not in sent.body
    assert text not in run("list", "--tenant", "acme", "--json")


def test_on_a_terminal_the_text_stands_alone_on_the_last_line(run, acme, ann):
    *_, text = run(*MAKE, "--tenant", "acme", "--person", "ann").splitlines()
    assert program(acme, text).get(EVENTS).status_code == 200


def test_scopes_and_time_are_chosen(run, operator):
    chosen = ("--scope", "schedules:write", "--scope", "record:verify", "--days", "365")
    run(*MAKE, "--person", operator.username, *chosen)
    token = ApiToken.objects.get()
    assert token.scopes == "record:verify schedules:write"
    assert (token.expires_at - token.created_at).days in (364, 365)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--person", "nobody"), "nobody here is or was called"),
        (("--person", "ann", "--scope", "everything"), "needs a scope"),
        (
            ("--person", "ann", "--scope", "foo"),
            "needs a scope that there is, which 'foo' is not. Choose of record:read, record:verify",
        ),
        (("--person", "ann", "--days", "10000"), "cannot last so long"),
        (("--person", "ann", "--days", "8"), "long. Choose 7, 30, 90 or 365 days[.]"),
        (("--person", "ann", "--reason", "  "), "a reason is needed"),
        (("--person", "ann", "--reason", "a\x1b[31m"), "a reason is needed"),
        (("--person", "ann", "--name", ""), "name cannot be used"),
        (("--person", "ann", "--name", "x" * 61), "name cannot be used"),
        (("--person", "ann", "--name", "a\nb"), "name cannot be used"),
        (("--person", "dee"), "deactivated"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_what_cannot_be_made_is_refused_also_when_it_is_only_tried(run, acme, arguments, said, dry):
    with enter_tenant(acme):
        CustomUser.objects.create_user("dee", "dee@acme.example", "x" * 20, is_active=False)
    with pytest.raises(CommandError, match=said):
        run(*MAKE, "--tenant", "acme", *arguments, *dry)
    with enter_tenant(acme):
        assert not ApiToken.objects.exists()
    assert mail.outbox == []


def test_trying_makes_nothing(run, acme, ann):
    said = json.loads(run(*MAKE, "--tenant", "acme", "--person", "ann", "--dry-run", "--json"))
    assert (said["dry_run"], said["token"]) == (True, None)
    with enter_tenant(acme):
        assert not ApiToken.objects.exists()


def test_one_too_many_is_refused(run, acme, ann, monkeypatch):
    monkeypatch.setattr(api_tokens, "MOST_TOKENS", 1)
    run(*MAKE, "--tenant", "acme", "--person", "ann")
    for dry in ((), ("--dry-run",)):
        with pytest.raises(CommandError, match="at most 1"):
            run(*MAKE, "--tenant", "acme", "--person", "ann", *dry)


def test_tokens_are_listed_with_whose_they_are(run, acme, ann, bob, capsys):
    token_of(acme, ann, name="first")
    ended, _ = token_of(acme, bob, name="second")
    with enter_tenant(acme):
        api_tokens.revoke(ended)

    def names(*more):
        found = json.loads(run("list", "--tenant", "acme", *more, "--json"))["tokens"]
        return [(one["name"], one["username"], one["state"]) for one in found]

    assert names() == [("first", "ann", "good")]
    assert names("--all") == [("second", "bob", "revoked"), ("first", "ann", "good")]
    assert names("--all", "--person", "bob") == [("second", "bob", "revoked")]
    assert run("list", "--tenant", "acme").split("\t")[1] == "first"
    call_command("account", "token", "list", "--tenant", "globex")
    assert capsys.readouterr() == ("", "There are no tokens.\n")


def test_one_is_ended_with_the_reason(run, acme, ann, recorded):
    token, text = token_of(acme, ann)
    end = ("end", token.beginning, "--tenant", "acme", "--reason", "found in a log")
    assert json.loads(run(*end, "--dry-run", "--json"))["changed"] is True
    assert program(acme, text).get(EVENTS).status_code == 200
    assert "ended: ci" in run(*end)
    assert program(acme, text).get(EVENTS).status_code == 401
    [event] = recorded(acme, "token.revoked")
    assert (event.reason, event.channel) == ("found in a log", "command")
    again = json.loads(run("end", str(token.pk), "--tenant", "acme", "--json"))
    assert (again["changed"], again["ended"]) == (False, [])
    assert "nothing to end" in run(*end)


def test_one_that_has_expired_has_ended_already(run, acme, ann, recorded):
    token, _ = token_of(acme, ann)
    with enter_tenant(acme):
        ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    end = ("end", token.beginning, "--tenant", "acme")
    assert json.loads(run(*end, "--dry-run", "--json"))["changed"] is False
    assert "nothing to end" in run(*end)
    with enter_tenant(acme):
        token.refresh_from_db()
        assert not api_tokens.revoke(token)
        assert token.state == "expired"
    assert recorded(acme, "token.revoked") == []


def test_all_of_somebody_are_ended_and_nobody_elses(run, acme, ann, bob):
    texts = [token_of(acme, ann)[1] for _ in range(3)]
    kept = token_of(acme, bob)[1]
    said = json.loads(run("end", "--tenant", "acme", "--person", "ann", "--json"))
    assert len(said["ended"]) == 3
    assert [program(acme, text).get(EVENTS).status_code for text in texts] == [401] * 3
    assert program(acme, kept).get(EVENTS).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which token"),
        (("tnt_abcdef", "--person", "ann"), "say which token"),
        (("tnt_nothing",), "there is no token"),
        (("a\0b",), "there is no token"),
        (("--person", "sam"), "nobody here"),
        (("tnt_x", "--reason", "r" * 301), "a reason is needed"),
        (("tnt_x", "--reason", "a\u202eb"), "a reason is needed"),
    ],
)
def test_what_cannot_be_ended_is_refused(run, acme, ann, arguments, said):
    token_of(acme, ann)
    with pytest.raises(CommandError, match=said):
        run("end", "--tenant", "acme", *arguments)
    with enter_tenant(acme):
        assert ApiToken.objects.filter(revoked_at=None).count() == 1


def test_a_token_of_another_tenant_is_not_there(run, acme, globex, sam):
    token, _ = token_of(globex, sam)
    for name in (token.beginning, str(token.pk)):
        with pytest.raises(CommandError, match="there is no token"):
            run("end", name, "--tenant", "acme")


def test_a_beginning_that_two_have_is_a_conflict(run, acme, ann):
    first, _ = token_of(acme, ann)
    second, _ = token_of(acme, ann)
    with enter_tenant(acme):
        ApiToken.objects.filter(pk=second.pk).update(beginning=first.beginning)
    with pytest.raises(CommandError, match="several tokens"):
        run("end", first.beginning, "--tenant", "acme")
