"""Retention: what is old enough goes by segments, and the record knows how much is gone."""

import json
import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models import CustomUser
from activity.forgetting import holds, retention, tasks
from activity.models import ActivityEvent, Hold, Retention, Segment
from activity.recording import record
from activity.sealing import sealer
from activity.subjects import Subject
from activity.verifying import verify
from tenants.context import enter_tenant
from tenants.errors import InvalidInput
from tests.activity.settling import sealed, until
from tests.activity.test_verifying import owner, tampered

EVERYBODY = uuid.UUID(int=0)


def seal_as_of(days):
    """Let what is not sealed be so many days old, and seal it as it was sealed then.

    As the owner, before it is sealed: nobody could do it later. Ids begin with their time.
    """
    last = Segment.objects.order_by("-number").first()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE activity_activityevent SET occurred_at = at, id = (lpad(to_hex((extract(epoch"
            " FROM at) * 1000)::bigint), 12, '0') || substr(replace(id::text, '-', ''), 13))::uuid"
            " FROM (SELECT id AS key, occurred_at - make_interval(days => %s) AS at"
            " FROM activity_activityevent) AS other WHERE key = id AND xid > %s",
            [days, last.xid if last else 0],
        )
        cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
    moment = timezone.now() - timedelta(days=days)
    until(lambda: sealed() >= ever(), lambda: sealer.seal(moment))
    assert sealed() == ever()


def ever():
    """How many events there are or were."""
    cut = Segment.objects.aggregate(Sum("cut"))["cut__sum"] or 0
    return ActivityEvent.objects.count() + cut


def happen(sessions=0, users=0):
    for _ in range(sessions):
        record("session.started")
    for number in range(users):
        record("user.changed", target=Subject("user", f"u{number}", "somebody"))


def left(family):
    return ActivityEvent.objects.filter(action__startswith=f"{family}.").count()


@pytest.fixture
def old(lab):
    """A tenant with segments of 400, 100 and 0 days ago."""
    with enter_tenant(lab):
        happen(sessions=30, users=3)
        seal_as_of(400)
        happen(sessions=20, users=2)
        seal_as_of(100)
        happen(sessions=10, users=1)
        seal_as_of(0)
        assert verify().wrong is None
        yield lab


def test_without_a_rule_nothing_is_cut(old):
    assert retention.cut() == retention.Cut(0, 0)
    assert left("session") == 60


def test_old_events_of_a_family_go_and_the_record_stays_provable(old):
    retention.keep("session", 90)

    assert retention.cut().events == 50

    assert (left("session"), left("user")) == (10, 6)
    verdict = verify()
    assert (verdict.wrong, verdict.cut) == (None, 50)
    last = Segment.objects.filter(cut__gt=0).latest("number")
    assert verdict.whole_from == last.size
    [said] = ActivityEvent.objects.filter(action="record.cut")
    assert said.details == {"families": ["session"], "through": last.number, "events": 50}
    seal_as_of(0)
    assert verify().wrong is None
    assert retention.cut() == retention.Cut(0, 0)


def test_each_family_has_its_own_time(old):
    retention.keep("session", 300)
    retention.keep("user", 30)

    assert retention.cut().events == 30 + 5

    assert (left("session"), left("user")) == (30, 1)
    assert verify().wrong is None


def test_a_segment_of_which_a_part_is_young_loses_nothing(lab):
    with enter_tenant(lab):
        happen(sessions=5)
        seal_as_of(0)
        retention.keep("session", 30)
        with connection.cursor() as cursor:
            # As if it had waited for a long time to be sealed.
            cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            cursor.execute(
                "UPDATE activity_activityevent SET occurred_at = occurred_at - interval '1 year',"
                " id = uuidv7('-1 year') WHERE action = 'session.started'"
            )
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")

        assert retention.cut().events == 0


def test_what_is_not_sealed_is_not_cut(lab):
    with enter_tenant(lab):
        happen(sessions=5)
        retention.keep("session", 30)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            cursor.execute(
                "UPDATE activity_activityevent SET occurred_at = occurred_at - interval '1 year',"
                " id = uuidv7('-1 year') WHERE action = 'session.started'"
            )
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
        assert retention.cut().events == 0
        assert left("session") == 5


def test_the_record_of_the_record_and_erasures_are_never_cut(old):
    record("user.erased", target=Subject("user", "x", "erased-x"))
    record("record.held", reason="case")
    seal_as_of(900)
    retention.keep("user", 30)
    with pytest.raises(InvalidInput):
        retention.keep("record", 30)
    with pytest.raises(DatabaseError), transaction.atomic():
        Retention.objects.create(family="record", days=30)

    retention.cut()

    assert ActivityEvent.objects.filter(action__in=["user.erased", "record.held"]).count() == 2


@pytest.mark.parametrize(
    ("family", "days"), [("session", 29), ("session", 0), ("session", 36_501), ("nobody", 90)]
)
def test_what_is_no_rule_is_refused_and_the_database_refuses_too(old, family, days):
    with pytest.raises(InvalidInput):
        retention.keep(family, days)
    assert retention.rules() == {}
    if family == "session":
        with pytest.raises(DatabaseError), transaction.atomic():
            Retention.objects.create(family=family, days=days)


def test_changing_a_rule_is_an_event_and_the_same_rule_is_none(old):
    assert retention.keep("session", 90)
    assert not retention.keep("session", 90)
    assert retention.keep("session", None)

    said = ActivityEvent.objects.filter(action="record.retention_changed").order_by("id")
    assert [event.changes["days"] for event in said] == [[None, 90], [90, None]]


def test_a_hold_on_everybody_wins(old):
    retention.keep("session", 90)
    holds.place(EVERYBODY, "case 1")

    assert retention.cut() == retention.Cut(0, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT gone FROM activity_cut('{session.started}', 10, 'x', '', '', 'x',"
            " gen_random_uuid())"
        )
        assert cursor.fetchone() == (0,)
    assert holds.release(EVERYBODY, "closed")
    assert retention.cut().events == 50


def test_a_hold_on_a_person_keeps_what_is_theirs(lab):
    with enter_tenant(lab):
        person = CustomUser.objects.create_user("held", "held@lab.example", "x" * 20)
        record("session.started", target=person)
        happen(sessions=3)
        seal_as_of(400)
        holds.place(person.public_id, "case 1")
        retention.keep("session", 30)

        assert retention.cut().events == 3

        assert ActivityEvent.objects.filter(target_id=str(person.public_id)).exists()
        verdict = verify()
        assert (verdict.wrong, verdict.cut) == (None, 3)


def test_history_rows_go_with_their_family_and_the_past_since_then_can_be_read(lab):
    with enter_tenant(lab):
        person = CustomUser.objects.create_user("hal", "hal@lab.example", "x" * 20)
        for name in ("One", "Two", "Three"):
            person.display_name = name
            person.save()
        gone = CustomUser.objects.create_user("gus", "gus@lab.example", "x" * 20)
        gone.delete()
        past = CustomUser.history.model.objects
        past.update(history_date=timezone.now() - timedelta(days=60))
        person.display_name = "Four"
        person.save()
        retention.keep("user", 30)

        assert retention.cut().history_rows > 0

        names = list(past.order_by("history_id").values_list("display_name", flat=True))
        assert names == ["Three", "Four"]
        at = timezone.now() - timedelta(days=20)
        assert CustomUser.history.as_of(at).get().display_name == "Three"
        assert ActivityEvent.objects.get(action="record.cut").details["history_rows"] > 0


def test_the_nightly_task_cuts_and_sweeps(old):
    retention.keep("session", 90)
    tasks.forget_in_tenant.apply(kwargs={"tenant_id": str(old.pk)}).get()
    assert left("session") == 10


def test_a_cut_that_the_record_does_not_say_is_found(old):
    retention.keep("session", 90)
    retention.cut()
    seal_as_of(0)

    with owner() as cursor:
        cursor.execute(
            "DELETE FROM activity_activityevent WHERE id = (SELECT id FROM activity_activityevent"
            " WHERE action = 'user.changed' ORDER BY xid, id LIMIT 1)"
        )
    assert verify().wrong.kind == "missing"
    # Not even when the segment is made to say so.
    wrong = tampered("UPDATE activity_segment SET cut = cut + 1 WHERE number = 1")
    assert wrong.what == "51 events are said to be removed by retention, and 50 were"


def test_nobody_deletes_through_the_door_but_the_function(old):
    for statement in (
        "DELETE FROM activity_activityevent",
        "UPDATE activity_segment SET cut = cut + 1",
    ):
        with connection.cursor() as cursor, pytest.raises(DatabaseError, match="append-only"):
            cursor.execute(statement)
    for statement in (
        "UPDATE activity_segment SET cut = -1",
        "UPDATE activity_segment SET cut = events + 1",
        "UPDATE activity_segment SET cut = cut + 1, events = events + 1",
        "DELETE FROM activity_segment",
        "UPDATE activity_activityevent SET reason = 'x'",
    ):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('tenantry.door', 'cut', true)")
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute(statement)


# By command


@pytest.fixture
def activity(lab, capsys):
    def run(*arguments):
        capsys.readouterr()
        try:
            call_command("activity", *arguments, "--tenant", lab.slug, "--json")
        except CommandError as error:
            return error.returncode, capsys.readouterr().out
        return 0, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def aloud(lab, capsys):
    """What a command says to a person."""

    def run(*arguments):
        capsys.readouterr()
        call_command("activity", *arguments, "--tenant", lab.slug)
        return capsys.readouterr().out

    return run


def test_rules_are_set_shown_removed_and_applied_by_command(old, activity):
    assert activity("retention")[1]["retention"] == {}
    assert activity("retention", "--family", "session", "--days", "90", "--dry-run")[1] == {
        "changed": True,
        "dry_run": True,
        "cut": None,
        "retention": {},
    }
    _, said = activity("retention", "--family", "session", "--days", "90")
    assert (said["changed"], said["retention"]) == (True, {"session": 90})
    _, said = activity("retention", "--cut")
    assert said["cut"] == {"events": 50, "history_rows": 0}
    _, said = activity("retention", "--family", "session", "--forever")
    assert said["retention"] == {}
    assert activity("retention", "--family", "session")[0] == 2
    assert activity("retention", "--days", "90")[0] == 2
    assert activity("retention", "--family", "session", "--days", "5")[0] == 2


def test_a_dry_run_says_whether_a_rule_would_change_and_changes_none(old, activity, aloud):
    asked = ("retention", "--family", "session", "--days", "90", "--dry-run")
    assert aloud(*asked) == "session would be kept for 90 days\nEverything is kept for ever.\n"
    assert activity(*asked[:-2], "5", "--dry-run")[0] == 2
    assert activity("retention")[1]["retention"] == {}

    assert not activity(*asked[:-1])[1]["dry_run"]

    assert aloud(*asked) == "session would be left as it is\nsession\t90\n"
    assert not activity(*asked)[1]["changed"]
    assert aloud(*asked[:3], "--forever", "--dry-run").startswith("session would be kept for ever")
    assert activity(*asked[:3], "--forever", "--dry-run")[1]["changed"]
    assert aloud("retention", "--cut", "--dry-run").startswith("would cut what is older")
    assert activity("retention", "--cut", "--dry-run")[1]["retention"] == {"session": 90}
    assert ActivityEvent.objects.filter(action="record.cut").count() == 0


def test_a_dry_run_says_whether_a_hold_would_be_placed_or_released(lab, activity, aloud):
    on = ("hold", "--add", "--everybody", "--reason", "case 2")
    off = ("hold", "--release", "--everybody")
    none = "the hold on the whole record would be left as it is\n"
    assert aloud(*on, "--dry-run") == none.replace("left as it is", "placed")
    assert aloud(*off, "--dry-run") == none
    said = activity(*on, "--dry-run")[1]
    assert (said["changed"], said["dry_run"], said["holds"]) == (True, True, [])
    assert activity(*on)[1]["dry_run"] is False

    assert aloud(*on, "--dry-run").startswith("the hold on the whole record would be left as it is")
    assert aloud(*off, "--dry-run").startswith("the hold on the whole record would be released")


def test_holds_are_placed_listed_and_released_by_command(lab, activity):
    with enter_tenant(lab):
        person = CustomUser.objects.create_user("held", "held@lab.example", "x" * 20)
    on = ("--subject", "held@lab.example")
    assert activity("hold", "--add", *on)[0] == 2
    assert activity("hold", "--add", *on, "--reason", "against held@lab.example")[0] == 2
    _, said = activity("hold", "--add", *on, "--reason", "case 1")
    assert said["changed"]
    assert said["holds"][0]["subject"] == str(person.public_id)
    assert not activity("hold", "--add", *on, "--reason", "case 1")[1]["changed"]
    _, said = activity("hold", "--add", "--everybody", "--reason", "case 2")
    assert said["holds"][1]["subject"] is None
    assert activity("hold", "--release", *on, "--dry-run")[1]["changed"]
    assert activity("hold", "--release", *on, "--reason", "closed")[1]["changed"]
    assert not activity("hold", "--release", *on, "--reason", "closed")[1]["changed"]
    assert activity("hold", "--add")[0] == 2
    assert activity("hold", "--add", "--subject", "nobody", "--reason", "x")[0] == 3
    with enter_tenant(lab):
        assert Hold.objects.count() == 1
        assert (
            ActivityEvent.objects.filter(action__in=["record.held", "record.released"]).count() == 3
        )
