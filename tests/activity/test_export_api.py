"""Exports for programs: the same rights as in the panel, and the same files."""

import hashlib
import json

import pytest
from django.core.files.storage import FileSystemStorage

from activity.jobs import running
from activity.models import ExportJob
from tenants.context import enter_tenant
from tests.api import API, program, token_of
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import made, reset_by_peer

EXPORTS = f"{API}exports"
JSON = "application/json"

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


def client_of(place, person, *scopes):
    return program(place, token_of(place, person, *scopes)[1])


def ask(client, **more):
    headers = more.pop("headers", {})
    body = {"source": "events", "format": "ndjson", **more}
    return client.post(EXPORTS, json.dumps(body), content_type=JSON, headers=headers)


def test_a_session_has_no_export_made_without_the_token_of_a_form(acme, ann):
    client = program(acme, enforce_csrf_checks=True)
    with enter_tenant(acme):
        client.force_login(ann)
    assert client.get(EXPORTS).status_code == 200

    assert ask(client).status_code == 403
    with enter_tenant(acme):
        assert not ExportJob.objects.exists()


def test_a_program_asks_looks_and_takes(acme, ann, recorded):
    client = client_of(acme, ann)
    answer = ask(client, filters={"q": "action:user.*"}, columns=["id"], note="for March")
    assert answer.status_code == 202
    said = answer.json()
    assert answer["Location"] == f"{EXPORTS}/{said['id']}"
    assert (said["state"], said["download"], said["is_mine"]) == ("waiting", None, True)
    with enter_tenant(acme):
        assert running.run(said["id"]) == "ready"

    ready = client.get(answer["Location"]).json()
    assert ready["state"] == "ready"
    assert (ready["filters"], ready["note"]) == ({"q": "action:user.*"}, "for March")
    taken = client.get(ready["download"], headers={"accept": "application/x-ndjson"})
    whole = b"".join(taken)
    for close in taken._resource_closers:
        close()
    assert hashlib.sha256(whole).hexdigest() == ready["sha256"]
    assert len(whole.splitlines()) == ready["rows"] > 0
    assert taken["Content-Type"] == "application/x-ndjson"
    assert taken["Repr-Digest"].startswith("sha-256=:")
    [event] = recorded(acme, "export.downloaded")
    assert (event.channel, event.details["by_link"]) == ("api", False)
    manifest = client.get(f"{EXPORTS}/{said['id']}/manifest")
    assert json.loads(b"".join(manifest))["sha256"] == ready["sha256"]
    for close in manifest._resource_closers:
        close()
    assert [one["id"] for one in client.get(EXPORTS).json()["exports"]] == [said["id"]]


def test_a_storage_that_does_not_answer_is_said_and_costs_no_file(acme, ann, monkeypatch):
    job = made(acme, ann)

    monkeypatch.setattr(FileSystemStorage, "_open", reset_by_peer)
    for what in ("download", "manifest"):
        answer = client_of(acme, ann).get(f"{EXPORTS}/{job.pk}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.json()["detail"] == "The storage of files does not answer."
        assert answer["Retry-After"] == "30"
    with enter_tenant(acme):
        assert ExportJob.objects.get(pk=job.pk).is_ready


@pytest.mark.parametrize("what", ["download", "manifest"])
def test_who_comes_before_a_file_is_made_is_told_so(acme, ann, bob, recorded, what):
    client = client_of(acme, ann)
    address = f"{EXPORTS}/{ask(client).json()['id']}"

    early = client.get(f"{address}/{what}")
    with enter_tenant(acme):
        ExportJob.objects.update(state="running", attempts=1, rows_done=1200)
    later = client.get(f"{address}/{what}")

    assert (early.status_code, early.json()["code"]) == (409, "not-made")
    assert early.json()["detail"] == "The file is still being made."
    assert later.json()["detail"] == "The file is still being made, 1,200 rows so far."
    assert later.json()["hint"] == "Look at the export: it says how far it is."
    assert recorded(acme, "export.refused") == []
    assert client_of(acme, bob).get(f"{address}/{what}").status_code == 404
    assert client.post(f"{address}/cancel").status_code == 200
    assert client.get(f"{address}/{what}").status_code == 404


def test_others_and_strangers_take_nothing(acme, globex, ann, bob, cleo, sam, recorded):
    job = made(acme, ann)
    address = f"{EXPORTS}/{job.pk}"

    assert client_of(acme, bob).get(address).json()["download"] is None
    assert client_of(acme, bob).get(f"{address}/download").status_code == 404
    assert client_of(acme, bob).post(f"{address}/cancel").status_code == 403
    assert [e.details["why"] for e in recorded(acme, "export.refused")] == ["no file"]
    for path, method in (
        ("", "get"),
        ("/download", "get"),
        ("/manifest", "get"),
        ("/cancel", "post"),
    ):
        assert getattr(client_of(globex, sam), method)(f"{address}{path}").status_code == 404
        assert getattr(client_of(acme, cleo), method)(f"{address}{path}").status_code == 403
        assert getattr(program(acme), method)(f"{address}{path}").status_code == 401
        lesser = client_of(acme, ann, "record:verify")
        assert getattr(lesser, method)(f"{address}{path}").status_code == 403
    assert client_of(globex, sam).get(EXPORTS).json() == {"exports": [], "next": None}
    assert ask(client_of(acme, cleo)).status_code == 403


def test_the_same_key_is_the_same_export(acme, ann):
    client = client_of(acme, ann)
    first = ask(client, headers={"Idempotency-Key": "k"}).json()
    assert ask(client, headers={"Idempotency-Key": "k"}).json()["id"] == first["id"]
    assert ask(client).json()["id"] != first["id"]


def test_cancelling_stops_it_and_says_so_once(acme, ann):
    client = client_of(acme, ann)
    said = ask(client).json()
    stopped = client.post(f"{EXPORTS}/{said['id']}/cancel")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
    again = client.post(f"{EXPORTS}/{said['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{",
        "",
        json.dumps({"source": "nothing"}),
        json.dumps({"sauce": "events"}),
        json.dumps({"source": 1}),
        json.dumps({"format": "csv"}),
        json.dumps({"source": "events", "filters": ["q"]}),
        json.dumps({"source": "events", "filters": {"q": 1}}),
        json.dumps({"source": "events", "filters": {"q": "a\0"}}),
        json.dumps({"source": "events", "filters": {"x": "1"}}),
        json.dumps({"source": "events", "columns": "id"}),
        json.dumps({"source": "events", "columns": ["salt"]}),
        json.dumps({"source": "events", "format": "docx"}),
        json.dumps({"source": "events", "compression": "rar"}),
        json.dumps({"source": "events", "note": "x" * 70_000}),
    ],
)
def test_what_means_nothing_is_a_problem_with_a_hint(acme, ann, body):
    answer = client_of(acme, ann).post(EXPORTS, body, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input"), answer.json()
    assert answer.json()["hint"]
    with enter_tenant(acme):
        assert not ExportJob.objects.exists()


def test_lists_go_on_page_by_page(acme, ann):
    client = client_of(acme, ann)
    ids = [ask(client).json()["id"] for _ in range(3)]
    first = client.get(EXPORTS, {"limit": "2"}).json()
    assert [one["id"] for one in first["exports"]] == ids[:0:-1]
    second = client.get(first["next"]).json()
    assert ([one["id"] for one in second["exports"]], second["next"]) == (ids[:1], None)
    for wrong in ({"limit": "0"}, {"limit": "x"}, {"before": "x"}, {"page": "2"}):
        assert client.get(EXPORTS, wrong).status_code == 400


def test_a_tenant_that_has_no_room_is_told(acme, ann, settings):
    settings.TENANTRY_EXPORT_MOST_WAITING = 1
    client = client_of(acme, ann)
    ask(client)
    refused = ask(client)
    assert (refused.status_code, refused.json()["code"]) == (409, "quota-reached")
