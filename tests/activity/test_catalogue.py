"""The catalogue: every action has its meaning, its fields, its schema and its test."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity import catalogue, recording
from activity.actions import ABOUT, CATALOGUE, FAMILIES, Action
from activity.catalogue import DESCRIPTIONS, FOLDED, described, schema_of
from activity.catalogue_pages import markdown
from activity.models import ActivityEvent
from activity.recording import record
from activity.schemas import (
    COUNT,
    FLAG,
    HASH,
    MOMENT,
    ROW,
    TEXT,
    TEXTS,
    in_words,
    of_changes,
    of_details,
    one_of,
    problem,
    problem_of_changes,
)
from tenants.context import enter_platform, enter_tenant
from tests.conftest import CANARY

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = "/api/v1/activity/catalogue"


def texts_of_tests():
    return {
        path.name: path.read_text()
        for path in (CHECKOUT / "tests").rglob("test_*.py")
        if path.name != Path(__file__).name
    }


# Complete


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_action_is_described_in_sentences(name):
    about = described(name)

    assert re.fullmatch(r"[A-Z].+\.", about.meaning), "a sentence or two"
    assert about.meaning.rstrip(".") != CATALOGUE[name].sentence
    assert not {field.rstrip("?") for field in about.details} & {
        field.rstrip("?") for field in FOLDED
    }, "the names of a fold are its own"


def test_what_is_described_exists():
    assert set(DESCRIPTIONS) == set(CATALOGUE)
    assert list(ABOUT) == list(FAMILIES)


@pytest.mark.parametrize("name", CATALOGUE)
def test_l01_every_action_is_named_by_a_test(name):
    """Tests of what is done to tenants name the change alone, as ``announce`` takes it."""
    wanted = [f'"{name}"', *([f'"{name[7:]}"'] if name.startswith("tenant.") else [])]

    assert [file for file, text in texts_of_tests().items() if any(w in text for w in wanted)], (
        f"no test names {name}: add one that an act leaves it"
    )


@pytest.mark.parametrize("name", CATALOGUE)
def test_l01_every_action_has_a_schema_that_says_what_its_events_hold(name):
    schema = schema_of(CATALOGUE[name])

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith(f"urn:tenantry:event:{name}:")
    assert schema["description"] == described(name).meaning
    details, changes = (schema["properties"][column] for column in ("details", "changes"))
    assert details["additionalProperties"] == described(name).details.get("*", False)
    assert set(details["required"]) <= set(details["properties"])
    assert bool(described(name).folding) == ("count" in details["properties"])
    for pair in changes["properties"].values():
        assert (pair["type"], pair["minItems"], pair["maxItems"]) == ("array", 2, 2)
    assert json.loads(json.dumps(schema)) == schema


def test_an_action_that_is_not_described_says_what_to_add(in_acme, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "user.teleported", Action("user.teleported", "{actor} went"))

    with pytest.raises(LookupError, match=r"(?s)user\.teleported.*activity/catalogue\.py"):
        record("user.teleported")
    with pytest.raises(LookupError, match="Description"):
        catalogue.schema_of(CATALOGUE["user.teleported"])


# The check on the way in


@pytest.mark.parametrize(
    ("action", "given", "said"),
    [
        ("export.finished", {"details": {"format": "csv"}}, '"rows" is missing'),
        ("export.finished", {"details": {"format": "csv", "rows": "3"}}, "not a count"),
        ("export.finished", {"details": {"format": "csv", "rows": True}}, "not a count"),
        ("session.ended", {"details": {"password": "x"}}, '"password" is no field of it'),
        ("access.denied", {"details": {"method": "GET", "path": "/", "why": "x"}}, "not permitted"),
        ("session.failed", {"details": {"count": 3}}, '"count" is no field'),
        ("user.deactivated", {"changes": {"email": ("a", "b")}}, '"email" is no field'),
    ],
)
def test_a_field_that_an_action_does_not_have_is_refused_while_developing(
    in_acme, action, given, said
):
    before = ActivityEvent.objects.count()

    with pytest.raises(ValueError, match=action) as raised:
        record(action, **given)

    assert said in str(raised.value)
    assert "activity/catalogue.py" in str(raised.value)
    assert ActivityEvent.objects.count() == before


def test_in_production_an_event_with_a_field_too_many_is_worth_more_than_none(in_acme, settings):
    settings.TENANTRY_PRODUCTION = True

    event = record("session.ended", details={"more": "than said"})

    assert event.details == {"more": "than said"}


SCHEMAS = [TEXT, COUNT, FLAG, MOMENT, HASH, TEXTS, {}, one_of("a", "b")]
VALUES = st.one_of(
    st.text("ab", max_size=2),
    st.integers(-1, 2),
    st.booleans(),
    st.none(),
    st.lists(st.one_of(st.text("ab", max_size=2), st.integers())),
    st.floats(allow_nan=False),
)


def fits(schema, value):
    """What the words of JSON Schema mean, said another way."""
    if "enum" in schema:
        return any(value == word for word in schema["enum"])
    names = {
        str: "string",
        bool: "boolean",
        int: "integer",
        type(None): "null",
        list: "array",
        float: "number",
    }
    if "type" in schema and names[type(value)] != schema["type"]:
        return False
    if value is not True and value is not False and isinstance(value, int):
        return value >= schema.get("minimum", value)
    return "items" not in schema or all(fits(schema["items"], item) for item in value)


@given(
    st.dictionaries(st.sampled_from(["a", "b?", "c"]), st.sampled_from(SCHEMAS)),
    st.dictionaries(st.sampled_from("abcd"), VALUES),
)
def test_the_check_agrees_with_the_schema_that_is_published(fields, values):
    schema = of_details(fields)
    properties = schema["properties"]
    allowed = (
        set(values) <= set(properties)
        and set(schema["required"]) <= set(values)
        and all(fits(properties[name], value) for name, value in values.items())
    )

    assert (problem(fields, values) == "") == allowed


def test_changes_of_a_row_may_be_any_field_and_others_only_their_own():
    assert problem_of_changes(ROW, ["email", "whatever"]) == ""
    assert problem_of_changes({"slug": TEXT}, ["slug"]) == ""
    assert "name" in problem_of_changes({"slug": TEXT}, ["name"])
    assert of_changes(ROW)["additionalProperties"]["minItems"] == 2
    assert of_changes({})["additionalProperties"] is False
    assert all(in_words(schema) for schema in SCHEMAS)


def test_the_check_is_left_out_in_production(in_acme, settings, monkeypatch):
    def never(*_):
        raise AssertionError

    settings.TENANTRY_PRODUCTION = True
    monkeypatch.setattr(recording, "_check", never)

    record("session.ended")


# The page


def test_the_page_is_what_the_code_says():
    assert (CHECKOUT / "docs/catalogue.md").read_text() == markdown(), "run `make catalogue`"


# The address


@pytest.mark.parametrize("who", ["ann", "bob"])
def test_who_may_read_the_record_may_read_the_catalogue(browser, acme, request, who):
    client = browser(acme, request.getfixturevalue(who))

    response = client.get(PAGE)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    said = response.json()
    assert [action["name"] for action in said["actions"]] == list(CATALOGUE)
    failed = next(action for action in said["actions"] if action["name"] == "session.failed")
    assert failed["severity"] == "warning"
    assert failed["family"] == "session"
    assert failed["schema"] == schema_of(CATALOGUE["session.failed"])
    assert failed["folded"]["after"] > 0


def test_on_the_platform_it_is_the_same(browser, operator, acme, ann):
    here = browser(None, operator).get(PAGE)

    assert here.status_code == 200
    assert here.content == browser(acme, ann).get(PAGE).content
    assert not [canary for canary in CANARY.values() if canary in here.text]


def test_a_reader_who_has_it_is_told_so(browser, acme, ann):
    client = browser(acme, ann)
    first = client.get(PAGE)

    again = client.get(PAGE, headers={"if-none-match": first["ETag"]})
    other = client.get(PAGE, headers={"if-none-match": '"something else"'})

    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    assert other.status_code == 200
    assert "private" in first["Cache-Control"]
    assert {"Cookie", "Authorization"} <= set(first["Vary"].split(", "))


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("cleo", 403)])
def test_others_are_told_what_is_missing_and_nothing_else(browser, acme, request, who, status):
    client = browser(acme, request.getfixturevalue(who) if who else None)

    response = client.get(PAGE, headers={"if-none-match": catalogue.fingerprint()})

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    said = response.json()
    assert said["status"] == status
    assert said["detail"].endswith(".")
    assert "session.failed" not in response.text
    assert ("WWW-Authenticate" in response) == (status == 401)


def test_a_refusal_there_is_recorded_and_a_stranger_is_not(browser, acme, cleo, recorded):
    browser(acme).get(PAGE)
    assert recorded(acme, "access.denied") == []

    browser(acme, cleo).get(PAGE)

    [event] = recorded(acme, "access.denied")
    assert event.actor_id == str(cleo.public_id)
    assert event.details["path"] == PAGE


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_changes_the_catalogue_there(browser, acme, ann, method):
    assert getattr(browser(acme, ann), method)(PAGE).status_code == 405


def test_the_record_of_the_whole_cast_follows_the_schemas(browser, acme, ann, bob, globex):
    browser(acme, ann).post("/", {"display_name": "Ann Neu"})
    browser(acme, bob).post(f"/admin/accounts/customuser/{ann.pk}/delete/")
    for place in (enter_tenant(acme), enter_tenant(globex), enter_platform()):
        with place:
            events = list(ActivityEvent.objects.all())
        assert events
        for event in events:
            fields = catalogue.fields_of_details(event.action)
            assert problem(fields, event.details) == "", event.action
            assert problem_of_changes(described(event.action).changes, event.changes) == ""
