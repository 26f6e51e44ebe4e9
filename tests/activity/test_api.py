"""The record by REST: the same answers as the panel's, and one form for all that goes wrong."""

import base64
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.api_tokens import token_ref
from accounts.models import CustomUser
from activity import context, viewing
from activity.api import limits, parameters
from activity.context import Actor, ActorKind, Channel, Context
from activity.leaves import leaf_hash
from activity.models import ActivityEvent
from activity.reading import paging
from activity.recording import record
from activity.sealing import keys, notes, tree
from activity.subjects import Subject
from tenants import hosts, lifecycle
from tenants.context import enter_platform, enter_tenant
from tests.activity.settling import settle
from tests.activity.test_reading import carried_on
from tests.api import API, EVENTS, inside, program, token_of
from tests.conftest import CANARY, PASSWORD


@pytest.fixture
def asking(acme, bob, no_attempts_yet):
    """A program that reads Acme's record as Bob."""
    return program(acme, token_of(acme, bob)[1])


@pytest.fixture
def many(acme):
    """Twenty-five events that differ in what they were done to."""
    with enter_tenant(acme):
        for number in range(25):
            record(
                "user.changed" if number % 5 else "group.changed",
                target=Subject("user", str(uuid.UUID(int=number, version=4)), f"No {number}"),
                changes={"email": ("before", f"after {number}")},
            )
        return list(ActivityEvent.objects.order_by("-id"))


def ids(response):
    assert response.status_code == 200, response.content
    return [event["id"] for event in response.json()["events"]]


def walked(client, address, way="next"):
    """Every id from a page on, following the links."""
    found = []
    while address:
        response = client.get(address)
        page = ids(response)
        found.append(page)
        address = response.json()[way]
        if way == "previous" and not page:
            break
    return found


def is_cursor(text):
    try:
        parameters.cursor_from(text)
    except ValueError:
        return False
    return True


class TestEvents:
    @pytest.fixture(autouse=True)
    def _unseen(self, monkeypatch):
        """Let asking change nothing of what is asked for; that it is recorded is shown below."""
        monkeypatch.setattr(viewing, "list_viewed", lambda request, response: response)

    def test_an_event_is_its_columns_and_a_sentence(self, asking, acme, ann):
        circumstances = Context(
            actor=Actor(ActorKind.PERSON, str(ann.public_id), "Ann (ann)"),
            channel=Channel.PAGE,
            ip="203.0.113.9",
        )
        with enter_tenant(acme), context.acting_as(circumstances):
            event = record(
                "user.privileges_changed",
                target=Subject("user", "7", "Bob"),
                changes={"is_staff": (False, True), "permissions": (["a"], None)},
                reason="asked for",
            )
            event.refresh_from_db()
        shown = asking.get(f"{EVENTS}/{event.pk}").json()

        assert shown["sentence"] == "Ann (ann) changed the privileges of Bob"
        assert shown["changes"] == {"is_staff": [False, True], "permissions": [["a"], None]}
        assert (shown["ip"], shown["reason"]) == ("203.0.113.9", "asked for")
        assert datetime.fromisoformat(shown["occurred_at"]) == event.occurred_at
        assert shown["occurred_at"].endswith("Z")
        assert not {"xid", "cluster", "actor_salt", "target_salt"} & shown.keys()
        assert asking.get(EVENTS, {"request": shown["request_id"]}).json()["events"] == [shown]

    def test_a_request_that_went_on_is_found_up_to_when_one_says(self, asking, acme):
        """However the two are said: as parameters, as a search, or as one of either."""
        with enter_tenant(acme):
            late = carried_on(days=2)
        request, until = f"{late.request_id}", (timezone.now() + timedelta(minutes=1)).isoformat()

        assert ids(asking.get(EVENTS, {"request": request})) == []
        for said in (
            {"request": request, "until": until},
            {"q": f"request:{request}", "until": until},
            {"q": f"until:{until}", "request": request},
            {"q": f"request:{request} until:{until}"},
        ):
            assert ids(asking.get(EVENTS, said)) == [str(late.pk)]

    def test_pages_lead_on_and_back_and_lose_nothing(self, asking, many, acme):
        with enter_tenant(acme):
            every = [str(pk) for pk in ActivityEvent.objects.values_list("pk", flat=True)]
        pages = walked(asking, f"{EVENTS}?limit=7")
        assert [pk for page in pages for pk in page] == every
        assert {len(page) for page in pages[:-1]} == {7}

        last = asking.get(f"{EVENTS}?limit=7")
        while last.json()["next"]:
            last = asking.get(last.json()["next"])
        back = walked(asking, last.json()["previous"], "previous")
        assert [pk for page in reversed(back) for pk in page] + ids(last) == every

    def test_who_asks_again_for_what_is_newer_gets_what_has_happened_since(
        self, asking, acme, many
    ):
        first = asking.get(EVENTS).json()
        nothing = asking.get(first["previous"]).json()
        assert nothing["events"] == []
        with enter_tenant(acme):
            new = record("user.changed", target=Subject("user", "1", "new"))
            new_id = str(ActivityEvent.objects.latest("id").pk)
        assert new.action == "user.changed"
        assert ids(asking.get(nothing["previous"])) == [new_id]
        # And the way back from the empty page leads to the newest of before.
        assert ids(asking.get(nothing["next"])) == [event["id"] for event in first["events"]]

    def test_filters_are_those_of_the_search(self, asking, acme, many):
        for name, value in {
            "action": "group.*",
            "family": "group",
            "target": "No 7",
            "channel": "command",
            "field": "email",
            "severity": "notice",
            "outcome": "success",
            "since": "2026-01-01",
        }.items():
            quoted = value if " " not in value else f'"{value}"'
            by_name = ids(asking.get(EVENTS, {name: value}))
            assert by_name == ids(asking.get(EVENTS, {"q": f"{name}:{quoted}"}))
            assert by_name
        both = asking.get(EVENTS, {"q": "-action:user.changed", "target": "no"})
        assert len(ids(both)) == 5

    @pytest.mark.parametrize("value", ['a"b', "a\\b", "-x", "actor:ann", " ", "ä 中"])
    def test_a_value_is_one_value_whatever_is_in_it(self, asking, acme, value):
        with enter_tenant(acme):
            record("user.changed", target=Subject("user", "1", f"<{value}>"))
        response = asking.get(EVENTS, {"target": value})
        if value == " ":
            assert response.status_code == 400
        else:
            assert len(ids(response)) == 1

    def test_days_are_the_persons(self, asking, acme, bob, many):
        with enter_tenant(acme):
            bob.time_zone = "Pacific/Kiritimati"
            bob.save()
        seen = []
        original = parameters.parse

        def spy(text):
            seen.append(timezone.get_current_timezone_name())
            return original(text)

        parameters.parse, kept = spy, original
        try:
            asking.get(EVENTS, {"since": "2026-11-23"})
        finally:
            parameters.parse = kept
        assert seen == ["Pacific/Kiritimati"]
        assert timezone.get_current_timezone_name() == "UTC"

    def test_a_page_says_how_far_it_has_looked(self, asking, many, monkeypatch):
        monkeypatch.setattr(paging, "LOOKED_THROUGH", 10)
        first = asking.get(EVENTS, {"target": "No 1"}).json()
        moment = datetime.fromisoformat(first["looked_back_to"])
        assert abs((moment - datetime.now(UTC)).total_seconds()) < 60
        every = [pk for page in walked(asking, f"{EVENTS}?target=No+1") for pk in page]
        assert len(every) == 11

    def test_links_stay_on_the_host_and_keep_the_question(self, asking, many):
        document = asking.get(EVENTS, {"q": "target:no", "limit": "2"}).json()
        assert document["next"].startswith("http://acme.localhost:8000/api/v1/activity/events?")
        assert "q=target%3Ano&limit=2&cursor=" in document["next"]

    def test_an_event_of_another_place_is_not_there(self, asking, globex, many):
        with enter_tenant(globex):
            theirs = ActivityEvent.objects.first().pk
        invented = uuid.uuid4()
        answers = [asking.get(f"{EVENTS}/{pk}{what}") for pk in (theirs, invented)
                   for what in ("", "/proof")]  # fmt: skip
        assert {one.status_code for one in answers} == {404}
        assert {one.json()["code"] for one in answers} == {"not-found"}
        assert answers[0].json() == answers[2].json()
        plain = [one.content.decode().replace(str(theirs), "") for one in (answers[1],)]
        other = [one.content.decode().replace(str(invented), "") for one in (answers[3],)]
        assert plain == other

    def test_the_platform_answers_for_its_own_record(self, operator, acme):
        _, text = token_of(None, operator)
        with enter_platform():
            event = ActivityEvent.objects.filter(action="tenant.created").first()
        assert str(event.pk) in ids(program(None, text).get(EVENTS, {"limit": "500"}))


@pytest.fixture
def sealed(lab):
    """A tenant in which five events are sealed, and who may read them there."""
    with enter_tenant(lab):
        keeper = CustomUser.objects.create_superuser("kim", "kim@lab.example", PASSWORD)
        for number in range(5):
            record("user.changed", target=Subject("user", "1", f"No {number}"))
        settle()
        events = list(ActivityEvent.objects.filter(action="user.changed").order_by("-id"))
    return SimpleNamespace(place=lab, keeper=keeper, events=events)


class TestProof:
    def test_an_event_is_proven_under_the_newest_checkpoint(self, sealed):
        client = program(sealed.place, token_of(sealed.place, sealed.keeper)[1])
        event = sealed.events[1]

        proof = client.get(f"{EVENTS}/{event.pk}/proof").json()
        note = client.get(f"{API}checkpoint")

        assert note["Content-Type"] == "text/plain; charset=utf-8"
        assert proof["checkpoint"] == note.text
        checkpoint = notes.checked(
            note.text, {(key.name, key.key_id): key for key in keys.verifiers().values()}
        )
        assert checkpoint.origin == f"tenantry/{sealed.place.pk}"
        leaf = proof["leaf"].encode()
        assert json.loads(leaf)["id"] == proof["event"] == str(event.pk)
        path = [base64.b64decode(one) for one in proof["path"]]
        assert tree.is_included(
            leaf_hash(leaf), proof["number"], checkpoint.size, path, checkpoint.root
        )

    def test_a_token_for_checking_sees_no_names(self, sealed):
        text = token_of(sealed.place, sealed.keeper, "record:verify")[1]
        client = program(sealed.place, text)
        address = f"{EVENTS}/{sealed.events[0].pk}"
        proof = client.get(f"{address}/proof")
        assert proof.status_code == client.get(f"{API}checkpoint").status_code == 200
        assert "No " not in proof.text
        assert client.get(address).status_code == client.get(EVENTS).status_code == 403

    def test_what_is_not_sealed_yet_is_a_conflict_that_says_so(self, sealed):
        with enter_tenant(sealed.place):
            record("user.changed", target=Subject("user", "1", "late"))
            late = ActivityEvent.objects.latest("id")
        client = program(sealed.place, token_of(sealed.place, sealed.keeper)[1])
        document = client.get(f"{EVENTS}/{late.pk}/proof").json()
        assert (document["status"], document["code"]) == (409, "not-sealed")
        assert "activity seal" not in str(document)

    def test_what_was_altered_is_said_to_be(self, sealed):
        event = sealed.events[2]
        with enter_tenant(sealed.place), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            ActivityEvent.objects.filter(pk=event.pk).update(reason="forged")
            cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
        client = program(sealed.place, token_of(sealed.place, sealed.keeper)[1])
        document = client.get(f"{EVENTS}/{event.pk}/proof").json()
        assert (document["status"], document["code"]) == (409, "not-as-sealed")

    def test_where_hashes_are_missing_it_is_said_too(self, sealed):
        event = sealed.events[2]
        with enter_tenant(sealed.place), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activity_tile DISABLE TRIGGER USER")
            cursor.execute("DELETE FROM activity_tile")
            cursor.execute("ALTER TABLE activity_tile ENABLE TRIGGER USER")
        client = program(sealed.place, token_of(sealed.place, sealed.keeper)[1])
        document = client.get(f"{EVENTS}/{event.pk}/proof").json()
        assert (document["status"], document["code"]) == (409, "not-as-sealed")

    def test_nothing_is_proven_where_nothing_is_sealed(self, asking, many):
        assert asking.get(f"{EVENTS}/{many[3].pk}/proof").json()["code"] == "not-sealed"
        assert asking.get(f"{API}checkpoint").json()["code"] == "not-found"


class TestErrors:
    def problem(self, response, status, code):
        assert response.status_code == status, response.content
        assert response["Content-Type"] == "application/problem+json"
        assert response["Cache-Control"] == "no-store"
        document = response.json()
        assert (document["status"], document["code"]) == (status, code)
        assert document["type"] == f"/api/v1/problems/{code}"
        assert all(document[name] for name in ("title", "detail", "hint"))
        return document

    def test_a_search_is_explained_with_its_place(self, asking):
        response = asking.get(EVENTS, {"q": 'user.* acter:"ann"'})
        [error] = self.problem(response, 400, "invalid-parameters")["errors"]
        assert (error["parameter"], error["code"], error["position"]) == ("q", "invalid-query", 7)
        assert error["pointed"].splitlines()[1] == " " * 7 + "^"
        assert error["hint"] == "Did you mean actor:?"

    def test_everything_that_is_wrong_is_said_at_once(self, asking):
        response = asking.get(
            f"{EVENTS}?actr=x&ip=hello&limit=501&cursor=x&q=%22&outcome=denied&outcome=success"
        )
        errors = self.problem(response, 400, "invalid-parameters")["errors"]
        assert [(error["parameter"], error["code"]) for error in errors] == [
            ("actr", "unknown-parameter"),
            ("outcome", "repeated-parameter"),
            ("q", "invalid-query"),
            ("ip", "invalid-query"),
            ("cursor", "invalid-value"),
            ("limit", "invalid-value"),
        ]
        assert errors[0]["hint"] == "Did you mean actor?"
        assert "pointed" not in errors[3]

    @pytest.mark.parametrize(
        "given",
        [
            {"limit": "0"},
            {"limit": "-1"},
            {"limit": "٣"},
            {"limit": ""},
            {"limit": "1e2"},
            {"limit": "9" * 5000},
            {"cursor": ""},
            {"cursor": "Yg"},
            {"cursor": "=" * 24},
            {"cursor": base64.urlsafe_b64encode(b"x" + b"0" * 16).decode().rstrip("=")},
            {"cursor": "é"},
            {"actor": ""},
            {"actor": "\0"},
            {"q": "\0"},
            {"q": "a" * 1001},
            {"target": "a" * 2000},
            {"request": "1"},
            {"since": "yesterday"},
            {"page": "2"},
            {"id__gt": "1"},
            {"": "1"},
            {"x" * 3000: "1"},
            {"format": "json"},
        ],
        ids=lambda given: str(given)[:30],
    )
    def test_what_means_nothing_is_named(self, asking, given):
        [name] = given
        [error] = self.problem(asking.get(EVENTS, given), 400, "invalid-parameters")["errors"]
        assert error["parameter"] == name[:40]
        assert len(str(error)) < 1000

    def test_a_cursor_is_one_text(self):
        cursor = paging.Cursor(before=uuid.uuid4())
        text = parameters.written(cursor)
        assert parameters.cursor_from(text) == cursor
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        # The last character has two spare bits: of four texts for one cursor, one is read.
        read = [last for last in alphabet if is_cursor(text[:-1] + last)]
        assert len(read) == 16

    def test_nobody_is_asked_for_a_token(self, acme):
        response = program(acme).get(EVENTS)
        self.problem(response, 401, "not-authenticated")
        assert response["WWW-Authenticate"] == 'Bearer realm="tenantry"'

    def test_who_may_not_read_is_told_so(self, browser, acme, cleo):
        self.problem(browser(acme, cleo).get(EVENTS), 403, "not-permitted")

    def test_nothing_is_where_nothing_is(self, asking, acme):
        for path in ("", "events/", "events/7", "event", f"events/{uuid.uuid4()}/x", "../x"):
            self.problem(asking.get(f"{API}{path}"), 404, "not-found")
        self.problem(program(acme).get("/api/v2/"), 404, "not-found")

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_only_reading_is_allowed(self, asking, method):
        response = getattr(asking, method)(EVENTS, {"x": "1"}, content_type="application/json")
        self.problem(response, 405, "method-not-allowed")
        assert response["Allow"] == "GET, HEAD, OPTIONS"

    def test_a_session_is_no_way_round_the_csrf_rules(self, acme, ann):
        client = program(acme, enforce_csrf_checks=True)
        with enter_tenant(acme):
            client.force_login(ann)
        assert client.get(EVENTS).status_code == 200
        self.problem(client.post(EVENTS), 403, "not-permitted")

    def test_head_is_get_without_a_body_and_options_say_what_there_is(self, asking, acme):
        head, get = asking.head(EVENTS), asking.get(EVENTS)
        assert (head.status_code, head.content) == (200, b"")
        assert head["Content-Type"] == get["Content-Type"] == "application/json"
        options = asking.options(EVENTS)
        assert (options.status_code, options["Allow"]) == (204, "GET, HEAD, OPTIONS")
        assert program(acme).options(EVENTS).status_code == 401

    def test_other_forms_are_not_acceptable(self, asking):
        response = asking.get(EVENTS, headers={"accept": "application/xml"})
        document = self.problem(response, 406, "not-acceptable")
        assert document["media_types"] == ["application/json"]
        assert asking.get(EVENTS, headers={"accept": "text/html, */*;q=0.1"}).status_code == 200

    def test_who_asks_too_often_is_told_when_to_come_back(self, asking, monkeypatch):
        monkeypatch.setattr(limits, "REQUESTS", limits.Limit("requests", 2))
        monkeypatch.setattr(limits.time, "time", lambda: 1_700_000_045)
        assert [asking.get(EVENTS)["RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
        response = asking.get(EVENTS)
        self.problem(response, 429, "too-many-requests")
        assert response["Retry-After"] == response["RateLimit-Reset"] == "55"

    def test_a_database_that_is_gone_is_503(self, asking, monkeypatch):
        def gone(*_, **__):
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(connection, "close", lambda: None)
        monkeypatch.setattr(paging, "page", gone)
        response = asking.get(EVENTS)
        self.problem(response, 503, "unavailable")
        assert response["Retry-After"] == "5"

    def test_a_bug_is_500_and_says_nothing_of_itself(self, asking, monkeypatch):
        def broken(*_, **__):
            raise RuntimeError("secret")

        asking.raise_request_exception = False
        monkeypatch.setattr(paging, "page", broken)
        response = asking.get(EVENTS)
        self.problem(response, 500, "error")
        assert "secret" not in response.text

    def test_a_request_that_cannot_be_read_is_400(self, asking):
        self.problem(asking.get(f"{EVENTS}?{'&'.join(['a=1'] * 2000)}"), 400, "bad-request")

    def test_a_suspended_tenant_is_closed_to_programs_too(self, asking, acme):
        lifecycle.suspend(acme, reason="unpaid")
        hosts.forget_hosts()
        self.problem(asking.get(EVENTS), 403, "tenant-unavailable")

    def test_a_host_that_nobody_owns_says_nothing(self, db, client):
        response = client.get(EVENTS, headers={"host": "nobody.localhost"})
        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")


class TestLooking:
    def test_who_reads_by_the_api_is_recorded_as_by_the_panel(self, acme, bob, many, recorded):
        client = program(acme, token_of(acme, bob)[1])
        for limit in (1, 2):
            client.get(EVENTS, {"q": "target:no", "limit": limit})
        client.get(client.get(EVENTS, {"q": "target:no"}).json()["next"] or EVENTS)
        client.get(f"{EVENTS}/{many[0].pk}")
        client.get(f"{EVENTS}/{uuid.uuid4()}")
        client.get(EVENTS, {"nonsense": "1"})

        [searched] = [
            event
            for event in recorded(acme, "activity.searched")
            if "target:no" in str(vars(event))
        ]
        assert searched.target_label == "the record: target:no"
        assert (searched.channel, searched.actor_id) == ("api", str(bob.public_id))
        assert searched.session_ref
        [viewed] = recorded(acme, "activity.viewed")
        assert (viewed.channel, viewed.target_id) == ("api", str(many[0].pk))


class TestCatalogue:
    def test_a_token_reads_it_as_a_session_does(self, acme, ann, browser):
        client = program(acme, token_of(acme, ann, "record:verify")[1])
        said = client.get(f"{API}catalogue")
        assert said.status_code == 200
        assert said.content == browser(acme, ann).get(f"{API}catalogue").content
        again = client.get(f"{API}catalogue", headers={"if-none-match": said["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert said["Cache-Control"] == "private, max-age=300"


class TestAnswers:
    def test_nothing_may_be_kept_and_no_other_origin_may_read(self, asking):
        response = asking.get(EVENTS, headers={"origin": "https://evil.example"})
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in response
        assert not response.cookies
        assert re.fullmatch(r"[0-9a-f-]{36}", response["X-Request-ID"])

    def test_what_is_done_by_the_api_is_recorded_as_that(self, acme, ann, monkeypatch):
        """Today nothing can be done by it: an event is written as a view would write it."""
        from activity.api import views

        token, text = token_of(acme, ann)
        kept = views.parameters.read
        monkeypatch.setattr(
            views.parameters, "read", lambda given: (record("user.changed"), kept(given))[1]
        )
        program(acme, text).get(EVENTS)
        with enter_tenant(acme):
            event = ActivityEvent.objects.filter(action="user.changed").latest("id")
            assert event.session_ref == token_ref(token)
        assert (event.channel, event.actor_id) == ("api", str(ann.public_id))


STATEMENTS = {
    # address: (by a token, by a session) of an administrator; a reader's permissions take two more
    "events": (5, 6),
    "event": (5, 6),
    "proof": (10, 11),
    "checkpoint": (4, 5),
    "catalogue": (3, 4),
}


@pytest.mark.parametrize("address", STATEMENTS)
def test_a_request_sends_as_many_statements_as_the_table_says(address, sealed):
    path = {
        "events": EVENTS,
        "event": f"{EVENTS}/{sealed.events[0].pk}",
        "proof": f"{EVENTS}/{sealed.events[0].pk}/proof",
        "checkpoint": f"{API}checkpoint",
        "catalogue": f"{API}catalogue",
    }[address]
    by_session = program(sealed.place)
    with enter_tenant(sealed.place):
        by_session.force_login(sealed.keeper)
    counts = []
    for client in (program(sealed.place, token_of(sealed.place, sealed.keeper)[1]), by_session):
        assert client.get(path).status_code == 200
        with CaptureQueriesContext(connection) as sent:
            assert client.get(path).status_code == 200
        counts.append(len(sent))
    assert tuple(counts) == STATEMENTS[address]


def test_a_readers_permissions_take_two_statements(acme, ann, bob):
    counts = []
    for person in (ann, bob):
        client = program(acme, token_of(acme, person)[1])
        client.get(EVENTS)
        with CaptureQueriesContext(connection) as sent:
            assert client.get(EVENTS).status_code == 200
        counts.append(len(sent))
    assert counts == [5, 7]


def test_no_canary_of_another_place_is_in_any_answer(acme, globex, ann, sam, many):
    for place, person, other in ((acme, ann, "globex"), (globex, sam, "acme")):
        client = program(place, token_of(place, person)[1])
        said = client.get(EVENTS, {"limit": "500"}).text
        assert CANARY[other] not in said
        assert CANARY[place.slug] in said
        with inside(place):
            others = ActivityEvent.objects.exclude(action="activity.searched")
            assert said.count('"sentence"') == min(500, others.count())
