"""What an empty tenant weighs, and what each of its tables and indexes is there for."""

import re

import pytest
from django.db import connection

from config.environment import CHECKOUT
from tenants import doctor
from tenants.blueprint import blueprint, replay
from tenants.catalog import Catalog
from tenants.context import enter_platform
from tenants.names import new_schema_name

RELATIONS = """
WITH own AS (SELECT * FROM pg_catalog.pg_class WHERE relnamespace = %s::regnamespace)
SELECT count(*) + (SELECT 2 * count(*) FROM own WHERE reltoastrelid <> 0),
    (SELECT sum(pg_total_relation_size(oid)) FROM own WHERE relkind IN ('r', 'S'))
FROM own
"""
"""How many rows of pg_class, TOAST and its indexes included, and how many bytes on disk."""


def test_an_empty_tenant_is_light(db: None) -> None:
    with enter_platform(), connection.cursor() as cursor:
        name = new_schema_name()
        replay(blueprint(), name, "")
        cursor.execute(RELATIONS, [name])
        relations, size = cursor.fetchone()
    assert 80 < relations <= 120
    assert 400_000 < size <= 800_000


@pytest.fixture(scope="module")
def wanted(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Catalog:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        return doctor.expected()


def documented() -> dict[str, tuple[str, set[str]]]:
    """For each table of the page: what it is for, and the indexes that are named with it."""
    page = (CHECKOUT / "docs/tenancy.md").read_text()
    between = re.search(r"<!-- relations:begin -->(.*)<!-- relations:end -->", page, re.DOTALL)
    assert between
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|(.*)\|$", between[1], re.MULTILINE)
    return {table: (purpose, set(re.findall(r"`(\w+)`", rest))) for table, purpose, rest in rows}


def test_each_table_and_index_is_explained_in_the_docs(wanted: Catalog) -> None:
    there: dict[str, set[str]] = {key.name: set() for key, _ in wanted.of_kind("table")}
    for key, own in wanted.of_kind("index"):
        if not own.get("constraint"):
            there[key.of].add(key.name)
    assert {table: indexes for table, (_, indexes) in documented().items()} == there
    assert all(purpose for purpose, _ in documented().values())
