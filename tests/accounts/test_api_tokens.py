"""API tokens: what they look like, who makes and ends them, and what becomes of their person."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import api_tokens, token_texts
from accounts.models import ApiToken, CustomUser
from accounts.token_texts import LENGTH, Origin, digest_of, new_text, origin_of
from activity.api import limits
from config.cache import TenantRedisCache
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict, InvalidInput
from tests.api import API, EVENTS, program, token_of
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")
TOKENS = "/accounts/tokens/"


def signed_in(tenant, name):
    """A browser in which somebody has typed their password just now."""
    client = Client(headers={"host": f"{tenant.slug}.localhost:8000"})
    client.post("/accounts/login/", {"login": name, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


class TestTexts:
    def test_a_token_is_what_scanners_for_secrets_are_told(self, in_acme):
        texts = {new_text() for _ in range(100)}

        assert len(texts) == 100
        assert all(re.fullmatch(r"tnt_[a-z2-7]{53}", text) for text in texts)
        assert {len(text) for text in texts} == {LENGTH}

    def test_its_origin_is_told_without_the_database(self, acme, globex, django_assert_num_queries):
        with enter_tenant(acme):
            text = new_text()
            with django_assert_num_queries(0):
                assert origin_of(text) is Origin.HERE
        for elsewhere in (enter_tenant(globex), enter_platform()):
            with elsewhere, django_assert_num_queries(0):
                assert origin_of(text) is Origin.ELSEWHERE

    def test_any_other_character_makes_it_invented(self, in_acme):
        text = new_text()
        for position in range(LENGTH):
            other = "a" if text[position] != "a" else "b"
            assert origin_of(text[:position] + other + text[position + 1 :]) is Origin.INVENTED

    @pytest.mark.parametrize(
        "text", ["", "tnt_", "tnt_" + "a" * 53, "x" * 57, "tnt_" + "é" * 53, "tnt_" + "A" * 53]
    )
    def test_what_is_no_token_is_invented(self, in_acme, text):
        assert origin_of(text) is Origin.INVENTED

    def test_who_knows_the_checksum_but_not_the_key_cannot_make_one(self, in_acme):
        text = "tnt_" + "a" * 46
        assert origin_of(text + token_texts._checksum(text)) is Origin.INVENTED

    def test_another_secret_key_makes_it_invented_and_its_digest_another(self, in_acme, settings):
        text = new_text()
        before = digest_of(text)
        settings.SECRET_KEY = "another"
        assert origin_of(text) is Origin.INVENTED
        assert digest_of(text) != before

    def test_equal_texts_have_other_digests_in_each_place(self, acme, globex):
        digests = set()
        for place in (enter_tenant(acme), enter_tenant(globex), enter_platform()):
            with place:
                digests.add(digest_of("tnt_"))
        assert len(digests) == 3


class TestMaking:
    def test_the_text_is_nowhere_but_in_the_answer(self, acme, ann, recorded):
        token, text = token_of(acme, ann)

        with enter_tenant(acme), connection.cursor() as cursor:
            cursor.execute("SELECT t::text FROM accounts_apitoken t")
            rows = str(cursor.fetchall())
            cursor.execute("SELECT e::text FROM activity_activityevent e")
            events = str(cursor.fetchall())
        assert text not in rows
        assert text[10:] not in rows
        assert token.digest in rows
        assert text not in events
        assert token.digest not in events

    def test_it_is_an_event_that_says_what_it_may(self, acme, ann, recorded):
        token, _ = token_of(acme, ann, "record:verify", days=7)

        [event] = recorded(acme, "token.created")
        assert (event.target_type, event.target_id) == ("token", str(ann.public_id))
        assert event.target_label == f"ci ({token.beginning}…) of {ann.display_name} (ann)"
        assert event.changes["scopes"] == [None, "record:verify"]
        assert datetime.fromisoformat(event.changes["expires_at"][1]) == token.expires_at
        assert "digest" not in event.changes

    @pytest.mark.parametrize(
        ("scopes", "days"), [([], 90), (["everything"], 90), (["record:read"], 10_000)]
    )
    def test_nothing_else_can_be_made(self, in_acme, ann, scopes, days):
        with pytest.raises(InvalidInput):
            api_tokens.make(ann, "ci", scopes, days)
        assert not ApiToken.objects.exists()

    def test_a_person_has_a_bounded_number_of_good_ones(self, in_acme, ann):
        made = [
            api_tokens.make(ann, "ci", ["record:read"], 7)[0] for _ in range(api_tokens.MOST_TOKENS)
        ]
        with pytest.raises(Conflict):
            api_tokens.make(ann, "ci", ["record:read"], 7)
        api_tokens.revoke(made[0])
        assert api_tokens.make(ann, "ci", ["record:read"], 7)

    def test_revoking_twice_is_one_event(self, in_acme, acme, ann, recorded):
        token, _ = token_of(acme, ann)
        assert api_tokens.revoke(token)
        assert not api_tokens.revoke(token)
        assert len(recorded(acme, "token.revoked")) == 1

    def test_what_is_done_past_the_pages_is_recorded_too(self, acme, ann, recorded):
        token, _ = token_of(acme, ann, days=7)
        with enter_tenant(acme), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE accounts_apitoken SET expires_at = 'infinity', digest = repeat('0', 64)"
            )
            cursor.execute("UPDATE accounts_apitoken SET last_used_at = now()")
            cursor.execute("DELETE FROM accounts_apitoken")
        changed = recorded(acme, "token.changed")
        assert {field for event in changed for field in event.changes} >= {"expires_at"}
        assert token.digest not in str([event.changes for event in changed])
        [gone] = recorded(acme, "token.deleted")
        assert gone.target_id == str(ann.public_id)
        assert gone.changes["name"] == ["ci", None]


class TestPages:
    def test_making_one_asks_for_the_password_first(self, browser, acme, ann):
        client = browser(acme, ann)
        form = {"name": "ci", "scopes": ["record:read"], "days": "90"}

        for response in (client.get(f"{TOKENS}new/"), client.post(f"{TOKENS}new/", form)):
            assert response.status_code == 302
            assert response["Location"].startswith("/accounts/reauthenticate/")
        with enter_tenant(acme):
            assert not ApiToken.objects.exists()
        page = client.get("/accounts/reauthenticate/", {"next": f"{TOKENS}new/"})
        assert "Your password, please" in page.text

    def test_the_password_leads_on_to_the_form(self, browser, acme, ann):
        client = browser(acme, ann)
        client.get(f"{TOKENS}new/")
        response = client.post(
            "/accounts/reauthenticate/", {"password": PASSWORD, "next": f"{TOKENS}new/"}
        )
        assert response["Location"] == f"{TOKENS}new/"
        assert "Make the token" in client.get(f"{TOKENS}new/").text

    def test_the_token_is_shown_once_and_works(self, acme, bob, recorded):
        client = signed_in(acme, "bob")
        form = {"name": "nightly", "scopes": ["record:read"], "days": "90"}
        made = client.post(f"{TOKENS}new/", form)

        text = re.search(r"tnt_[a-z2-7]{53}", made.text)[0]
        assert "no-store" in made["Cache-Control"]
        assert program(acme, text).get(EVENTS).status_code == 200
        listed = client.get(TOKENS).text
        assert "nightly" in listed
        assert text[:10] in listed
        assert text not in listed
        [event] = recorded(acme, "token.created")
        assert event.actor_id == str(bob.public_id)
        assert text not in str(event.__dict__)

    def test_what_is_wrong_is_said_beside_the_field(self, acme):
        client = signed_in(acme, "bob")
        made = client.post(f"{TOKENS}new/", {"name": "a\u202eb", "scopes": ["x"], "days": "1"})
        assert made.text.count("errorlist") == 3

    def test_one_revokes_ones_own_and_nobody_elses(self, acme, ann, bob, recorded):
        mine, text = token_of(acme, bob)
        anns, _ = token_of(acme, ann)
        client = signed_in(acme, "bob")

        assert client.post(f"{TOKENS}{anns.pk}/revoke/").status_code == 404
        assert client.get(f"{TOKENS}{mine.pk}/revoke/").status_code == 405
        assert client.post(f"{TOKENS}{mine.pk}/revoke/").status_code == 302
        assert program(acme, text).get(EVENTS).status_code == 401
        [event] = recorded(acme, "token.revoked")
        assert (event.actor_id, event.target_id) == (str(bob.public_id), str(bob.public_id))
        assert mine.beginning in event.target_label

    def test_strangers_are_sent_to_sign_in(self, browser, acme):
        for path in (TOKENS, f"{TOKENS}new/"):
            assert browser(acme).get(path)["Location"].startswith("/accounts/login/")

    def test_an_administrator_revokes_and_does_nothing_else(self, browser, acme, ann, bob):
        token, text = token_of(acme, bob)
        listed = "/admin/accounts/apitoken/"
        client = browser(acme, ann)
        assert text[:10] in client.get(listed).text
        assert client.get(f"{listed}add/").status_code == 403
        assert client.post(f"{listed}{token.pk}/delete/", {"post": "yes"}).status_code == 403

        done = client.post(listed, {"action": "revoke", "_selected_action": [str(token.pk)]})

        assert done.status_code == 302
        assert program(acme, text).get(EVENTS).status_code == 401

    def test_a_reader_sees_no_tokens_in_the_panel(self, browser, acme, bob, ann):
        token_of(acme, ann)
        client = browser(acme, bob)
        assert client.get("/admin/accounts/apitoken/").status_code == 403
        assert "API tokens" not in client.get("/admin/").text
        assert "API tokens" in browser(acme, ann).get("/admin/").text

    def test_a_person_with_tokens_can_still_be_removed(self, browser, acme, ann, bob, recorded):
        _, text = token_of(acme, bob)
        page = browser(acme, ann).post(
            f"/admin/accounts/customuser/{bob.pk}/delete/", {"post": "yes"}
        )
        assert page.status_code == 302
        with enter_tenant(acme):
            assert not CustomUser.objects.filter(pk=bob.pk).exists()
        assert program(acme, text).get(EVENTS).status_code == 401


class TestUse:
    def test_the_log_names_its_person_and_never_has_the_text(self, acme, ann, caplog):
        _, text = token_of(acme, ann)
        with caplog.at_level("INFO", logger="tenantry.requests"):
            assert program(acme, text).get(EVENTS).status_code == 200
        assert caplog.records[-1].msg["actor"] == str(ann.public_id)
        assert text not in str([record.__dict__ for record in caplog.records])

    def test_its_last_use_is_written_at_most_every_five_minutes(self, acme, ann):
        _, text = token_of(acme, ann)
        for _ in range(3):
            program(acme, text).get(EVENTS)
        with enter_tenant(acme):
            first = ApiToken.objects.get().last_used_at
            assert first is not None
            program(acme, text).get(EVENTS)
            assert ApiToken.objects.get().last_used_at == first
            ApiToken.objects.update(last_used_at=first - timedelta(minutes=5))
            program(acme, text).get(EVENTS)
            assert ApiToken.objects.get().last_used_at > first

    def test_it_may_never_more_than_its_person(self, acme, bob, cleo):
        _, bobs = token_of(acme, bob)
        _, cleos = token_of(acme, cleo)
        assert program(acme, bobs).get(EVENTS).status_code == 200
        assert program(acme, cleos).get(EVENTS).json()["code"] == "not-permitted"
        with enter_tenant(acme):
            bob.groups.clear()
        assert program(acme, bobs).get(EVENTS).status_code == 403

    def test_it_may_no_more_than_it_was_made_for(self, acme, ann):
        _, text = token_of(acme, ann, "record:verify")
        response = program(acme, text).get(EVENTS)
        assert (response.status_code, response.json()["code"]) == (403, "insufficient-scope")
        assert 'scope="record:read"' in response["WWW-Authenticate"]
        assert program(acme, text).get(f"{API}checkpoint").json()["code"] == "not-found"

    @pytest.mark.parametrize("way", ["revoked", "expired", "deactivated", "unknown"])
    def test_what_has_ended_opens_nothing_and_is_recorded(self, acme, bob, recorded, way):
        token, text = token_of(acme, bob)
        with enter_tenant(acme):
            if way == "revoked":
                api_tokens.revoke(token)
            elif way == "expired":
                ApiToken.objects.update(expires_at=timezone.now())
            elif way == "deactivated":
                # By the panel it would be revoked as well.
                CustomUser.objects.filter(pk=bob.pk).update(is_active=False)
            else:
                ApiToken.objects.all().delete()

        response = program(acme, text).get(EVENTS, REMOTE_ADDR="203.0.113.9")

        assert (response.status_code, response.json()["code"]) == (401, "invalid-token")
        assert response["WWW-Authenticate"] == 'Bearer realm="tenantry", error="invalid_token"'
        [event] = recorded(acme, "token.refused")
        assert (event.outcome, event.channel, event.actor_kind) == ("denied", "api", "anonymous")
        assert (event.details["why"], event.ip) == (way, "203.0.113.9")
        assert event.target_id == ("" if way == "unknown" else str(bob.public_id))
        assert text not in str(event.__dict__)

    def test_a_minute_and_an_address_make_one_event(self, acme, ann, recorded):
        token, text = token_of(acme, ann)
        with enter_tenant(acme):
            api_tokens.revoke(token)
        for _ in range(5):
            program(acme, text).get(EVENTS)
        assert len(recorded(acme, "token.refused")) == 1
        program(acme, text).get(EVENTS, REMOTE_ADDR="203.0.113.10")
        assert len(recorded(acme, "token.refused")) == 2

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer tnt_",
            "Bearer " + "tnt_" + "a" * 53,
            "Basic YW5uOnBhc3N3b3Jk",
            "Token tnt_" + "a" * 53,
            "",
            "\N{SNOWMAN}",
            "Bearer \N{SNOWMAN}",
            "Bearer a b c",
            "Bearer " + "a" * 10_000_000,
        ],
        ids=lambda header: header[:20],
    )
    def test_what_is_no_token_is_refused_without_the_database(self, acme, header, recorded):
        client = program(acme)
        client.get(EVENTS)
        with CaptureQueriesContext(connection) as sent:
            response = client.get(EVENTS, headers={"authorization": header})
        # The transaction, and nothing in it.
        assert [query["sql"] for query in sent if "SAVEPOINT" not in query["sql"]] == []
        assert (response.status_code, response.json()["code"]) == (401, "invalid-token")
        assert len(response.content) < 1000
        assert recorded(acme, "token.refused") == []

    def test_a_bad_token_is_refused_beside_a_good_session(self, browser, acme, ann, recorded):
        token, text = token_of(acme, ann)
        with enter_tenant(acme):
            api_tokens.revoke(token)
        client = browser(acme, ann)
        assert client.get(EVENTS).status_code == 200
        assert client.get(EVENTS, headers={"authorization": f"Bearer {text}"}).status_code == 401
        [event] = recorded(acme, "token.refused")
        assert event.actor_kind == "anonymous"

    def test_a_token_goes_before_a_session(self, browser, acme, ann, cleo):
        _, text = token_of(acme, ann)
        client = browser(acme, cleo)
        assert client.get(EVENTS).status_code == 403
        assert client.get(EVENTS, headers={"authorization": f"bearer  {text}"}).status_code == 200


class TestGuessing:
    def test_who_presents_too_many_bad_ones_must_wait(self, acme, ann, monkeypatch):
        monkeypatch.setattr(limits.time, "time", lambda: 1_700_000_045)
        _, text = token_of(acme, ann)
        bad = program(acme, "tnt_" + "a" * 53)
        answers = [bad.get(EVENTS).status_code for _ in range(61)]
        assert answers == [401] * 60 + [429]
        assert bad.get(EVENTS)["Retry-After"] == "55"
        assert program(acme, text).get(EVENTS).status_code == 429
        assert program(acme, text).get(EVENTS, REMOTE_ADDR="203.0.113.9").status_code == 200

    def test_without_the_cache_nothing_is_counted_and_all_goes_on(self, acme, ann, monkeypatch):
        _, text = token_of(acme, ann)
        monkeypatch.setattr(TenantRedisCache, "resting_until", float("inf"))
        answers = {program(acme, "tnt_").get(EVENTS).status_code for _ in range(70)}
        assert answers == {401}
        assert program(acme, text).get(EVENTS).status_code == 200
