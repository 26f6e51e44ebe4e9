"""The second factor: switching it on and off, and being asked for it at every door."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.db import connection
from django.test import Client

from accounts import factor_codes, second_factors
from accounts.factor_guesses import FIRST_WAIT, GUESSES
from accounts.invitations import link_for
from accounts.models import CustomUser
from accounts.second_factors import RECOVERY, TOTP, Verdict
from activity.models import Outcome
from config.cache import TenantRedisCache
from tenants.context import enter_tenant
from tests.api import API, inside
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")

SIGN_IN = "/accounts/login/"
ASKED = "/accounts/second-factor/sign-in/"
MINE = "/accounts/second-factor/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved, for codes and for waiting."""

    class Clock:
        now = 1_800_000_000.0

        def step(self, steps=1):
            self.now += steps * factor_codes.STEP_SECONDS

    clock = Clock()
    monkeypatch.setattr(second_factors.time, "time", lambda: clock.now)
    return clock


def code_now(clock, drift=0):
    return factor_codes.code_at(SECRET, int(clock.now) // factor_codes.STEP_SECONDS + drift)


def with_factor(place, person, clock):
    """Switch it on for somebody; returns their recovery codes. The code of now is used up."""
    with inside(place):
        codes = second_factors.switch_on(person, SECRET, code_now(clock))
    clock.step()
    mail.outbox.clear()
    return codes


def browser_at(place):
    host = f"{place.slug}.localhost:8000" if place else "localhost:8000"
    return Client(headers={"host": host})


def give_password(place, name, client=None):
    client = client or browser_at(place)
    client.post(SIGN_IN, {"login": name, "password": PASSWORD})
    return client


def is_in(client):
    return client.get("/").status_code == 200


def rows(place):
    with inside(place):
        return list(Authenticator.objects.order_by("pk").values())


def check(place, person, code, at="sign-in"):
    with inside(place):
        return second_factors.check(person, code, at=at)


class TestCodes:
    @pytest.mark.parametrize(
        ("moment", "code"),
        [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")],
    )
    def test_they_are_those_of_the_standard(self, moment, code):
        """RFC 6238, appendix B, cut to six digits."""
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        assert factor_codes.code_at(secret, moment // 30) == code
        assert factor_codes.step_of(code, secret, moment) == moment // 30

    def test_a_clock_may_be_one_step_wrong_and_no_more(self):
        now = 1_800_000_000
        for drift in range(-3, 4):
            code = factor_codes.code_at(SECRET, now // 30 + drift)
            found = factor_codes.step_of(code, SECRET, now)
            assert found == (now // 30 + drift if abs(drift) <= 1 else None)

    @pytest.mark.parametrize(
        "typed",
        ["", "12345", "\uff11\uff12\uff13\uff14\uff15\uff16", "1" * 100, "\0", "abc def", "é"],
    )
    def test_what_is_no_code_is_none(self, typed):
        assert factor_codes.step_of(typed, SECRET, 1_800_000_000) is None

    def test_a_space_in_the_middle_is_how_apps_show_it(self):
        code = factor_codes.code_at(SECRET, 60_000_000)
        assert factor_codes.step_of(f" {code[:3]} {code[3:]} ", SECRET, 1_800_000_000)

    def test_secrets_and_recovery_codes_are_random_enough(self):
        assert len({factor_codes.new_secret() for _ in range(100)}) == 100
        assert all(len(factor_codes.new_secret()) == 32 for _ in range(10))
        codes = factor_codes.new_recovery_codes()
        assert len(set(codes)) == 10
        assert all(re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", code) for code in codes)

    def test_recovery_codes_are_known_however_they_are_typed(self):
        assert factor_codes.plain(" ABCD efgh-JKMN\n") == "abcd-efgh-jkmn"


class TestAtRest:
    def test_the_row_says_neither_secret_nor_codes(self, acme, ann, clock):
        codes = with_factor(acme, ann, clock)
        with enter_tenant(acme), connection.cursor() as cursor:
            cursor.execute("SELECT string_agg(a::text, '') FROM mfa_authenticator a")
            stored = cursor.fetchone()[0]
        assert SECRET not in stored
        assert not any(code in stored or code.replace("-", "") in stored for code in codes)

    def test_a_row_opens_for_its_person_alone(self, acme, ann, bob, clock):
        """As somebody with the database would do it: their own secret, as another person's row."""
        with_factor(acme, bob, clock)
        with enter_tenant(acme):
            Authenticator.objects.filter(user=bob).update(user=ann)
        assert check(acme, ann, code_now(clock)) is Verdict.UNREADABLE

    def test_recovery_codes_work_for_their_person_alone(self, acme, ann, bob, clock):
        with_factor(acme, ann, clock)
        codes = with_factor(acme, bob, clock)
        with enter_tenant(acme):
            theirs = Authenticator.objects.get(user=bob, type=RECOVERY).data
            Authenticator.objects.filter(user=ann, type=RECOVERY).update(data=theirs)
        assert check(acme, ann, codes[0]) is Verdict.WRONG
        assert check(acme, bob, codes[0]) is Verdict.PASSED

    def test_a_row_that_is_copied_to_another_tenant_opens_nothing_there(
        self, acme, globex, ann, sam, clock
    ):
        assert ann.pk == sam.pk
        codes = with_factor(acme, ann, clock)
        copied = rows(acme)
        with enter_tenant(globex):
            # With the same public id, as a schema that is copied has it.
            CustomUser.objects.filter(pk=sam.pk).update(public_id=ann.public_id)
            sam.refresh_from_db()
            Authenticator.objects.bulk_create(
                Authenticator(**{name: value for name, value in row.items() if name != "id"})
                for row in copied
            )
        assert check(globex, sam, code_now(clock)) is Verdict.UNREADABLE
        assert check(globex, sam, codes[0]) is Verdict.UNREADABLE
        assert check(acme, ann, code_now(clock)) is Verdict.PASSED

    def test_keys_that_were_in_use_before_still_open_and_are_replaced(
        self, acme, ann, clock, settings
    ):
        codes = with_factor(acme, ann, clock)
        before = settings.SECRET_KEY
        settings.SECRET_KEY = "another-key-" * 6
        assert check(acme, ann, code_now(clock)) is Verdict.UNREADABLE
        settings.SECRET_KEY_FALLBACKS = [before]
        assert check(acme, ann, code_now(clock)) is Verdict.PASSED
        assert check(acme, ann, codes[0]) is Verdict.PASSED
        settings.SECRET_KEY_FALLBACKS = []
        clock.step()
        assert check(acme, ann, code_now(clock)) is Verdict.PASSED

    @pytest.mark.parametrize("data", [{}, [], "x", None, {"secret": 7}, {"secret": "é"}])
    def test_a_row_that_makes_no_sense_lets_nobody_in(self, acme, ann, clock, data):
        codes = with_factor(acme, ann, clock)
        with enter_tenant(acme):
            row = Authenticator.objects.filter(user=ann, type=TOTP)
            row.update(data=data) if data is not None else row.update(data="null")
        assert check(acme, ann, code_now(clock)) is Verdict.UNREADABLE
        assert check(acme, ann, codes[0]) is Verdict.PASSED

    def test_allauths_own_code_cannot_store_a_secret(self):
        from allauth.mfa.utils import decrypt, encrypt

        for hook in (encrypt, decrypt):
            with pytest.raises(NotImplementedError):
                hook("secret")


class TestGuessing:
    def test_a_code_is_taken_once(self, acme, ann, clock):
        with_factor(acme, ann, clock)
        code = code_now(clock)
        assert check(acme, ann, code) is Verdict.PASSED
        assert check(acme, ann, code) is Verdict.USED
        assert check(acme, ann, code_now(clock, drift=-1)) is Verdict.USED
        assert check(acme, ann, code_now(clock, drift=1)) is Verdict.PASSED

    def test_so_is_the_one_it_was_switched_on_with(self, acme, ann, clock):
        with enter_tenant(acme):
            second_factors.switch_on(ann, SECRET, code_now(clock))
        assert check(acme, ann, code_now(clock)) is Verdict.USED

    def test_also_without_redis(self, acme, ann, clock, monkeypatch):
        monkeypatch.setattr(TenantRedisCache, "resting_until", time.monotonic() + 600)
        with_factor(acme, ann, clock)
        assert check(acme, ann, code_now(clock)) is Verdict.PASSED
        assert check(acme, ann, code_now(clock)) is Verdict.USED
        for _ in range(GUESSES - 1):
            assert check(acme, ann, "000000") is Verdict.WRONG
        clock.step()
        assert check(acme, ann, code_now(clock)) is Verdict.TOO_MANY

    def test_a_recovery_code_is_taken_once(self, acme, ann, clock):
        codes = with_factor(acme, ann, clock)
        assert check(acme, ann, codes[3].upper()) is Verdict.PASSED
        assert check(acme, ann, codes[3]) is Verdict.WRONG
        assert check(acme, ann, codes[4]) is Verdict.PASSED
        with enter_tenant(acme):
            assert second_factors.state_of(ann)["codes_left"] == 8
        assert [message.to for message in mail.outbox] == [[ann.email]] * 2
        assert "with a recovery code; 9 are left" in mail.outbox[0].body

    def test_after_ten_wrong_codes_the_right_one_has_to_wait(self, acme, ann, bob, clock):
        codes = with_factor(acme, ann, clock)
        with_factor(acme, bob, clock)
        for _ in range(GUESSES):
            assert check(acme, ann, "000000") is Verdict.WRONG
        for right in (code_now(clock), codes[0]):
            assert check(acme, ann, right) is Verdict.TOO_MANY
        assert check(acme, bob, code_now(clock)) is Verdict.PASSED
        clock.now += FIRST_WAIT - 1
        assert check(acme, ann, code_now(clock)) is Verdict.TOO_MANY
        clock.now += 1
        assert check(acme, ann, code_now(clock)) is Verdict.PASSED

    def test_guessing_on_makes_the_wait_longer_up_to_an_hour(self, acme, ann, clock):
        with_factor(acme, ann, clock)
        for wait in (300, 600, 1200, 2400, 3600, 3600):
            for _ in range(GUESSES):
                assert check(acme, ann, "000000") is Verdict.WRONG
            clock.now += wait - 1
            assert check(acme, ann, code_now(clock)) is Verdict.TOO_MANY
            clock.now += 1
        assert check(acme, ann, code_now(clock)) is Verdict.PASSED
        assert check(acme, ann, "000000") is Verdict.WRONG

    def test_guessing_at_one_tenant_makes_nobody_wait_at_another(
        self, acme, globex, ann, sam, clock
    ):
        with_factor(acme, ann, clock)
        with_factor(globex, sam, clock)
        for _ in range(GUESSES):
            check(acme, ann, "000000")
        assert check(globex, sam, code_now(clock)) is Verdict.PASSED

    @pytest.mark.parametrize("tries", [[], "x", [None, None], {"a": 1}, [10]])
    def test_a_count_that_makes_no_sense_lets_nobody_guess(self, acme, ann, clock, tries):
        with_factor(acme, ann, clock)
        with enter_tenant(acme):
            row = Authenticator.objects.get(user=ann, type=TOTP)
            row.data["tries"] = tries
            row.save()
        assert check(acme, ann, code_now(clock)) is Verdict.TOO_MANY

    def test_a_flood_of_guesses_is_folded(self, acme, ann, clock, recorded):
        with_factor(acme, ann, clock)
        client = give_password(acme, "ann")
        for _ in range(30):
            client.post(ASKED, {"code": "000000"})
        failed = recorded(acme, "factor.failed")
        assert 0 < len(failed) < 30
        assert {event.target_id for event in failed} == {str(ann.public_id)}
        assert {event.outcome for event in failed} == {Outcome.FAILURE}
        # That the row counts them is no change to be told of.
        assert not recorded(acme, "factor.changed")

    def test_its_person_sees_it_among_their_own_activity(self, acme, bob, clock):
        with_factor(acme, bob, clock)
        client = give_password(acme, "bob")
        client.post(ASKED, {"code": "000000"})
        client.post(ASKED, {"code": code_now(clock)})
        said = client.get("/activity/").text
        assert "You switched on the second factor (totp) of Bob" in said
        assert "Somebody gave a wrong code as Bob" in said
        assert "You gave a right code" in said


class TestSigningIn:
    def test_the_password_alone_opens_nothing(self, acme, ann, clock):
        with_factor(acme, ann, clock)
        client = browser_at(acme)
        answer = client.post(SIGN_IN, {"login": "ann", "password": PASSWORD, "next": "/admin/"})
        assert answer["Location"] == ASKED
        for page in ("/", "/admin/", MINE, "/activity/", "/accounts/tokens/"):
            assert client.get(page).status_code == 302, page
        assert client.get(f"{API}events").status_code == 401

    def test_with_the_code_it_is_a_session_and_leads_where_it_was_going(
        self, acme, ann, clock, recorded
    ):
        with_factor(acme, ann, clock)
        client = browser_at(acme)
        client.post(f"{SIGN_IN}?next=/admin/", {"login": "ann", "password": PASSWORD})
        before = client.session.session_key
        answer = client.post(ASKED, {"code": code_now(clock)})
        assert answer["Location"] == "/admin/"
        assert is_in(client)
        assert client.get("/admin/").status_code == 200
        assert client.session.session_key != before
        names = [event.action for event in recorded(acme)]
        assert names[-3:] == ["factor.asked", "factor.passed", "session.started"]
        passed, started = recorded(acme)[-2:]
        assert passed.actor_id == started.actor_id == str(ann.public_id)
        assert passed.request_id == started.request_id

    def test_who_has_none_signs_in_as_before(self, acme, ann, bob, clock, recorded):
        with_factor(acme, ann, clock)
        assert is_in(give_password(acme, "bob"))
        assert not recorded(acme, "factor.asked")

    def test_operators_are_asked_too(self, operator, clock):
        with_factor(None, operator, clock)
        client = give_password(None, "olga")
        assert client.get("/admin/tenants/tenant/").status_code == 302
        client.post(ASKED, {"code": code_now(clock)})
        assert client.get("/admin/tenants/tenant/").status_code == 200

    def test_a_wrong_code_says_so_and_the_page_stays(self, acme, ann, clock):
        with_factor(acme, ann, clock)
        client = give_password(acme, "ann")
        page = client.post(ASKED, {"code": "000000"})
        assert page.status_code == 200
        assert "That is not the right code" in page.text
        assert "no-store" in page["Cache-Control"]
        assert not is_in(client)

    def test_a_recovery_code_signs_in(self, acme, ann, clock, recorded):
        codes = with_factor(acme, ann, clock)
        client = give_password(acme, "ann")
        client.post(ASKED, {"code": codes[0].upper()})
        assert is_in(client)
        assert [event.action for event in recorded(acme)][-2:] == [
            "factor.recovery_code_used",
            "session.started",
        ]

    def test_nobody_comes_to_the_page_without_the_password(self, acme, ann, clock):
        with_factor(acme, ann, clock)
        for answer in (
            browser_at(acme).get(ASKED),
            browser_at(acme).post(ASKED, {"code": code_now(clock)}),
        ):
            assert answer["Location"] == SIGN_IN

    def test_one_can_start_over_as_somebody_else(self, acme, ann, bob, clock):
        with_factor(acme, ann, clock)
        client = give_password(acme, "ann")
        assert client.get(SIGN_IN)["Location"] == ASKED
        client.post("/accounts/logout/")
        assert is_in(give_password(acme, "bob", client))

    def test_a_new_password_by_a_mailed_link_does_not_go_around_it(self, acme, ann, clock):
        with_factor(acme, ann, clock)
        with enter_tenant(acme):
            link = link_for(ann)
        client = browser_at(acme)
        page = client.get(link.partition(":8000")[2], follow=True)
        new = "another long passphrase"
        client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new, "action": ""})
        assert not is_in(client)
        answer = client.post(SIGN_IN, {"login": "ann", "password": new})
        assert answer["Location"] == ASKED
        assert not is_in(client)
        client.post(ASKED, {"code": code_now(clock)})
        assert is_in(client)

    @pytest.mark.parametrize(
        "change",
        [
            lambda person: CustomUser.objects.filter(pk=person.pk).update(is_active=False),
            lambda person: person.delete(),
            lambda person: CustomUser.objects.filter(pk=person.pk).update(password="other"),
            lambda person: second_factors.take_away(person, "phone lost"),
        ],
        ids=["deactivated", "removed", "new password", "taken away"],
    )
    def test_what_was_begun_is_worth_nothing_once_the_person_changes(
        self, acme, bob, clock, change
    ):
        codes = with_factor(acme, bob, clock)
        client = give_password(acme, "bob")
        with enter_tenant(acme):
            change(bob)
        for code in (code_now(clock), codes[0]):
            answer = client.post(ASKED, {"code": code})
            assert answer["Location"] == SIGN_IN
            assert not is_in(client)

    def test_a_cookie_of_between_opens_nothing_at_another_tenant(
        self, acme, globex, ann, sam, clock
    ):
        with_factor(acme, ann, clock)
        with_factor(globex, sam, clock)
        client = give_password(acme, "ann")
        other = browser_at(globex)
        other.cookies["sessionid"] = client.cookies["sessionid"].value
        answer = other.post(ASKED, {"code": code_now(clock)})
        assert answer["Location"] == SIGN_IN
        assert not is_in(other)

    def test_what_was_begun_ends_after_a_quarter_of_an_hour(self, acme, ann, clock, monkeypatch):
        with_factor(acme, ann, clock)
        client = give_password(acme, "ann")
        clock.now += 16 * 60
        answer = client.post(ASKED, {"code": code_now(clock)})
        assert answer["Location"] == SIGN_IN

    def test_sessions_of_before_stay_as_they_are(self, acme, ann, clock):
        client = give_password(acme, "ann")
        with_factor(acme, ann, clock)
        assert is_in(client)
