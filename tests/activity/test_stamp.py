"""What the database says of an event itself: nobody else has a say in it, whatever the door."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.db import connection

from accounts.models import CustomUser
from activity.models import ActivityEvent
from activity.recording import record

FORGED_NUMBERS = """
CREATE TYPE pg_temp.text AS (v pg_catalog.text);
CREATE FUNCTION pg_temp.of_xid(xid8) RETURNS pg_temp.text LANGUAGE sql
AS $$SELECT ROW('1')::pg_temp.text$$;
CREATE FUNCTION pg_temp.of_uuid(uuid) RETURNS pg_temp.text LANGUAGE sql
AS $$SELECT ROW(pg_catalog.uuid_out($1)::pg_catalog.text)::pg_temp.text$$;
CREATE FUNCTION pg_temp.as_number(pg_temp.text) RETURNS bigint LANGUAGE sql
AS $$SELECT ({number})::bigint$$;
CREATE FUNCTION pg_temp.as_text(pg_temp.text) RETURNS pg_catalog.text LANGUAGE sql
AS $$SELECT ($1).v$$;
CREATE CAST (xid8 AS pg_temp.text) WITH FUNCTION pg_temp.of_xid(xid8);
CREATE CAST (uuid AS pg_temp.text) WITH FUNCTION pg_temp.of_uuid(uuid);
CREATE CAST (pg_temp.text AS bigint) WITH FUNCTION pg_temp.as_number(pg_temp.text);
CREATE CAST (pg_temp.text AS pg_catalog.text) WITH FUNCTION pg_temp.as_text(pg_temp.text)
AS IMPLICIT
"""
"""After these, what is cast to ``text`` and then to ``bigint`` is the number that one wants."""


@pytest.mark.parametrize(
    ("column", "chosen"),
    [
        ("id", "'0199aa00-0000-7000-8000-000000000001'"),
        ("occurred_at", "'2001-01-01Z'"),
        ("xid", "1"),
        ("cluster", "1"),
        ("actor_salt", r"'\x6b6e6f776e'"),
        ("target_salt", r"'\x6b6e6f776e'"),
        ("actor_commitment", r"'\x6b6e6f776e'"),
        ("target_commitment", r"'\x6b6e6f776e'"),
    ],
)
def test_what_a_statement_says_of_a_stamped_column_is_not_heard(in_acme, column, chosen):
    honest = record("session.ended")
    empty = (
        *("actor_id", "actor_label", "on_behalf_of_id", "on_behalf_of_label", "target_type"),
        *("target_id", "target_label", "user_agent", "session_ref"),
    )
    blank = ", ".join("''" for _ in empty)

    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO activity_activityevent ({column}, {', '.join(empty)}, action, severity,"
            " actor_kind, channel, request_id, reason, outcome, changes, details, schema_version)"
            f" VALUES ({chosen}, {blank}, 'session.ended', 'info',"
            " 'person', 'page', uuidv7(), 'forged', 'success', '{}', '{}', 1)"
            f" RETURNING {column} IS NOT DISTINCT FROM {chosen}"
        )
        [(is_heard,)] = cursor.fetchall()

    assert not is_heard
    assert_stamped(ActivityEvent.objects.get(reason="forged"), after=honest)


def test_what_a_trigger_records_is_stamped_as_well(in_acme):
    honest = record("session.ended")

    CustomUser.objects.filter(username="cleo").update(display_name="Cleo Stamped")

    assert_stamped(ActivityEvent.objects.order_by("id").last(), after=honest)


def test_no_two_events_share_a_part_of_an_id_or_a_salt(in_acme):
    CustomUser.objects.bulk_create(
        CustomUser(username=f"n{n}", email=f"n{n}@example.com") for n in range(500)
    )

    events = list(ActivityEvent.objects.order_by("-id")[:500])
    tails = {event.id.bytes[8:] for event in events}
    salts = {bytes(salt) for event in events for salt in (event.actor_salt, event.target_salt)}
    assert (len(tails), len(salts)) == (500, 1_000)
    # Nor does an id, which everybody may read, show a piece of a salt.
    pieces = {salt[start : start + 7] for salt in salts for start in range(10)}
    assert not {tail[1:] for tail in tails} & pieces


def test_ids_of_one_session_are_in_the_order_of_its_events(in_acme):
    CustomUser.objects.bulk_create(
        CustomUser(username=f"n{n}", email=f"n{n}@example.com") for n in range(500)
    )

    by_id, by_moment = (
        list(ActivityEvent.objects.order_by(order).values_list("id", flat=True))
        for order in ("id", "occurred_at")
    )
    assert by_id[-500:] == by_moment[-500:]


def test_no_operator_of_a_session_has_a_say_in_an_id(in_acme):
    """A role that may make operators can put its own before PostgreSQL's on its path."""
    CustomUser.objects.exists()
    # Past Django, whose statements bring their path along.
    with connection.connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.current_schema()")
        [(here,)] = cursor.fetchall()
        cursor.execute("CREATE SCHEMA forging")
        for left, right in product(("bigint", "integer", "double precision", "bytea"), repeat=2):
            cursor.execute(
                f"CREATE FUNCTION forging.one(a {left}, b {right}) RETURNS {left}"
                f" LANGUAGE sql AS $$SELECT '1'::{left}$$"
            )
            for operator in ("|", "&", "<<", "||", "*", "/", "%", "+", "-"):
                cursor.execute(
                    f"CREATE OPERATOR forging.{operator}"
                    f" (FUNCTION = forging.one, LEFTARG = {left}, RIGHTARG = {right})"
                )
        cursor.execute(f'SET LOCAL search_path = forging, pg_catalog, "{here}"')
        cursor.execute("SELECT 6 * 7")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("UPDATE accounts_customuser SET display_name = 'X' WHERE username = 'bob'")

    assert_id_of_the_moment(ActivityEvent.objects.order_by("occurred_at").last())


def test_no_type_of_a_session_has_a_say_in_what_is_stamped(in_acme):
    """Temporary types are found first: everybody who may make them can name one as they like."""
    honest = record("session.ended")
    with connection.connection.cursor() as cursor:
        for statement in FORGED_NUMBERS.format(number=-7).split(";"):
            cursor.execute(statement)
        cursor.execute("SELECT pg_catalog.pg_current_xact_id()::text::bigint")
        assert cursor.fetchall() == [(-7,)]
        for name in ("bytea", "inet", "json", "jsonb", "record", "uuid", "varchar"):
            cursor.execute(f"CREATE TYPE pg_temp.{name} AS (mine int)")
        cursor.execute("UPDATE accounts_customuser SET display_name = 'X' WHERE username = 'bob'")
        cursor.execute("DISCARD TEMP")

    event = ActivityEvent.objects.order_by("occurred_at").last()
    assert event.changes["display_name"][1] == "X"
    assert_stamped(event, after=honest)


def test_each_function_that_records_or_guards_has_a_path_of_its_own(acme, in_acme):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, coalesce(proconfig, '{}') FROM pg_catalog.pg_proc"
            " WHERE pronamespace IN (%s::regnamespace, 'public'::regnamespace)"
            " AND proname ~ '^(pgtrigger|capture|activity)_'",
            [acme.schema_name],
        )
        paths = cursor.fetchall()

    assert len(paths) > 60
    assert [one for one in paths if one[1] != ["search_path=pg_catalog, pg_temp"]] == []


def assert_stamped(event, *, after):
    after.refresh_from_db()
    assert after.occurred_at < event.occurred_at < after.occurred_at + timedelta(minutes=5)
    assert after.id < event.id
    assert (event.xid, event.cluster) == (after.xid, after.cluster)
    assert len(event.actor_salt) == len(event.target_salt) == 16
    assert bytes(event.actor_salt) != bytes(event.target_salt)
    assert event.actor_commitment is event.target_commitment is None
    assert_id_of_the_moment(event)


def assert_id_of_the_moment(event):
    """Of version 7 (RFC 9562, 5.7), with the microseconds in the 12 bits that follow."""
    since_1970 = event.occurred_at - datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds, microseconds = divmod(since_1970 // timedelta(microseconds=1), 1_000)
    assert (event.id.version, event.id.variant) == (7, uuid.RFC_4122)
    assert event.id.int >> 80 == milliseconds
    assert event.id.int >> 64 & 0xFFF == microseconds * 4_096 // 1_000
