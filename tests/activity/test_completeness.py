"""Whichever way a recorded table is changed, there is one event for it, and one history row.

Each cell of the table in ``docs/activity.md`` is one test here, and the table is made of them.
"""

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from tempfile import NamedTemporaryFile
from typing import Any, ClassVar

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from celery import Celery
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.core.serializers import serialize
from django.db import connection, models
from django.test import override_settings
from django.urls import path
from django.utils import timezone
from rest_framework.response import Response

from accounts.models import ApiToken, CustomUser, Membership, PersonPermission, RolePermission
from activity.api.views import RecordView
from activity.capture.unrecorded import UNRECORDED
from activity.models import ActivityEvent, Schedule
from config.environment import CHECKOUT
from config.urls_tenant import urlpatterns as tenant_urls
from tenants.backend import telling
from tenants.context import enter_tenant
from tenants.tasks import TenantTask
from tenants.uuid7 import uuid7
from tests.accounts.test_panel import change
from tests.api import program

PAGE = CHECKOUT / "docs" / "activity.md"
NUMBERS = count(1)
ADDED, CHANGED, REMOVED = "added", "changed", "removed"
DOORS = (
    "save",
    "admin",
    "API",
    "command",
    "task",
    "update",
    "bulk_create",
    "bulk_update",
    "bulk delete",
    "m2m",
    "cascade",
    "raw SQL",
    "loaddata",
)


def person() -> CustomUser:
    number = next(NUMBERS)
    return CustomUser(
        username=f"n{number}",
        email=f"n{number}@acme.example",
        password="!",
        # A fixture has milliseconds.
        date_joined=timezone.now().replace(microsecond=0),
    )


def saved(instance: Any) -> Any:
    models.Model.save(instance)
    return instance


def role() -> Group:
    return Group(name=f"Role {next(NUMBERS)}")


def permission() -> Permission:
    return Permission.objects.order_by("pk")[next(NUMBERS) % 8]


@dataclass(frozen=True)
class Kind:
    """A recorded model: how one is made, what of it is changed to what, and what that is."""

    model: Any
    make: Callable[[], Any]
    field: str
    value: Callable[[], Any]
    actions: dict[str, list[str]]


def named(added: str, changed: str, removed: str) -> dict[str, list[str]]:
    return {ADDED: [added], CHANGED: [changed], REMOVED: [removed]}


def swapped(added: str, removed: str) -> dict[str, list[str]]:
    """A row that ties two others: another takes its place."""
    return {ADDED: [added], CHANGED: [removed, added], REMOVED: [removed]}


MEMBER = swapped("group.member_added", "group.member_removed")
KINDS = {
    "person": Kind(
        CustomUser,
        person,
        "display_name",
        lambda: "Another",
        named("user.created", "user.changed", "user.deleted"),
    ),
    "role": Kind(
        Group,
        role,
        "name",
        lambda: f"Role {next(NUMBERS)}",
        named("group.created", "group.changed", "group.deleted"),
    ),
    "membership": Kind(
        Membership,
        lambda: Membership(user=saved(person()), group=saved(role())),
        "group",
        lambda: saved(role()),
        MEMBER,
    ),
    "permission of a role": Kind(
        RolePermission,
        lambda: RolePermission(group=saved(role()), permission=permission()),
        "group",
        lambda: saved(role()),
        swapped("group.permissions_changed", "group.permissions_changed"),
    ),
    "permission of a person": Kind(
        PersonPermission,
        lambda: PersonPermission(customuser=saved(person()), permission=permission()),
        "customuser",
        lambda: saved(person()),
        swapped("user.privileges_changed", "user.privileges_changed"),
    ),
    "e-mail address": Kind(
        EmailAddress,
        lambda: EmailAddress(user=saved(person()), email=f"m{next(NUMBERS)}@acme.example"),
        "verified",
        lambda: True,
        named("email.added", "email.changed", "email.removed"),
    ),
    "API token": Kind(
        ApiToken,
        lambda: ApiToken(
            id=uuid7(),
            user=saved(person()),
            name="ci",
            beginning="tnt_abcdef",
            digest=f"{next(NUMBERS):064}",
            scopes="record:read",
            created_at=timezone.now().replace(microsecond=0),
            expires_at=timezone.now().replace(microsecond=0),
        ),
        "scopes",
        lambda: "record:verify",
        named("token.created", "token.changed", "token.deleted"),
    ),
    "schedule": Kind(
        Schedule,
        lambda: Schedule(
            id=uuid7(),
            owner=saved(person()),
            name=f"Schedule {next(NUMBERS)}",
            source="events",
            form="csv",
            span="day",
            cron="0 7 * * *",
            zone="UTC",
            delivery=Schedule.Delivery.LINK,
            next_at=timezone.now().replace(microsecond=0),
        ),
        "cron",
        lambda: "0 8 * * *",
        named("schedule.created", "schedule.changed", "schedule.deleted"),
    ),
    "second factor": Kind(
        Authenticator,
        lambda: Authenticator(
            user=saved(person()),
            type="totp",
            data={"secret": "sealed", "step": 1},
            created_at=timezone.now().replace(microsecond=0),
        ),
        "type",
        lambda: "recovery_codes",
        named("factor.added", "factor.changed", "factor.removed"),
    ),
}


# The doors. Each takes the kind and an instance, saved unless it is to be added.


def by_save(done: str, kind: Kind, one: Any) -> None:
    if done == CHANGED:
        setattr(one, kind.field, kind.value())
    if done == REMOVED:
        one.delete()
    else:
        one.save()


def by_command(done: str, kind: Kind, one: Any) -> None:
    class Command(BaseCommand):
        requires_system_checks = ()

        def handle(self, *args: Any, **options: Any) -> None:
            by_save(done, kind, one)

    call_command(Command())


def by_task(done: str, kind: Kind, one: Any) -> None:
    app = Celery("tests", set_as_current=False, task_always_eager=True)
    app.conf.task_eager_propagates = True
    with closing(app):

        def change() -> None:
            by_save(done, kind, one)

        task = app.task(base=TenantTask, name="tests.change", shared=False, lazy=False)(change)
        task.delay(tenant_id=str(connection.tenant.pk))


class ApiDoor(RecordView):
    """An address of an API as engineers add them: it changes what it is told to."""

    wanted: ClassVar[list[Any]] = []

    def post(self, request: Any) -> Response:
        by_save(*self.wanted.pop())
        return Response({})


urlpatterns = [path("api/v1/changes", ApiDoor.as_view()), *tenant_urls]


def by_api(done: str, kind: Kind, one: Any) -> None:
    asking = program(connection.tenant)
    asking.force_login(CustomUser.objects.get(username="ann"))
    ApiDoor.wanted.append((done, kind, one))
    with override_settings(ROOT_URLCONF=__name__):
        answer = asking.post("/api/v1/changes")
    assert answer.status_code == 200, answer.content


def by_update(done: str, kind: Kind, one: Any) -> None:
    kind.model._base_manager.filter(pk=one.pk).update(**{kind.field: kind.value()})


def by_bulk_create(done: str, kind: Kind, one: Any) -> None:
    kind.model._base_manager.bulk_create([one])


def by_bulk_update(done: str, kind: Kind, one: Any) -> None:
    setattr(one, kind.field, kind.value())
    kind.model._base_manager.bulk_update([one], [kind.field])


def by_bulk_delete(done: str, kind: Kind, one: Any) -> None:
    kind.model._base_manager.filter(pk=one.pk).delete()


def by_raw_sql(done: str, kind: Kind, one: Any) -> None:
    table = kind.model._meta.db_table
    key = kind.model._meta.pk.column
    with connection.cursor() as cursor:
        if done == ADDED:
            fields = [
                field
                for field in kind.model._meta.concrete_fields
                if field.column not in (key, "public_id")
            ]
            columns = ", ".join(f'"{field.column}"' for field in fields)
            places = ", ".join(["%s"] * len(fields))
            values = [
                field.get_db_prep_save(field.pre_save(one, True), connection) for field in fields
            ]
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)
        elif done == CHANGED:
            field = kind.model._meta.get_field(kind.field)
            value = kind.value()
            cursor.execute(
                f'UPDATE {table} SET "{field.column}" = %s WHERE {key} = %s',
                [getattr(value, "pk", value), one.pk],
            )
        else:
            cursor.execute(f"DELETE FROM {table} WHERE {key} = %s", [one.pk])


def by_loaddata(done: str, kind: Kind, one: Any) -> None:
    if done == CHANGED:
        setattr(one, kind.field, kind.value())
    fields = [field.name for field in kind.model._meta.concrete_fields]
    [document] = json.loads(serialize("json", [one], fields=fields))
    if done == ADDED and kind.model is CustomUser:
        document["fields"]["public_id"] = str(uuid7())
    with NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps([document]))
        file.flush()
        call_command("loaddata", file.name, verbosity=0)


def by_m2m(done: str, kind: Kind, one: Any) -> None:
    here, there = {
        Membership: (lambda: one.user.groups, lambda: one.group),
        RolePermission: (lambda: one.group.permissions, lambda: one.permission),
        PersonPermission: (lambda: one.customuser.user_permissions, lambda: one.permission),
    }[kind.model]
    if done == ADDED:
        here().add(there())
    else:
        here().remove(there())


def by_cascade(done: str, kind: Kind, one: Any) -> None:
    {
        Membership: lambda: one.group,
        RolePermission: lambda: one.group,
        PersonPermission: lambda: one.customuser,
        EmailAddress: lambda: one.user,
        ApiToken: lambda: one.user,
        Authenticator: lambda: one.user,
    }[kind.model]().delete()


WAYS = {
    "save": by_save,
    "API": by_api,
    "command": by_command,
    "task": by_task,
    "update": by_update,
    "bulk_create": by_bulk_create,
    "bulk_update": by_bulk_update,
    "bulk delete": by_bulk_delete,
    "m2m": by_m2m,
    "cascade": by_cascade,
    "raw SQL": by_raw_sql,
    "loaddata": by_loaddata,
}
ONLY = {
    "update": (CHANGED,),
    "bulk_create": (ADDED,),
    "bulk_update": (CHANGED,),
    "bulk delete": (REMOVED,),
    "m2m": (ADDED, REMOVED),
    "cascade": (REMOVED,),
    "loaddata": (ADDED, CHANGED),
}
NOT_OF = {
    "m2m": ("person", "role", "e-mail address", "API token", "schedule", "second factor"),
    # A schedule outlives its owner's account: it is paused, and others are told.
    "cascade": ("person", "role", "schedule"),
}

CELLS = [
    (name, done, door)
    for name in KINDS
    for done in (ADDED, CHANGED, REMOVED)
    for door in WAYS
    if done in ONLY.get(door, (done,)) and name not in NOT_OF.get(door, ())
]
# By the panel's pages, which are forms and not code of ours: each its own test below.
BY_ADMIN = [
    ("person", CHANGED),
    ("role", ADDED),
    ("role", CHANGED),
    ("role", REMOVED),
    ("permission of a role", ADDED),
    ("permission of a role", REMOVED),
]


def history_of(kind: Kind) -> int:
    history = getattr(kind.model, "history", None)
    return history.count() if history is not None else -1


@pytest.mark.parametrize(("name", "done", "door"), CELLS)
def test_l02_a_change_leaves_its_event_and_its_history(in_acme, name, done, door):
    kind = KINDS[name]
    one = kind.make()
    if done != ADDED:
        saved(one)
        one = kind.model._base_manager.get(pk=one.pk)
    before, rows = ActivityEvent.objects.count(), history_of(kind)

    WAYS[door](done, kind, one)

    expected = kind.actions[done]
    events = [e for e in ActivityEvent.objects.order_by("id")[before:] if e.action in expected]
    assert [event.action for event in events] == expected
    if rows >= 0:
        assert history_of(kind) == rows + 1
    for event in events:
        assert event.target_id
        assert event.target_label
        assert event.changes
        assert event.channel == {"task": "task", "API": "api"}.get(door, "command")
        assert (event.actor_kind == "person") == (door == "API")
    if done == CHANGED and len(expected) == 1:
        assert list(events[0].changes) == [kind.field]


def _by_role_pages(done, client, acme, name):
    add, one = "/admin/auth/group/add/", "/admin/auth/group/{}/"
    with enter_tenant(acme):
        view, read = (
            Permission.objects.get(codename=codename).pk
            for codename in ("view_customuser", "view_activityevent")
        )
        group = Group.objects.create(name="Desk")
        group.permissions.set([view])
    page = one.format(group.pk)
    if name == "role":
        {
            ADDED: lambda: client.post(add, {"name": "Front", "permissions": []}),
            CHANGED: lambda: client.post(f"{page}change/", {"name": "F", "permissions": [view]}),
            REMOVED: lambda: client.post(f"{page}delete/", {"post": "yes"}),
        }[done]()
    else:
        has = [view, read] if done == ADDED else []
        client.post(f"{page}change/", {"name": "Desk", "permissions": has})


@pytest.mark.parametrize(("name", "done"), BY_ADMIN)
def test_l02_a_page_of_the_panel_leaves_its_event_too(
    browser, acme, ann, cleo, recorded, name, done
):
    client = browser(acme, ann)
    kind = KINDS[name]
    if name == "person":
        change(client, acme, cleo, display_name="Another")
    else:
        _by_role_pages(done, client, acme, name)

    found = recorded(acme, *kind.actions[done])[-1]
    assert found.channel == "page"
    assert found.actor_id == str(ann.public_id)


def _table() -> list[str]:
    cells = {*CELLS, *((name, done, "admin") for name, done in BY_ADMIN)}
    lines = [
        f"| What | {' | '.join(DOORS)} |",
        f"|---|{'---|' * len(DOORS)}",
    ]
    for name in KINDS:
        for done in (ADDED, CHANGED, REMOVED):
            marks = ("yes" if (name, done, door) in cells else "–" for door in DOORS)
            lines.append(f"| {name} {done} | {' | '.join(marks)} |")
    return lines


def test_the_page_has_the_table_that_these_tests_prove():
    between = re.search(
        r"<!-- doors:begin -->\n\n(.*?)\n\n<!-- doors:end -->", PAGE.read_text(), re.DOTALL
    )
    assert between
    assert between[1].splitlines() == _table()


def test_each_model_is_recorded_or_left_out_for_a_reason():
    tables = {
        model._meta.label: model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
    }
    neither = [
        label
        for label, table in tables.items()
        if table not in telling.recorded and label not in UNRECORDED
    ]
    assert neither == []
    assert set(UNRECORDED) <= set(tables), "a reason for a model that there is not"
    both = [label for label in UNRECORDED if tables[label] in telling.recorded]
    assert both == []
    assert all(UNRECORDED.values())


def test_each_kind_of_row_that_is_recorded_is_in_the_table():
    proven = {kind.model._meta.db_table for kind in KINDS.values()}
    # What tells of itself, and is recorded only past that, is tested beside what it tells of.
    own_words = {"activity_hold", "activity_retention"}
    assert proven == {
        table for table in telling.recorded - own_words if not table.startswith("tenants_")
    }
