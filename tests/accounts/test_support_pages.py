"""Support access as those see it who are looked at: administrators, the person, the records."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test import Client

from accounts.models import CustomUser
from accounts.support import opening
from accounts.tasks import end_support
from activity.models import ActivityEvent
from tenants.context import enter_platform, enter_tenant
from tenants.models import SupportAccess, Tenant
from tests.accounts.test_support import (
    REASON,
    console_of,
    inside,
    olga,
    open_for,
    platform_events,
    the_access,
    wanted,
)
from tests.conftest import CANARY

__all__ = ["inside", "olga"]

Browser = Callable[..., Client]
PANEL = "/admin/support/"


def allows(tenant: Tenant) -> bool:
    with enter_platform():
        return Tenant.objects.get(pk=tenant.pk).allows_support


# The tenant's own page


def test_administrators_see_who_had_access(browser, acme, ann, bob, inside):
    said = browser(acme, ann).get(PANEL).content.decode()
    assert REASON in said
    assert "olga" in said
    assert "Is here" in said
    assert browser(acme, bob).get(PANEL).status_code == 403


def test_administrators_forbid_it_and_what_runs_ends(
    browser, acme, globex, ann, olga, inside, recorded
):
    panel = browser(acme, ann)
    panel.post(PANEL, {"act": "forbid"})
    assert not allows(acme)
    assert allows(globex)
    assert the_access().ended_how == "forbidden"
    assert inside.get("/admin/").status_code == 302
    [event] = recorded(acme, "tenant.support_forbidden")
    assert (event.actor_id, event.changes) == (
        str(ann.public_id),
        {"allows_support": [True, False]},
    )
    assert [one.details["how"] for one in recorded(acme, "support.ended")] == ["forbidden"]
    # The platform learns that it was the tenant, not who sits there and where.
    for event in platform_events("tenant.support_forbidden", "support.ended"):
        assert (event.actor_kind, event.actor_id) == ("service", str(acme.pk))
        assert (event.ip, event.user_agent, event.session_ref) == (None, "", "")
        assert CANARY["acme"] not in f"{vars(event)}"
    assert not platform_events("tenant.changed")

    page = browser(None, olga).post(console_of(acme), wanted()).content.decode()
    assert "forbids support access" in page
    assert [one.details["why"] for one in recorded(acme, "support.refused")] == ["forbidden"]
    with enter_platform():
        assert not SupportAccess.objects.running().exists()

    panel.post(PANEL, {"act": "allow"})
    assert allows(acme)
    assert recorded(acme, "tenant.support_allowed")
    panel.post(PANEL, {"act": "allow"})
    assert len(recorded(acme, "tenant.support_allowed")) == 1
    open_for(acme, olga)


def test_an_administrator_ends_access(browser, acme, ann, inside, recorded):
    browser(acme, ann).post(PANEL, {"act": "end", "access": str(the_access().pk)})
    assert inside.get("/admin/").status_code == 302
    [event] = recorded(acme, "support.ended")
    assert (event.details["how"], event.actor_id) == ("tenant", str(ann.public_id))
    assert event.on_behalf_of_id == ""


def test_a_stranger_s_access_is_nobody_s_to_end(browser, globex, sam, inside):
    page = browser(globex, sam).post(PANEL, {"act": "end", "access": str(the_access().pk)})
    assert page.status_code == 302
    assert the_access().ended_at is None
    for nonsense in ("", "x", "00000000-0000-0000-0000-000000000000"):
        browser(globex, sam).post(PANEL, {"act": "end", "access": nonsense})
    assert inside.get("/admin/").status_code == 200
    assert REASON not in browser(globex, sam).get(PANEL).content.decode()


def test_the_person_sees_it_among_their_devices_and_ends_it(browser, acme, ann, inside, recorded):
    hers = browser(acme, ann)
    said = hers.get("/activity/").content.decode()
    assert "Support access by olga, operator" in said
    assert "An operator opened support access to" in said
    assert "olga, operator began support access to" in said
    with enter_tenant(acme):
        ref = recorded(acme, "support.entered")[0].session_ref
    hers.post("/activity/", {"session": ref})
    assert inside.get("/admin/").status_code == 302
    assert [one.details["how"] for one in recorded(acme, "support.ended")] == ["person"]
    assert hers.get("/admin/").status_code == 200


def test_signing_out_everywhere_else_ends_it_too(browser, acme, ann, inside, recorded):
    browser(acme, ann).post("/activity/", {"session": "others"})
    assert inside.get("/admin/").status_code == 302
    assert the_access().ended_how == "person"


def test_an_access_whose_row_is_gone_is_over(browser, acme, ann, inside):
    with enter_platform():
        SupportAccess.objects.all().delete()
    hers = browser(acme, ann)
    assert hers.post("/activity/", {"session": "others"}).status_code == 302
    with enter_tenant(acme):
        assert Session.objects.count() == 1
    assert inside.get("/admin/").status_code == 302


def test_the_console_lists_and_ends(browser, acme, olga, inside, recorded):
    console = browser(None, olga)
    said = console.get(console_of(acme)).content.decode()
    assert REASON in said
    assert "Is here" in said
    console.post(console_of(acme), {"act": "end", "access": str(the_access().pk)})
    assert inside.get("/admin/").status_code == 302
    assert the_access().ended_how == "operator"
    assert "Ended by the operator" in console.get(console_of(acme)).content.decode()
    with enter_platform():
        paul = CustomUser.objects.create_superuser("paul", "paul@platform.example", "x" * 20)
    open_for(acme, olga)
    with enter_platform():
        running = SupportAccess.objects.running().get()
    browser(None, paul).post(console_of(acme), {"act": "end", "access": str(running.pk)})
    ended = recorded(acme, "support.ended")[-1]
    assert (ended.details["how"], ended.actor_label) == ("platform", "paul, operator")


def test_the_end_of_an_erased_person_is_told_without_their_name(
    browser, acme, olga, cleo, recorded
):
    open_for(acme, olga, "cleo")
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=cleo.pk).delete()
    browser(None, olga).post(console_of(acme), {"act": "end", "access": str(the_access().pk)})
    [event] = recorded(acme, "support.ended")
    assert (event.target_id, event.target_label) == (str(cleo.public_id), "")


def test_the_overview_says_who_is_here(browser, acme, globex, bob, sam, inside):
    said = browser(acme, bob).get("/admin/").content.decode()
    assert f"olga, operator, is here under support access: {REASON}" in said
    assert REASON not in browser(globex, sam).get("/admin/").content.decode()
    inside.post("/support/end/")
    assert REASON not in browser(acme, bob).get("/admin/").content.decode()


def test_erasing_the_person_ends_it_and_leaves_no_name(inside, acme, olga, ann, bob, recorded):
    from accounts import erasure
    from activity.forgetting import erasing

    inside.post("/", {"display_name": "Ann Renamed", "time_zone": ""})
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(is_superuser=True)
        person = erasure.person_with(str(ann.public_id))
        erasing.begin(person, "asked for")
        erasing.finish(person)
    # The session is gone with the person, so no request tells that the access is lost.
    assert inside.get("/admin/").status_code == 302
    assert end_support() == 1
    assert the_access().ended_how == "person lost"
    for event in recorded(acme, "support.opened", "support.entered", "support.ended"):
        assert "Ann" not in f"{event.target_label}{event.on_behalf_of_label}"


def test_erasing_leaves_no_name_in_the_rows(acme, globex, olga, cleo, recorded):
    from accounts import erasure
    from activity.forgetting import erasing

    with enter_platform():
        CustomUser.objects.filter(pk=olga.pk).update(display_name="Olga Quistgaard")
        CustomUser.objects.create_superuser("paul", "paul@platform.example", "x" * 20)
        named = CustomUser.objects.get(pk=olga.pk)
        opening.open_access(acme, named, "ann", reason="cleo cannot sign in", minutes=15)
        opening.open_access(globex, named, "sam", reason="cleo of Acme asked", minutes=15)
    with enter_tenant(acme):
        person = erasure.person_with(str(cleo.public_id))
        erasing.begin(person, "asked for")
        erasing.finish(person)
    rows = "SELECT string_agg(support::text, ' ') FROM public.tenants_supportaccess support"
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(f"{rows} WHERE tenant_id = %s", [acme.pk])
        [said] = cursor.fetchone()
        assert "cleo" not in said
        assert "Olga Quistgaard" in said
        # Globex has nothing to do with it: somebody there may be called so.
        cursor.execute(f"{rows} WHERE tenant_id = %s", [globex.pk])
        assert "cleo" in cursor.fetchone()[0]

        person = erasure.person_with(str(olga.public_id))
        erasing.begin(person, "asked for")
        erasing.finish(person)
        cursor.execute(rows)
        assert "Quistgaard" not in cursor.fetchone()[0]
    for tenant in (acme, globex):
        for event in recorded(tenant, "support.opened"):
            assert "Quistgaard" not in f"{vars(event)}"
    assert "Quistgaard" not in f"{[vars(one) for one in platform_events('support.opened')]}"


# The rows


def test_rows_that_somebody_writes_past_the_application_are_told(acme, olga):
    # Past our backend, which would say who acts.
    with connection.connection.cursor() as cursor:
        cursor.execute("SET LOCAL tenantry.context = ''; SET LOCAL search_path = public")
        cursor.execute(
            "INSERT INTO tenants_supportaccess (id, tenant_id, operator_id, operator_label,"
            " person_id, reason, begun_at, ends_at, link_hash, link_until, ended_how)"
            " VALUES (uuidv7(), %s, uuidv7(), 'x', uuidv7(), 'x', now(), now() + '1 hour',"
            " 'x', now(), '')",
            [str(acme.pk)],
        )
        cursor.execute("UPDATE tenants_supportaccess SET reason = 'y', link_hash = 'z'")
        cursor.execute("DELETE FROM tenants_supportaccess")
    told = platform_events("support.row_added", "support.changed", "support.row_removed")
    assert [event.action for event in told] == [
        *("support.row_added", "support.changed", "support.changed", "support.row_removed"),
    ]
    assert all(event.actor_kind == "database" for event in told)
    assert "link_hash" not in str([event.changes for event in told[1:3]])


def test_the_database_refuses_an_access_that_lasts_longer(acme, olga):
    with pytest.raises(IntegrityError), transaction.atomic(), enter_platform():
        SupportAccess.objects.create(
            tenant=acme,
            operator_id=olga.public_id,
            person_id=olga.public_id,
            ends_at=Now() + timedelta(hours=3),
            link_until=Now(),
        )


def test_a_purged_tenant_leaves_no_row(acme, olga):
    from accounts.support import ending

    open_for(acme, olga)
    assert ending.forget(acme) == 1
    with enter_platform():
        assert not SupportAccess.objects.exists()


# Commands


def run(*words: str) -> Any:
    out = StringIO()
    call_command("tenant", "support", *words, "--json", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


def test_commands_open_list_and_end(browser, acme, olga, ann, recorded):
    asked = ("acme", "--operator", "olga", "--for", "ann", "--reason", REASON)
    assert run("open", *asked, "--dry-run")["link"] == ""
    assert run("list") == []
    assert not recorded(acme, "support.opened")

    opened = run("open", *asked, "--minutes", "15")
    assert opened["operator"] == "olga"
    [event] = recorded(acme, "support.opened")
    assert (event.actor_kind, event.details["operator"]) == ("command", str(olga.public_id))
    client = browser(acme)
    assert client.post(opened["link"].partition(":8000")[2]).status_code == 302
    client.post("/", {"display_name": "Ann Renamed", "time_zone": ""})
    assert recorded(acme, "user.changed")[0].actor_label == "olga, operator"

    [listed] = run("list", "acme")
    assert listed["id"] == opened["id"]
    assert listed["entered_at"]
    assert run("list", "globex") == []
    assert run("end", opened["id"], "--dry-run")["changed"] is True
    assert client.get("/admin/").status_code == 200
    assert run("end", opened["id"])["ended_how"] == "platform"
    assert run("end", opened["id"])["changed"] is False
    assert client.get("/admin/").status_code == 302
    assert run("list") == []


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("open", "acme", "--operator", "nobody", "--for", "ann", "--reason", "x"), 3),
        (("open", "acme", "--operator", "olga", "--for", "nobody", "--reason", "x"), 3),
        (("open", "acme", "--operator", "olga", "--for", "ann", "--reason", " "), 2),
        (("open", "nowhere", "--operator", "olga", "--for", "ann", "--reason", "x"), 3),
        (("end", "x"), 3),
        (("end", "01a206a3-d3e0-74f3-8037-abb494252507"), 3),
    ],
)
def test_commands_explain_what_cannot_be(words, status, acme, olga):
    with pytest.raises(CommandError) as refused:
        run(*words)
    assert refused.value.returncode == status
    with enter_platform():
        assert not SupportAccess.objects.exists()
        assert not ActivityEvent.objects.filter(action="support.opened").exists()
