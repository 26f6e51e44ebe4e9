"""What a person, a role and a membership were: the history beside the record."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import CustomUser, Membership
from activity import context
from activity.context import Actor, ActorKind, Channel, Context
from activity.models import ActivityEvent
from tenants.context import enter_tenant
from tests.conftest import PASSWORD

ANN = Actor(ActorKind.PERSON, "id-of-ann", "Ann Lee (ann)")


@pytest.fixture(autouse=True)
def by_ann(acme, globex, in_acme):
    """Everything is done by Ann, in Acme."""
    with context.acting_as(Context(actor=ANN, channel=Channel.PAGE)) as circumstances:
        yield circumstances


@pytest.fixture
def pia() -> CustomUser:
    return CustomUser.objects.create_user(
        "pia", "pia@acme.example", PASSWORD, display_name="Pia One"
    )


def what_happened(*actions):
    events = ActivityEvent.objects.order_by("id")
    return [
        (e.action, e.changes) for e in (events.filter(action__in=actions) if actions else events)
    ]


# Rows


def test_history_tells_what_a_person_was(pia):
    pia.display_name = "Pia Two"
    pia.save()

    newest, oldest = pia.history.all()

    assert (oldest.history_type, oldest.display_name) == ("+", "Pia One")
    assert (newest.history_type, newest.display_name) == ("~", "Pia Two")
    assert newest.prev_record == oldest
    assert oldest.instance.display_name == "Pia One"


def test_as_of_answers_for_a_moment(pia):
    before = timezone.now()
    pia.display_name = "Pia Two"
    pia.save()

    assert pia.history.as_of(before).display_name == "Pia One"
    assert pia.history.as_of(timezone.now()).display_name == "Pia Two"
    assert [p.display_name for p in CustomUser.history.as_of(before) if p.username == "pia"] == [
        "Pia One"
    ]
    with pytest.raises(CustomUser.DoesNotExist):
        pia.history.as_of(before - timedelta(days=1))


def test_two_rows_are_compared_field_by_field(pia):
    pia.display_name, pia.email = "Pia Two", "pia.two@acme.example"
    pia.save()

    newest, oldest = pia.history.all()
    delta = newest.diff_against(oldest)

    assert {(c.field, c.old, c.new) for c in delta.changes} == {
        ("display_name", "Pia One", "Pia Two"),
        ("email", "pia@acme.example", "pia.two@acme.example"),
    }


def test_a_save_that_changes_nothing_leaves_nothing(pia):
    rows, events = pia.history.count(), ActivityEvent.objects.count()

    pia.save()
    CustomUser.objects.get(pk=pia.pk).save()

    assert pia.history.count() == rows
    assert ActivityEvent.objects.count() == events


def test_when_somebody_was_here_is_no_change(pia):
    rows, events = pia.history.count(), ActivityEvent.objects.count()

    pia.last_login = pia.last_seen = timezone.now()
    pia.save()
    pia.save(update_fields=["last_login"])

    assert pia.history.count() == rows
    assert ActivityEvent.objects.count() == events


def test_a_new_password_is_in_no_row_and_no_event(pia):
    pia.set_password("a quite different sentence")
    pia.save()
    pia.delete()

    with connection.cursor() as cursor:
        cursor.execute("SELECT row::text FROM accounts_historicalcustomuser row")
        kept = " ".join(row for (row,) in cursor.fetchall())
        cursor.execute("SELECT row::text FROM activity_activityevent row")
        kept += " ".join(row for (row,) in cursor.fetchall())
    assert "password" not in [f.name for f in CustomUser.history.model._meta.get_fields()]
    assert pia.password not in kept
    assert "md5$" not in kept
    assert PASSWORD not in kept


def test_a_row_and_its_event_say_the_same(pia, by_ann):
    pia.display_name = "Pia Two"
    pia.save()

    row, event = pia.history.first(), ActivityEvent.objects.first()

    assert row.actor_label == event.actor_label == ANN.label
    assert row.history_user_id == event.actor_id == ANN.id
    assert row.request_id == event.request_id == by_ann.request_id
    assert event.changes == {"display_name": ["Pia One", "Pia Two"]}


def test_row_and_event_fail_with_the_change(pia, acme, broken):
    broken(acme, "user.changed")
    pia.display_name = "Pia Two"

    with pytest.raises(Exception, match=r"broken|cannot be written"), transaction.atomic():
        pia.save()

    pia.refresh_from_db()
    assert pia.display_name == "Pia One"
    assert pia.history.count() == 1


def test_the_label_of_who_did_it_outlives_them(pia, ann):
    with context.acting_as(
        Context(
            actor=Actor(ActorKind.PERSON, str(ann.public_id), "Ann Lee (ann)"), channel=Channel.PAGE
        )
    ):
        pia.display_name = "Pia Two"
        pia.save()

    ann.delete()

    row = pia.history.first()
    assert row.actor_label == "Ann Lee (ann)"
    assert row.history_user == "Ann Lee (ann)"
    event = ActivityEvent.objects.filter(action="user.changed").first()
    assert event.actor_label == "Ann Lee (ann)"


def test_somebody_deleted_keeps_their_history(pia):
    key = pia.pk
    pia.delete()

    kinds = list(CustomUser.history.filter(id=key).values_list("history_type", flat=True))

    assert kinds == ["-", "+"]
    [(_, changes)] = what_happened("user.deleted")
    assert changes["email"] == ["pia@acme.example", None]


# Memberships, from both sides


@pytest.fixture
def desk() -> Group:
    return Group.objects.create(name="Desk")


@pytest.fixture
def lobby() -> Group:
    return Group.objects.create(name="Lobby")


def memberships():
    """What the history of memberships says, oldest first."""
    rows = Membership.history.filter(user__username="pia").order_by("history_id")
    return [(row.history_type, row.group.name) for row in rows]


def member_events():
    events = ActivityEvent.objects.filter(action__startswith="group.member_").order_by("id")
    return [
        (event.action.rpartition("_")[2], event.target_label.rpartition(" ")[2])
        for event in events
        if "(pia)" in event.target_label
    ]


WAYS = {
    "user adds": lambda pia, desk, lobby: pia.groups.add(desk, lobby),
    "user sets": lambda pia, desk, lobby: pia.groups.set([desk, lobby]),
    "group adds": lambda pia, desk, lobby: (desk.user_set.add(pia), lobby.user_set.add(pia)),
    "group sets": lambda pia, desk, lobby: (desk.user_set.set([pia]), lobby.user_set.set([pia])),
    "row is made": lambda pia, desk, lobby: [
        Membership.objects.create(user=pia, group=group) for group in (desk, lobby)
    ],
}


@pytest.mark.parametrize("way", WAYS)
def test_getting_a_role_is_written_down_whichever_side_gives_it(pia, desk, lobby, way):
    WAYS[way](pia, desk, lobby)

    assert sorted(memberships()) == [("+", "Desk"), ("+", "Lobby")]
    assert sorted(member_events()) == [("added", "Desk"), ("added", "Lobby")]
    event = ActivityEvent.objects.filter(action="group.member_added").first()
    assert event.target_id == str(pia.public_id)
    assert event.actor_label == ANN.label


ENDS = {
    "user removes": lambda pia, desk: pia.groups.remove(desk),
    "user sets": lambda pia, desk: pia.groups.set(Group.objects.filter(name="Lobby")),
    "group removes": lambda pia, desk: desk.user_set.remove(pia),
    "group clears": lambda pia, desk: desk.user_set.clear(),
    "group is deleted": lambda pia, desk: desk.delete(),
    "row is deleted": lambda pia, desk: Membership.objects.get(user=pia, group=desk).delete(),
}


@pytest.mark.parametrize("way", ENDS)
def test_losing_a_role_is_written_down_whichever_side_takes_it(pia, desk, lobby, way):
    pia.groups.set([desk, lobby])
    key = desk.pk

    ENDS[way](pia, desk)

    removed = Membership.history.filter(history_type="-")
    assert [(row.user_id, row.group_id) for row in removed] == [(pia.pk, key)]
    assert ("removed", "Desk") in member_events()
    assert ("removed", "Lobby") not in member_events()


def test_clearing_takes_every_role(pia, desk, lobby):
    pia.groups.set([desk, lobby])

    pia.groups.clear()

    assert sorted(memberships()[2:]) == [("-", "Desk"), ("-", "Lobby")]
    assert sorted(member_events()[2:]) == [("removed", "Desk"), ("removed", "Lobby")]


def test_deleting_a_person_takes_their_roles_with_an_event(pia, desk):
    pia.groups.add(desk)

    pia.delete()

    assert member_events() == [("added", "Desk"), ("removed", "Desk")]


def test_giving_a_role_twice_is_one_event(pia, desk):
    pia.groups.add(desk)
    pia.groups.add(desk)
    pia.groups.set([desk])

    assert member_events() == [("added", "Desk")]


# Roles


def test_a_role_has_a_history_too(desk):
    desk.name = "Front desk"
    desk.save()
    desk.save()

    assert [row.name for row in desk.history.all()] == ["Front desk", "Desk"]
    assert what_happened("group.created", "group.changed")[-1] == (
        "group.changed",
        {"name": ["Desk", "Front desk"]},
    )


def test_what_a_role_may_do_is_written_down_by_name(desk):
    view, change = (
        Permission.objects.get(codename=name) for name in ("view_customuser", "change_customuser")
    )
    before = len(what_happened())

    desk.permissions.add(view)
    desk.permissions.set([change])
    desk.permissions.clear()
    desk.permissions.clear()

    assert [changes["permissions"] for _, changes in what_happened()[before:]] == [
        [None, ["accounts.view_customuser"]],
        [["accounts.view_customuser"], None],
        [None, ["accounts.change_customuser"]],
        [["accounts.change_customuser"], None],
    ]


def test_what_a_role_may_do_is_written_down_from_the_other_side_too(desk):
    view = Permission.objects.get(codename="view_customuser")
    before = len(what_happened())

    view.group_set.add(desk)
    view.group_set.remove(desk)

    assert [changes["permissions"] for _, changes in what_happened()[before:]] == [
        [None, ["accounts.view_customuser"]],
        [["accounts.view_customuser"], None],
    ]


def test_taking_what_a_role_never_had_is_no_change(desk):
    before = len(what_happened())

    desk.permissions.remove(Permission.objects.get(codename="view_customuser"))

    assert what_happened()[before:] == []


def test_a_permission_given_to_a_person_by_any_code_is_a_change_of_power(pia):
    view = Permission.objects.get(codename="view_customuser")
    before = len(what_happened())

    pia.user_permissions.add(view)
    view.user_set.clear()

    assert what_happened()[before:] == [
        ("user.privileges_changed", {"permissions": [None, ["accounts.view_customuser"]]}),
        ("user.privileges_changed", {"permissions": [["accounts.view_customuser"], None]}),
    ]


def test_the_history_of_acme_is_not_that_of_globex(pia, globex):
    key = pia.history.first().public_id

    with enter_tenant(globex):
        assert not CustomUser.history.filter(public_id=key).exists()


def test_a_save_of_some_fields_tells_nothing_of_the_others(pia):
    stale = CustomUser.objects.get(pk=pia.pk)
    pia.display_name = "Pia Two"
    pia.save()

    stale.is_active = False
    stale.save(update_fields=["is_active"])

    assert what_happened("user.changed") == [
        ("user.changed", {"display_name": ["Pia One", "Pia Two"]})
    ]
    assert pia.history.first().display_name == "Pia Two"
