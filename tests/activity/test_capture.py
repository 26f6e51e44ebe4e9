"""What the triggers are told of who acts, and what they do when nobody tells them anything."""

import re
from contextlib import nullcontext, suppress
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from accounts.models import CustomUser
from activity import context
from activity.capture import shared
from activity.context import Actor, ActorKind, Channel, Context
from activity.forgetting import holds, retention
from activity.models import ActivityEvent
from activity.models.rules import EVERYBODY
from activity.text import one_line
from tenants import lifecycle
from tenants.backend import telling
from tenants.context import enter_platform, enter_tenant
from tenants.models import Domain, Operation, Tenant
from tenants.names import new_schema_name
from tenants.uuid7 import uuid7

ANN = Actor(ActorKind.PERSON, "id-of-ann", "Ann Lee (ann)")
REQUEST = "01a2088c-21fc-72a7-a584-35df299d7371"
BOB = Actor(ActorKind.PERSON, "id-of-bob", "Bob Ray (bob)")


def page(actor=ANN, **others):
    return context.acting_as(Context(actor=actor, channel=Channel.PAGE, **others))


def last():
    return ActivityEvent.objects.order_by("id").last()


def rename(name):
    CustomUser.objects.filter(username="cleo").update(display_name=name)


@pytest.fixture
def psql(in_acme):
    """Run statements past Django, as somebody who says nothing of themselves."""

    def run(*statements):
        with connection.connection.cursor() as cursor:
            cursor.execute("SET LOCAL tenantry.context = ''; SET LOCAL application_name = 'psql'")
            for statement in statements:
                cursor.execute(statement)

    # The path is that of the test's transaction.
    rename("Cleo")
    return run


# One statement is enough


def test_one_update_of_many_is_one_statement_and_as_many_events(in_acme):
    CustomUser.objects.count()
    before = ActivityEvent.objects.count()

    with page() as now, CaptureQueriesContext(connection) as sent:
        changed = CustomUser.objects.update(display_name=Concat(F("username"), Value(" X")))

    assert len(sent.captured_queries) == 1
    assert "tenantry" not in sent.captured_queries[0]["sql"]
    events = ActivityEvent.objects.order_by("id")[before:]
    assert len(events) == changed >= 3
    assert {(e.action, e.actor_id, e.request_id) for e in events} == {
        ("user.changed", ANN.id, now.request_id)
    }


def test_an_update_to_what_is_there_already_writes_nothing(in_acme):
    before = ActivityEvent.objects.count()

    CustomUser.objects.update(display_name=F("display_name"))
    CustomUser.objects.update(last_seen=None, last_login=None)

    assert ActivityEvent.objects.count() == before


def test_a_new_password_by_any_statement_is_told_and_not_shown(in_acme):
    rows = CustomUser.history.count()

    CustomUser.objects.filter(username="cleo").update(password="md5$secret")

    assert (last().action, last().changes) == ("user.password_changed", {})
    assert CustomUser.history.count() == rows


# Who it was


def test_who_acts_may_change_within_a_transaction(in_acme):
    with page(ANN):
        rename("One")
        with page(BOB):
            rename("Two")
        rename("Three")
    rename("Four")

    labels = [e.actor_label for e in ActivityEvent.objects.order_by("-id")[:4]]
    assert labels[1:] == [ANN.label, BOB.label, ANN.label]
    assert "@" in labels[0]


def test_who_acts_is_told_again_after_a_savepoint(in_acme):
    with page(ANN):
        with suppress(ZeroDivisionError), transaction.atomic():
            rename("One")
            raise ZeroDivisionError
        rename("Two")

    assert last().changes["display_name"][1] == "Two"
    assert last().actor_id == ANN.id


def test_each_circumstance_arrives(in_acme):
    told = {"ip": "2001:db8::7", "user_agent": "Firefox", "session_ref": "ab12", "reason": "tidy"}

    with page(on_behalf_of=BOB, **told) as now:
        rename("Two")

    event = last()
    assert {name: getattr(event, name) for name in told} == told
    assert (event.on_behalf_of_id, event.on_behalf_of_label) == (BOB.id, BOB.label)
    assert (event.channel, event.request_id) == ("page", now.request_id)
    row = CustomUser.history.first()
    assert (row.history_user_id, row.actor_label) == (ANN.id, ANN.label)
    assert (row.request_id, row.history_change_reason) == (now.request_id, "tidy")


@pytest.mark.parametrize("parameters", [None, ["Cleo Two"]])
def test_signs_of_drivers_and_servers_in_a_label_stay_signs(in_acme, parameters):
    label = "100% 'quoted' %s \\ \\' \"x\" $$ ; -- /* é漢 \U0001f511"
    name = "%s" if parameters else "'Cleo Two'"

    with page(Actor(ActorKind.PERSON, "id", label)), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE accounts_customuser SET display_name = {name} WHERE username = 'cleo'",
            parameters,
        )

    assert last().actor_label == label
    assert last().changes["display_name"][1] == "Cleo Two"


def test_a_function_that_changes_something_is_told_too(in_acme):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION rename_cleo() RETURNS int LANGUAGE sql AS $$"
            " UPDATE accounts_customuser SET display_name = 'By function'"
            " WHERE username = 'cleo' RETURNING 1 $$"
        )
        with page():
            cursor.execute("SELECT rename_cleo()")

    assert (last().action, last().actor_id) == ("user.changed", ANN.id)


def test_copy_and_many_at_once_are_told_too(in_acme):
    with page(), connection.cursor() as cursor:
        cursor.copy_expert("COPY auth_group (name) FROM STDIN", StringIO("Copied\n"))
        cursor.executemany(
            "INSERT INTO auth_group (name) VALUES (%s)", [["Many one"], ["Many two"]]
        )
        cursor.execute(
            "WITH gone AS (DELETE FROM auth_group WHERE name = 'Copied' RETURNING 1) SELECT 1"
        )

    events = list(ActivityEvent.objects.order_by("id"))[-4:]
    assert [(e.action, e.target_label, e.actor_id) for e in events] == [
        ("group.created", "Copied", ANN.id),
        ("group.created", "Many one", ANN.id),
        ("group.created", "Many two", ANN.id),
        ("group.deleted", "Copied", ANN.id),
    ]


# Nobody tells


def test_without_circumstances_it_was_the_role_of_the_database(psql):
    psql(
        "UPDATE accounts_customuser SET display_name = 'Two' WHERE username = 'cleo'",
        "UPDATE accounts_customuser SET is_active = false WHERE username = 'cleo'",
    )

    one, other = list(ActivityEvent.objects.order_by("id"))[-2:]
    user = connection.settings_dict["USER"]
    for event in (one, other):
        assert (event.actor_kind, event.channel) == ("database", "database")
        assert (event.actor_id, event.actor_label) == (user, f"{user} (psql)")
    assert (one.action, other.action) == ("user.changed", "user.deactivated")
    assert one.request_id == other.request_id, "one transaction, one id"


@pytest.mark.parametrize(
    "said",
    [
        "nonsense",
        "{",
        "[]",
        '"text"',
        "{}",
        '{"kind": "person"}',
        '{"kind": "person", "channel": "page", "request": "1"}',
        f'{{"kind": "person", "channel": "page", "request": "{REQUEST}", "ip": "x"}}',
        '{"kind": "\\u0000"}',
    ],
)
def test_what_is_said_and_makes_no_sense_breaks_no_statement(psql, said):
    psql(
        f"SET LOCAL tenantry.context = '{said}'",
        "UPDATE accounts_customuser SET display_name = 'Two' WHERE username = 'cleo'",
    )

    assert last().actor_kind == "database"


def test_what_is_said_at_length_is_cut(psql):
    said = "".join(f', "{name}": "{"x" * 5000}"' for name in ("id", "label", "agent", "reason"))
    psql(
        "SET LOCAL tenantry.context = '"
        f'{{"kind": "person", "channel": "page", "request": "{REQUEST}"{said}}}\'',
        "UPDATE accounts_customuser SET display_name = 'Two' WHERE username = 'cleo'",
    )

    event = last()
    lengths = (event.actor_id, event.actor_label, event.user_agent, event.reason)
    assert [len(text) for text in lengths] == [64, 200, 400, 500]


@pytest.mark.parametrize("path", ["''", "pg_catalog", "pg_temp, pg_catalog"])
def test_no_path_of_a_session_leads_the_record_elsewhere(psql, acme, path):
    before = ActivityEvent.objects.count()
    rows = CustomUser.history.count()

    psql(
        "CREATE TEMPORARY TABLE activity_activityevent ON COMMIT DROP AS SELECT 1 AS one",
        "CREATE TEMPORARY TABLE accounts_historicalcustomuser ON COMMIT DROP AS SELECT 1 AS one",
        f"SET LOCAL search_path = {path}",
        f"UPDATE {acme.schema_name}.accounts_customuser SET display_name = 'Two'"
        " WHERE username = 'cleo'",
        "DROP TABLE pg_temp.activity_activityevent, pg_temp.accounts_historicalcustomuser",
        f"SET LOCAL search_path = {acme.schema_name}",
    )

    assert ActivityEvent.objects.count() == before + 1
    assert CustomUser.history.count() == rows + 1


def test_who_is_deleted_before_their_memberships_is_known_all_the_same(psql, acme):
    cleo = CustomUser.objects.get(username="cleo")
    cleo.groups.add(Group.objects.create(name="Desk"))

    psql(
        f"DELETE FROM accounts_customuser WHERE id = {cleo.pk}",
        f"DELETE FROM accounts_membership WHERE user_id = {cleo.pk}",
    )

    event = ActivityEvent.objects.filter(action="group.member_removed").first()
    assert event.target_id == str(cleo.public_id)
    assert event.target_label.endswith("(cleo) the role Desk")


@pytest.mark.parametrize("table", sorted(telling.recorded))
def test_a_recorded_table_is_not_emptied_without_an_event(in_acme, table):
    place = enter_platform() if table.startswith("tenants_") else nullcontext()
    with (
        pytest.raises(DatabaseError, match="recorded row by row"),
        transaction.atomic(),
        place,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"TRUNCATE {table} CASCADE")


# Hostile text

HOSTILE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=150
) | st.text(st.sampled_from("a\r\n\x1b[31m\u202e\u2028\u0085\U0001f511é漢'\"\\%"), max_size=150)


@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_any_text_by_raw_sql_is_one_valid_bounded_record(in_acme, text):
    before = ActivityEvent.objects.count()

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO auth_group (name) VALUES (%s)", [f"{text[:140]}{uuid7().hex[-10:]}"]
        )
        cursor.execute("SELECT name FROM auth_group ORDER BY id DESC LIMIT 1")
        [name] = cursor.fetchone()

    assert ActivityEvent.objects.count() == before + 1
    assert last().target_label == one_line(name, 200)
    assert last().changes["name"] == [None, one_line(name, 2000)]


@given(text=HOSTILE, most=st.integers(1, 300))
@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_makes_one_line_as_the_application_does(in_acme, text, most):
    with connection.cursor() as cursor:
        cursor.execute("SELECT capture_line(%s, %s)", [text, most])
        assert cursor.fetchone() == (one_line(text, most),)


def test_functions_in_the_database_are_those_of_the_code(in_acme):
    with connection.cursor() as cursor:
        for definition in (shared.LINE, shared.CONTEXT, shared.CLUSTER):
            name = re.search(r"\.(\w+)\(", definition)[1]
            body = definition.split("$body$")[1]
            cursor.execute(
                "SELECT prosrc FROM pg_proc WHERE proname = %s AND pronamespace = %s::regnamespace",
                [name, connection.schema_name],
            )
            assert cursor.fetchone() == (body.replace("@here", connection.schema_name),)


# The platform's own tables


def on_platform(act):
    """Return the events of what ``act`` does, up to the end of the transaction."""
    with enter_platform():
        before = ActivityEvent.objects.count()
        act()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        return list(ActivityEvent.objects.order_by("id")[before:])


def test_what_the_platform_announces_is_told_once(acme):
    events = on_platform(lambda: lifecycle.suspend(acme, reason="unpaid"))

    assert [event.action for event in events] == ["tenant.suspended"]


def test_a_tenant_that_is_changed_past_the_platform_is_told(acme):
    [event] = on_platform(lambda: Tenant.objects.filter(pk=acme.pk).update(name="Acme Two"))

    assert (event.action, event.severity) == ("tenant.changed", "warning")
    assert (event.target_type, event.target_id) == ("tenant", str(acme.pk))
    assert event.changes == {"name": ["Acme", "Acme Two"]}


def test_a_domain_that_is_changed_past_the_platform_is_told(acme):
    [added, removed] = on_platform(
        lambda: Domain.objects.create(tenant=acme, domain="x.example").delete()
    )

    assert (added.action, removed.action) == ("domain.row_added", "domain.row_removed")
    assert added.target_id == str(acme.pk)
    assert added.target_label == "the domain x.example of Acme"


def test_a_domain_that_gets_another_name_is_told(acme):
    [event] = on_platform(
        lambda: Domain.objects.filter(tenant=acme, is_primary=True).update(domain="y.example")
    )

    assert (event.action, event.changes["domain"][1]) == ("domain.changed", "y.example")


def test_a_tenant_that_is_written_past_the_platform_is_told(db):
    ghost = Tenant(slug="ghost", name="Ghost", schema_name=new_schema_name())

    [added] = on_platform(ghost.save)
    [removed] = on_platform(ghost.delete)

    assert (added.action, removed.action) == ("tenant.row_added", "tenant.row_removed")
    assert added.changes["slug"] == removed.changes["slug"][::-1] == [None, "ghost"]


@pytest.mark.parametrize(
    "said",
    ["", "x", "{}", '{"kind": "person"}', '{"kind": "person", "channel": "page", "request": "x"}'],
)
def test_an_operation_that_is_written_by_hand_is_told(acme, said):
    def by_hand(sql):
        with connection.connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL tenantry.context = '{said}'; {sql}")

    [added] = on_platform(
        lambda: by_hand(
            "INSERT INTO public.tenants_operation (kind, state, steps, done, attempt, request,"
            " result, actor, error)"
            " VALUES ('purge', 'waiting', '[\"x\"]', 0, 0, '{}', '{}', '{}', '')"
        )
    )
    [removed] = on_platform(
        lambda: by_hand("DELETE FROM public.tenants_operation WHERE tenant_id IS NULL")
    )

    assert (added.action, removed.action) == ("operation.row_added", "operation.row_removed")


def test_rules_and_holds_that_are_written_past_the_application_are_told(lab):
    with enter_tenant(lab), connection.cursor() as cursor:
        person = str(uuid7())
        for sql in (
            f"INSERT INTO activity_hold VALUES ('{person}', 'x', now(), 'case of Ann')",
            f"DELETE FROM activity_hold WHERE subject = '{person}'",
            "INSERT INTO activity_retention VALUES ('session', 30)",
            "UPDATE activity_retention SET days = 31",
            "DELETE FROM activity_retention",
        ):
            cursor.execute(sql)
        told = list(ActivityEvent.objects.filter(action__startswith="record.").order_by("id"))

        holds.place(EVERYBODY, "case 7")
        retention.keep("session", 90)

        assert [event.action for event in told] == [
            *("record.held", "record.released"),
            *["record.retention_changed"] * 3,
        ]
        assert {event.target_id for event in told[:2]} == {person}
        assert [event.changes.get("days") for event in told[2:]] == [
            [None, 30],
            [30, 31],
            [31, None],
        ]
        assert "Ann" not in str([event.changes for event in told])
        # What the application tells is told once.
        assert ActivityEvent.objects.filter(action__startswith="record.").count() == 7


def test_an_operation_is_told_when_nobody_known_writes_it(acme):
    def by_hand():
        with connection.connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL tenantry.context = '';"
                " UPDATE public.tenants_operation SET state = 'cancelled'"
                " WHERE id = (SELECT max(id::text)::uuid FROM public.tenants_operation)"
            )

    [event] = on_platform(by_hand)

    assert (event.action, event.actor_kind) == ("operation.changed", "database")
    assert list(event.changes) == ["state"]
    assert on_platform(lambda: Operation.objects.update(state="finished")) == []


def test_operators_are_recorded_on_the_platform(operator):
    [event] = on_platform(lambda: CustomUser.objects.filter(pk=operator.pk).update(is_staff=False))

    assert (event.action, event.target_id) == ("user.privileges_changed", str(operator.public_id))
    with enter_platform():
        assert operator.history.first().is_staff is False
