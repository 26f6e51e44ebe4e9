"""What of an event is proven: PostgreSQL and Python must come to the same bytes."""

import json

import pytest
from django.db import connection
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from activity.context import Actor, ActorKind, Channel, Context, acting_as
from activity.leaves import (
    ACTOR_MEMBERS,
    LEAF_MEMBERS,
    TARGET_MEMBERS,
    canonical,
    commitment,
    commitment_sql,
    leaf_hash,
    leaf_hash_sql,
    leaf_sql,
)
from activity.models import ActivityEvent
from activity.recording import record
from activity.subjects import Subject

TENANT = "0199aa00-0000-7000-8000-000000000001"


def asked(expression: str, event: ActivityEvent) -> bytes:
    """Return what PostgreSQL makes of an expression over an event's row."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {expression} FROM activity_activityevent WHERE id = %(id)s",
            {"tenant": TENANT, "id": event.pk},
        )
        return bytes(cursor.fetchone()[0])


def texts(event: ActivityEvent) -> dict[str, str]:
    """Return the JSON of an event as PostgreSQL prints it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT changes::text, details::text FROM activity_activityevent WHERE id = %s",
            [event.pk],
        )
        return dict(zip(("changes", "details"), cursor.fetchone(), strict=True))


def document_of(event: ActivityEvent) -> dict[str, str | int | None]:
    """Return the leaf of an event that nobody is erased from, made by hand."""
    printed = texts(event)
    actor = {name: getattr(event, name) for name in ACTOR_MEMBERS}
    target = {name: printed.get(name, getattr(event, name)) for name in TARGET_MEMBERS}
    assert event.actor_salt is not None
    assert event.target_salt is not None
    return {
        "action": event.action,
        "actor": commitment(bytes(event.actor_salt), actor).hex(),
        "actor_id": event.actor_id,
        "actor_kind": event.actor_kind,
        "channel": event.channel,
        "cluster": str(event.cluster),
        "id": str(event.id),
        "occurred_at": event.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "on_behalf_of_id": event.on_behalf_of_id,
        "outcome": event.outcome,
        "request_id": str(event.request_id),
        "schema_version": event.schema_version,
        "severity": event.severity,
        "target": commitment(bytes(event.target_salt), target).hex(),
        "target_id": event.target_id,
        "target_type": event.target_type,
        "tenant": TENANT,
        "xid": str(event.xid),
    }


def recorded(text: str, ip: str | None) -> ActivityEvent:
    """Record something with this text wherever a text can be."""
    actor = Actor(ActorKind.PERSON, text[:64], text)
    context = Context(actor=actor, channel=Channel.PAGE, ip=ip, user_agent=text, reason=text)
    # What no action has, to see what becomes of any value.
    with acting_as(context), override_settings(TENANTRY_PRODUCTION=True):
        event = record(
            "user.changed",
            target=Subject("user", text[:64], text),
            changes={"name": (None, text), text[:20]: (1, True)},
            details={"more": [text, 10**15, None]},
        )
    event.refresh_from_db()
    return event


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)


@pytest.mark.parametrize("ip", [None, "192.0.2.7", "2001:db8::1"])
@given(text=TEXT)
@effort(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_postgresql_and_python_come_to_the_same_leaf(in_acme, ip, text):
    event = recorded(text, ip)

    document = canonical(document_of(event))

    assert asked(leaf_sql(), event).decode() == document.decode()
    assert asked(leaf_hash_sql(), event) == leaf_hash(document)


def test_a_leaf_is_a_document_of_all_that_is_not_personal(in_acme):
    event = recorded("Ann 'Lee' \\ \"x\" \u00e9 \U0001f600 \x7f", None)

    document = json.loads(asked(leaf_sql(), event))

    assert list(document) == sorted(LEAF_MEMBERS)
    covered = {*LEAF_MEMBERS, *ACTOR_MEMBERS, *TARGET_MEMBERS} - {"actor", "target", "tenant"}
    stamps = {"actor_salt", "actor_commitment", "target_salt", "target_commitment"}
    assert covered | stamps == {field.column for field in ActivityEvent._meta.local_fields}


def test_an_erased_part_keeps_its_commitment(in_acme):
    event = recorded("Ann Lee", "192.0.2.7")
    before = asked(leaf_sql(), event)

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
        cursor.execute(
            f"UPDATE activity_activityevent SET actor_commitment = {commitment_sql('actor')},"
            " actor_salt = NULL, actor_label = '', ip = NULL, user_agent = '' WHERE id = %s",
            [event.pk],
        )
        cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")

    assert asked(leaf_sql(), event) == before
