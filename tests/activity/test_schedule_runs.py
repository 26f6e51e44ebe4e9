"""Runs of schedules: from the clock to the mail, once, whoever stops or leaves on the way."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.files.storage import FileSystemStorage
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import CustomUser
from activity.forgetting import erasing
from activity.forgetting.people import people
from activity.jobs import asking, keeping, steps
from activity.jobs import running as exporting
from activity.models import ActivityEvent, ExportJob, Schedule
from activity.recording import record
from activity.schedules import agenda, delivering, making, running, showing, tasks
from activity.schedules import keeping as schedules
from activity.schedules.preview import preview
from activity.schedules.wishes import Wish
from tenants.context import current_scope, enter_platform, enter_tenant
from tenants.errors import Conflict
from tenants.models import Due, Tenant
from tests.conftest import PASSWORD
from tests.exports import reset_by_peer

Step, Outcome = Schedule.Step, Schedule.Outcome


class Postman(EmailBackend):
    """A mail server that can be down, slow, or stopped right after it has taken a mail."""

    is_down = False
    then = None
    refuses = ""

    def send_messages(self, messages):
        if messages[0].to == [Postman.refuses]:
            raise SMTPRecipientsRefused({Postman.refuses: (550, b"no such user")})
        if Postman.is_down:
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        sent = super().send_messages(messages)
        if Postman.then:
            Postman.then()
        return sent


@pytest.fixture(autouse=True)
def _surroundings(settings, tmp_path):
    """A mail server, and a storage of each test's own."""
    settings.EMAIL_BACKEND = f"{__name__}.Postman"
    settings.TENANTRY_EXPORTS_DIRECTORY = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "exports": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files", "base_url": None},
        },
    }
    Postman.is_down, Postman.then, Postman.refuses = False, None, ""
    mail.outbox = []
    yield
    Postman.is_down, Postman.then, Postman.refuses = False, None, ""


@pytest.fixture
def at_lab(lab):
    """A committed tenant with an administrator, a reader, and events of yesterday."""
    with enter_tenant(lab):
        CustomUser.objects.create_superuser("ann", "ann@lab.example", PASSWORD)
        for _ in range(7):
            record("session.started")
        yield lab


def ann():
    return CustomUser.objects.get(username="ann")


def made(**fields):
    asked = {"name": "Sign-ins", "source": "sign-ins", "cron": "0 7 * * *", **fields}
    return schedules.create(asked.pop("owner", None) or ann(), Wish(**asked))


def make_due(schedule, **ago):
    """Let its next run have been due so long ago."""
    Schedule.objects.filter(pk=schedule.pk).update(
        next_at=timezone.now() - timedelta(**(ago or {"seconds": 5}))
    )
    with transaction.atomic():
        agenda.keep()


def look_now(schedule):
    Schedule.objects.filter(pk=schedule.pk).exclude(step=Step.IDLE).update(
        look_at=timezone.now() - timedelta(seconds=1)
    )


def now(schedule):
    return Schedule.objects.select_related("owner").get(pk=schedule.pk)


def events(*actions):
    return list(ActivityEvent.objects.filter(action__in=actions).order_by("id"))


def link_in(message):
    return re.search(r"^http\S+$", message.body, re.MULTILINE)[0]


# The whole way


def test_what_is_due_is_made_mailed_and_opens_once(at_lab):
    schedule = made(source="events", search="action:session.started", span="last-3")
    make_due(schedule)
    with enter_platform():
        assert tasks.run_schedules() == 1

    [message] = mail.outbox
    assert message.to == ["ann@lab.example"]
    assert message.subject == "Sign-ins · Lab"
    assert "Europe/Berlin" in message.body
    assert [kind for _, kind in message.alternatives] == ["text/html"]
    after = now(schedule)
    assert (after.step, after.outcome, after.look_at) == (Step.IDLE, Outcome.DELIVERED, None)
    assert after.next_at > timezone.now()
    [told] = events("schedule.delivered")
    assert told.details["job"] == str(after.job)
    assert told.details["delivery"] == "link"
    [asked] = events("export.requested")
    assert asked.actor_id == str(ann().public_id)
    with enter_platform():
        assert Due.objects.get(pk=str(at_lab.pk)).at == after.next_at

    client = Client(headers={"host": f"{at_lab.slug}.localhost:8000"})
    client.force_login(ann())
    address = link_in(message).partition(":8000")[2]
    answered = follow(client, address)
    assert answered.status_code == 200
    assert b"".join(answered.streaming_content).startswith(b"\xef\xbb\xbfid,")
    again = follow(client, address)
    assert again.status_code == 404


def follow(client, address):
    """Open a link, and press the button that its page has if it has one."""
    answered = client.get(address)
    if answered.status_code == 200 and not answered.streaming:
        answered = client.post(address)
    return answered


def test_a_report_of_one_moment_is_said_to_be_of_it_and_not_of_days(at_lab, capsys):
    schedule = made(source="who-could-what", span="day")
    make_due(schedule)
    with enter_platform():
        tasks.run_schedules()

    [message] = mail.outbox
    assert "Who could do what on a day, as it is then, as csv." in message.body
    said = re.search(r"It is of the moment when it is made and has (\d+) rows?, ", message.body)
    assert "the day before" not in message.body
    assert "everything" not in message.body
    client = Client(headers={"host": f"{at_lab.slug}.localhost:8000"})
    client.force_login(ann())
    assert "the moment when it is made" in client.get("/admin/exports/").text
    asked = {"name": "x", "source": "who-could-what", "cron": "0 7 * * *", "when": "cron"}
    previewed = client.post("/admin/schedules/new/", {**asked, "span": "day", "do": "preview"})
    assert f"Run now it would hold {said[1]} row" in previewed.text
    options = ("--source", "who-could-what", "--cron", "daily")
    call_command("activity", "schedule", "preview", "--tenant", at_lab.slug, *options)
    assert f"now it would hold {said[1]} rows" in capsys.readouterr().out


def test_a_document_is_said_to_have_no_rows(at_lab):
    schedule = made(source="summary", form="pdf", span="week")
    make_due(schedule)
    with enter_platform():
        tasks.run_schedules()

    [message] = mail.outbox
    assert re.search(r"It is of \S+ to \S+ and has [0-9.]+ KB\.", message.body)
    client = Client(headers={"host": f"{at_lab.slug}.localhost:8000"})
    client.force_login(ann())
    listed = client.get("/admin/exports/").text
    assert "expires" in listed
    assert "0 rows" not in listed
    shown = client.get(f"/admin/schedules/{schedule.pk}/").text
    assert "<td>Ready</td><td>–</td>" in shown


def test_a_preview_says_what_the_file_then_holds(at_lab):
    wish = Wish(name="Events", source="events", cron="0 7 * * *", span="last-2", form="ndjson")
    schedule = schedules.create(ann(), wish)
    make_due(schedule)
    said = preview(wish, ann(), now=now(schedule).next_at)
    running.visit()

    job = ExportJob.objects.get(schedule_id=schedule.pk)
    assert job.rows_done == said.rows
    assert job.asked["filters"] == {
        "since": str(said.period.since),
        "until": str(said.period.until),
    }


def test_a_small_file_is_attached_and_a_large_one_is_a_link(at_lab, settings):
    schedule = made(delivery="attachment")
    make_due(schedule)
    running.visit()
    [(name, content, _)] = mail.outbox[0].attachments
    assert name.endswith(".csv")
    assert b"sign_ins" in content
    assert "link" not in mail.outbox[0].body

    settings.TENANTRY_MAIL_ATTACHMENT_BYTES = 3
    make_due(schedule)
    running.visit()
    assert not mail.outbox[1].attachments
    assert "too large to be attached" in mail.outbox[1].body
    assert link_in(mail.outbox[1])
    assert [e.details["delivery"] for e in events("schedule.delivered")] == ["attachment", "link"]


def test_bad_news_reaches_each_once_although_one_address_is_refused(at_lab):
    owner, *_ = (
        CustomUser.objects.create_superuser(name, f"{name}@lab.example", PASSWORD)
        for name in ("owner", "bad", "zoe")
    )
    schedule = made(owner=owner)
    CustomUser.objects.filter(pk=owner.pk).update(is_active=False)
    make_due(schedule)
    Postman.refuses = "bad@lab.example"

    for _ in range(5):
        running.visit()
        look_now(schedule)

    assert [message.to for message in mail.outbox] == [["ann@lab.example"], ["zoe@lab.example"]]
    assert now(schedule).step == Step.IDLE
    assert not now(schedule).is_untold


def test_bad_news_that_reached_nobody_is_told_later(at_lab):
    owner = CustomUser.objects.create_superuser("owner", "owner@lab.example", PASSWORD)
    schedule = made(owner=owner)
    CustomUser.objects.filter(pk=owner.pk).update(is_active=False)
    make_due(schedule)
    Postman.refuses = "ann@lab.example"
    running.visit()
    assert (mail.outbox, now(schedule).step, now(schedule).attempts) == ([], Step.TELLING, 1)

    Postman.refuses = ""
    look_now(schedule)
    running.visit()
    assert [message.to for message in mail.outbox] == [["ann@lab.example"]]


def test_pausing_while_bad_news_waits_leaves_it_its_reason(at_lab):
    schedule = made()
    Schedule.objects.filter(pk=schedule.pk).update(source="no-such-report")
    make_due(schedule)
    Postman.is_down = True
    running.visit()
    assert now(schedule).step == Step.TELLING

    schedules.pause(ann(), schedule.pk)
    Postman.is_down = False
    look_now(schedule)
    running.visit()

    [message] = mail.outbox
    assert message.subject == "Sign-ins was not delivered · Lab"
    assert "the file could not be made" in message.body
    assert "It is paused." in message.body
    after = now(schedule)
    assert (after.is_active, after.step, after.why) == (False, Step.IDLE, "by-hand")


@pytest.mark.parametrize("delivery", ["attachment", "storage"])
def test_a_storage_that_does_not_answer_is_asked_again(at_lab, monkeypatch, delivery):
    schedule = made(delivery=delivery)
    make_due(schedule)

    with monkeypatch.context() as away:
        away.setattr(FileSystemStorage, "_open", reset_by_peer)
        running.visit()
    waiting = now(schedule)
    assert (waiting.step, waiting.attempts) == (Step.SENDING, 1)
    assert events("schedule.failed", "export.expired") == []

    look_now(schedule)
    running.visit()
    assert now(schedule).outcome == Outcome.DELIVERED
    assert len(mail.outbox) == (delivery == "attachment")


def test_a_file_can_be_kept_in_the_storage_without_mail(at_lab, monkeypatch):
    monkeypatch.setattr("activity.schedules.making.MOST_KEPT", 2)
    schedule = made(delivery="storage")
    for hours in (3, 2, 1):
        make_due(schedule, hours=hours)
        running.visit()

    told = [e.details["file"] for e in events("schedule.delivered")]
    assert mail.outbox == []
    assert not keeping.storage().exists(told[0])
    with keeping.storage().open(told[2]) as file:
        assert b"sign_ins" in file.read()
    assert keeping.drop_all_of(at_lab) >= 2
    assert not keeping.storage().exists(told[2])


def kept_by(schedule):
    """The files that the storage keeps of a schedule."""
    return keeping.listed(f"{current_scope()}/schedule-{schedule.pk}")[1]


def test_what_is_kept_takes_of_the_room_that_all_files_have(at_lab, settings):
    schedule = made(delivery="storage")
    make_due(schedule, hours=2)
    running.visit()
    job = ExportJob.objects.get()
    assert asking.bytes_kept() == 2 * job.bytes

    # Another export, and no copy of it.
    settings.TENANTRY_EXPORT_QUOTA = 3 * job.bytes + 1
    make_due(schedule, hours=1)
    running.visit()
    [failed] = events("schedule.failed")
    assert failed.details["error"].startswith("There is no room to keep the file")
    assert len(kept_by(schedule)) == 1

    settings.TENANTRY_EXPORT_QUOTA = asking.bytes_kept()
    with pytest.raises(Conflict, match="as much as they may"):
        asking.request("events", {}, "csv", by=ann())


@pytest.mark.parametrize("door", ["panel", "command"])
def test_who_deletes_a_schedule_deletes_what_it_kept_and_no_others_files(at_lab, door, browser):
    schedule, other = (made(name=name, delivery="storage") for name in ("A", "B"))
    for one in (schedule, other):
        make_due(one)
        running.visit()
    assert (len(kept_by(schedule)), len(kept_by(other))) == (1, 1)

    if door == "panel":
        client = browser(at_lab, ann())
        assert "Delete with its kept files" in client.get("/admin/schedules/").text
        client.post("/admin/schedules/", {"do": "delete", "key": str(schedule.pk)})
    else:
        call_command("activity", "schedule", "remove", "A", "--tenant", at_lab.slug, "--yes")

    assert not Schedule.objects.filter(pk=schedule.pk).exists()
    assert (kept_by(schedule), len(kept_by(other))) == ([], 1)
    assert ExportJob.objects.filter(schedule_id=schedule.pk, state="ready").exists()


def test_a_schedule_whose_files_cannot_be_deleted_stays(at_lab, monkeypatch):
    schedule = made(delivery="storage")
    make_due(schedule)
    running.visit()

    monkeypatch.setattr(FileSystemStorage, "delete", reset_by_peer)
    with pytest.raises(keeping.StorageUnavailable):
        schedules.delete(ann(), schedule.pk)
    assert Schedule.objects.filter(pk=schedule.pk).exists()


def test_what_is_kept_while_its_schedule_is_deleted_goes_too(at_lab, monkeypatch):
    schedule = made(delivery="storage")
    make_due(schedule)
    copy = keeping.copy

    def deleted_amidst(job, name):
        schedules.delete(ann(), schedule.pk)
        return copy(job, name)

    monkeypatch.setattr(keeping, "copy", deleted_amidst)
    running.visit()

    assert not Schedule.objects.exists()
    assert kept_by(schedule) == []


def test_somebody_can_have_it_at_once(at_lab):
    schedule = made()
    before = schedule.next_at

    running.run_now(ann(), schedule)

    assert len(mail.outbox) == 1
    assert now(schedule).next_at == before
    Schedule.objects.update(step=Step.SENDING, look_at=timezone.now())
    with pytest.raises(Conflict, match="under way"):
        running.run_now(ann(), schedule)


def test_nothing_happens_before_the_time(at_lab):
    made()

    assert running.visit() == 0
    assert not ExportJob.objects.exists()


# Late, missed, twice


def test_what_was_missed_is_caught_up_once_and_said(at_lab):
    schedule = made()
    make_due(schedule, days=4)
    assert running.visit() >= 1
    running.visit()

    [message] = mail.outbox
    assert "runs before it were missed" in message.body or "One run before" in message.body
    assert now(schedule).missed >= 3
    [told] = events("schedule.delivered")
    assert told.details["missed"] == now(schedule).missed
    assert ExportJob.objects.count() == 1


def test_two_beats_and_four_workers_begin_one_run_and_send_one_mail(at_lab):
    schedule = made()
    make_due(schedule)
    ready = threading.Barrier(4)

    def visit():
        ready.wait(60)
        try:
            with enter_tenant(at_lab):
                return running.visit()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(visit) for _ in range(4)]:
            future.result(60)
    running.visit()

    assert ExportJob.objects.count() == 1
    assert len(mail.outbox) == 1
    assert len(events("schedule.delivered")) == 1


def test_a_run_that_takes_long_lets_the_next_one_wait(at_lab, monkeypatch):
    monkeypatch.setattr(asking, "send", lambda job: None)
    schedule = made()
    make_due(schedule)
    running.visit()
    make_due(schedule)
    assert running.visit() == 0
    assert ExportJob.objects.count() == 1

    steps.cancel(ExportJob.objects.get())
    look_now(schedule)
    running.visit()
    assert [e.details["why"] for e in events("schedule.failed")] == ["not-made"]
    running.visit()
    assert ExportJob.objects.count() == 2


# Killed


class Killed(BaseException):
    """The process is gone."""


def test_killed_while_it_begins_a_run_another_begins_it(at_lab, monkeypatch):
    schedule = made()
    make_due(schedule)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(agenda, "keep", killed)
        with pytest.raises(Killed):
            running.visit()
    assert not ExportJob.objects.exists()
    running.visit()

    assert ExportJob.objects.count() == len(mail.outbox) == 1


def test_killed_before_the_mail_another_sends_it_after_the_lease(at_lab):
    schedule = made()
    make_due(schedule)
    Postman.is_down = True
    running.visit()
    assert now(schedule).step == Step.SENDING
    Postman.is_down = False
    # As if the one who had taken it were dead: nobody else sends meanwhile.
    Schedule.objects.update(look_at=timezone.now() + delivering.LEASE)
    running.visit()
    assert mail.outbox == []
    look_now(schedule)
    running.visit()

    assert len(mail.outbox) == len(events("schedule.delivered")) == 1


def test_killed_between_the_servers_yes_and_the_commit_it_comes_twice_and_is_recorded_once(at_lab):
    schedule = made()
    make_due(schedule)

    def killed():
        raise Killed

    Postman.then = killed
    with pytest.raises(Killed):
        running.visit()
    Postman.then = None
    assert events("schedule.delivered") == []
    running.visit()
    assert len(mail.outbox) == 1
    look_now(schedule)
    running.visit()

    assert len(mail.outbox) == 2
    assert link_in(mail.outbox[0]) != link_in(mail.outbox[1])
    assert len(events("schedule.delivered")) == 1


def test_an_end_that_nobody_told_is_found(at_lab, monkeypatch):
    monkeypatch.setattr("activity.schedules.making._hint", lambda: None)
    schedule = made()
    make_due(schedule)
    running.visit()
    assert mail.outbox == [] or now(schedule).outcome == Outcome.DELIVERED
    look_now(schedule)
    running.visit()

    assert len(mail.outbox) == 1


# Mail that cannot be sent


def test_a_mail_server_that_is_down_is_asked_again_and_then_it_is_a_failure(at_lab):
    schedule = made()
    make_due(schedule)
    Postman.is_down = True
    running.visit()
    pauses = []
    for _ in range(7):
        row = now(schedule)
        assert row.step == Step.SENDING
        pauses.append(round((row.look_at - timezone.now()).total_seconds() / 60))
        look_now(schedule)
        running.visit()
    assert pauses == [1, 2, 4, 8, 15, 30, 60]
    row = now(schedule)
    assert (row.step, row.outcome, row.why) == (Step.TELLING, Outcome.FAILED, "not-sent")
    [failed] = events("schedule.failed")
    assert "unexpectedly closed" in failed.details["error"]

    Postman.is_down = False
    look_now(schedule)
    running.visit()
    [message] = mail.outbox
    assert message.subject == "Sign-ins was not delivered · Lab"
    assert (now(schedule).step, now(schedule).is_untold) == (Step.IDLE, False)


def test_bad_news_that_could_not_be_told_stands_in_the_next_mail(at_lab):
    schedule = made()
    make_due(schedule)
    Postman.is_down = True
    for _ in range(9):
        running.visit()
        look_now(schedule)
    assert now(schedule).is_untold
    Postman.is_down = False
    make_due(schedule)
    Schedule.objects.update(look_at=timezone.now() + timedelta(hours=1))
    running.visit()

    [message] = mail.outbox
    assert "The run before this one failed" in message.body
    assert not now(schedule).is_untold


def test_a_file_that_never_left_gives_way_to_the_next(at_lab):
    schedule = made()
    make_due(schedule)
    Postman.is_down = True
    running.visit()
    make_due(schedule)
    Postman.is_down = False
    running.visit()

    assert [e.details["why"] for e in events("schedule.failed")] == ["too-late"]
    assert len(mail.outbox) == 1


def test_an_export_that_cannot_be_made_is_told_with_its_reason(at_lab, settings):
    settings.TENANTRY_EXPORT_QUOTA = 1
    schedule = made()
    make_due(schedule)
    running.visit()

    [failed] = events("schedule.failed")
    assert failed.details["why"] == "not-made"
    [message] = mail.outbox
    assert "the file could not be made" in message.body
    assert "more than" in message.body


def test_a_report_that_is_no_more_is_told(at_lab):
    schedule = made()
    Schedule.objects.filter(pk=schedule.pk).update(source="no-such-report")
    make_due(schedule)
    running.visit()

    [failed] = events("schedule.failed")
    assert "no-such-report" in failed.details["error"]
    assert len(mail.outbox) == 1


# Owners


def second_administrator():
    return CustomUser.objects.create_superuser("olga", "olga@lab.example", PASSWORD)


@pytest.mark.parametrize("leaves", ["deactivated", "deleted", "demoted"])
def test_an_owner_who_left_pauses_it_and_the_administrators_are_told(at_lab, leaves):
    second_administrator()
    schedule = made()
    if leaves == "deactivated":
        CustomUser.objects.filter(username="ann").update(is_active=False)
    elif leaves == "deleted":
        ann().delete()
    else:
        CustomUser.objects.filter(username="ann").update(is_superuser=False)
    make_due(schedule)
    running.visit()

    row = now(schedule)
    assert (row.is_active, row.next_at, row.step) == (False, None, Step.IDLE)
    assert not ExportJob.objects.exists()
    [message] = mail.outbox
    assert message.to == ["olga@lab.example"]
    assert message.subject == "Sign-ins is paused · Lab"
    [paused] = events("schedule.paused")
    assert paused.reason
    with enter_platform():
        assert not Due.objects.filter(pk=str(at_lab.pk)).exists()


@pytest.mark.parametrize("may", [True, False])
def test_what_is_sent_is_permitted_by_what_the_file_is_of(db, may):
    """Not by what the schedule was changed to while the file was made."""
    with enter_platform():
        petra = CustomUser.objects.create_user("petra", "p@p.example", PASSWORD, is_staff=True)
        permissions = Permission.objects.filter(codename__in=["view_activityevent", "view_tenant"])
        petra.user_permissions.set(permissions)
        schedule = made(owner=petra, source="tenants")
        make_due(schedule)
        running.visit()
        assert exporting.run(str(now(schedule).job)) == "ready"
        schedules.change(petra, schedule.pk, Wish(name="A", source="sign-ins", cron="daily"))
        if not may:
            petra.user_permissions.remove(permissions.get(codename="view_tenant"))

        look_now(schedule)
        running.visit()

        assert now(schedule).is_active
        assert len(events("schedule.delivered")) == may
        [message] = mail.outbox
        assert ("was not delivered" in message.subject) != may
        assert ("/file/" in message.body) == may


def test_an_owner_who_may_no_more_is_not_sent_the_file(at_lab):
    second_administrator()
    schedule = made()
    make_due(schedule)
    Postman.is_down = True
    running.visit()
    CustomUser.objects.filter(username="ann").update(is_superuser=False)
    Postman.is_down = False
    look_now(schedule)
    running.visit()

    assert [message.to for message in mail.outbox] == [["olga@lab.example"]]
    assert [e.details["why"] for e in events("schedule.failed")] == ["not-permitted"]
    assert not now(schedule).is_active


# Time zones and places


def test_another_time_zone_moves_the_next_run(at_lab):
    schedule = made(cron="0 7 * * *")
    at_lab.time_zone = "Asia/Tokyo"
    with enter_platform():
        Tenant.objects.filter(pk=at_lab.pk).update(time_zone="Asia/Tokyo")
        assert tasks.run_schedules() == 1

    row = now(schedule)
    assert row.zone == "Asia/Tokyo"
    assert row.next_at.hour == 22
    assert mail.outbox == []


def test_a_time_zone_that_is_gone_pauses_all_and_tells(at_lab):
    first, second = made(), made(name="Second")
    make_due(first)
    with enter_platform():
        Tenant.objects.filter(pk=at_lab.pk).update(time_zone="Mars/Olympus")
        assert tasks.run_schedules() == 1

    assert not any(now(one).is_active for one in (first, second))
    assert sorted(message.subject for message in mail.outbox) == [
        "Second is paused · Lab",
        "Sign-ins is paused · Lab",
    ]
    assert "time zone is not known" in mail.outbox[0].body


def test_a_suspended_tenant_is_left_alone_and_caught_up_when_it_is_back(at_lab):
    schedule = made()
    make_due(schedule, days=3)
    with enter_platform():
        Tenant.objects.filter(pk=at_lab.pk).update(state="suspended")
        assert tasks.run_schedules() == 0
        Tenant.objects.filter(pk=at_lab.pk).update(state="active")
        assert tasks.run_schedules() == 1

    assert len(mail.outbox) == 1


def test_the_sweep_takes_three_statements_however_many_places_there_are(at_lab):
    made()
    with enter_platform(), CaptureQueriesContext(connection) as sent:
        assert agenda.due(timezone.now()) == []
    assert len(sent.captured_queries) == 3


# What comes otherwise


@pytest.mark.parametrize(
    ("source", "form", "beginning"),
    [("summary", "pdf", b"%PDF"), ("events", "xlsx", b"PK")],
)
def test_whatever_can_be_exported_can_be_scheduled(at_lab, source, form, beginning):
    make_due(made(source=source, form=form, delivery="attachment"))
    running.visit()

    [message] = mail.outbox
    [(name, content, _)] = message.attachments
    assert name.endswith(form)
    assert content.startswith(beginning)


def test_a_row_that_means_nothing_is_paused_and_keeps_no_other(at_lab):
    broken = {
        "cron": made(name="A", cron="0 7 * * *"),
        "span": made(name="B"),
        "asked": made(name="C"),
    }
    for field, schedule in broken.items():
        Schedule.objects.filter(pk=schedule.pk).update(**{field: "{nonsense"})
        make_due(schedule)
    sound = made(name="D")
    make_due(sound)
    running.visit()

    assert [now(one).why for one in broken.values()] == ["unreadable"] * 3
    assert not any(now(one).is_active for one in broken.values())
    assert now(sound).outcome == Outcome.DELIVERED
    subjects = sorted(message.subject for message in mail.outbox)
    assert subjects == ["A is paused · Lab", "B is paused · Lab", "C is paused · Lab", "D · Lab"]
    client = Client(headers={"host": f"{at_lab.slug}.localhost:8000"})
    client.force_login(ann())
    assert client.get("/admin/schedules/").status_code == 200
    assert client.get(f"/admin/schedules/{broken['asked'].pk}/").status_code == 200
    assert [one["name"] for one in map(showing.described, broken.values())] == ["A", "B", "C"]


def test_an_error_of_ours_ends_as_a_failure_and_keeps_no_other(at_lab, monkeypatch):
    make_due(made(name="A", delivery="storage"))
    make_due(made(name="B"))

    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("activity.schedules.making.keep", broken)
    for _ in range(9):
        running.visit()
        Schedule.objects.exclude(step=Step.IDLE).update(look_at=timezone.now())
    running.visit()

    assert sorted(message.subject for message in mail.outbox) == [
        "A was not delivered · Lab",
        "B · Lab",
    ]


def test_erasing_somebody_deletes_the_schedules_that_name_them_and_what_is_kept(at_lab):
    CustomUser.objects.create_user("quistgaard", "q@lab.example", PASSWORD)
    named = made(name="Who?", source="events", search="actor:quistgaard")
    other = made(delivery="storage")
    make_due(other)
    running.visit()
    [told] = events("schedule.delivered")
    erasing.erase(people().find("quistgaard"), "case 17")

    assert list(Schedule.objects.all()) == [other]
    assert not Schedule.objects.filter(pk=named.pk).exists()
    assert not keeping.storage().exists(told.details["file"])
    assert not ActivityEvent.objects.filter(changes__icontains="quistgaard").exists()


def test_the_platform_has_schedules_of_its_own(at_lab):
    with enter_platform():
        operator = CustomUser.objects.create_superuser("olaf", "olaf@home.example", PASSWORD)
        try:
            schedule = made(owner=operator, source="events", search="action:user.*")
            make_due(schedule)
            assert tasks.run_schedules() == 1
            # Nothing hints at what is done on the platform: the next round sends it.
            look_now(schedule)
            with transaction.atomic():
                agenda.keep()
            tasks.run_schedules()
            [message] = mail.outbox
            assert message.subject == "Sign-ins · the platform"
            assert link_in(message).startswith("http://localhost:8000/")
        finally:
            Schedule.objects.all().delete()
            Due.objects.filter(pk="platform").delete()
            ExportJob.objects.all().delete()
            operator.delete()


def test_an_error_of_ours_at_the_beginning_keeps_no_other(at_lab, monkeypatch):
    make_due(made(name="A"), seconds=9)
    make_due(made(name="B", source="events"))
    ask = making.ask

    def broken(schedule, *rest):
        if schedule.name == "A":
            raise RuntimeError("a bug")
        return ask(schedule, *rest)

    monkeypatch.setattr(making, "ask", broken)
    running.visit()

    assert sorted(m.subject for m in mail.outbox) == ["A was not delivered · Lab", "B · Lab"]
    [failed] = events("schedule.failed")
    assert failed.details["error"] == "It failed here. The log of the platform says why."


def test_when_no_mail_is_sent_any_more_nothing_is_said_to_be_delivered(at_lab, settings):
    schedule = made()
    make_due(schedule)
    settings.TENANTRY_SENDS_MAIL = False
    running.visit()

    row = now(schedule)
    assert (row.step, row.outcome, row.is_untold) == (Step.IDLE, Outcome.FAILED, True)
    assert [e.details["why"] for e in events("schedule.failed")] == ["not-sent"]
    assert mail.outbox == []
