"""L18: equal events are equal leaves, by whichever way they are written and read."""

import base64

import pytest
from django.db import connection

from activity import recording
from activity.leaves import canonical, leaf_hash, leaf_hash_sql, leaf_sql
from activity.models import ActivityEvent
from activity.recording import record
from activity.sealing import notes, tree
from activity.sealing.keys import verifiers
from activity.sealing.proofs import prove
from activity.verifying import verify
from tenants.context import current_scope, enter_tenant
from tests.activity.settling import settle

HOSTILE = {
    "combined": "\u00e9 and e\u0301",
    "beyond the first plane": "\U0001f600\U0010fffd",
    "controls": "a\r\nb\x00c\x1b[31md\x7f\u2028\u2029\u202e",
    "quotes": "\\\"'\\u0000</script>",
    "numbers": [0.1, 1e300, -0.0, 10**30, 1.0, 1],
    "keys in no order": {"b": 1, "aa": 2, "B": 3, "\u00e9": 4, "": 5},
    "long": "x" * 50_000,
}


@pytest.fixture(autouse=True)
def anything_goes(monkeypatch):
    """Let details be recorded that the catalogue does not know."""
    monkeypatch.setattr(recording, "_check", lambda *_: None)


def leaf(event):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {leaf_sql()}, {leaf_hash_sql()} FROM activity_activityevent WHERE id = %(id)s",
            {"tenant": current_scope(), "id": event.pk},
        )
        return tuple(bytes(part) for part in cursor.fetchone())


@pytest.mark.parametrize("what", HOSTILE)
def test_l18_a_leaf_is_canonical_and_is_proven_whatever_is_in_the_event(lab, what):
    import json

    with enter_tenant(lab):
        event = record("user.changed", details={what: HOSTILE[what]}, reason=str(HOSTILE[what]))
        document, hashed = leaf(event)
        settle()
        proof = prove(str(event.pk))

        assert canonical(json.loads(document)) == document == proof.leaf
        assert leaf_hash(document) == hashed
        checkpoint = notes.checked(proof.checkpoint, verifiers())
        assert tree.is_included(
            hashed, proof.number, checkpoint.size, proof.path, checkpoint.root
        ), base64.b64encode(checkpoint.root)
        assert verify().wrong is None


def test_l18_equal_documents_have_equal_leaves_in_whatever_order_their_keys_came(in_acme):
    event = record("user.changed", details={"a": 1, "b": [1, 2]})
    before = leaf(event)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
        for text, is_equal in (
            ('{ "b" : [1,2] , "a":1 }', True),
            ('{"a": 1, "b": [2, 1]}', False),
            ('{"a": 1.0, "b": [1, 2]}', False),
        ):
            cursor.execute(
                "UPDATE activity_activityevent SET details = %s::jsonb WHERE id = %s",
                [text, event.pk],
            )
            assert (leaf(event) == before) is is_equal, text
        cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")


def test_l18_composed_and_decomposed_letters_are_two_texts(in_acme):
    """Normalising would let one stored text be exchanged for another unseen."""
    event = record("user.changed", reason="\u00e9")
    before = leaf(event)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
        ActivityEvent.objects.filter(pk=event.pk).update(reason="e\u0301")
        cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")

    assert leaf(event) != before


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_l18_a_leaf_is_the_same_in_every_time_zone_and_date_style(in_acme, zone):
    event = record("user.changed")
    before = leaf(event)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
        cursor.execute("SELECT set_config('DateStyle', 'German', true)")
        cursor.execute("SELECT set_config('extra_float_digits', '0', true)")
        cursor.execute("SELECT set_config('bytea_output', 'escape', true)")

    assert leaf(event) == before
