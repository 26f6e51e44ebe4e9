"""Writing events: what the database refuses, what hostile text becomes, and who it was."""

import json
import uuid
from contextlib import suppress
from datetime import UTC, datetime

import pgtrigger
import pytest
from django.db import Error, connection, transaction
from django.test import RequestFactory
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from activity import context
from activity.actions import CATALOGUE, FAMILIES, names
from activity.context import Actor, ActorKind, Channel, Context
from activity.events import sentence
from activity.models import ActivityEvent
from activity.recording import MOST_TEXT, keyed_hash, record
from activity.requests import client_ip
from activity.subjects import Subject
from activity.text import one_line
from tenants.context import enter_platform, enter_tenant
from tests.conftest import PASSWORD

# The database keeps it


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE activity_activityevent SET actor_label = 'somebody else'",
        "UPDATE activity_activityevent SET actor_salt = NULL",
        "DELETE FROM activity_activityevent",
        "TRUNCATE activity_activityevent",
        "TRUNCATE activity_activityevent, activity_dailytotal CASCADE",
    ],
)
def test_l03_the_record_cannot_be_rewritten(in_acme, attack):
    before = list(ActivityEvent.objects.order_by("id").values())

    with (
        pytest.raises(Error, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(attack)

    assert before
    assert list(ActivityEvent.objects.order_by("id").values()) == before


def test_l03_no_session_can_have_its_guards_ignored(in_acme):
    """django-pgtrigger's own triggers ask the session; without the pin this passes."""
    event = record("session.ended")

    with (
        pgtrigger.ignore("activity.ActivityEvent:append_only"),
        pytest.raises(Error, match="append-only"),
        transaction.atomic(),
    ):
        ActivityEvent.objects.filter(pk=event.pk).update(reason="another")


def test_not_by_the_model_either(in_acme):
    event = record("session.ended")

    for attack in (event.save, event.delete, ActivityEvent.objects.all().delete):
        with pytest.raises(Error, match=r"append-only|duplicate key"), transaction.atomic():
            attack()


def test_an_event_carries_its_transaction_and_its_cluster(in_acme):
    event = record("session.ended")

    event.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_current_xact_id()::text::bigint,"
            " (SELECT system_identifier FROM pg_control_system())"
        )
        assert (event.xid, event.cluster) == cursor.fetchone()


def test_nobody_chooses_what_the_database_stamps(in_acme):
    honest = record("session.ended")
    honest.refresh_from_db()
    chosen = uuid.uuid4()

    ActivityEvent.objects.create(
        id=chosen,
        occurred_at=datetime(2001, 1, 1, tzinfo=UTC),
        action="session.ended",
        severity="info",
        actor_kind="person",
        channel="page",
        request_id=uuid.uuid4(),
        xid=1,
        cluster=1,
        actor_salt=b"known",
        target_commitment=b"known",
    )

    forged = ActivityEvent.objects.order_by("id").last()
    assert forged is not None
    assert forged.id not in (chosen, honest.id)
    assert forged.occurred_at > honest.occurred_at
    assert (forged.xid, forged.cluster) == (honest.xid, honest.cluster)
    assert forged.actor_salt != b"known"
    assert forged.target_commitment is None


def test_the_database_names_moment_and_id(in_acme):
    first, second = record("session.ended"), record("session.ended")
    first.refresh_from_db()
    second.refresh_from_db()

    assert first.occurred_at < second.occurred_at
    assert first.id.version == 7
    assert first.id < second.id
    salts = {event.actor_salt for event in (first, second)} | {
        event.target_salt for event in (first, second)
    }
    assert len(salts) == 4
    assert {len(salt) for salt in salts} == {16}


def test_l08_what_is_rolled_back_never_happened(in_acme):
    before = ActivityEvent.objects.count()

    with suppress(ZeroDivisionError), transaction.atomic():
        record("session.ended")
        raise ZeroDivisionError

    assert ActivityEvent.objects.count() == before


def test_the_record_of_acme_is_not_that_of_globex_or_the_platform(acme, globex):
    with enter_tenant(acme):
        event = record("session.ended")

    with enter_tenant(globex):
        assert not ActivityEvent.objects.filter(pk=event.pk).exists()
    with enter_platform():
        assert not ActivityEvent.objects.filter(pk=event.pk).exists()


# The catalogue


def test_an_action_that_is_not_in_the_catalogue_is_refused(in_acme):
    before = ActivityEvent.objects.count()

    with pytest.raises(KeyError, match=r"user\.promoted"):
        record("user.promoted")

    assert ActivityEvent.objects.count() == before


@pytest.mark.parametrize("action", CATALOGUE)
def test_every_action_is_a_sentence(action):
    event = ActivityEvent(action=action, actor_label="Ann Lee", target_label="Bob Ray")

    said = sentence(event)

    assert action == f"{CATALOGUE[action].family}.{action.partition('.')[2]}"
    assert CATALOGUE[action].family in FAMILIES
    assert action in names(CATALOGUE[action].family)
    assert "Ann Lee" in said or "Bob Ray" in said
    assert "{" not in said
    assert said[0].isupper()


@pytest.mark.parametrize("action", CATALOGUE)
def test_every_action_is_a_sentence_when_nobody_is_known(action):
    event = ActivityEvent(action=action, actor_kind="command")

    assert sentence(event)
    assert "{" not in sentence(event)


def test_braces_in_a_name_stay_braces():
    event = ActivityEvent(
        action="user.changed", actor_label="{target.pk}", target_label="{0}{actor!r}"
    )

    assert sentence(event) == "{target.pk} changed {0}{actor!r}"


def test_an_action_of_a_newer_version_is_shown_by_its_name():
    assert sentence(ActivityEvent(action="user.teleported")) == "user.teleported"


# Hostile text

HOSTILE = st.one_of(
    st.text(max_size=3_000),
    st.text(
        st.sampled_from("a\r\n\0\x1b[31m\u202e\u2028\u0085\ud800\udfff\U0001f511é漢"), max_size=600
    ),
    st.sampled_from(["x" * 1_000_000, "\r\n" * 500_000, "\ud800" * 1_000, "\0", "a" * 199 + "\n"]),
)


def printable(text):
    return not any(
        ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202a\u202e" for c in text
    )


@effort(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=HOSTILE, more=HOSTILE)
def test_any_text_becomes_one_valid_bounded_record(in_acme, settings, text, more):
    # What no action has, to see what becomes of any value.
    settings.TENANTRY_PRODUCTION = True
    before = ActivityEvent.objects.count()
    circumstances = Context(
        actor=Actor(ActorKind.PERSON, "id", text),
        channel=Channel.PAGE,
        user_agent=more,
        reason=text,
    )

    with context.acting_as(circumstances):
        event = record(
            "user.changed",
            target=Subject("user", "id", more),
            changes={"display_name": (text, more)},
            details={"list": [text, more], "none": None, "number": 3, "yes": True},
        )

    event.refresh_from_db()
    assert ActivityEvent.objects.count() == before + 1
    for kept, limit in (
        (event.actor_label, 200),
        (event.target_label, 200),
        (event.user_agent, 400),
        (event.reason, 500),
        (event.changes["display_name"][0], MOST_TEXT),
        (event.details["list"][1], MOST_TEXT),
    ):
        assert printable(kept)
        assert len(kept) <= limit
        kept.encode()
    assert json.loads(json.dumps(event.details))["number"] == 3
    assert event.details["none"] is None
    assert event.details["yes"] is True


@given(st.text(max_size=300), st.integers(1, 250))
def test_one_line_keeps_what_is_safe_and_marks_what_it_cuts(text, limit):
    made = one_line(text, limit)

    assert len(made) <= limit
    assert printable(made)
    if printable(text) and len(text) <= limit and "\\" not in made:
        assert made == text or one_line(text, 10_000) != text
    if len(text) > limit:
        assert made.endswith("…")


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla\r\nX-Forged: 1",
        "\x1b[2J\x1b[31mred",
        "a\0b",
        "\u202egnp.exe".encode().decode("latin-1"),
        "\xff\xfe\x80",
        "A" * 1_000_000,
    ],
)
def test_a_hostile_browser_leaves_one_valid_event(
    browser, acme, ann, recorded, no_attempts_yet, agent
):
    client = browser(acme)

    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD}, HTTP_USER_AGENT=agent)

    [event] = recorded(acme, "session.started")
    assert printable(event.user_agent)
    assert 0 < len(event.user_agent) <= 400


@pytest.mark.parametrize("path", ["/%0d%0aFORGED", "/%00", "/%1b[31m", "/%e2%80%ae", "/%ff%fe"])
def test_a_hostile_path_is_one_line_of_the_log(browser, acme, path, caplog):
    response = browser(acme).get(path)

    assert response.status_code == 404
    [line] = [record.msg for record in caplog.records if record.name == "tenantry.requests"]
    assert printable(line["path"])


# Who, from where


def test_a_request_says_who_from_where_and_by_which_session(
    browser, acme, ann, recorded, no_attempts_yet
):
    client = browser(acme)
    agent = "Mozilla/5.0 (test)"
    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})

    response = client.post(
        "/",
        {"display_name": "Ann Neu"},
        headers={"user-agent": agent, "x-request-id": str(uuid.uuid4())},
        REMOTE_ADDR="203.0.113.9",
    )

    [event] = recorded(acme, "user.changed")
    assert (event.actor_kind, event.actor_id) == ("person", str(ann.public_id))
    assert (event.ip, event.user_agent, event.channel) == ("203.0.113.9", agent, "page")
    assert str(event.request_id) == response["X-Request-ID"], "not the one the client sent"
    session = client.cookies["sessionid"].value
    with enter_tenant(acme):
        assert event.session_ref == keyed_hash("session", session)
    assert session not in str(vars(event))


def test_the_same_session_key_has_another_reference_elsewhere(acme, globex):
    with enter_tenant(acme):
        here = keyed_hash("session", "k")
        identifier = keyed_hash("identifier", "k")
    with enter_tenant(globex):
        there = keyed_hash("session", "k")

    assert len({here, there, identifier}) == 3
    assert len(here) == 32


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        (0, None, "192.0.2.1"),
        (0, "203.0.113.66", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (1, None, "192.0.2.1"),
        (2, "203.0.113.9, 198.51.100.1", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 198.51.100.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "2001:DB8:0::1", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "unknown", None),
        (1, "<script>", None),
        (1, "1.2.3.4\r\n5.6.7.8", None),
        (1, "," * 10_000, None),
    ],
)
def test_the_address_is_the_one_that_the_outermost_trusted_proxy_saw(
    in_acme, settings, trusted, forwarded, address
):
    settings.TENANTRY_TRUSTED_PROXIES = trusted
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {}
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", **headers)

    found = client_ip(request)

    assert found == address
    with context.acting_as(Context(actor=context.ANONYMOUS, channel=Channel.PAGE, ip=found)):
        event = record("session.failed")
    event.refresh_from_db()
    assert event.ip == address


def test_a_request_without_an_address_is_recorded_without_one(
    browser, acme, ann, recorded, no_attempts_yet
):
    browser(acme).post("/accounts/login/", {"login": "ann", "password": PASSWORD}, REMOTE_ADDR="")

    [event] = recorded(acme, "session.started")
    assert event.ip is None


def test_outside_any_door_it_was_whoever_owns_the_process(in_acme):
    event = record("session.ended")

    assert event.actor_kind == "command"
    assert "@" in event.actor_label
    assert event.channel == "command"


def test_circumstances_end_with_their_block(in_acme):
    inner = Context(actor=Actor(ActorKind.SERVICE, "id", "Robot"), channel=Channel.TASK)

    with suppress(ZeroDivisionError), context.acting_as(inner):
        inside = record("session.ended")
        raise ZeroDivisionError
    after = record("session.ended")

    assert (inside.actor_label, inside.channel) == ("Robot", "task")
    assert after.actor_kind == "command"
    assert after.request_id != inside.request_id


def test_on_behalf_of_and_reason_are_kept(in_acme):
    operator = Actor(ActorKind.PERSON, "id-of-olga", "Olga")
    circumstances = Context(
        actor=operator,
        channel=Channel.PAGE,
        on_behalf_of=Actor(ActorKind.PERSON, "id-of-ann", "Ann"),
        reason="ticket 12",
    )

    with context.acting_as(circumstances):
        event = record("user.changed")

    assert (event.on_behalf_of_id, event.on_behalf_of_label) == ("id-of-ann", "Ann")
    assert event.reason == "ticket 12"
