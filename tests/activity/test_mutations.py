"""What the tables' owner may do to each table of the record, behind its triggers' back.

Generated from the models: a column or a table that is added is tried without a word from anybody.
"""

import secrets
from itertools import product

import pytest
from django.apps import apps
from django.db import connection, transaction

from activity.models import ActivityEvent, Segment, Tile
from activity.verifying import verify
from config.environment import CHECKOUT
from tenants import provisioning
from tenants.context import enter_tenant
from tenants.models import DailyCheckpoint, RecordHead
from tenants.requests import TenantRequest
from tests.activity.settling import settle
from tests.activity.test_sealing import happen
from tests.activity.test_verifying import OTHER
from tests.conftest import remove_without_trace

MODELS = [ActivityEvent, Segment, Tile, RecordHead, DailyCheckpoint]
OURS = {RecordHead: "record = {tenant}", DailyCheckpoint: "record = {tenant}"}
"""Which rows of a table outside the schema are of this record."""

ALLOWED = {
    # They say how far witnesses are, nothing about the record: one gets notes twice or misses some.
    (RecordHead, "alter", "filed"),
    (RecordHead, "alter", "posted"),
    # A copy of an earlier day more or less: the newest is in the head, which is compared.
    (DailyCheckpoint, "alter", "day"),
    (DailyCheckpoint, "alter", "record"),
    (DailyCheckpoint, "delete", ""),
    (DailyCheckpoint, "truncate", ""),
    # A copy of the same checkpoint once more, or one under the name of no record.
    (DailyCheckpoint, "insert", ""),
    (RecordHead, "insert", ""),
}
"""What verifying the record does not find: docs/activity.md says why."""


def table_of(model):
    public = "public." if model in OURS else ""
    return f'{public}"{model._meta.db_table}"'


def columns_of(model):
    return [field for field in model._meta.local_fields if field.column]


def other_value(field):
    known = {
        "number": "number + 7",
        "note": "replace(note, E'\\nsealed 2', E'\\nsealed 3')",
        "level": "level + 7",
        "index": "index + 7",
        "record": "'another'",
        "day": "day - 1",
    }
    kind = field.get_internal_type()
    return known.get(field.column) or OTHER[kind].format(f'"{field.column}"')


KEYS = {
    ActivityEvent: {"id": "uuidv7('-1 hour')"},
    Segment: {"number": "number + 7"},
    Tile: {"level": "level + 7"},
    RecordHead: {"record": "'another'"},
    DailyCheckpoint: {"day": "day - 7"},
}

SWAPS = {
    ActivityEvent: ("id", "ORDER BY xid, id"),
    Segment: ("number", "ORDER BY number"),
    Tile: ("index", "WHERE level = 0 ORDER BY index"),
}
"""Exchanging the keys of two rows: one record has one head, and one copy a day."""


def statements(model, operation, column):
    table = table_of(model)
    mine = OURS.get(model, "true")
    row = f"ctid = (SELECT ctid FROM {table} WHERE {mine} LIMIT 1)"
    match operation:
        case "alter":
            [field] = [field for field in columns_of(model) if field.column == column]
            return [f'UPDATE {table} SET "{column}" = {other_value(field)} WHERE {row}']
        case "delete":
            return [f"DELETE FROM {table} WHERE {row}"]
        case "insert":
            names = [field.column for field in columns_of(model)]
            values = [KEYS[model].get(name, f'"{name}"') for name in names]
            quoted = ", ".join(f'"{name}"' for name in names)
            chosen = f"SELECT {', '.join(values)} FROM {table} WHERE {row}"
            return [f"INSERT INTO {table} ({quoted}) {chosen}"]
        case "truncate":
            return [f"TRUNCATE {table}"]
        case "swap":
            return list(_exchange(model, table))
    raise AssertionError(operation)


def _exchange(model, table):
    """Exchange the keys of the first two rows, by way of a key that no row has."""
    key, order = SWAPS[model]
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{key}"::text FROM {table} {order} LIMIT 2')
        [[first], [second]] = cursor.fetchall()
    free = "00000000-0000-0000-0000-000000000001" if key == "id" else "-1"
    level = " AND level = 0" if model is Tile else ""
    for old, new in ((first, free), (second, first), (free, second)):
        yield f"UPDATE {table} SET \"{key}\" = '{new}' WHERE \"{key}\" = '{old}'{level}"


ALTERATIONS = [(model, "alter", field.column) for model in MODELS for field in columns_of(model)]
OTHERS = [
    (model, operation, "")
    for model, operation in product(MODELS, ("delete", "insert", "truncate", "swap"))
    if operation != "swap" or model in SWAPS
]


def change(tenant, model, operation, column):
    """Return what verifying finds after a change, which is then taken back."""
    with enter_tenant(tenant), transaction.atomic():
        with connection.cursor() as cursor:
            for table in map(table_of, MODELS):
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements(model, operation, column):
                cursor.execute(statement.replace("{tenant}", f"'{tenant.pk}'"))
                assert operation == "truncate" or cursor.rowcount != 0, "nothing was changed"
        wrong = verify().wrong
        transaction.set_rollback(True)
    return wrong


@pytest.fixture(scope="module")
def record(django_db_setup, django_db_blocker):
    """A tenant with three segments and a tree of two levels, for all changes in turn."""
    with django_db_blocker.unblock():
        tenant = provisioning.create(TenantRequest(slug=f"lab-{secrets.token_hex(4)}")).tenant
        with enter_tenant(tenant):
            for count in (290, 20, 10):
                happen(count)
                settle()
            assert verify().wrong is None
        yield tenant
        remove_without_trace(tenant)
        connection.close()


@pytest.fixture(autouse=True)
def committed(django_db_blocker):
    """Let tests ask the database outside the transaction of a test."""
    with django_db_blocker.unblock():
        yield


@pytest.mark.parametrize(
    ("model", "operation", "column"),
    [*ALTERATIONS, *OTHERS],
    ids=lambda value: value if isinstance(value, str) else value._meta.db_table,
)
def test_it_is_found_or_the_page_says_why_not(record, model, operation, column):
    wrong = change(record, model, operation, column)

    assert (wrong is None) == ((model, operation, column) in ALLOWED)


def test_every_table_that_has_seals_or_events_is_tried():
    labels = ("activity", "tenants")
    tables = {model for app in labels for model in apps.get_app_config(app).get_models()}
    telling = {"note", "hashes", "xid", "actor_salt"}
    of_the_record = {
        model for model in tables if telling & {field.name for field in model._meta.local_fields}
    }

    assert of_the_record == set(MODELS)


@pytest.mark.parametrize("table", sorted({model._meta.db_table for model, *_ in ALLOWED}))
def test_what_is_not_found_is_on_the_page(table):
    assert f"`{table}`" in (CHECKOUT / "docs/activity.md").read_text()
