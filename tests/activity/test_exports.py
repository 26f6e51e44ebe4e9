"""Files of the record: safe in a spreadsheet, exact in NDJSON, and from the right tenant."""

import csv
import hashlib
import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import CustomUser
from activity.context import Actor, ActorKind
from activity.events import COLUMNS
from activity.exporters import FORMATS, format_called, safe_cell
from activity.recording import record
from activity.subjects import Subject
from tenants import lifecycle
from tenants.context import current_tenant, enter_tenant
from tenants.errors import InvalidInput, TenantUnavailable
from tests.conftest import CANARY

MINUTE = timedelta(minutes=1)
EVENTS = "/admin/activity/activityevent/"
DANGEROUS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


def written(form, columns, rows):
    return b"".join(FORMATS[form].write(columns, rows)).decode()


def read_csv(text):
    """The file as a program reads it: rows of cells."""
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def body(response):
    return b"".join(response).decode()


# Cells


@given(
    st.one_of(
        st.text(max_size=60),
        st.builds(
            lambda before, first, rest: before + first + rest,
            st.text(st.sampled_from(" \u00a0\u3000\u2003\0\t\v\f"), max_size=3),
            st.sampled_from(DANGEROUS),
            st.text(max_size=20),
        ),
    )
)
def test_e01_no_text_begins_a_formula_in_a_spreadsheet(text):
    cell = safe_cell(text)

    assert not cell.lstrip().startswith(tuple(DANGEROUS))
    assert not cell.startswith(("\t", "\r", "\n"))
    assert "\0" not in cell
    plain = text.replace("\0", "")
    assert cell in (plain, f"'{plain}")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-5, -5),
        (0, 0),
        (2.5, 2.5),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ("+49 30 123456", "'+49 30 123456"),
        ("-5", "'-5"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        (" =1+1", "' =1+1"),
        ("\u2003=1+1", "'\u2003=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\0=1", "'=1"),
        ("plain", "plain"),
        ("a=b", "a=b"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, 30, tzinfo=UTC), "2026-01-31T12:30:00Z"),
        ({"=a": [1, None]}, '{"=a":[1,null]}'),
        ([], "[]"),
    ],
)
def test_e03_numbers_stay_numbers_and_text_stays_text(value, cell):
    made = safe_cell(value)

    assert made == cell
    assert type(made) is type(cell)


CELL = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.integers(-(10**12), 10**12),
    st.none(),
    st.booleans(),
)


@given(st.lists(st.tuples(CELL, CELL), max_size=8))
def test_a_csv_has_as_many_rows_and_cells_as_it_was_given(rows):
    text = written("csv", ("one", "two"), rows)

    read = read_csv(text)

    assert read[0] == ["one", "two"]
    assert read[1:] == [[str(safe_cell(cell)) for cell in row] for row in rows]


@given(st.lists(st.tuples(CELL, CELL), max_size=8))
def test_e03_ndjson_is_exact(rows):
    text = written("ndjson", ("one", "two"), rows)

    lines = text.split("\n")

    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == [{"one": one, "two": two} for one, two in rows]


def test_e06_a_large_file_comes_in_pieces():
    rows = (("x" * 1_000,) for _ in range(500))

    pieces = list(FORMATS["csv"].write(("text",), rows))

    assert len(pieces) > 5
    assert max(map(len, pieces)) < 100_000


def test_a_format_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(InvalidInput, match=r"there is no format 'xls'\. Choose one of csv, ndjson"):
        format_called("xls")


# From the panel


def test_the_file_has_exactly_the_rows_of_the_list(browser, acme, ann):
    with enter_tenant(acme):
        for number in range(60):
            record("user.changed", target=Subject("user", str(number), f"Person {number}"))
        record("session.failed", outcome="failure")
    client = browser(acme, ann)

    for query in (
        {"q": "family:user"},
        {"q": "outcome:failure"},
        {"q": "Person 5"},
        {"q": "target:user/7"},
        {"q": "action:user.changed Person 1"},
        {"q": "family:tenant"},
        {"q": "nothing like this"},
        {},
    ):
        listed = []
        place = {}
        while place is not None:
            shown = client.get(EVENTS, query | place).context["cl"]
            with enter_tenant(acme):
                listed += [str(event.pk) for event in shown.result_list]
            place = {"before": shown.page.older} if shown.page.older else None
        exported = body(client.get(EVENTS, query | {"export": "ndjson"}))

        # Looking and asking for the file are events themselves, newer than what was looked at.
        late = ("activity.searched", "export.requested")
        lines = [json.loads(line) for line in exported.splitlines()]
        ids = [line["id"] for line in lines if line["id"] in listed or line["action"] not in late]
        assert ids == listed[::-1], query


def test_csv_and_ndjson_of_a_list_say_the_same(browser, acme, ann):
    with enter_tenant(acme):
        record(
            "user.changed",
            actor=Actor(ActorKind.PERSON, "1", '=cmd|"/c calc"!A1'),
            target=Subject("user", "2", "a;b,c\"d'e"),
            changes={"display_name": ("+1", None), "number": (None, -7)},
        )
    client = browser(acme, ann)
    query = {"q": "target:user/2"}

    header, row = read_csv(body(client.get(EVENTS, query | {"export": "csv"})))
    exact = json.loads(body(client.get(EVENTS, query | {"export": "ndjson"})))

    assert tuple(header) == tuple(exact) == COLUMNS
    assert exact["actor_label"] == '=cmd|"/c calc"!A1'
    assert exact["changes"] == {"display_name": ["+1", None], "number": [None, -7]}
    assert row[header.index("actor_label")] == "'" + exact["actor_label"]
    assert row[header.index("target_label")] == "a;b,c\"d'e"
    assert json.loads(row[header.index("changes")])["number"] == [None, -7]
    assert "salt" not in exact


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("address", [EVENTS, "/admin/reports/sign-ins/"])
def test_e09_the_browser_saves_the_file_and_nobody_caches_or_guesses_it(
    browser, acme, ann, form, address
):
    response = browser(acme, ann).get(address, {"export": form})

    assert response.status_code == 200
    assert response.streaming
    assert "no-store" in response["Cache-Control"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Type"] == FORMATS[form].media_type
    kind, _, name = response["Content-Disposition"].partition('; filename="')
    assert kind == "attachment"
    assert name.startswith("acme-")
    assert name.endswith(f'.{form}"')
    assert name.rstrip('"').replace("-", "").replace(".", "").isalnum()
    assert b"".join(response)


@pytest.mark.parametrize(
    "form", ["xls", "", "CSV", "../csv", "csv\r\nX-Forged: 1", "csv\0", "x" * 5_000]
)
def test_a_nonsense_format_is_refused_and_nothing_is_recorded(browser, acme, ann, recorded, form):
    client = browser(acme, ann)

    listed = client.get(EVENTS, {"export": form})
    report = client.get("/admin/reports/sign-ins/", {"export": form})

    assert listed.status_code == report.status_code == 400
    assert recorded(acme, "export.requested", "export.finished") == []


@pytest.mark.parametrize(
    "query",
    [
        "occurred_at__gte=nonsense",
        "occurred_at__gte=0001-01-01",
        "occurred_at__gte=0001-01-01T00:00:00%2B23:00",
        "occurred_at__lt=9999-12-31T23:59:59-23:00",
        "request_id__exact=zzz",
        "actor_id=%00",
        "q=%00",
        "severity__exact=%00",
        "nonsense=1",
        "salt__startswith=a",
        "actor_id__regex=(a%2B)%2B$",
    ],
)
@pytest.mark.parametrize("more", ["", "&export=csv"])
def test_nonsense_in_the_filters_is_answered_kindly(browser, acme, ann, query, more):
    response = browser(acme, ann).get(f"{EVENTS}?{query}{more}")

    assert response.status_code in (302, 400)


def test_asking_and_finishing_are_recorded_with_what_was_asked(browser, acme, ann, recorded):
    client = browser(acme, ann)
    response = client.get(EVENTS, {"q": "family:tenant", "export": "csv"})
    before_reading = recorded(acme, "export.finished")

    content = b"".join(response)

    [asked] = recorded(acme, "export.requested")
    [finished] = recorded(acme, "export.finished")
    assert before_reading == []
    assert asked.details == {"format": "csv", "filters": "{'q': 'family:tenant'}"}
    assert finished.details | {"snapshot": "", "sha256": "", "bytes": 0} == {
        "format": "csv", "rows": 1, "snapshot": "", "sha256": "", "bytes": 0, "checkpoint": 0,
    }  # fmt: skip
    assert finished.details["bytes"] == len(content)
    assert finished.details["sha256"] == hashlib.sha256(content).hexdigest()
    assert abs(timezone.now() - datetime.fromisoformat(finished.details["snapshot"])) < MINUTE
    assert asked.actor_id == finished.actor_id == str(ann.public_id)
    assert asked.request_id == finished.request_id
    assert asked.ip == finished.ip == "127.0.0.1"


def test_a_file_that_nobody_finishes_reading_is_not_called_finished(browser, acme, ann, recorded):
    with enter_tenant(acme):
        for _ in range(300):
            record("user.changed", target=Subject("user", "1", "Person"))
    response = browser(acme, ann).get(EVENTS, {"export": "csv"})

    next(iter(response))
    response._iterator.close()

    assert len(recorded(acme, "export.requested")) == 1
    assert recorded(acme, "export.finished") == []
    assert current_tenant() is None


@pytest.mark.parametrize("between", ["globex", "nowhere"])
def test_a_file_is_of_its_tenant_wherever_the_connection_is_when_it_is_read(
    browser, acme, globex, ann, between
):
    response = browser(acme, ann).get(EVENTS, {"export": "ndjson"})

    if between == "globex":
        with enter_tenant(globex):
            text = body(response)
            after = current_tenant(), connection.schema_name
            assert CustomUser.objects.filter(username="sam").exists()
        assert after == (globex, globex.schema_name)
    else:
        text = body(response)
        assert current_tenant() is None
        assert connection.schema_name == "public"

    assert CANARY["acme"] in text
    assert CANARY["globex"] not in text


def test_two_files_that_are_read_in_turns_stay_apart(browser, acme, globex, ann, sam):
    with enter_tenant(acme):
        for _ in range(300):
            record("user.changed", target=Subject("user", "1", CANARY["acme"]))
    first = iter(browser(acme, ann).get(EVENTS, {"export": "ndjson"}))

    one_piece = next(first)
    other = body(browser(globex, sam).get(EVENTS, {"export": "ndjson"}))
    rest = b"".join(first)

    text = (one_piece + rest).decode()
    assert CANARY["acme"] in text
    assert CANARY["globex"] not in text
    assert CANARY["acme"] not in other
    assert current_tenant() is None


def test_a_file_of_a_tenant_that_was_suspended_meanwhile_is_refused(browser, acme, ann):
    response = browser(acme, ann).get(EVENTS, {"export": "csv"})
    lifecycle.suspend(response.wsgi_request.tenant)

    with pytest.raises(TenantUnavailable):
        body(response)

    assert current_tenant() is None


@pytest.mark.parametrize("address", [EVENTS, "/admin/reports/", "/admin/reports/sign-ins/"])
@pytest.mark.parametrize("who", ["nobody", "cleo", "the stranger"])
def test_only_readers_of_the_record_get_files(
    browser, acme, globex, cleo, sam, recorded, address, who
):
    client = browser(acme, cleo if who == "cleo" else None)
    if who == "the stranger":
        client.cookies = browser(globex, sam).cookies

    response = client.get(address, {"export": "csv"})

    assert response.status_code == 302
    assert CANARY["acme"] not in response.text
    assert recorded(acme, "export.requested") == []


def test_one_who_opens_the_panel_without_reading_the_record_gets_no_files(browser, acme, bob):
    client = browser(acme, bob)
    with enter_tenant(acme):
        bob.groups.clear()

    statuses = {
        client.get(address, {"export": "csv"}).status_code
        for address in (EVENTS, "/admin/reports/", "/admin/reports/sign-ins/")
    }

    assert statuses == {403}


def test_bob_who_may_read_gets_files(browser, acme, bob):
    response = browser(acme, bob).get(EVENTS, {"export": "csv"})

    assert response.status_code == 200
    assert CANARY["acme"] in body(response)
