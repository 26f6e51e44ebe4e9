"""Files of exports end with whom they may have in them, and with their tenant."""

import json
import zipfile
from io import BytesIO

import pytest

from accounts import erasure
from activity.forgetting import disclosure, erasing
from activity.jobs import asking, keeping, steps
from activity.models import ExportJob
from tenants import purging
from tenants.archive.contents import left_out
from tenants.context import enter_tenant
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import files, made

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


def erase(tenant, person):
    with enter_tenant(tenant):
        erasing.erase(erasure.person_with(str(person.public_id)), "request 4711")


def test_an_erasure_deletes_every_file_of_the_place_and_of_no_other(
    acme, globex, ann, bob, cleo, sam, exports_of_its_own, recorded
):
    of_ann, of_bob = made(acme, ann), made(acme, bob, "xlsx")
    elsewhere = made(globex, sam)
    erase(acme, bob)

    with enter_tenant(acme):
        states = dict(ExportJob.objects.values_list("pk", "state"))
        assert states == {of_ann.pk: "expired", of_bob.pk: "expired"}
        assert "somebody was erased" in ExportJob.objects.get(pk=of_ann.pk).error
        label = ExportJob.objects.get(pk=of_bob.pk).requester_label
        assert label == f"erased-{str(bob.public_id)[-8:]}"
    kept = [name for name in files(exports_of_its_own) if str(acme.pk) in name]
    assert kept == []
    assert any(str(elsewhere.pk) in name for name in files(exports_of_its_own))
    why = {event.details["why"] for event in recorded(acme, "export.expired")}
    assert why == {"somebody was erased"}


def test_what_the_erased_person_waits_for_fails_and_what_is_being_made_begins_anew(acme, ann, bob):
    with enter_tenant(acme):
        theirs = asking.request("events", {}, "csv", by=bob)
        others = asking.request("events", {}, "csv", by=ann)
        about = asking.request("events", {"q": 'actor:"Bob canary-of-acme"'}, "csv", by=ann)
        steps.claim(others, {"xids": "1:1:", "cluster": 1})
        before = others.attempts
    erase(acme, bob)

    with enter_tenant(acme):
        theirs.refresh_from_db()
        assert (theirs.state, theirs.error) == ("failed", "Whoever asked for this file was erased.")
        others.refresh_from_db()
        assert (others.state, others.snapshot) == ("waiting", None)
        assert others.attempts > before
        about.refresh_from_db()
        assert about.state == "failed"
        assert "Bob" not in json.dumps(about.asked)


def part_of(tenant, job, name="1", text=b"Bob canary-of-acme"):
    """What a killed worker, or one that is at work, has on this machine's disk."""
    path = keeping._parts() / str(tenant.pk) / f"{job.pk}-{name}.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def test_an_erasure_removes_the_parts_that_killed_workers_left(acme, globex, ann, bob, sam):
    with enter_tenant(acme):
        killed, waiting = (asking.request("events", {}, "csv", by=ann) for _ in range(2))
        steps.claim(killed, {"xids": "1:1:", "cluster": 1})
    gone = [part_of(acme, killed), part_of(acme, waiting)]
    kept = [part_of(acme, waiting, "2", b""), part_of(globex, made(globex, sam))]
    erase(acme, bob)
    assert [path.exists() for path in gone] == [False, False]
    assert [path.exists() for path in kept] == [True, True]


def test_an_erasure_spares_the_part_of_what_was_begun_since(acme, ann, bob, monkeypatch):
    with enter_tenant(acme):
        begun = asking.request("events", {}, "csv", by=ann)
        steps.claim(begun, {"xids": "1:1:", "cluster": 1})
    # As if it had been claimed when it was just looked at.
    monkeypatch.setattr(steps, "begin_again", lambda job: False)
    part = part_of(acme, begun)
    erase(acme, bob)
    assert part.exists()


def test_subject_access_has_what_somebody_asked_for(acme, ann, bob):
    job = made(acme, bob, q="action:user.*")
    made(acme, ann)
    with enter_tenant(acme):
        file = BytesIO()
        disclosure.write(erasure.person_with(str(bob.public_id)), file)
    lines = zipfile.ZipFile(file).read("exports.ndjson").decode().splitlines()
    [row] = [json.loads(line) for line in lines]
    assert (row["id"], row["filters"]) == (str(job.pk), {"q": "action:user.*"})


def test_purging_a_tenant_deletes_its_files_and_an_archive_leaves_the_rows_out(
    acme, globex, ann, sam, exports_of_its_own
):
    made(acme, ann)
    kept = made(globex, sam)
    assert keeping.drop_all_of(acme) == 2
    assert keeping.drop_all_of(acme) == 0
    assert all(str(kept.pk) in name for name in files(exports_of_its_own))
    assert purging._places["files of exports"] is keeping.drop_all_of
    assert "activity_exportjob" in left_out()
