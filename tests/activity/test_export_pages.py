"""The page of exports: for whom may read the record, and their own files once by each link."""

import hashlib
import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from accounts.models import CustomUser
from activity.jobs import asking, keeping, links, running, steps
from activity.jobs.sources import all_sources
from activity.models import ActivityEvent, ExportJob
from activity.recording import record
from tenants.context import enter_platform, enter_tenant
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import made, reset_by_peer

PAGE = "/admin/exports/"
NEW = f"{PAGE}new/"


pytestmark = pytest.mark.usefixtures("exports_of_its_own")


def link_to(tenant, job, person, **options):
    with enter_tenant(tenant):
        return links.path_for(job, str(person.public_id), **options)


def taken(client, path):
    """The answer with a file, all of which was read."""
    response = client.get(path)
    whole = b"".join(response)
    # Not the answer's own close, which ends the test's transaction with the request.
    for close in response._resource_closers:
        close()
    return response, whole


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def refusals(recorded, tenant):
    return [event.details.get("why") for event in recorded(tenant, "export.refused")]


# The list


def test_an_empty_list_says_what_will_be_there(acme, ann, browser):
    answer = browser(acme, ann).get(PAGE)
    assert "No exports yet" in text(answer)
    assert NEW in answer.content.decode()


def test_the_list_shows_what_who_how_large_and_its_checksum(acme, ann, bob, browser):
    job = made(acme, ann, q="action:session.started")
    shown = text(browser(acme, bob).get(PAGE))

    for said in ("Events CSV", "Ready", "action:session.started", "expires", job.sha256, "ann"):
        assert said in shown
    # Bob sees it, and cannot take it.
    assert "Download" not in shown
    assert "Cancel" not in shown
    assert "Download" in text(browser(acme, ann).get(PAGE))


def running_job(tenant, by, **fields):
    """Have a job of somebody's run for two seconds, with what it has done so far."""
    with enter_tenant(tenant):
        job = asking.request("events", {}, "csv", by=by)
        now = timezone.now()
        begun = {"state": "running", "attempts": 1, "started_at": now - timedelta(seconds=2)}
        ExportJob.objects.filter(pk=job.pk).update(**begun, progressed_at=now, **fields)


def test_progress_is_shown_with_rate_and_time_left_and_the_list_alone_can_be_fetched(
    acme, ann, browser
):
    running_job(acme, ann, rows_done=250_000, rows_expected=1_000_000, bytes=80_000_000)
    answer = browser(acme, ann).get(f"{PAGE}list/")
    shown = text(answer)

    assert 'data-active="yes"' in answer.content.decode()
    assert 'value="25"' in answer.content.decode()
    assert "250,000 rows of about 1,000,000" in shown
    assert "125,000 a second" in shown
    assert "6 s left" in shown
    assert "<html" not in answer.content.decode()


def test_more_rows_than_were_expected_are_not_said_to_be_of_fewer(acme, ann, browser):
    running_job(acme, ann, rows_done=72_642, rows_expected=28_186)
    answer = browser(acme, ann).get(f"{PAGE}list/")

    assert "72,642 rows ·" in text(answer)
    assert "28,186" not in text(answer)
    assert "left" not in text(answer)
    assert '<progress max="100" aria-label' in answer.content.decode()


@pytest.mark.parametrize("path", [PAGE, NEW, f"{PAGE}list/"])
def test_who_may_not_read_the_record_has_no_page_of_exports(acme, cleo, browser, path):
    assert browser(acme).get(path).status_code == 302
    assert browser(acme, cleo).get(path).status_code in (302, 403)
    with enter_tenant(acme):
        CustomUser.objects.filter(username="cleo").update(is_staff=True)
    assert browser(acme, cleo).get(path).status_code == 403


def test_e04_the_other_tenant_shows_and_gives_nothing_of_it(acme, globex, ann, sam, browser):
    job = made(acme, ann)
    strangers = browser(globex, sam)

    assert job.sha256 not in strangers.get(PAGE).content.decode()
    for path in (f"{PAGE}{job.pk}/manifest/",):
        assert strangers.get(path).status_code == 404
    for act in ("download", "cancel", "delete"):
        assert strangers.post(f"{PAGE}{job.pk}/", {"do": act}).status_code == 404
    with enter_tenant(acme):
        assert ExportJob.objects.get(pk=job.pk).state == "ready"


# Taking it


def test_a_file_is_downloaded_by_a_link_that_opens_once(acme, ann, browser, recorded):
    job = made(acme, ann)
    client = browser(acme, ann)
    led = client.post(f"{PAGE}{job.pk}/", {"do": "download"})
    assert led.status_code == 302
    answer, whole = taken(client, led["Location"])

    assert hashlib.sha256(whole).hexdigest() == job.sha256
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    day = job.asked_at.date()
    assert answer["Content-Disposition"] == f'attachment; filename="acme-events-{day}.csv"'
    [event] = recorded(acme, "export.downloaded")
    assert (event.actor_id, event.details["sha256"]) == (str(ann.public_id), job.sha256)

    again = client.get(led["Location"])
    assert again.status_code == 404
    assert "used already" in text(again)
    assert refusals(recorded, acme) == ["used"]
    assert client.post(f"{PAGE}{job.pk}/", {"do": "download"}).status_code == 302


def test_looking_at_a_link_does_not_use_it(acme, ann, browser):
    job = made(acme, ann)
    client, path = browser(acme, ann), link_to(acme, job, ann)

    assert client.head(path).status_code == 405
    assert client.get(path, headers={"Sec-Purpose": "prefetch"}).status_code == 503
    assert taken(client, path)[0].status_code == 200


def test_e04_a_link_opens_for_nobody_else_nowhere_else_and_not_later(
    acme, globex, ann, bob, sam, browser, recorded
):
    job = made(acme, ann)
    for client, place, why, said in (
        (browser(acme, bob), acme, "another person", "nothing for you"),
        (browser(globex, sam), globex, "elsewhere", "opens nothing here"),
    ):
        refused = client.get(link_to(acme, job, ann))
        assert refused.status_code == 404
        assert said in text(refused)
        assert refusals(recorded, place) == [why]
    over = link_to(acme, job, ann, until=timezone.now() - timedelta(seconds=1))
    late = browser(acme, ann).get(over)
    assert (late.status_code, "link is over" in text(late)) == (404, True)
    guessed = browser(acme, ann).get(f"{PAGE}file/{'x' * 40}/")
    assert guessed.status_code == 404
    assert refusals(recorded, acme) == ["another person", "expired", "elsewhere"]
    # Whoever it is for can still use it.
    assert taken(browser(acme, ann), link_to(acme, job, ann))[0].status_code == 200


def test_e05_whoever_lost_the_permission_or_left_takes_nothing_with_an_old_link(
    acme, ann, bob, browser, recorded
):
    job = made(acme, bob)
    path, client = link_to(acme, job, bob), browser(acme, bob)
    with enter_tenant(acme):
        bob.groups.clear()
    refused = client.get(path)
    assert (refused.status_code, "not read this any more" in text(refused)) == (404, True)
    assert refusals(recorded, acme) == ["not permitted"]
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(is_active=False)
    assert client.get(path).status_code == 302


def test_e04_somebody_elses_file_is_not_taken_by_its_id(acme, ann, bob, browser, recorded):
    job = made(acme, ann)
    client = browser(acme, bob)

    for act in ("download", "cancel", "delete"):
        answer = client.post(f"{PAGE}{job.pk}/", {"do": act})
        assert answer.status_code in (302, 404)
    assert client.get(f"{PAGE}{job.pk}/manifest/").status_code == 404
    assert refusals(recorded, acme) == ["no file", "no file"]
    with enter_tenant(acme):
        assert ExportJob.objects.get(pk=job.pk).state == "ready"


def test_a_file_that_is_gone_is_said_to_be_gone(acme, ann, browser, recorded):
    job = made(acme, ann)
    with enter_tenant(acme):
        keeping.drop(job)
    answer = browser(acme, ann).get(link_to(acme, job, ann), follow=True)

    assert "not there any more" in text(answer)
    assert [e.details["why"] for e in recorded(acme, "export.expired")] == ["it was gone"]


def test_a_storage_that_does_not_answer_costs_neither_the_file_nor_the_link(
    acme, ann, browser, recorded, monkeypatch
):
    job = made(acme, ann)
    link = link_to(acme, job, ann)
    client = browser(acme, ann)
    with monkeypatch.context() as away:
        away.setattr(FileSystemStorage, "_open", reset_by_peer)
        for path in (link, f"{PAGE}{job.pk}/manifest/"):
            answer = client.get(path)
            assert (answer.status_code, answer["Retry-After"]) == (503, "30")
            assert "The storage of files does not answer." in text(answer)

    assert recorded(acme, "export.expired", "export.downloaded") == []
    answer, whole = taken(client, link)
    assert answer.status_code == 200
    assert hashlib.sha256(whole).hexdigest() == job.sha256


@pytest.mark.parametrize("named", ["{theirs}", "{own}/../../{theirs}"])
def test_a_row_that_names_somebody_elses_file_gives_nothing_of_it(
    acme, globex, ann, sam, browser, recorded, named
):
    """All tenants share the storage, and a row may be forged: in an archive, or by raw SQL."""
    theirs, job = made(globex, sam), made(acme, ann)
    with enter_tenant(acme):
        job.file = named.format(own=f"{acme.pk}/{job.pk}", theirs=theirs.file)
        job.save(update_fields=["file"])
    client = browser(acme, ann)

    assert client.get(f"{PAGE}{job.pk}/manifest/").status_code == 302
    assert "not there any more" in text(client.get(link_to(acme, job, ann), follow=True))
    assert recorded(acme, "export.downloaded") == []
    with enter_tenant(globex), keeping.opened(theirs) as file:
        assert hashlib.sha256(file.read()).hexdigest() == theirs.sha256


def test_the_manifest_lies_beside_it(acme, ann, browser):
    job = made(acme, ann)
    _, whole = taken(browser(acme, ann), f"{PAGE}{job.pk}/manifest/")
    manifest = json.loads(whole)
    assert (manifest["sha256"], manifest["rows"]) == (job.sha256, job.rows_done)


def test_its_owner_and_an_administrator_can_cancel_and_delete(acme, ann, bob, browser, recorded):
    with enter_tenant(acme):
        waiting = asking.request("events", {}, "csv", by=bob)
    ready = made(acme, bob)
    client = browser(acme, ann)
    assert "cancelled" in text(client.post(f"{PAGE}{waiting.pk}/", {"do": "cancel"}, follow=True))
    assert "over already" in text(
        client.post(f"{PAGE}{waiting.pk}/", {"do": "cancel"}, follow=True)
    )
    assert "deleted" in text(client.post(f"{PAGE}{ready.pk}/", {"do": "delete"}, follow=True))
    assert len(recorded(acme, "export.cancelled")) == 1
    assert client.post(f"{PAGE}{ready.pk}/", {"do": "fly"}).status_code == 400


# Asking


def test_the_form_says_how_many_rows_there_will_be(acme, ann, browser):
    with enter_tenant(acme):
        for _ in range(3):
            record("session.ended", reason="now")
        there = ActivityEvent.objects.filter(action="session.ended").count()
    shown = text(browser(acme, ann).get(NEW, {"q": "action:session.ended"}))
    assert f"This will have {there} rows." in shown


def test_a_file_is_asked_for_and_an_empty_one_only_when_that_is_meant(acme, ann, browser):
    client = browser(acme, ann)
    empty = {"source": "events", "q": "actor:nobody-at-all", "format": "csv"}
    answer = client.post(NEW, empty)
    assert answer.status_code == 200
    assert "the file would be empty" in text(answer)
    assert client.post(NEW, {**empty, "empty": "1"}).status_code == 302
    wanted = {"q": "action:session.*", "format": "xlsx", "columns": ["id", "action"], "note": "x"}
    assert client.post(NEW, {"source": "events", **wanted}).status_code == 302
    with enter_tenant(acme):
        newest, oldest = ExportJob.objects.order_by("-id")
        assert newest.asked["columns"] == ["id", "action"]
        assert newest.asked["filters"] == {"q": "action:session.*"}
        assert oldest.requester_id == str(ann.public_id)


def test_what_cannot_be_made_is_said_on_the_form(acme, ann, browser):
    answer = browser(acme, ann).post(NEW, {"source": "events", "q": "acter:ann", "format": "csv"})
    assert answer.status_code == 400
    assert "acter" in text(answer)
    answer = browser(acme, ann).post(
        NEW, {"source": "events", "format": "xlsx", "compress": "gzip"}
    )
    assert "compressed already" in text(answer)
    with enter_tenant(acme):
        assert not ExportJob.objects.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": "nosuch"}, "There is nothing called 'nosuch' to export. Choose one of events,"),
        ({"format": "nosuch"}, "cannot be written as 'nosuch'. Choose one of csv,"),
        ({"compress": "nosuch"}, "nosuch"),
        ({"actor": "ann"}, "has no filter 'actor'. Choose of since, until, q."),
        ({"p_nosuch": "1"}, "has no filter 'p_nosuch'."),
        (
            {"source": "most-active", "by": "day"},
            "has no filter 'by'. Choose of since, until, most",
        ),
        ({"source": "nosuch", "empty": "1"}, "There is nothing called"),
    ],
    ids=str,
)
def test_what_names_nothing_is_refused_and_makes_no_file(acme, ann, browser, given, said):
    typed = {"q": "action:session.*", "since": "2026-01-02", "note": "for the audit"}
    answer = browser(acme, ann).post(NEW, {"source": "events", "format": "csv", **typed, **given})

    assert answer.status_code == 400
    # As a reader has it, with its marks as they are shown.
    assert said in unescape(text(answer))
    page = answer.content.decode()
    for name in ("source", "format"):
        wanted = given.get(name, {"source": "events", "format": "csv"}[name])
        assert re.search(rf'<option value="{wanted}" selected>', page)
    assert 'value="2026-01-02"' in page
    assert 'value="for the audit"' in page
    with enter_tenant(acme):
        assert not ExportJob.objects.exists()


def test_what_the_form_still_has_of_another_source_is_left_out(acme, ann, browser):
    form = {"source": "bundle", "format": "csv", "q": "actor:ann", "p_most": "5", "p_by": "week"}
    assert browser(acme, ann).post(NEW, form).status_code == 302
    with enter_tenant(acme):
        job = ExportJob.objects.get()
        assert (job.source, job.asked["form"]) == ("bundle", "zip")


def test_a_link_that_names_nothing_says_so_before_anything_is_made(acme, ann, browser):
    shown = text(browser(acme, ann).get(NEW, {"source": "nosuch"}))
    assert "There is nothing called" in shown
    assert "This will have" not in shown


def test_a_long_list_is_better_made_in_the_background(acme, ann, browser, settings):
    settings.TENANTRY_EXPORT_BACKGROUND_ROWS = 1
    events = "/admin/activity/activityevent/"
    led = browser(acme, ann).get(events, {"export": "ndjson", "columns": "id,action"})
    assert led.status_code == 302
    asked = urlsplit(led["Location"])
    assert asked.path == NEW
    assert parse_qs(asked.query) == {
        "format": ["ndjson"],
        "columns": ["id", "action"],
        "large": ["1"],
    }
    assert "That list is long" in text(browser(acme, ann).get(led["Location"]))
    now = browser(acme, ann).get(events, {"export": "ndjson", "now": "1"})
    assert now["Content-Type"] == "application/x-ndjson"


def test_operators_have_the_page_on_the_platform(operator, browser):
    client = browser(None, operator)
    assert client.post(NEW, {"source": "events", "format": "csv"}).status_code == 302
    assert "Waits for a worker" in text(client.get(PAGE))
    with enter_platform():
        job = ExportJob.objects.get()
        assert running.run(str(job.pk)) == "ready"
    led = client.post(f"{PAGE}{job.pk}/", {"do": "download"})
    assert taken(client, led["Location"])[0].status_code == 200
    with enter_platform():
        steps.expire(job, "its time was over")


def test_what_can_be_asked_for_is_what_there_is_in_the_place(acme):
    with enter_tenant(acme):
        assert "all-tenants" not in all_sources()
        assert {"events", "sign-ins", "bundle"} <= set(all_sources())
    with enter_platform():
        assert "all-tenants" in all_sources()
