"""Verifying: whatever the owner of the tables changes behind the triggers' back is found."""

from contextlib import contextmanager

import pytest
from django.db import connection

from activity.leaves import commitment_sql, leaf_hash_sql
from activity.models import ActivityEvent, Segment, Tile
from activity.recording import record
from activity.sealing import keys, sealer
from activity.verifying import verify
from tenants.context import enter_tenant
from tests.activity.settling import settle
from tests.activity.test_sealing import happen

TABLES = [model._meta.db_table for model in (ActivityEvent, Segment, Tile)]


@pytest.fixture
def sealed(lab):
    """A tenant with three segments and a tree of two levels."""
    with enter_tenant(lab):
        for count in (290, 20, 10):
            happen(count)
            settle()
        assert verify().wrong is None
        yield lab


@contextmanager
def owner():
    """A cursor of the owner's, with no trigger in the way."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor


def tampered(statement, *values):
    with owner() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount != 0, "nothing was changed"
    wrong = verify().wrong
    assert wrong is not None, statement
    return wrong


SECOND = "(SELECT id FROM activity_activityevent ORDER BY xid, id OFFSET {} LIMIT 1)"

OTHER = {
    "UUIDField": "gen_random_uuid()",
    "DateTimeField": "{} + interval '1 microsecond'",
    "CharField": "{} || 'x'",
    "JSONField": """'{{"forged": true}}'""",
    "GenericIPAddressField": "'203.0.113.9'",
    "PositiveSmallIntegerField": "{} + 1",
    "SmallIntegerField": "{} + 1",
    "IntegerField": "{} + 1",
    "BigIntegerField": "{} + 1",
    "BinaryField": "coalesce(set_byte({0}, 0, 255 - get_byte({0}, 0)), 'x'::bytea)",
}


def columns(model):
    return [field for field in model._meta.local_fields if field.get_internal_type() in OTHER]


def other(field):
    if field.column == "number":
        return "number + 7"
    if field.column == "note":
        return "replace(note, E'\\nsealed 2', E'\\nsealed 3')"
    return OTHER[field.get_internal_type()].format(f'"{field.column}"')


@pytest.mark.parametrize("column", columns(ActivityEvent), ids=lambda field: field.column)
@pytest.mark.parametrize("place", [0, 100, -1])
def test_every_column_of_an_event_is_covered(sealed, column, place):
    at = place % ActivityEvent.objects.count()
    event = list(ActivityEvent.objects.order_by("xid", "id"))[at]

    wrong = tampered(
        f'UPDATE activity_activityevent SET "{column.column}" = {other(column)} WHERE id = %s',
        event.pk,
    )

    assert wrong.segment is not None
    if column.column not in ("id", "xid", "cluster"):
        assert (wrong.kind, wrong.number, wrong.event_id) == ("altered", at, str(event.pk))


@pytest.mark.parametrize("column", columns(Segment), ids=lambda field: field.column)
@pytest.mark.parametrize("newest", [False, True])
def test_every_column_of_a_segment_is_covered(sealed, column, newest):
    number = Segment.objects.order_by("-number" if newest else "number")[0].number

    tampered(
        f'UPDATE activity_segment SET "{column.column}" = {other(column)} WHERE number = %s',
        number,
    )


@pytest.mark.parametrize("column", columns(Tile), ids=lambda field: field.column)
@pytest.mark.parametrize("tile", [(0, 0), (0, 1), (1, 0)], ids=str)
def test_every_column_of_a_tile_is_covered(sealed, column, tile):
    # Out of the way of the tiles that are there.
    change = f'"{column.column}" + 7' if column.column != "hashes" else other(column)
    tampered(
        f'UPDATE activity_tile SET "{column.column}" = {change} WHERE (level, index) = (%s, %s)',
        *tile,
    )


def test_columns_of_no_kind_are_left_out():
    for model in (ActivityEvent, Segment, Tile):
        names = {field.column for field in model._meta.local_fields if field.column}
        assert {field.column for field in columns(model)} == names


@pytest.mark.parametrize("at", [0, 5, 300])
def test_a_deleted_event_is_missing(sealed, at):
    wrong = tampered(f"DELETE FROM activity_activityevent WHERE id = {SECOND.format(at)}")

    assert (wrong.kind, wrong.number) == ("missing", at)


def test_the_last_events_gone_are_a_record_cut_short(sealed):
    last = ActivityEvent.objects.count() - 1
    wrong = tampered(f"DELETE FROM activity_activityevent WHERE id = {SECOND.format(last)}")

    assert (wrong.kind, wrong.number) == ("truncated", last)


def test_all_events_gone_are_a_record_cut_short_or_missing(sealed):
    assert tampered("TRUNCATE activity_activityevent").kind == "missing"


def test_the_last_segment_gone_is_a_record_cut_short(sealed):
    wrong = tampered(
        "DELETE FROM activity_segment WHERE number = (SELECT max(number) FROM activity_segment)"
    )

    assert wrong.kind == "truncated"


@pytest.mark.parametrize("table", ["activity_segment", "activity_tile"])
def test_a_table_of_seals_that_is_emptied_is_noticed(sealed, table):
    assert tampered(f"TRUNCATE {table}").kind in ("truncated", "missing")


def test_an_inserted_event_is_named(sealed):
    names = [f'"{field.column}"' for field in ActivityEvent._meta.local_fields]
    values = [name if name != '"id"' else "uuidv7('-1 hour')" for name in names]

    wrong = tampered(
        f"INSERT INTO activity_activityevent ({', '.join(names)}) SELECT {', '.join(values)}"
        f" FROM activity_activityevent WHERE id = {SECOND.format(50)}"
    )

    assert wrong.kind == "inserted"
    assert wrong.event_id


def test_two_events_that_change_places_are_found(sealed):
    one, two = list(ActivityEvent.objects.order_by("xid", "id"))[40:42]

    wrong = tampered(
        "UPDATE activity_activityevent SET xid = CASE id WHEN %s THEN %s ELSE %s END"
        " WHERE id IN (%s, %s)",
        one.pk, two.xid, one.xid, one.pk, two.pk,
    )  # fmt: skip

    assert wrong.number == 40


def test_hashes_that_change_places_are_found(sealed):
    wrong = tampered(
        "UPDATE activity_tile SET hashes = substr(hashes, 33, 32) || substr(hashes, 1, 32)"
        " || substr(hashes, 65) WHERE (level, index) = (0, 0)"
    )

    assert wrong.kind == "altered"


def test_an_event_and_its_hash_changed_together_do_not_lead_to_the_root(sealed):
    with owner() as cursor:
        cursor.execute(
            f"UPDATE activity_activityevent SET reason = 'x' WHERE id = {SECOND.format(0)}"
        )
        cursor.execute(
            f"UPDATE activity_tile SET hashes = (SELECT {leaf_hash_sql()} FROM"
            f" activity_activityevent WHERE id = {SECOND.format(0)}) || substr(hashes, 33)"
            " WHERE (level, index) = (0, 0)",
            {"tenant": str(sealed.pk)},
        )
    wrong = verify().wrong

    assert (wrong.kind, wrong.segment) == ("altered", 1)


def copied(**values):
    """The statement that inserts another event like the 51st, but for some columns."""
    names = [field.column for field in ActivityEvent._meta.local_fields]
    return (
        f"INSERT INTO activity_activityevent ({', '.join(names)})"
        f" SELECT {', '.join(values.get(name, name) for name in names)}"
        f" FROM activity_activityevent WHERE id = {SECOND.format(50)}"
    )


def test_an_event_of_another_cluster_is_a_stranger(sealed):
    assert tampered(copied(id="uuidv7()", cluster="4711")).kind == "foreign"


NOBODY = "'00000000-0000-0000-0000-000000000000'"


# What a leaf calls, what is put together of it, and whether an erased part is empty.
SHADOWS = """
CREATE FUNCTION to_json(varchar) RETURNS json LANGUAGE sql IMMUTABLE AS $$
SELECT pg_catalog.to_json(CASE WHEN $1 = 'x'::text THEN ''::text ELSE $1::text END) $$;
CREATE FUNCTION to_json(text) RETURNS json LANGUAGE sql IMMUTABLE AS $$
SELECT pg_catalog.to_json(CASE WHEN $1 = 'x'::text THEN ''::text ELSE $1 END) $$;
CREATE FUNCTION joined(text, json) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT $1 || CASE WHEN $2::text = '"x"'::text THEN '""'::text ELSE $2::text END $$;
CREATE OPERATOR || (FUNCTION = joined, LEFTARG = text, RIGHTARG = json);
CREATE FUNCTION same(varchar, varchar) RETURNS bool LANGUAGE sql IMMUTABLE AS $$SELECT true$$;
CREATE OPERATOR = (FUNCTION = same, LEFTARG = varchar, RIGHTARG = varchar)
"""


def test_functions_and_operators_in_the_schema_do_not_hide_what_was_altered(sealed):
    one = ActivityEvent.objects.order_by("xid", "id")[5]
    assert one.user_agent == ""
    with connection.cursor() as cursor:
        cursor.execute(SHADOWS)
        cursor.execute("SELECT to_json(''::varchar)::text, to_json('x'::varchar)::text")
        assert cursor.fetchall() == [('""', '""')]

    wrong = tampered("UPDATE activity_activityevent SET user_agent = 'x' WHERE id = %s", one.pk)

    assert (wrong.kind, wrong.event_id) == ("altered", str(one.pk))


def test_an_operator_in_the_schema_does_not_hide_what_was_written_into_an_erased_part(sealed):
    one = ActivityEvent.objects.order_by("xid", "id")[5]
    with owner() as cursor:
        cursor.execute(
            f"UPDATE activity_activityevent SET actor_commitment = {commitment_sql('actor')},"
            " actor_salt = NULL, actor_label = '', on_behalf_of_label = '', ip = NULL,"
            " user_agent = '', session_ref = '' WHERE id = %s",
            [one.pk],
        )
        assert verify().wrong is None
        cursor.execute(SHADOWS)

    wrong = tampered("UPDATE activity_activityevent SET user_agent = 'x' WHERE id = %s", one.pk)

    assert (wrong.kind, wrong.event_id) == ("altered", str(one.pk))


@pytest.mark.parametrize("xid", [-1, -2, -(1 << 63)])
@pytest.mark.parametrize("key", [NOBODY, "'019a0000-0000-7000-8000-000000000001'"])
def test_an_event_before_the_first_transaction_is_inserted(sealed, xid, key):
    wrong = tampered(copied(id=key, xid=f"({xid})::bigint"))

    assert (wrong.kind, f"'{wrong.event_id}'") == ("inserted", key)
    # Whatever one trusts of what lies before.
    assert verify(since=300).wrong.event_id == wrong.event_id


def test_an_event_before_the_first_transaction_is_inserted_where_nothing_is_sealed(lab):
    with enter_tenant(lab):
        happen(60)
        wrong = tampered(copied(id="uuidv7()", xid="-2"))

    assert wrong.kind == "inserted"


def test_a_seal_under_a_key_that_nobody_knows_is_named(sealed, monkeypatch):
    monkeypatch.setattr(keys, "verifiers", dict)

    assert verify().wrong.kind == "missing key"


def test_who_misses_a_key_is_told_where_it_is_and_where_it_belongs(sealed, monkeypatch):
    monkeypatch.setattr(keys, "verifiers", dict)

    said = verify().wrong.sentence

    assert "/.well-known/tenantry/keys" in said
    assert "TENANTRY_SEAL_KEYS" in said
    assert len(said) <= 400, "the console has room for so much"
    assert said.endswith("restart.")
    assert ".." not in said


@pytest.mark.parametrize(
    "spoil",
    [
        "regexp_replace(note, '[A-Za-z0-9+/]{10}=\n$', 'AAAAAAAAAA=' || chr(10))",
        "note || 'x'",
    ],
)
def test_what_is_wrong_with_a_checkpoint_ends_with_one_full_stop(sealed, spoil):
    wrong = tampered(f"UPDATE activity_segment SET note = {spoil} WHERE number = 2")

    assert wrong.sentence.endswith(".")
    assert not wrong.sentence.endswith("..")


def test_a_checkpoint_of_another_record_is_foreign(lab, monkeypatch):
    with enter_tenant(lab):
        with monkeypatch.context() as patch:
            patch.setattr(sealer, "origin", lambda: "tenantry/platform")
            settle()

        assert verify().wrong.kind == "foreign"


def test_what_is_not_sealed_yet_is_counted_and_not_wrong(sealed):
    record("session.started")

    verdict = verify()

    assert verdict.wrong is None
    assert verdict.unsealed == 1
    assert verdict.events == ActivityEvent.objects.count() - 1
