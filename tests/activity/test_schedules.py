"""Schedules by every door: made, previewed, changed, paused, deleted, and nobody else's."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import CustomUser
from activity.models import ExportJob, Schedule
from activity.recording import record
from activity.schedules import agenda, forms, keeping, running, wishes
from activity.schedules.preview import preview
from activity.schedules.wishes import Wish
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict, InvalidInput, NotFound
from tenants.models import Due, Tenant
from tests.conftest import CANARY, PASSWORD

LIST = "/admin/schedules/"
NEW = f"{LIST}new/"
FORM = {
    "name": "Sign-ins of a week",
    "source": "sign-ins",
    "form": "csv",
    "compression": "",
    "span": "week",
    "days": "30",
    "when": "weekly",
    "time": "07:30",
    "weekday": "1",
    "day": "1",
    "cron": "",
    "delivery": "link",
    "do": "save",
}


def wish(**fields):
    return Wish(**{"name": "Sign-ins", "source": "sign-ins", "cron": "0 7 * * *", **fields})


def due_of(place):
    with enter_platform():
        return Due.objects.filter(pk=str(place)).first()


@pytest.fixture
def kept(acme, ann):
    """Ann's schedule."""
    with enter_tenant(acme):
        return keeping.create(ann, wish())


# In the panel


def test_a_schedule_is_made_in_the_panel_and_its_next_run_is_said(browser, acme, ann, recorded):
    client = browser(acme, ann)

    answered = client.post(NEW, FORM, follow=True)

    with enter_tenant(acme):
        schedule = Schedule.objects.get()
        assert (schedule.cron, schedule.span, schedule.owner) == ("30 7 * * 1", "week", ann)
        assert schedule.next_at > timezone.now()
    assert "Sign-ins of a week" in answered.text
    assert "It runs next on Mon" in answered.text
    [event] = recorded(acme, "schedule.created")
    assert event.target_label == "Sign-ins of a week"
    assert event.actor_id == str(ann.public_id)
    assert due_of(acme.pk).at == schedule.next_at


def test_a_preview_shows_five_runs_and_what_the_file_would_hold_and_keeps_nothing(
    browser, acme, ann
):
    shown = browser(acme, ann).post(NEW, {**FORM, "do": "preview"})

    assert shown.status_code == 200
    assert len(shown.context["preview"].runs) == 5
    assert {run.weekday() for run in shown.context["preview"].runs} == {0}
    assert "hold 7 rows" in shown.text
    with enter_tenant(acme):
        assert not Schedule.objects.exists()


def live_far_apart(tenant, person):
    """Give a tenant, and somebody in it, time zones between which the day is another."""
    tenant.time_zone = "America/Sao_Paulo"
    with enter_platform():
        tenant.save()
    with enter_tenant(tenant):
        person.time_zone = "Pacific/Kiritimati"
        person.save()


def test_runs_are_shown_by_the_clock_of_the_organisation_whoever_reads_them(browser, acme, ann):
    live_far_apart(acme, ann)
    with enter_tenant(acme):
        schedule = keeping.create(ann, wish(cron="0 7 L * *", delivery="storage"))
        job = uuid.UUID(str(running.run_now(ann, schedule).job))
        begun = ExportJob.objects.get(pk=job).asked_at
    client = browser(acme, ann)

    previewed = client.post(NEW, {**FORM, "when": "cron", "cron": "0 7 L * *", "do": "preview"})
    shown = client.get(f"{LIST}{schedule.pk}/")

    assert previewed.text.count(", 07:00 -03</time>") == 5
    there = begun.astimezone(ZoneInfo("America/Sao_Paulo"))
    assert f"<td>{there:%a} {there.day} {there:%b %Y, %H:%M} -03</td>" in shown.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", " ", "has no name"),
        ("name", "x" * 61, "61 characters"),
        ("name", "a\u202eb", "cannot be seen"),
        ("source", "nonsense", "nothing called"),
        ("form", "exe", "cannot be written as"),
        ("compression", "rar", "rar"),
        ("span", "year", "no span of days"),
        ("span", "last", "no span of days"),
        ("when", "never", "no answer to when"),
        ("time", "25:00", "no time of day"),
        ("day", "32", "'32' is no day of the month"),
        ("delivery", "pigeon", "no delivery"),
        ("search", "outcome:denied", "events are searched"),
        ("name", "a\0b", "NUL"),
    ],
)
@pytest.mark.parametrize("do", ["preview", "save"])
def test_what_cannot_be_is_said_on_the_form_and_nothing_is_kept(
    browser, acme, ann, field, value, said, do
):
    more = {"when": "monthly"} if field == "day" else {}
    form = {**FORM, **more, "days": "0", field: value, "do": do}

    answered = browser(acme, ann).post(NEW, form)

    assert answered.status_code == 400
    assert said in answered.text.replace("&#x27;", "'")
    with enter_tenant(acme):
        assert not Schedule.objects.exists()


def test_the_form_shows_a_schedule_as_it_was_asked_for():
    for cron in (
        "0 7 * * *",
        "5 23 * * 0",
        "0 0 L * *",
        "15 6 31 * *",
        "0 */2 * * 1-5",
        "0 7 1 * 1",
    ):
        asked = wish(cron=cron, span="last-9", columns=("id", "action"), source="events")
        assert forms.wish_in(forms.values_of(asked)) == asked


def test_its_owner_changes_pauses_resumes_and_deletes_it(browser, acme, ann, kept, recorded):
    client = browser(acme, ann)
    address = f"{LIST}{kept.pk}/"

    assert client.get(address).context["values"]["time"] == "07:00"
    client.post(address, {**FORM, "name": "Others", "when": "daily", "time": "9:05"})
    with enter_tenant(acme):
        kept.refresh_from_db()
        assert (kept.name, kept.cron) == ("Others", "5 9 * * *")
    client.post(LIST, {"do": "pause", "key": kept.pk})
    assert "It is paused." in client.get(LIST).text
    assert due_of(acme.pk) is None
    client.post(LIST, {"do": "resume", "key": kept.pk})
    assert due_of(acme.pk) is not None
    assert "is deleted" in client.post(LIST, {"do": "delete", "key": kept.pk}, follow=True).text

    with enter_tenant(acme):
        assert not Schedule.objects.exists()
    assert due_of(acme.pk) is None
    events = recorded(acme)
    assert [e.action for e in events if e.action.startswith("schedule.")] == [
        *("schedule.created", "schedule.changed"),
        *("schedule.paused", "schedule.resumed", "schedule.deleted"),
    ]


def test_a_colleague_neither_sees_nor_reaches_it_and_who_oversees_may_only_stop_it(
    browser, acme, ann, bob, kept
):
    colleague, address = browser(acme, bob), f"{LIST}{kept.pk}/"
    assert kept.name not in colleague.get(LIST).text
    assert colleague.get(address).status_code == 404
    assert colleague.post(address, FORM).status_code == 404
    for do in ("pause", "resume", "delete"):
        answered = colleague.post(LIST, {"do": do, "key": kept.pk}, follow=True)
        assert "There is no such schedule of yours" in answered.text
    with enter_tenant(acme):
        assert Schedule.objects.get().is_active
        theirs = keeping.create(bob, wish(name="Of Bob"))

    overseer = browser(acme, ann)
    assert "Of Bob" in overseer.get(LIST).text
    assert overseer.get(f"{LIST}{theirs.pk}/").status_code == 200
    overseer.post(f"{LIST}{theirs.pk}/", FORM)
    overseer.post(LIST, {"do": "pause", "key": theirs.pk})
    overseer.post(LIST, {"do": "resume", "key": theirs.pk})
    with enter_tenant(acme):
        theirs.refresh_from_db()
        assert (theirs.name, theirs.is_active) == ("Of Bob", False)
    overseer.post(LIST, {"do": "delete", "key": theirs.pk})
    with enter_tenant(acme):
        assert list(Schedule.objects.all()) == [kept]


def test_a_stranger_of_another_tenant_finds_nothing(browser, acme, globex, sam, kept):
    with enter_tenant(acme):
        Schedule.objects.filter(pk=kept.pk).update(name=CANARY["acme"])
    stranger = browser(globex, sam)

    assert CANARY["acme"] not in stranger.get(LIST).text
    assert stranger.get(f"{LIST}{kept.pk}/").status_code == 404
    for do in ("pause", "resume", "delete"):
        assert (
            "no such schedule" in stranger.post(LIST, {"do": do, "key": kept.pk}, follow=True).text
        )
    with enter_tenant(acme):
        assert Schedule.objects.get().is_active


def test_who_may_not_read_the_record_has_no_schedules(browser, acme, cleo):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=cleo.pk).update(is_staff=True)
    client = browser(acme, cleo)

    for address in (LIST, NEW, f"{LIST}{uuid.uuid4()}/"):
        assert client.get(address).status_code == 403
        assert client.post(address, FORM).status_code == 403


def test_a_form_that_means_nothing_changes_nothing(browser, acme, ann, kept):
    client = browser(acme, ann)

    for sent in ({}, {"do": "fly", "key": kept.pk}, {"do": "pause", "key": "x"}):
        assert "The form means nothing" in client.post(LIST, sent, follow=True).text
    with enter_tenant(acme):
        assert Schedule.objects.get().is_active


# Rules


def test_somebody_who_may_not_read_or_left_gets_none(in_acme, ann, cleo):
    with pytest.raises(Conflict, match="may not read what it is of"):
        keeping.create(cleo, wish())
    ann.is_active = False
    with pytest.raises(Conflict, match="gone or deactivated"):
        keeping.create(ann, wish())


def test_nobody_has_more_than_fifty(in_acme, ann, monkeypatch):
    monkeypatch.setattr(keeping, "MOST", 2)
    keeping.create(ann, wish())
    keeping.create(ann, wish())

    with pytest.raises(Conflict, match="as many as one may"):
        keeping.create(ann, wish())


def test_what_is_too_long_to_be_kept_is_refused(in_acme, ann):
    with pytest.raises(InvalidInput, match="together take"):
        keeping.create(ann, wish(source="events", search="x" * 300))


def test_without_a_mail_server_files_can_only_be_kept(in_acme, ann, settings):
    settings.TENANTRY_SENDS_MAIL = False

    with pytest.raises(InvalidInput, match="sends no mail"):
        keeping.create(ann, wish())
    assert keeping.create(ann, wish(delivery="storage"))


def test_a_row_of_schedules_needs_no_toast(in_acme):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltoastrelid, (SELECT count(*) FROM pg_index WHERE indrelid = pg_class.oid)"
            " FROM pg_class WHERE oid = 'activity_schedule'::regclass"
        )
        assert cursor.fetchone() == (0, 1)


def test_what_was_asked_for_comes_back_as_it_was(in_acme, ann):
    asked = wish(
        source="events",
        search='actor:"Ann Lee" outcome:denied',
        columns=("id", "action"),
        form="ndjson",
        compression="gzip",
        span="last-7",
        delivery="attachment",
    )

    schedule = keeping.create(ann, asked)

    assert wishes.of(Schedule.objects.get(pk=schedule.pk)) == asked


def test_a_time_zone_that_is_gone_makes_no_schedule(acme, ann):
    Tenant.objects.filter(pk=acme.pk).update(time_zone="Mars/Olympus")
    acme.refresh_from_db()

    with enter_tenant(acme), pytest.raises(InvalidInput, match="no time zone"):
        keeping.create(ann, wish())


# Preview


def test_a_preview_of_events_counts_and_shows_what_is_of_those_days(in_acme, ann):
    record("session.started")
    now = datetime.now(UTC) + timedelta(days=1)
    asked = {"source": "events", "span": "last-2"}

    shown = preview(wish(**asked, columns=("action", "outcome")), None, now=now)
    searched = preview(wish(**asked, search="action:session.started"), None, now=now)

    assert shown.columns == ("action", "outcome")
    assert shown.rows > searched.rows >= 1
    assert len(shown.first) == 5
    assert preview(wish(**asked), None, now=now + timedelta(days=9)).rows == 0


def test_a_preview_does_not_count_for_ever(in_acme, monkeypatch):
    monkeypatch.setattr("activity.schedules.preview.MOST_COUNTED", 2)

    asked = wish(source="events", span="last-2")
    shown = preview(asked, None, now=datetime.now(UTC) + timedelta(days=1))

    assert (shown.rows, shown.has_more) == (2, True)


def test_a_preview_of_what_its_reader_may_not_read_is_refused(browser, db):
    with enter_platform():
        petra = operator_who_reads_the_record()
    asked = {**FORM, "name": "All", "source": "tenants", "span": "day", "do": "preview"}

    refused = browser(None, petra).post(NEW, asked)
    shown = browser(None, petra).post(NEW, {**asked, "source": "sign-ins"})

    assert (refused.status_code, shown.status_code) == (403, 200)


@pytest.mark.parametrize(
    ("source", "search", "action", "label"),
    [
        ("events", " actor:ann ", "activity.searched", "the record: actor:ann since="),
        ("events", "", "activity.searched", "the record: since="),
        ("sign-ins", "", "report.viewed", "Sign-ins per day"),
    ],
)
def test_who_previews_rows_has_looked_at_them(
    browser, acme, ann, recorded, source, search, action, label
):
    asked = {**FORM, "source": source, "search": search, "do": "preview"}
    shown = browser(acme, ann).post(NEW, asked)

    assert shown.status_code == 200
    [event] = recorded(acme, action)
    assert event.actor_id == str(ann.public_id)
    assert event.target_label.startswith(label)
    period = shown.context["preview"].period
    assert str(period.since) in event.target_label + event.details.get("period", "")


def test_a_preview_that_cannot_be_recorded_is_not_shown(acme, ann, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no space")

    monkeypatch.setattr("activity.viewing.record", fails)

    with enter_tenant(acme), pytest.raises(RuntimeError):
        preview(wish(source="events"), ann)


def test_a_schedule_does_not_become_one_of_what_its_owner_may_not_read(db):
    with enter_platform():
        petra = operator_who_reads_the_record()
        schedule = keeping.create(petra, wish())

        with pytest.raises(Conflict, match="may not read what it is of"):
            keeping.change(petra, schedule.pk, wish(source="tenants"))

        schedule.refresh_from_db()
        assert schedule.source == "sign-ins"


def operator_who_reads_the_record():
    """An operator who may see the platform's record, and not its tenants."""
    person = CustomUser.objects.create_user("petra", "petra@p.example", PASSWORD, is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_activityevent"))
    return person


# The agenda


def test_only_places_whose_time_has_come_are_visited(acme, kept):
    row = due_of(acme.pk)

    assert agenda.due(row.at - timedelta(minutes=1)) == []
    assert agenda.due(row.at) == [str(acme.pk)]
    Tenant.objects.filter(pk=acme.pk).update(state="suspended")
    assert agenda.due(row.at) == []


def test_a_change_of_time_zone_is_noticed_at_once(acme, kept):
    Tenant.objects.filter(pk=acme.pk).update(time_zone="Asia/Tokyo")

    assert agenda.due(timezone.now()) == [str(acme.pk)]


def test_a_row_that_is_lost_is_found_by_turns(acme, kept):
    Due.objects.all().delete()
    now = timezone.now()

    visited = [minute for minute in range(60) if agenda.due(now.replace(minute=minute))]

    assert len(visited) == 1


def test_a_purged_tenant_leaves_no_row(acme, kept):
    assert agenda.forget(acme) == 1
    assert due_of(acme.pk) is None


# Commands


def run(*arguments, capsys):
    capsys.readouterr()
    call_command("activity", "schedule", *arguments)
    return capsys.readouterr().out


ADD = ("add", "Mine", "--tenant", "acme", "--owner", "ann", "--source", "sign-ins")


def test_commands_add_list_pause_resume_and_remove(acme, ann, capsys):
    assert "would be added" in run(*ADD, "--cron", "daily", "--dry-run", capsys=capsys)
    assert "is added. It runs next on" in run(*ADD, "--cron", "daily", capsys=capsys)
    [listed] = json.loads(run("list", "--tenant", "acme", "--json", capsys=capsys))["schedules"]
    assert (listed["name"], listed["owner"], listed["cron"]) == ("Mine", "ann", "0 7 * * *")

    assert "is paused" in run("pause", "Mine", "--tenant", "acme", capsys=capsys)
    assert "so already" in run("pause", listed["id"], "--tenant", "acme", capsys=capsys)
    resumed = json.loads(run("resume", "Mine", "--tenant", "acme", "--json", capsys=capsys))
    assert resumed["changed"]
    assert resumed["schedule"]["active"]
    with pytest.raises(CommandError, match="add --yes"):
        run("remove", "Mine", "--tenant", "acme", capsys=capsys)
    assert "is deleted" in run("remove", "Mine", "--tenant", "acme", "--yes", capsys=capsys)
    call_command("activity", "schedule", "list", "--tenant", "acme")
    assert capsys.readouterr() == ("", "There are no schedules.\n")


def test_the_command_previews(acme, capsys):
    asked = ("preview", "--tenant", "acme", "--source", "sign-ins", "--cron", "weekly")

    said = run(*asked, "--span", "week", capsys=capsys)
    document = json.loads(run(*asked, "--span", "week", "--json", capsys=capsys))

    assert "runs at 07:00 on Monday" in said
    assert "hold 7 rows" in said
    assert document["rows"] == 7
    assert len(document["runs"]) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*ADD, "--cron", "* * * * *"), "60 times an hour"),
        ((*ADD, "--cron", "0 0 31 2 *"), "never runs"),
        ((*ADD[:4], "--owner", "nobody", "--cron", "daily"), "nobody here is or was called"),
        ((*ADD[:4], "--owner", "cleo", "--cron", "daily"), "may not read what it is of"),
        (("pause", "Other", "--tenant", "acme"), "there is no schedule 'Other'"),
        (("pause", str(uuid.UUID(int=1)), "--tenant", "acme"), "no such schedule"),
    ],
)
def test_a_command_says_what_cannot_be(acme, capsys, arguments, said):
    with pytest.raises(CommandError, match=said.replace("*", r"\*")):
        run(*arguments, capsys=capsys)
    with enter_tenant(acme):
        assert not Schedule.objects.exists()


def test_a_command_begins_a_run(acme, ann, capsys):
    run(*ADD, "--cron", "daily", capsys=capsys)

    assert "would be being made" not in run("run", "Mine", "--tenant", "acme", capsys=capsys)
    with enter_tenant(acme):
        assert Schedule.objects.get().step == Schedule.Step.MAKING
    with pytest.raises(CommandError, match="under way"):
        run("run", "Mine", "--tenant", "acme", capsys=capsys)


def test_a_button_begins_a_run(browser, acme, ann, bob, kept):
    assert (
        "no such schedule"
        in browser(acme, bob)
        .post("/admin/schedules/", {"do": "run", "key": kept.pk}, follow=True)
        .text
    )
    answered = browser(acme, ann).post(LIST, {"do": "run", "key": kept.pk}, follow=True)

    assert "is being made now" in answered.text
    assert "under way" in answered.text
    shown = browser(acme, ann).get(f"{LIST}{kept.pk}/")
    assert "Waiting" in shown.text


def test_several_of_a_name_are_told_apart_by_id(in_acme, ann, bob):
    one, other = keeping.create(ann, wish()), keeping.create(bob, wish())

    with pytest.raises(Conflict, match="several schedules"):
        keeping.called("Sign-ins")
    assert keeping.called(str(other.pk)) == other
    with pytest.raises(NotFound):
        keeping.called("\0")
    assert one != other


def test_a_longer_list_takes_no_more_statements(browser, acme, ann, kept):
    client = browser(acme, ann)
    client.get(LIST)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    with enter_tenant(acme):
        for number in range(8):
            keeping.create(ann, wish(name=f"Number {number}", source="events"))
    with CaptureQueriesContext(connection) as many:
        assert "Number 7" in client.get(LIST).text

    assert len(many) == len(few)
