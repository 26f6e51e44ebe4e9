"""Schedules for programs: the panel's rights and bounds, and each act in the record."""

import json
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from activity.models import ExportJob, Schedule
from activity.schedules import delivering, keeping, running, steps
from activity.schedules.wishes import Wish
from tenants.context import enter_platform, enter_tenant
from tests.activity.test_api_schema import described as described
from tests.activity.test_api_schema import fits
from tests.activity.test_schedules import live_far_apart, operator_who_reads_the_record
from tests.api import API, program, token_of
from tests.exports import exports_of_its_own as exports_of_its_own

SCHEDULES = f"{API}schedules"
JSON = "application/json"
BOTH = ("record:read", "schedules:write")
WISH = {"name": "Sign-ins", "source": "sign-ins", "cron": "0 7 * * 1", "span": "week"}

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


def client_of(place, person, *scopes):
    return program(place, token_of(place, person, *(scopes or BOTH))[1])


def add(client, **more):
    return client.post(SCHEDULES, json.dumps({**WISH, **more}), content_type=JSON)


def change(client, key, **fields):
    return client.patch(f"{SCHEDULES}/{key}", json.dumps(fields), content_type=JSON)


@pytest.fixture
def kept(acme, ann):
    """Ann's schedule."""
    with enter_tenant(acme):
        return keeping.create(ann, Wish(name="Ann's", source="sign-ins", cron="0 7 * * *"))


def test_a_program_keeps_a_schedule_as_its_person(acme, ann, recorded):
    client = client_of(acme, ann)
    answer = add(client, delivery="storage")
    assert answer.status_code == 201
    said = answer.json()
    assert answer["Location"] == f"{SCHEDULES}/{said['id']}"
    assert (said["owner"], said["is_mine"], said["active"]) == ("ann", True, True)
    assert (said["format"], said["span"], said["delivery"]) == ("csv", "week", "storage")
    assert said["when"].startswith("at 07:00 on Monday")
    assert client.get(answer["Location"]).json() == said
    assert client.get(SCHEDULES).json() == {"schedules": [said], "next": None}

    changed = change(client, said["id"], cron="daily", span="day")
    assert changed.status_code == 200
    assert (changed.json()["cron"], changed.json()["span"]) == ("0 7 * * *", "day")
    assert changed.json()["delivery"] == "storage"
    paused = client.post(f"{SCHEDULES}/{said['id']}/pause").json()
    assert (paused["active"], paused["why"], paused["next_at"]) == (False, "by-hand", None)
    resumed = client.post(f"{SCHEDULES}/{said['id']}/resume").json()
    assert (resumed["active"], resumed["why"]) == (True, None)
    gone = client.delete(f"{SCHEDULES}/{said['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(answer["Location"]).status_code == 404

    events = [
        event
        for action in ("created", "changed", "paused", "resumed", "deleted")
        for event in recorded(acme, f"schedule.{action}")
    ]
    assert [event.action.partition(".")[2] for event in events] == [
        *("created", "changed", "paused", "resumed", "deleted")
    ]
    assert {(event.channel, event.actor_id) for event in events} == {("api", str(ann.public_id))}
    assert {event.target_id for event in events} == {said["id"]}


def test_answers_are_of_the_form_that_is_described(acme, ann, described):
    client = client_of(acme, ann)
    made = add(client)
    key = made.json()["id"]
    run = client.post(f"{SCHEDULES}/{key}/run")
    for answer, path, method in (
        (made, SCHEDULES, "post"),
        (client.get(SCHEDULES), SCHEDULES, "get"),
        (client.get(f"{SCHEDULES}/{key}"), f"{SCHEDULES}/{{schedule_id}}", "get"),
        (change(client, key, cron="x"), f"{SCHEDULES}/{{schedule_id}}", "patch"),
        (run, f"{SCHEDULES}/{{schedule_id}}/run", "post"),
        (client.post(f"{SCHEDULES}/{key}/run"), f"{SCHEDULES}/{{schedule_id}}/run", "post"),
        (client.get(f"{SCHEDULES}/{key}/runs"), f"{SCHEDULES}/{{schedule_id}}/runs", "get"),
        (preview(client, **WISH), f"{SCHEDULES}/preview", "post"),
    ):
        answers = described["paths"][path][method]["responses"]
        schema = answers[str(answer.status_code)]["content"][answer["Content-Type"]]["schema"]
        assert fits(described, schema, answer.json()) == [], path


def preview(client, **wish):
    return client.post(f"{SCHEDULES}/preview", json.dumps(wish), content_type=JSON)


def test_a_preview_keeps_nothing(acme, ann):
    answer = preview(client_of(acme, ann, "record:read"), **WISH)
    assert answer.status_code == 200
    said = answer.json()
    assert len(said["runs"]) == 5
    assert said["columns"][0] == "day"
    assert said["since"] < said["until"]
    assert [*said["first"][0]] == said["columns"]
    with enter_tenant(acme):
        assert not Schedule.objects.exists()


def test_a_preview_goes_by_the_clock_of_the_organisation_whoever_reads_it(acme, ann):
    live_far_apart(acme, ann)

    said = preview(client_of(acme, ann, "record:read"), **{**WISH, "cron": "0 7 L * *"}).json()

    assert said["time_zone"] == "America/Sao_Paulo"
    assert {run[10:] for run in said["runs"]} == {"T07:00:00-03:00"}


def test_a_preview_is_a_look_at_what_it_is_of(acme, ann, recorded):
    shown = preview(client_of(acme, ann, "record:read"), **WISH)

    [event] = recorded(acme, "report.viewed")
    assert (event.target_id, event.channel) == ("sign-ins", "api")
    assert event.details["period"] == f"{shown.json()['since']} to {shown.json()['until']}"


def test_a_preview_shows_no_tenant_to_whom_may_see_none(db):
    with enter_platform():
        petra = operator_who_reads_the_record()
    client = client_of(None, petra)

    for refused in (
        client.get(f"{API}reports/tenants"),
        preview(client, **{**WISH, "source": "tenants"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted")


def test_a_run_is_made_now_and_told_with_its_outcome(acme, ann, kept, recorded):
    client = client_of(acme, ann)
    address = f"{SCHEDULES}/{kept.pk}"
    assert client.get(f"{address}/runs").json() == {"runs": [], "next": None}
    begun = client.post(f"{address}/run").json()
    assert begun["outcome"] == "under way"
    with enter_tenant(acme):
        [job] = ExportJob.objects.filter(schedule_id=kept.pk)
    [under_way] = client.get(f"{address}/runs").json()["runs"]
    assert (under_way["id"], under_way["outcome"]) == (None, "under way")
    assert under_way["export"] == str(job.pk)

    again = client.post(f"{address}/run")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    with enter_tenant(acme):
        row = Schedule.objects.get(pk=kept.pk)
        steps.fail(row, steps.NOT_MADE, "The disk is full.")
        row.save()
    [failed] = client.get(f"{address}/runs").json()["runs"]
    assert (failed["outcome"], failed["why"]) == ("failed", "not-made")
    assert (failed["error"], failed["export"]) == ("The disk is full.", str(job.pk))
    [event] = recorded(acme, "schedule.failed")
    assert failed["id"] == str(event.pk)


def test_a_run_that_arrived_says_how(acme, ann, settings):
    client = client_of(acme, ann)
    key = add(client, delivery="storage").json()["id"]
    with enter_tenant(acme):
        running.run_now(ann, keeping.found(ann, uuid.UUID(key)))
        [job] = ExportJob.objects.filter(schedule_id=key)
        from activity.jobs import running as jobs

        assert jobs.run(str(job.pk)) == "ready"
        Schedule.objects.filter(pk=key).update(
            step=Schedule.Step.SENDING, look_at=timezone.now(), attempts=1
        )
        delivering.send(Schedule.objects.get(pk=key))
    [run] = client.get(f"{SCHEDULES}/{key}/runs").json()["runs"]
    assert (run["outcome"], run["delivery"], run["export"]) == ("delivered", "storage", str(job.pk))
    assert run["file"].endswith(".csv")


def test_runs_and_schedules_come_in_pages(acme, ann, kept):
    client = client_of(acme, ann)
    with enter_tenant(acme):
        for number in range(5):
            row = Schedule.objects.get(pk=kept.pk)
            steps.fail(row, steps.NOT_MADE, f"number {number}")
            row.save()
        for number in range(4):
            keeping.create(ann, Wish(name=f"No {number}", source="sign-ins", cron="daily"))
    for address, name, key in (
        (f"{SCHEDULES}/{kept.pk}/runs", "runs", "error"),
        (SCHEDULES, "schedules", "name"),
    ):
        found, next_ = [], f"{address}?limit=2"
        while next_:
            page = client.get(next_).json()
            assert len(page[name]) <= 2
            found += [one[key] for one in page[name]]
            next_ = page["next"]
        assert len(found) == len(set(found)) == 5
        assert found[:2] in (["number 4", "number 3"], ["No 3", "No 2"])


def test_others_see_nothing_and_who_oversees_may_pause(acme, ann, bob, cleo, kept, recorded):
    address = f"{SCHEDULES}/{kept.pk}"
    theirs = client_of(acme, bob)
    assert theirs.get(SCHEDULES).json()["schedules"] == []
    for path, method in ACTS:
        data = {} if method == "get" else SENT
        assert getattr(theirs, method)(f"{address}{path}", **data).status_code == 404, path
        assert getattr(client_of(acme, cleo), method)(f"{address}{path}", **data).status_code == 403
    with enter_tenant(acme):
        own = keeping.create(bob, Wish(name="Bob's", source="sign-ins", cron="daily"))
    chief = client_of(acme, ann)
    [bobs] = [one for one in chief.get(SCHEDULES).json()["schedules"] if not one["is_mine"]]
    assert bobs["owner"] == "bob"
    for path in ("/resume", "/run"):
        assert chief.post(f"{SCHEDULES}/{own.pk}{path}").status_code == 404
    assert change(chief, own.pk, cron="weekly").status_code == 404
    assert chief.post(f"{SCHEDULES}/{own.pk}/pause").json()["active"] is False
    assert chief.delete(f"{SCHEDULES}/{own.pk}").status_code == 204
    assert [event.actor_id for event in recorded(acme, "schedule.deleted")] == [str(ann.public_id)]


ACTS = [
    *(("", "get"), ("", "patch"), ("", "delete"), ("/runs", "get")),
    *(("/pause", "post"), ("/resume", "post"), ("/run", "post")),
]
SENT = {"data": '{"cron": "daily"}', "content_type": JSON}


def test_a_stranger_finds_nothing(acme, globex, ann, sam, kept):
    address = f"{SCHEDULES}/{kept.pk}"
    stranger = client_of(globex, sam)
    carried = program(acme, token_of(globex, sam, *BOTH)[1])
    assert stranger.get(SCHEDULES).json() == {"schedules": [], "next": None}
    for path, method in ACTS:
        data = {} if method == "get" else SENT
        assert getattr(stranger, method)(f"{address}{path}", **data).status_code == 404, path
        assert getattr(carried, method)(f"{address}{path}", **data).status_code == 401, path
        assert getattr(program(acme), method)(f"{address}{path}", **data).status_code == 401, path
    with enter_tenant(acme):
        assert Schedule.objects.get(pk=kept.pk).is_active


def test_a_token_needs_the_scope_for_what_it_does(acme, ann, kept):
    reads, writes = client_of(acme, ann, "record:read"), client_of(acme, ann, "schedules:write")
    address = f"{SCHEDULES}/{kept.pk}"
    assert reads.get(address).status_code == 200
    for path, method in ACTS:
        client = writes if method == "get" else reads
        answer = getattr(client, method)(
            f"{address}{path}", **({} if method == "get" else SENT)
        ).json()
        assert answer["code"] == "insufficient-scope", (path, method)
    assert add(reads).json()["code"] == "insufficient-scope"
    assert preview(writes, **WISH).json()["code"] == "insufficient-scope"
    assert writes.post(f"{address}/pause").status_code == 200
    assert client_of(acme, ann, "record:verify").get(address).status_code == 403


def test_who_is_signed_in_needs_the_token_against_forged_forms(acme, ann, kept):
    client = Client(enforce_csrf_checks=True, headers={"host": f"{acme.slug}.localhost:8000"})
    with enter_tenant(acme):
        client.force_login(ann)
    assert client.get(SCHEDULES).status_code == 200
    assert client.post(f"{SCHEDULES}/{kept.pk}/pause").status_code == 403
    with enter_tenant(acme):
        assert Schedule.objects.get(pk=kept.pk).is_active


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cron": "0 0 31 2 *"}, "never runs"),
        ({"cron": "* * * * *"}, "times an hour"),
        ({"source": "nonsense"}, "nonsense"),
        ({"format": "doc"}, "doc"),
        ({"name": ""}, "no name"),
        ({"name": "x" * 61}, "61 characters"),
        ({"name": "a\0b"}, "no text"),
        ({"search": "actor:ann"}, "Only events"),
        ({"search": None}, "no text"),
        ({"columns": "id"}, "no list"),
        ({"columns": [1]}, "no text"),
        ({"parameters": []}, "no object"),
        ({"parameters": {"days": 3}}, "no text"),
        ({"span": "last-99999"}, "last-99999"),
        ({"delivery": "pigeon"}, "pigeon"),
        ({"owner": "bob"}, "no member 'owner'"),
    ],
)
def test_what_cannot_be_kept_is_explained(acme, ann, kept, wrong, said):
    client = client_of(acme, ann)
    for answer in (add(client, **wrong), preview(client, **{**WISH, **wrong})):
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert said in answer.json()["detail"]
        assert answer.json()["hint"]
    assert change(client, kept.pk, **wrong).status_code == 400
    with enter_tenant(acme):
        assert [one.name for one in Schedule.objects.all()] == ["Ann's"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON object"),
        ('{"name": "x", "source": "sign-ins"}', "Cron is missing"),
        (json.dumps({"name": "x" * 70_000}), "too long"),
    ],
)
def test_a_body_that_means_nothing_is_explained(acme, ann, body, said):
    answer = client_of(acme, ann).post(SCHEDULES, body, content_type=JSON)
    assert (answer.status_code, said in answer.json()["detail"]) == (400, True)


def test_parameters_of_the_address_are_checked(acme, ann, kept):
    client = client_of(acme, ann)
    for query in ("limit=0", "limit=x", "limit=201", "before=x", "nonsense=1"):
        for address in (SCHEDULES, f"{SCHEDULES}/{kept.pk}/runs"):
            assert client.get(f"{address}?{query}").status_code == 400, query
    assert client.get(f"{SCHEDULES}/nonsense").status_code == 404


def test_one_too_many_is_a_conflict(acme, ann, monkeypatch):
    monkeypatch.setattr(keeping, "MOST", 1)
    client = client_of(acme, ann)
    assert add(client).status_code == 201
    answer = add(client)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_operators_have_schedules_of_the_platforms_record(operator, acme, ann, kept):
    client = client_of(None, operator)
    said = add(client).json()
    assert said["owner"] == operator.username
    assert [one["id"] for one in client.get(SCHEDULES).json()["schedules"]] == [said["id"]]
    with enter_platform():
        assert [str(one.pk) for one in Schedule.objects.all()] == [said["id"]]
    with enter_tenant(acme):
        assert [one.pk for one in Schedule.objects.all()] == [kept.pk]
