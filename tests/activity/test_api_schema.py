"""The OpenAPI document and docs/api.md: what they say is what the API does."""

import json
import re
import shlex
from urllib.parse import urlencode, urlsplit

import pytest
import yaml
from django.core.management import call_command
from django.urls import get_resolver
from jsonschema import Draft202012Validator, FormatChecker

from activity.api.parameters import NAMES
from activity.api.published import document
from activity.api.views import RecordView
from activity.models import ActivityEvent
from activity.recording import record
from activity.subjects import Subject
from config.environment import CHECKOUT
from tenants.context import enter_tenant
from tenants.problems import KINDS, MEDIA_TYPE
from tests.activity.test_api import sealed as sealed
from tests.api import EVENTS, program, token_of
from tests.conftest import CANARY

SCHEMA = "/api/v1/schema"
REPORTS = "/api/v1/activity/reports"
PAGE = (CHECKOUT / "docs/api.md").read_text()


@pytest.fixture(scope="module")
def described():
    return json.loads(document("application/json"))


WRITING = {
    "/api/v1/activity/exports": ["get", "post"],
    "/api/v1/activity/exports/{export_id}/cancel": ["post"],
    "/api/v1/activity/schedules": ["get", "post"],
    "/api/v1/activity/schedules/preview": ["post"],
    "/api/v1/activity/schedules/{schedule_id}": ["get", "patch", "delete"],
    "/api/v1/activity/schedules/{schedule_id}/pause": ["post"],
    "/api/v1/activity/schedules/{schedule_id}/resume": ["post"],
    "/api/v1/activity/schedules/{schedule_id}/run": ["post"],
}
"""What is not only read."""


def operations(described):
    """Each address and what it answers to reading; to the only other thing, where that is all."""
    return {path: next(iter(methods.values())) for path, methods in described["paths"].items()}


def fits(described, schema, value):
    whole = {**schema, "components": described["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


def test_it_is_valid_and_made_without_a_warning(tmp_path):
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml")
    )
    assert (tmp_path / "schema.yaml").read_text().startswith("openapi: 3.1")


def test_every_address_of_the_record_is_described(described):
    views = get_resolver("activity.api.urls").url_patterns
    ours = {
        "/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern))
        for one in views
        if issubclass(getattr(one.callback, "cls", object), RecordView)
    }
    assert set(described["paths"]) == ours
    assert len(ours) == 19
    for path, methods in described["paths"].items():
        assert [*methods] == WRITING.get(path, ["get"])


def test_every_parameter_is_described_and_no_other(described):
    [listing] = [one for path, one in operations(described).items() if path == EVENTS]
    assert {one["name"] for one in listing["parameters"]} == set(NAMES)


def test_every_operation_says_who_may_and_how_it_fails(described):
    schemes = described["components"]["securitySchemes"]
    for path, operation in operations(described).items():
        assert operation["security"] == [{"token": []}, {"session": []}], path
        assert all(name in schemes for one in operation["security"] for name in one)
        answers = operation["responses"]
        assert {"200", "401", "403", "406", "429", "503"} <= answers.keys(), path
        for status, answer in answers.items():
            if status != "200":
                assert [*answer["content"]] == [MEDIA_TYPE], (path, status)
                for code in re.findall(r"`([\w-]+)`", answer["description"]):
                    assert KINDS[code].status == int(status)
            else:
                [(form, content)] = answer["content"].items()
                assert content.get("examples") or form == "application/octet-stream", path


def test_the_examples_are_of_the_form_that_they_are_examples_of(described):
    shown = 0
    for operation in operations(described).values():
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    assert fits(described, content["schema"], example["value"]) == []
                    shown += 1
    assert shown == 19


def test_answers_are_of_the_form_that_is_described(described, sealed, acme, cleo):
    client = program(sealed.place, token_of(sealed.place, sealed.keeper)[1])
    event = str(sealed.events[0].pk)
    everything = operations(described)
    for path, query, status in [
        (EVENTS, "", 200),
        (EVENTS, "limit=2&action=user.*", 200),
        (EVENTS, "q=%22&limit=x&nonsense=1", 400),
        (f"{EVENTS}/{{event_id}}", "", 200),
        (f"{EVENTS}/{{event_id}}/proof", "", 200),
        ("/api/v1/activity/checkpoint", "", 200),
        ("/api/v1/activity/catalogue", "", 200),
        (REPORTS, "", 200),
        (f"{REPORTS}/{{name}}", "since=2026-03-01&until=2026-03-02", 200),
        (f"{REPORTS}/{{name}}", "since=x", 400),
        (f"{REPORTS}/{{name}}", "nonsense=1&limit=1&limit=2", 400),
    ]:
        response = client.get(f"{path.format(event_id=event, name='sign-ins')}?{query}")
        assert response.status_code == status
        media_type = response["Content-Type"].partition(";")[0]
        schema = everything[path]["responses"][str(status)]["content"][media_type]["schema"]
        said = response.text if media_type == "text/plain" else response.json()
        assert fits(described, schema, said) == [], path
    problem = {"$ref": "#/components/schemas/Problem"}
    for response in (
        program(acme).get(EVENTS),
        program(acme, "x").get(EVENTS),
        program(acme, token_of(acme, cleo)[1]).get(EVENTS),
        client.get(f"{EVENTS}/x"),
        client.post(EVENTS),
        client.get(EVENTS, headers={"accept": "text/csv"}),
    ):
        assert response["Content-Type"] == MEDIA_TYPE
        assert fits(described, problem, response.json()) == []


def test_what_is_not_of_the_form_is_found(described):
    problem = {"$ref": "#/components/schemas/Problem"}
    assert fits(described, problem, {"status": "400"}) != []


def test_everybody_may_read_the_document(acme, described):
    as_json, as_yaml = (
        program(acme).get(SCHEMA, headers={"accept": form}) for form in ("*/*", "application/yaml")
    )
    assert as_json.json() == described
    assert as_json["Content-Type"] == "application/json"
    assert as_yaml["Content-Type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.content) == described
    assert "Accept" in as_json["Vary"]
    assert "acme" not in as_json.text.replace("acme.people.example.com", "")
    assert program(None).get(SCHEMA).status_code == 200
    assert program(acme).post(SCHEMA).status_code == 405


def test_nothing_in_it_is_loaded_from_elsewhere(described):
    addresses = set(re.findall(r"https?://[^\s\"?]+", json.dumps(described)))
    assert addresses == {
        "https://www.rfc-editor.org/rfc/rfc9457",
        "https://acme.people.example.com/api/v1/activity/events",
    }


@pytest.mark.parametrize("code", KINDS)
def test_the_type_of_a_problem_leads_to_what_it_means(acme, code):
    said = program(acme).get(f"/api/v1/problems/{code}").json()
    assert (said["code"], said["status"]) == (code, KINDS[code].status)
    assert said["title"] == KINDS[code].title


def test_there_is_no_page_for_a_problem_that_there_is_not(acme):
    response = program(acme).get("/api/v1/problems/nonsense")
    assert (response.status_code, response.json()["code"]) == (404, "not-found")


class TestPage:
    def rows(self, heading):
        section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        lines = [line for line in section.splitlines() if line.startswith("|")][2:]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    def test_its_table_of_problems_is_the_codes(self):
        assert self.rows("Errors") == [
            [f"`{code}`", str(kind.status), kind.title, kind.hint.replace("|", r"\|")]
            for code, kind in KINDS.items()
        ]

    def test_its_table_of_addresses_is_the_documents(self, described):
        listed = {
            row[0].strip("`").removeprefix("GET ").removeprefix("POST ")
            for row in self.rows("Addresses")
        }
        assert listed == {f"{path}" for path in described["paths"]} | {
            "/api/v1/schema",
            "/api/v1/problems/{code}",
            "/.well-known/tenantry/keys",
        }

    def test_its_examples_run_and_answer_as_it_shows(self, sealed):
        with enter_tenant(sealed.place):
            record("user.privileges_changed", target=Subject("user", "1", "Bob Ray (bob)"))
            ActivityEvent.objects.latest("id")
        client = program(sealed.place, token_of(sealed.place, sealed.keeper)[1])
        blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
        ran = 0
        for block in blocks:
            command, _, shown = block.replace("\\\n", " ").partition("\n")
            if not command.startswith("$ curl"):
                continue
            response = self.curl(client, command, str(sealed.events[0].pk))
            if shown.lstrip().startswith("{"):
                assert response.json().keys() == json.loads(shown).keys(), command
            else:
                assert response.text.splitlines()[0].split("/")[0] == shown.split("/")[0]
            ran += 1
        assert ran >= 6

    def curl(self, client, command, event_id):
        words = shlex.split(command.removeprefix("$ curl"))
        address, headers, data, is_public = "", {}, [], True
        while words:
            match words.pop(0):
                case "-H":
                    name, _, value = words.pop(0).partition(": ")
                    is_public = is_public and name != "Authorization"
                    headers |= {} if name == "Authorization" else {name.lower(): value}
                case "--data-urlencode":
                    data.append(tuple(words.pop(0).split("=", 1)))
                case "-sG" | "-s":
                    pass
                case address:
                    pass
        url = urlsplit(address.replace("$EVENT", event_id).replace("$HOST", "https://a.example"))
        query = "&".join(part for part in (url.query, urlencode(data)) if part)
        if is_public:
            client.defaults.pop("HTTP_AUTHORIZATION", None)
        return client.get(f"{url.path}?{query}", headers=headers)


def test_no_canary_is_in_what_everybody_may_read(acme):
    said = program(acme).get(SCHEMA).text
    assert not any(canary in said for canary in CANARY.values())
