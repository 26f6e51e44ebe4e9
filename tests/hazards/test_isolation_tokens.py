"""S13, L10: an API token opens nothing at another tenant, is recorded there, and leaks nowhere."""

import pytest
from django.core.cache import cache
from django.db import connection

from accounts import api_tokens
from accounts.models import ApiToken
from accounts.token_texts import digest_of
from activity.models import ActivityEvent
from tenants.archive import contents
from tenants.context import enter_platform, enter_tenant
from tests.api import API, EVENTS, inside, program, token_of
from tests.conftest import CANARY

pytestmark = pytest.mark.usefixtures("no_attempts_yet")


@pytest.fixture(autouse=True)
def _no_attempts_on_the_platform(db):
    with enter_platform():
        cache.clear()


def refused(place):
    with inside(place):
        return list(ActivityEvent.objects.filter(action="token.refused").order_by("id"))


@pytest.mark.parametrize(
    "address", [EVENTS, f"{API}checkpoint", f"{EVENTS}/{'0' * 8}-{'0' * 4}-7000-8000-{'0' * 12}"]
)
def test_s13_a_foreign_token_is_nobody_and_an_event_where_it_was_presented(
    acme, globex, ann, address
):
    _, text = token_of(acme, ann)

    response = program(globex, text).get(address, REMOTE_ADDR="203.0.113.9")

    assert (response.status_code, response.json()["code"]) == (401, "invalid-token")
    assert CANARY["acme"] not in response.text
    [event] = refused(globex)
    assert (event.outcome, event.channel, event.actor_kind) == ("denied", "api", "anonymous")
    assert (event.ip, event.details["why"]) == ("203.0.113.9", "elsewhere")
    assert str(event.request_id) == response["X-Request-ID"]
    assert refused(acme) == refused(None) == []


def test_s13_the_event_does_not_say_whose_token_it_was(acme, globex, ann):
    token, text = token_of(acme, ann)
    program(globex, text).get(EVENTS)
    [event] = refused(globex)
    said = str({field.attname: getattr(event, field.attname) for field in event._meta.fields})
    telling = (text, token.digest, str(token.pk), str(acme.pk), acme.schema_name, "acme", "(ann)")
    assert not [word for word in telling if word in said.lower()]


def test_s13_between_the_platform_and_a_tenant_it_is_the_same(acme, ann, operator):
    anns, olgas = token_of(acme, ann)[1], token_of(None, operator)[1]
    assert program(None, anns).get(EVENTS).status_code == 401
    assert program(acme, olgas).get(EVENTS).status_code == 401
    assert (len(refused(None)), len(refused(acme))) == (1, 1)
    assert program(None, olgas).get(EVENTS).status_code == 200


def test_s13_equal_keys_in_two_tenants_do_not_help(acme, globex, ann, sam):
    assert ann.pk == sam.pk
    _, text = token_of(acme, ann)
    token_of(globex, sam)
    assert program(globex, text).get(EVENTS).status_code == 401


def test_s13_a_row_that_was_copied_opens_nothing_at_the_next_tenant(acme, globex, ann, sam):
    token, text = token_of(acme, ann)
    with enter_tenant(globex):
        ApiToken.objects.create(
            user=sam,
            name=token.name,
            beginning=token.beginning,
            digest=token.digest,
            scopes=token.scopes,
            expires_at=token.expires_at,
        )
        assert digest_of(text) != token.digest
    assert program(globex, text).get(EVENTS).status_code == 401


def test_s13_a_leaver_takes_no_token_along(acme, bob, cleo):
    """Whoever was removed and came back as somebody else has none of the old tokens."""
    _, text = token_of(acme, bob)
    assert program(acme, text).get(EVENTS).status_code == 200
    with enter_tenant(acme):
        bob.delete()
    assert program(acme, text).get(EVENTS).status_code == 401
    [event] = refused(acme)
    assert event.details["why"] == "unknown"


def test_s13_the_event_outlives_the_rollback_of_the_request(acme, ann):
    token, text = token_of(acme, ann)
    with enter_tenant(acme):
        api_tokens.revoke(token)
    assert program(acme, text).get(f"{EVENTS}/nonsense").status_code == 404
    assert refused(acme) == []
    program(acme, text).get(EVENTS)
    assert len(refused(acme)) == 1


def test_archives_leave_tokens_out():
    assert "accounts_apitoken" in contents.left_out()


def test_l10_the_text_is_in_no_table_of_any_place(acme, globex, ann):
    _, text = token_of(acme, ann)
    for place in (acme, globex):
        program(place, text).get(EVENTS)
    for place in (acme, globex, None):
        with inside(place), connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r'"
                " AND c.relnamespace = current_schema()::regnamespace"
            )
            tables = [name for (name,) in cursor.fetchall()]
            assert len(tables) > 15
            for table in tables:
                cursor.execute(
                    f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", [f"%{text[12:40]}%"]
                )
                assert cursor.fetchone() == (0,), table
