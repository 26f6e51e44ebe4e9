"""Searching the record: what is found, what is explained, and pages that lose nothing."""

import ipaddress
import random
import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from activity import context, subjects
from activity.context import Actor, ActorKind, Channel, Context
from activity.models import ActivityEvent
from activity.reading import paging
from activity.reading.events import first_id_at, narrow, of_request
from activity.reading.query import FILTERS, InvalidQuery, Query, parse, quoted
from activity.recording import record
from activity.subjects import Subject
from config.environment import CHECKOUT
from tenants.context import enter_tenant
from tenants.uuid7 import uuid7
from tests.apps import APPS
from tests.conftest import CANARY

EVENTS = "/admin/activity/activityevent/"
ANN, BOB = (str(uuid.UUID(int=number, version=4)) for number in (1, 2))
REQUEST = uuid7()


@pytest.fixture
def mixed(in_acme, settings):
    """A hundred events that differ in everything that can be asked for."""
    # Any action with any changes, which the catalogue refuses while developing.
    settings.TENANTRY_PRODUCTION = True
    chosen = random.Random(7)
    labels = {ANN: "Ann Lee (ann)", BOB: "Bob 50%_ (bob)", "": ""}
    for _ in range(100):
        actor = chosen.choice([ANN, BOB, ""])
        circumstances = Context(
            actor=Actor(ActorKind.PERSON, actor, labels[actor]),
            channel=chosen.choice([*Channel]),
            on_behalf_of=chosen.choice([None, Actor(ActorKind.PERSON, BOB, labels[BOB])]),
            request_id=chosen.choice([REQUEST, uuid7()]),
            ip=chosen.choice([None, "10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1"]),
        )
        with context.acting_as(circumstances):
            record(
                chosen.choice(["user.changed", "user.created", "group.changed", "session.ended"]),
                target=chosen.choice(
                    [Subject("user", BOB, labels[BOB]), Subject("group", "7", 'The "team"')]
                ),
                outcome=chosen.choice(["success", "failure", "denied"]),
                changes=chosen.choice([None, {"is_staff": (False, True)}, {"email": ("a", "b")}]),
            )
    return list(ActivityEvent.objects.order_by("-id"))


def has(word, *texts):
    return any(word.lower() in text.lower() for text in texts)


def within(event, network):
    return event.ip is not None and ipaddress.ip_address(event.ip) in ipaddress.ip_network(network)


HOLDS = {
    "actor:ann": lambda e: has("ann", e.actor_label),
    "actor:ANN": lambda e: has("ann", e.actor_label),
    f"actor:{ANN}": lambda e: e.actor_id == ANN,
    "actor:50%_": lambda e: has("50%_", e.actor_label),
    "actor:%": lambda e: has("%", e.actor_label),
    'actor:"ann lee"': lambda e: has("ann lee", e.actor_label),
    "behalf:bob": lambda e: has("bob", e.on_behalf_of_label),
    f"behalf:{BOB}": lambda e: e.on_behalf_of_id == BOB,
    "target:bob": lambda e: has("bob", e.target_label),
    r'target:"\"team\""': lambda e: has('"team"', e.target_label),
    f"target:{BOB}": lambda e: e.target_id == BOB,
    "target:group/7": lambda e: (e.target_type, e.target_id) == ("group", "7"),
    "action:user.changed": lambda e: e.action == "user.changed",
    "action:user.*": lambda e: e.action.startswith("user."),
    "action:user.c*": lambda e: e.action.startswith("user.c"),
    "family:group": lambda e: e.action.startswith("group."),
    "outcome:denied": lambda e: e.outcome == "denied",
    "outcome:success": lambda e: e.outcome == "success",
    "severity:warning": lambda e: e.severity == "warning",
    "channel:api": lambda e: e.channel == "api",
    "channel:page": lambda e: e.channel == "page",
    "ip:10.1.2.3": lambda e: e.ip == "10.1.2.3",
    "ip:10.0.0.0/8": lambda e: within(e, "10.0.0.0/8"),
    "ip:2001:db8::/32": lambda e: within(e, "2001:db8::/32"),
    f"request:{REQUEST}": lambda e: e.request_id == REQUEST,
    "field:is_staff": lambda e: "is_staff" in e.changes,
    "bob": lambda e: has("bob", e.actor_label, e.target_label, e.action),
    "user.created": lambda e: has("user.created", e.actor_label, e.target_label, e.action),
}


@pytest.mark.parametrize("size", [10_000, 3])
def test_each_filter_finds_what_it_says_and_negated_all_else(mixed, monkeypatch, size):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", size)
    assert {text.partition(":")[0] for text in HOLDS if ":" in text} == {*FILTERS} - {
        "since",
        "until",
    }
    for text, holds in HOLDS.items():
        for query, expected in (
            (text, [event for event in mixed if holds(event)]),
            (f"-{text}", [event for event in mixed if not holds(event)]),
        ):
            assert narrow(ActivityEvent.objects.order_by("-id"), parse(query)) is not None
            assert walked(query) == expected, query
            assert expected, f"{query} shows nothing"


def test_terms_that_stand_together_must_all_hold(mixed):
    chosen = random.Random(11)
    for _ in range(60):
        texts = chosen.sample(sorted(HOLDS), 2)
        expected = [e for e in mixed if all(HOLDS[text](e) for text in texts)]
        assert walked(" ".join(texts)) == expected, texts


def test_a_day_is_whole_and_a_moment_is_exact(mixed):
    middle = mixed[50]
    day = f"{mixed[-1].occurred_at:%Y-%m-%d}"
    moment = middle.occurred_at.isoformat(timespec="milliseconds")

    floor = first_id_at(middle.occurred_at)

    assert walked(f"since:{day} until:{mixed[0].occurred_at:%Y-%m-%d}") == mixed
    assert walked(f"since:{moment}") == [e for e in mixed if e.pk >= floor]
    assert walked(f"until:{moment}") == [e for e in mixed if e.pk < floor]
    assert walked("until:2020-01-01") == walked("since:2120-01-01") == []


def pages_of(text):
    """Every page, from the newest, each where the one before it ended."""
    query = parse(text)
    cursor = paging.Cursor()
    while True:
        shown = paging.page(narrow(ActivityEvent.objects.all(), query), query, cursor)
        yield shown
        if shown.older is None:
            return
        cursor = paging.Cursor(before=shown.older)


def walked(text):
    return [event for shown in pages_of(text) for event in shown.events]


@pytest.mark.parametrize(
    "text", ["", "action:user.*", "actor:ann", "outcome:denied -ip:10.0.0.0/8"]
)
def test_pages_visit_each_event_once_although_others_arrive(mixed, monkeypatch, text):
    monkeypatch.setattr(paging, "SIZE", 4)
    before = walked(text)
    found = []
    for shown in pages_of(text):
        found += shown.events
        record("user.changed", outcome="denied", target=Subject("user", BOB, "bob"))

    assert found == before


@pytest.mark.parametrize("text", ["", "family:user", f"actor:{ANN} bob", "field:email"])
def test_pages_lead_back_to_where_they_came_from(mixed, monkeypatch, text):
    monkeypatch.setattr(paging, "SIZE", 4)
    query = parse(text)
    last = list(pages_of(text))[-1]
    back = [*last.events]
    while last.newer is not None:
        last = paging.page(
            narrow(ActivityEvent.objects.all(), query), query, paging.Cursor(after=last.newer)
        )
        back = [*last.events, *back]

    assert back == walked(text)


def test_what_no_index_answers_is_looked_for_a_bounded_number_at_a_time(mixed, monkeypatch):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 10)

    first = next(pages_of("actor:nobody-at-all"))

    assert first.events == []
    assert first.stopped_at == first.older == mixed[10].pk


def test_a_request_is_found_at_once_however_long_ago(mixed, monkeypatch):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 3)
    oldest = next(e for e in reversed(mixed[:100]) if e.request_id != REQUEST)

    assert next(pages_of(f"request:{oldest.request_id}")).events == [oldest]


def test_part_of_a_path_is_part_of_a_name(in_acme):
    page = Subject("page", label="/admin/accounts/customuser/")
    event = record("access.denied", target=page, outcome="denied", details={
        "method": "GET", "path": page.label, "why": "not permitted",
    })  # fmt: skip

    for text in ("admin/accounts", "/admin/accounts", "accounts/customuser", "accounts/"):
        assert walked(f"target:{text}") == [event], text
    assert walked("target:page/admin") == walked("target:group/accounts") == []


def test_each_kind_that_is_recorded_can_be_asked_for_with_an_id():
    written = {
        kind
        for app in APPS
        for source in (CHECKOUT / app).rglob("*.py")
        for kind in re.findall(r"""Subject\(\s*"([a-z_]+)\"""", source.read_text())
    }

    assert {"user", "tenant", "export"} <= written <= subjects.kinds()
    for kind in written | {"group", "hold", "session"}:
        assert parse(f"target:{kind}/7").terms[0].value == (kind, "7")


def carried_on(days):
    """An event of today of a request that was made some days ago, as of a retried operation."""
    began = timezone.now() - timedelta(days=days)
    request = uuid.UUID(int=first_id_at(began).int | 7 << 76 | 2 << 62 | 5)
    retried = Actor(ActorKind.SERVICE, "", "worker")
    with context.acting_as(Context(actor=retried, channel=Channel.TASK, request_id=request)):
        return record("group.changed", target=Subject("group", "7", "Team"))


@pytest.mark.parametrize("days", [0, 2, 300])
def test_everything_in_a_request_has_the_event_that_one_came_from(mixed, monkeypatch, days):
    event = carried_on(days)
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 20)
    for _ in range(3):
        record("user.changed", target=Subject("user", BOB, "bob"))

    pages = list(pages_of(of_request(event)))

    assert pages[0].events == [event]
    assert [one for page in pages[1:] for one in page.events] == []
    assert (pages[0].stopped_at is None) == (days < 1), "past a day it is looked for, 20 at a time"
    assert of_request(mixed[0]) == f"request:{mixed[0].request_id}"
    assert (f"request:{event.request_id}" == of_request(event)) == (days < 1)


def test_a_request_that_went_on_is_looked_for_up_to_when_one_says_and_not_before_it(mixed):
    late = carried_on(2)
    later = (timezone.now() + timedelta(minutes=1)).isoformat(timespec="minutes")
    asked = f"request:{late.request_id}"

    assert walked(asked) == []
    assert walked(f"{asked} until:{later[:16]}Z") == [late]
    assert walked(f"{asked} until:{later[:16]}Z -action:group.changed") == []
    assert walked(f"-{asked} until:{later[:16]}Z") == mixed


def test_what_was_before_a_request_is_not_looked_through_for_it(mixed, monkeypatch):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 20)
    of_tomorrow = carried_on(-1).request_id

    assert len(list(pages_of(f"request:{of_tomorrow} until:2120-01-01"))) == 1


# Errors


@given(
    st.one_of(
        st.text(max_size=80),
        st.text(st.sampled_from('actor:ip-"\\ *./\0\n%_0\udc80'), max_size=30),
        st.builds(
            "{}{}:{}".format, st.sampled_from(["", "-"]), st.sampled_from([*FILTERS]), st.text()
        ),
    )
)
@example("since:9999-12-31")
@example("until:0001-01-01T00:00+23:59")
@example("ip:fe80::1%eth0")
@example("x" * 2_000)
def test_any_text_is_read_or_explained(text):
    try:
        query = parse(text)
    except InvalidQuery as explained:
        shown, caret = explained.pointed.split("\n")
        assert caret.strip() == "^"
        assert len(shown) < 80
        assert shown.isprintable()
    else:
        str(narrow(ActivityEvent.objects.all(), query).query)
        assert isinstance(query, Query)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip))
def test_what_is_quoted_comes_back(text):
    [term] = parse(f"field:{quoted(text)}").terms

    assert term.value == text


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("acter:ann", 0, "Did you mean actor:?"),
        ("bob outcome:deny", 12, "success, failure, denied"),
        ("ip:10.0.0.300", 3, "10.0.0.0/8"),
        ("action:user.creatd", 7, "Did you mean user.created?"),
        ('bob actor:"ann', 10, "never closed"),
        ('"ann"lee', 5, "space"),
        ("since:yesterday", 6, "2026-11-01"),
        ("since:9999-12-31", 6, "'9999-12-31' is out of range."),
        ("until:9999-12-31", 6, "Use years from 1971 to 9990."),
        ("until:9999-12-31T23:59", 6, "out of range"),
        ("until:99991231", 6, "no day and no moment"),
        ("-since:2026-11-01", 0, "until:"),
        ("actor:", 6, "missing"),
        ("request:7", 8, "X-Request-ID"),
    ],
)
def test_an_error_points_at_the_place_and_says_what_to_write(text, column, said):
    with pytest.raises(InvalidQuery) as caught:
        parse(text)

    assert caught.value.pointed == f"{text}\n{' ' * column}^"
    assert said in str(caught.value)
    assert caught.value.pointed in caught.value.message


# In the panel


def test_the_panel_shows_the_error_with_its_caret_and_a_file_is_refused(browser, acme, ann):
    client = browser(acme, ann)

    shown = client.get(EVENTS, {"q": "<b> outcome:deny"})
    refused = client.get(EVENTS, {"q": "outcome:deny", "export": "csv"})

    assert shown.status_code == 200
    assert "&lt;b&gt; outcome:deny\n            ^</pre>" in shown.text
    assert shown.context["cl"].result_list == []
    assert refused.status_code == 400


@pytest.mark.parametrize(
    "value", ["' OR 1=1 --", "%", "\\", "){};", "$$", "ip:0.0.0.0/0'--", "field:a'?", "target:a/'"]
)
def test_hostile_values_are_values(browser, acme, ann, value):
    response = browser(acme, ann).get(EVENTS, {"q": value})

    assert response.status_code == 200
    assert response.context["cl"].result_list == []


@pytest.mark.parametrize("place", ["before=zzz", "after=1", "before=&after=x"])
def test_a_place_that_is_none_is_answered_with_the_list(browser, acme, ann, place):
    assert browser(acme, ann).get(f"{EVENTS}?{place}").status_code == 302


def test_jumping_to_a_day_shows_what_had_happened_by_its_end(browser, acme, ann):
    client = browser(acme, ann)

    assert client.get(EVENTS, {"date": "2020-01-01"}).context["cl"].result_list == []
    assert client.get(EVENTS, {"date": "2120-01-01"}).context["cl"].result_list
    wrong = client.get(EVENTS, {"date": "soon"})
    assert "is not a day" in wrong.text


def test_the_page_of_an_event_leads_to_the_actor_and_the_object(browser, acme, ann, recorded):
    with enter_tenant(acme):
        record("group.changed", target=Subject("group", "7", "Team"))
    [event] = recorded(acme, "group.changed")

    text = browser(acme, ann).get(f"{EVENTS}{event.pk}/change/").text

    assert "?q=target%3Agroup%2F7" in text
    assert f"?q=request%3A{event.request_id}" in text
    with enter_tenant(acme):
        assert walked("target:group/7") == [event]


def test_a_stranger_finds_nothing_of_another_tenant(browser, acme, globex, ann, sam):
    with enter_tenant(acme):
        record("user.changed", target=Subject("user", BOB, CANARY["acme"]))
    client = browser(globex, sam)

    for query in (CANARY["acme"], f"target:{BOB}", f"target:{CANARY['acme']}"):
        found = client.get(EVENTS, {"q": f"{query} -action:activity.searched"})
        assert found.context["cl"].result_list == []
    assert browser(acme, ann).get(EVENTS, {"q": CANARY["acme"]}).context["cl"].result_list


def test_nobody_counts_the_record_and_no_offset_grows(
    browser, acme, ann, django_assert_max_num_queries
):
    client = browser(acme, ann)
    # The first look at something is an event; the next are counted, which takes one statement.
    client.get(EVENTS, {"q": "action:user.*"})
    with django_assert_max_num_queries(10) as sent:
        client.get(EVENTS, {"q": "action:user.*"})

    statements = [query["sql"] for query in sent.captured_queries]
    assert not [sql for sql in statements if "COUNT(" in sql or "OFFSET" in sql]
    assert connection.vendor == "postgresql"
