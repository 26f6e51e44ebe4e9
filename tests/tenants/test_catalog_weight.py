"""What an empty tenant weighs, and what each of its tables and indexes is there for."""

import re
from typing import NamedTuple

import pytest
from django.apps import apps
from django.db import connection

from config.environment import CHECKOUT
from tenants import doctor
from tenants.blueprint import blueprint, replay
from tenants.catalog import Catalog
from tenants.context import enter_platform
from tenants.names import new_schema_name

OURS = {"account", "accounts", "activity", "auth", "contenttypes", "mfa", "sessions"}
"""The apps whose tables a tenant has. What an app built on these adds is not bounded here."""

WEIGHT = """
WITH there AS (SELECT * FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)),
tables AS (SELECT oid FROM there WHERE relname = ANY(%(others)s)),
theirs AS (
    TABLE tables
    UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (TABLE tables)
    UNION SELECT objid FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
        AND refobjid IN (TABLE tables) AND deptype IN ('a', 'i')
),
ours AS (SELECT * FROM there WHERE oid NOT IN (TABLE theirs))
SELECT count(*) FILTER (WHERE relkind = 'r'), count(*) FILTER (WHERE relkind = 'i'),
    count(*) FILTER (WHERE relkind = 'S'), count(*), count(*) FILTER (WHERE reltoastrelid <> 0),
    (SELECT count(DISTINCT tgfoid) FROM pg_trigger JOIN ours ON ours.oid = tgrelid
     WHERE NOT tgisinternal),
    sum(pg_total_relation_size(oid)) FILTER (WHERE relkind IN ('r', 'S'))
FROM ours
"""


class Weight(NamedTuple):
    """What a schema is made of."""

    tables: int
    indexes: int
    sequences: int
    rows: int
    toasted: int
    functions: int
    size: int

    @property
    def relations(self) -> int:
        """How many rows of pg_class, TOAST and its indexes included."""
        return self.rows + 2 * self.toasted


def weight(schema: str, others: set[str]) -> Weight:
    """Weigh a schema without the tables of others."""
    with connection.cursor() as cursor:
        cursor.execute(WEIGHT, {"schema": schema, "others": sorted(others)})
        return Weight(*map(int, cursor.fetchone()))


@pytest.fixture
def schema(db: None) -> str:
    """An empty tenant's."""
    with enter_platform():
        name = new_schema_name()
        replay(blueprint(), name, "")
    return name


@pytest.fixture
def empty(schema: str) -> Weight:
    models = apps.get_models(include_auto_created=True)
    return weight(schema, {m._meta.db_table for m in models if m._meta.app_label not in OURS})


def test_an_empty_tenant_is_light(empty: Weight) -> None:
    assert 80 < empty.relations <= 120
    assert 400_000 < empty.size <= 800_000


def test_the_page_says_what_an_empty_tenant_is_made_of(empty: Weight) -> None:
    page = (CHECKOUT / "docs/operations.md").read_text()
    said = re.search(
        r"\*\*An empty tenant\.\*\* (\d+) tables, (\d+) indexes and (\d+) sequences: (\d+) rows in"
        r" `pg_class`, and (\d+) more for\s+the TOAST of (\d+) tables, beside (\d+) trigger",
        page,
    )
    assert said
    assert [int(number) for number in said.groups()] == [
        *(empty.tables, empty.indexes, empty.sequences, empty.rows),
        *(2 * empty.toasted, empty.toasted, empty.functions),
    ]


def test_a_table_of_another_app_is_not_weighed(schema: str) -> None:
    before = weight(schema, set())
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {schema}.elsewhere_thing (id bigint GENERATED ALWAYS AS IDENTITY"
            " PRIMARY KEY, title text UNIQUE)"
        )

    assert weight(schema, {"elsewhere_thing"}) == before
    added = weight(schema, set())
    assert added.relations - before.relations == 6
    assert added.size > before.size


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
