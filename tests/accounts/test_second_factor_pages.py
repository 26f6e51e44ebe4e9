"""The pages and the command of second factors: one's own, and that of who has lost it."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ET
import zipfile
from contextlib import redirect_stdout

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import CommandError, call_command

from accounts import factor_codes, second_factors
from accounts.models import CustomUser
from accounts.second_factors import Verdict
from activity import reports
from activity.forgetting import disclosure, erasing
from activity.forgetting.people import people
from activity.models import ActivityEvent
from tenants.context import enter_platform, enter_tenant
from tests.accounts.test_second_factors import (
    ASKED,
    MINE,
    SECRET,
    check,
    clock,
    code_now,
    give_password,
    is_in,
    with_factor,
)
from tests.conftest import CANARY, PASSWORD

__all__ = ["clock"]
pytestmark = pytest.mark.usefixtures("no_attempts_yet")


def at_home(place, name, *, code="", password=True):
    """Somebody who is signed in and has given their password once more."""
    client = give_password(place, name)
    if code:
        client.post(ASKED, {"code": code})
    if password:
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert is_in(client)
    return client


def shown_secret(page):
    return re.search(r'class="key">(.+?)</code>', page.text)[1].replace(" ", "")


def shown_codes(page):
    return re.findall(r"<li><code>(.+?)</code></li>", page.text)


def code_of(secret, clock):
    return factor_codes.code_at(secret, int(clock.now) // factor_codes.STEP_SECONDS)


class TestOwn:
    def test_strangers_are_sent_to_sign_in(self, acme, browser):
        for page in ("", "on/", "off/", "codes/"):
            answer = browser(acme).get(f"{MINE}{page}")
            assert answer["Location"].startswith("/accounts/login/")

    def test_the_account_page_leads_there(self, acme, ann, browser):
        client = browser(acme, ann)
        assert MINE in client.get("/").text
        page = client.get(MINE)
        assert "It is off" in page.text
        assert f"{MINE}on/" in page.text

    @pytest.mark.parametrize("page", ["on/", "off/", "codes/"])
    def test_changes_ask_for_the_password_first(self, acme, ann, clock, page):
        if page != "on/":
            with_factor(acme, ann, clock)
        client = at_home(acme, "ann", code=code_now(clock) if page != "on/" else "", password=False)
        for answer in (client.get(MINE + page), client.post(MINE + page, {"code": "123456"})):
            assert answer["Location"] == f"/accounts/reauthenticate/?next={MINE}{page}"
        # What was posted is not kept until then.
        assert "123456" not in json.dumps(dict(client.session.items()))
        answer = client.post(f"/accounts/reauthenticate/?next={MINE}{page}", {"password": PASSWORD})
        assert answer["Location"] == MINE + page

    def test_it_is_switched_on_with_a_code_of_what_was_shown(self, acme, bob, clock, recorded):
        client = at_home(acme, "bob")
        page = client.get(f"{MINE}on/")
        secret = shown_secret(page)
        svg = re.search(r"<svg.+?</svg>", page.text, re.DOTALL)[0]
        assert ET.fromstring(svg).tag.endswith("svg")
        assert (
            f"otpauth://totp/Acme:bob%40acme.example?secret={secret}&amp;issuer=Acme" in page.text
        )
        assert "no-store" in page["Cache-Control"]
        wrong = client.post(f"{MINE}on/", {"code": "000000"})
        assert "not the code that the app shows now" in wrong.text
        assert shown_secret(wrong) == secret
        done = client.post(f"{MINE}on/", {"code": code_of(secret, clock)})
        codes = shown_codes(done)
        assert len(codes) == 10
        file = re.search(r'href="data:text/plain;charset=utf-8;base64,(.+?)"', done.text)[1]
        assert base64.b64decode(file).decode().split("\r\n")[1:11] == codes
        assert "Codes left<" in client.get(MINE).text
        added = recorded(acme, "factor.added")
        assert [event.changes["type"][1] for event in added] == ["totp", "recovery_codes"]
        assert {event.actor_id for event in added} == {str(bob.public_id)}
        assert [message.to for message in mail.outbox] == [[bob.email]]
        assert "was switched on" in mail.outbox[0].body
        assert "From: 127.0.0.1" in mail.outbox[0].body
        assert "By: " not in mail.outbox[0].body
        assert secret not in mail.outbox[0].body
        again = give_password(acme, "bob")
        assert not is_in(again)
        clock.step()
        again.post(ASKED, {"code": code_of(secret, clock)})
        assert is_in(again)

    def test_the_secret_waits_in_the_session_sealed_and_for_its_person(self, acme, bob, clock):
        client = at_home(acme, "bob")
        secret = shown_secret(client.get(f"{MINE}on/"))
        assert secret not in json.dumps(dict(client.session.items()))
        assert shown_secret(client.get(f"{MINE}on/")) == secret

    def test_neither_secret_nor_codes_are_in_the_record(self, acme, bob, clock, recorded):
        client = at_home(acme, "bob")
        secret = shown_secret(client.get(f"{MINE}on/"))
        codes = shown_codes(client.post(f"{MINE}on/", {"code": code_of(secret, clock)}))
        other = give_password(acme, "bob")
        other.post(ASKED, {"code": "987654"})
        other.post(ASKED, {"code": codes[0]})
        with enter_tenant(acme):
            rows = Authenticator.objects.order_by("pk").values_list("data", flat=True)
            stored = list(rows)
            events = repr(list(ActivityEvent.objects.values()))
        for text in (secret, *codes, "987654", stored[0]["secret"], *stored[1]["codes"]):
            assert text not in events

    def test_new_codes_void_the_old(self, acme, ann, clock, recorded):
        old = with_factor(acme, ann, clock)
        client = at_home(acme, "ann", code=code_now(clock))
        clock.step()
        assert "000000" not in client.get(f"{MINE}codes/").text
        assert "That is not the right code" in client.post(f"{MINE}codes/", {"code": "000000"}).text
        clock.step()
        new = shown_codes(client.post(f"{MINE}codes/", {"code": code_now(clock)}))
        assert len(new) == 10
        assert not {*new} & {*old}
        assert check(acme, ann, old[0]) is Verdict.WRONG
        assert check(acme, ann, new[0]) is Verdict.PASSED
        assert recorded(acme, "factor.codes_renewed")[-1].actor_id == str(ann.public_id)

    def test_switching_off_takes_the_password_and_a_code(self, acme, ann, clock, recorded):
        with_factor(acme, ann, clock)
        client = at_home(acme, "ann", code=code_now(clock))
        clock.step()
        client.post(f"{MINE}off/", {})
        client.post(f"{MINE}off/", {"code": "000000"})
        with enter_tenant(acme):
            assert second_factors.is_on(ann)
        answer = client.post(f"{MINE}off/", {"code": code_now(clock)}, follow=True)
        assert "Your second factor is off" in answer.text
        with enter_tenant(acme):
            assert not Authenticator.objects.exists()
        assert is_in(give_password(acme, "ann"))
        assert len(recorded(acme, "factor.removed")) == 2
        assert recorded(acme, "factor.failed")[-1].details == {"why": "wrong code", "at": "change"}

    def test_pages_need_no_scripts_and_nothing_from_elsewhere(self, acme, ann, clock):
        with_factor(acme, ann, clock)
        half = give_password(acme, "ann")
        client = at_home(acme, "ann", code=code_now(clock))
        bob = at_home(acme, "bob")
        pages = [half.get(ASKED), bob.get(f"{MINE}on/")]
        pages += [client.get(MINE + page) for page in ("", "off/", "codes/")]
        for page in pages:
            assert page.status_code == 200
            assert "<script" not in page.text
            assert "style=" not in page.text
            assert not re.findall(r'(?:src|href)="https?:', page.text)
            assert 'name="viewport"' in page.text

    def test_operators_have_it_too(self, operator, clock):
        client = at_home(None, "olga")
        page = client.get(f"{MINE}on/")
        assert "Tenantry%20platform:olga%40platform.example" in page.text
        client.post(f"{MINE}on/", {"code": code_of(shown_secret(page), clock)})
        with enter_platform():
            assert second_factors.is_on(operator)


def away(person):
    return f"/admin/accounts/customuser/{person.pk}/take-second-factor-away/"


class TestTakingAway:
    def test_the_page_says_whether_it_is_on(self, acme, ann, bob, clock, browser):
        client = browser(acme, ann)
        page = f"/admin/accounts/customuser/{bob.pk}/change/"
        assert "On since" not in client.get(page).text
        with_factor(acme, bob, clock)
        said = client.get(page).text
        assert "On since" in said
        assert "10 recovery codes left" in said
        assert away(bob) in said

    def test_an_administrator_takes_it_from_who_has_lost_theirs(
        self, acme, ann, bob, clock, browser, recorded
    ):
        with_factor(acme, bob, clock)
        lost = at_home(acme, "bob", code=code_now(clock))
        client = browser(acme, ann)
        assert "Be sure that it is they who ask" in client.get(away(bob)).text
        for form in (
            {"reason": "phone lost", "username": "cleo"},
            {"reason": "", "username": "bob"},
            {"reason": "x" * 301, "username": "bob"},
        ):
            assert client.post(away(bob), form).status_code == 200
            with enter_tenant(acme):
                assert second_factors.is_on(bob)
        mail.outbox.clear()
        with enter_tenant(acme):
            CustomUser.objects.filter(pk=bob.pk).update(time_zone="America/Sao_Paulo")
        answer = client.post(
            away(bob),
            {"reason": "phone lost, called back", "username": "Bob"},
            follow=True,
            REMOTE_ADDR="198.51.100.7",
            headers={"user-agent": "Firefox/130.0 (Windows NT 10.0)"},
        )
        assert "1 of their sessions ended" in answer.text
        assert not is_in(lost)
        assert is_in(give_password(acme, "bob"))
        reset = recorded(acme, "factor.reset")[-1]
        assert reset.actor_id == str(ann.public_id)
        assert reset.target_id == str(bob.public_id)
        removed = recorded(acme, "factor.removed")
        assert {event.reason for event in [reset, *removed]} == {"phone lost, called back"}
        assert len(recorded(acme, "session.revoked")) == 1
        assert [message.to for message in mail.outbox] == [[bob.email]]
        for text in (mail.outbox[0].body, mail.outbox[0].alternatives[0][0]):
            assert "was taken away" in text
            assert f"By: Ann {CANARY['acme']} (ann)" in text
            assert " -03" in text
            assert "198.51.100.7" not in text
            assert "Firefox" not in text
            assert "phone lost" not in text

    def test_who_has_none_has_nothing_taken(self, acme, ann, bob, browser, recorded):
        client = browser(acme, ann)
        assert "They have none" in client.get(away(bob)).text
        client.post(away(bob), {"reason": "phone lost", "username": "bob"})
        assert not recorded(acme, "factor.reset")

    def test_nobody_takes_their_own_nor_without_being_an_administrator(
        self, acme, ann, bob, cleo, clock, browser
    ):
        for person in (ann, cleo):
            with_factor(acme, person, clock)
        form = {"reason": "phone lost"}
        for who, whose in ((ann, ann), (bob, cleo), (bob, ann), (cleo, ann)):
            client = browser(acme, who)
            answers = (client.get(away(whose)), client.post(away(whose), form))
            assert {answer.status_code for answer in answers} <= {302, 403}
        with enter_tenant(acme):
            assert Authenticator.objects.filter(type="totp").count() == 2

    def test_the_key_of_somebody_means_somebody_else_at_another_tenant(
        self, acme, globex, ann, bob, sam, clock, browser
    ):
        with enter_tenant(globex):
            twin = CustomUser.objects.get(pk=bob.pk)
        with_factor(acme, bob, clock)
        with_factor(globex, twin, clock)
        browser(globex, sam).post(away(bob), {"reason": "x", "username": twin.username})
        with enter_tenant(acme):
            assert second_factors.is_on(bob)
        with enter_tenant(globex):
            assert not second_factors.is_on(twin)


def run(*arguments):
    out = io.StringIO()
    with redirect_stdout(out):
        call_command("account", "second-factor", *arguments, stdout=out)
    return out.getvalue()


class TestCommand:
    def test_it_says_who_has_none(self, acme, ann, bob, clock):
        with_factor(acme, bob, clock)
        said = json.loads(run("coverage", "--tenant", "acme", "--json"))
        assert said["people"] == 3
        assert said["with_factor"] == said["administrators"] == 1
        [label] = said["administrators_without"]
        assert "(ann)" in label
        with enter_tenant(acme):
            CustomUser.objects.filter(pk=bob.pk).update(is_active=False)
            found = second_factors.coverage()
        assert (found.people, found.with_factor) == (2, 0)

    def test_it_takes_one_away(self, acme, ann, clock, recorded):
        with_factor(acme, ann, clock)
        asked = ("reset", "--tenant", "acme", "--person", "ann@acme.example", "--reason", "lost")
        with pytest.raises(CommandError, match="nobody is here to confirm it"):
            run(*asked, "--json")
        assert json.loads(run(*asked, "--json", "--dry-run"))["dry_run"]
        with enter_tenant(acme):
            assert second_factors.is_on(ann)
        said = json.loads(run(*asked, "--json", "--yes"))
        assert said["changed"]
        assert said["person"] == str(ann.public_id)
        with enter_tenant(acme):
            assert not second_factors.is_on(ann)
        assert recorded(acme, "factor.reset")[-1].actor_kind == "command"
        assert not json.loads(run(*asked, "--json", "--yes"))["changed"]

    def test_operators_too(self, operator, clock):
        with_factor(None, operator, clock)
        run("reset", "--person", "olga", "--reason", "phone lost", "--yes")
        with enter_platform():
            assert not second_factors.is_on(operator)

    @pytest.mark.parametrize("person", ["nobody", "ann\0", "ann"])
    def test_what_cannot_be_done_is_said(self, acme, ann, clock, person):
        with_factor(acme, ann, clock)
        with pytest.raises(CommandError):
            run("reset", "--tenant", "acme", "--person", person, "--reason", " ", "--yes")
        with enter_tenant(acme):
            assert second_factors.is_on(ann)


class TestForgetting:
    def test_erasing_somebody_takes_it_with_them(self, acme, bob, clock):
        with_factor(acme, bob, clock)
        with enter_tenant(acme):
            person = people().find("bob")
            certificate = erasing.erase(person, "asked for", lambda *_: None)
            assert not Authenticator.objects.exists()
            assert certificate.document["found"]["mfa_authenticator"] == 2
            told = ActivityEvent.objects.filter(target_type="factor")
            assert told.exists()
            assert not told.exclude(target_label="", changes={}).exists()

    def test_what_is_taken_out_says_that_there_is_one_and_no_secret(self, acme, bob, clock):
        with_factor(acme, bob, clock)
        file = io.BytesIO()
        with enter_tenant(acme):
            disclosure.write(people().find("bob"), file)
        with zipfile.ZipFile(file) as archive:
            [name] = [name for name in archive.namelist() if "second-factors" in name]
            lines = [json.loads(line) for line in archive.read(name).splitlines()]
        assert {line["type"] for line in lines} == {"totp", "recovery_codes"}
        assert all("data" not in line and line["created_at"] for line in lines)


class TestReports:
    @pytest.fixture
    def counted(self, acme, bob, cleo, clock):
        """Bob has one, and so has somebody who left; Ann and Cleo have none."""
        with_factor(acme, bob, clock)
        with enter_tenant(acme):
            gone = CustomUser.objects.create_user("gone", "gone@acme.example", is_superuser=True)
            second_factors.switch_on(gone, SECRET, code_now(clock))
            CustomUser.objects.filter(pk=gone.pk).update(is_active=False)

    def test_coverage_is_what_a_recount_says(self, in_acme, counted):
        holders = {row.user_id for row in Authenticator.objects.filter(type="totp")}
        expected = []
        for name, flag in (
            ("Everybody", "is_active"),
            ("May open the panel", "is_staff"),
            ("Administrators", "is_superuser"),
        ):
            people = [one for one in CustomUser.objects.all() if one.is_active]
            people = [one.pk for one in people if getattr(one, flag)]
            have = len(holders.intersection(people))
            expected.append((name, len(people), have, len(people) - have))
        assert expected[0] == ("Everybody", 3, 1, 2)
        assert list(reports.build("second-factors", None).rows) == expected
        found = second_factors.coverage()
        assert (found.people, found.with_factor, found.administrators) == (3, 1, 1)

    @pytest.mark.parametrize(
        ("who", "names"),
        [("without", ["ann", "cleo"]), ("with", ["bob"]), ("all", ["ann", "bob", "cleo"])],
    )
    def test_people_are_named(self, in_acme, counted, who, names):
        report = reports.build("people-without-second-factor", None, {"who": who})
        assert [row[1] for row in report.rows] == names
        assert [row[4] is not None for row in report.rows] == [name == "bob" for name in names]
