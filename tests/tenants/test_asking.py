"""One question to many schemas."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants.asking import ask_each
from tenants.context import enter_platform
from tenants.models import Tenant

COUNT = "SELECT {record}, {more} + (SELECT count(*) FROM {schema}.auth_group WHERE name = 'asked')"
HOSTILE = 'it\'s "1" %s {schema} -- \\ \U0001f642'


@pytest.fixture
def cursor(db: None) -> Iterator[Any]:
    with enter_platform(), connection.cursor() as cursor:
        yield cursor


def test_each_answers_for_itself(cursor: Any, acme: Tenant, globex: Tenant) -> None:
    cursor.execute(f"INSERT INTO {acme.schema_name}.auth_group (name) VALUES ('asked')")

    found = ask_each(
        cursor, COUNT, [("one", acme.schema_name), ("other", globex.schema_name)], more=5
    )

    assert dict(found) == {"one": 6, "other": 5}


def test_names_are_names_whatever_is_in_them(cursor: Any, acme: Tenant) -> None:
    schema = HOSTILE.replace('"', '""')
    cursor.execute(f'ALTER SCHEMA "{acme.schema_name}" RENAME TO "{schema}"')

    assert ask_each(cursor, COUNT, [(HOSTILE, HOSTILE)], more=0) == [(HOSTILE, 0)]


def test_however_many_there_are_each_statement_asks_a_hundred(db: None, acme: Tenant) -> None:
    places = [(str(number), acme.schema_name) for number in range(5_000)]
    question = "SELECT {record}, one FROM given WHERE EXISTS (SELECT FROM {schema}.auth_permission)"
    with (
        CaptureQueriesContext(connection) as asked,
        enter_platform(),
        connection.cursor() as cursor,
    ):
        found = ask_each(cursor, question, iter(places), before="WITH given AS (SELECT 1 AS one) ")
        assert ask_each(cursor, question, []) == []

    assert found == [(name, 1) for name, _ in places]
    assert len([one for one in asked if "given" in one["sql"]]) == 50
