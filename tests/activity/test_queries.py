"""How many statements a page sends, every one counted: savepoints too.

A real request begins and ends a transaction where these have a savepoint, so it sends as many.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import CustomUser
from activity.recording import record
from tenants.context import enter_tenant

STATEMENTS = {
    # page: (of an administrator, of a reader, whose permissions take two)
    "home": (4, 4),
    "my activity": (6, 6),
    "overview": (20, 22),
    "people": (8, 10),
    "person": (8, 9),
    "history": (9, 11),
    "events": (7, 9),
    "event": (7, 9),
    "reports": (4, 6),
    "report": (7, 9),
    "exports": (5, 7),
    "schedules": (5, 7),
    "a new schedule": (4, 6),
}


@pytest.fixture
def pages(acme, cleo, recorded):
    return {
        "home": "/",
        "my activity": "/activity/",
        "overview": "/admin/",
        "people": "/admin/accounts/customuser/",
        "person": f"/admin/accounts/customuser/{cleo.pk}/change/",
        "history": f"/admin/accounts/customuser/{cleo.pk}/history/",
        "events": "/admin/activity/activityevent/",
        "event": f"/admin/activity/activityevent/{recorded(acme)[0].pk}/change/",
        "reports": "/admin/reports/",
        "report": "/admin/reports/sign-ins/",
        "exports": "/admin/exports/",
        "schedules": "/admin/schedules/",
        "a new schedule": "/admin/schedules/new/",
    }


def statements_of(client, address):
    client.get(address)
    with CaptureQueriesContext(connection) as sent:
        response = client.get(address)
    assert response.status_code == 200
    return [query["sql"] for query in sent.captured_queries]


@pytest.mark.parametrize("page", STATEMENTS)
def test_a_page_sends_as_many_statements_as_the_table_says(browser, acme, ann, bob, pages, page):
    by_administrator = statements_of(browser(acme, ann), pages[page])
    by_reader = statements_of(browser(acme, bob), pages[page])

    assert (len(by_administrator), len(by_reader)) == STATEMENTS[page], "\n".join(by_reader)


def test_no_statement_of_a_request_is_there_for_the_path(browser, acme, ann, pages):
    sent = statements_of(browser(acme, ann), pages["events"])

    assert [sql for sql in sent if "search_path" in sql] == []


def test_a_longer_list_sends_no_more_statements(browser, acme, ann, pages):
    client = browser(acme, ann)
    with enter_tenant(acme):
        group = CustomUser.objects.get(username="bob").groups.get()
        for number in range(40):
            person = CustomUser.objects.create(
                username=f"p{number}", email=f"p{number}@acme.example", password="!"
            )
            person.groups.add(group)
            record("user.changed", target=person)

    assert len(statements_of(client, pages["people"])) == STATEMENTS["people"][0]
    assert len(statements_of(client, pages["events"])) == STATEMENTS["events"][0]


def test_a_page_that_asks_for_nobody_sends_next_to_nothing(browser, acme):
    sent = statements_of(browser(acme), "/accounts/login/")

    assert len(sent) == 2, sent
