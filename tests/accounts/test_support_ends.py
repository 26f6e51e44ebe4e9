"""How support access ends where nobody, or somebody else than usual, ends it: who, and isolated."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import CustomUser
from accounts.tasks import end_support
from tenants.context import enter_platform, enter_tenant
from tenants.models import SupportAccess, Tenant
from tests.accounts.test_support import (
    REASON,
    _new_password,
    console_of,
    inside,
    olga,
    open_for,
    platform_events,
    shift,
    switch_on,
    the_access,
)
from tests.conftest import CANARY

__all__ = ["inside", "olga"]


# Sessions that somebody else ends


def test_voiding_the_person_s_password_is_an_administrator_s_end(
    inside, browser, acme, ann, bob, recorded
):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(is_superuser=True)
    page = f"/admin/accounts/customuser/{ann.pk}/send-link/"
    assert browser(acme, bob).post(page, {"void": "on"}).status_code == 302
    assert the_access().ended_how == "tenant"
    [event] = recorded(acme, "support.ended")
    assert (event.details["how"], event.actor_id) == ("tenant", str(bob.public_id))
    # The platform learns that it was the tenant.
    [ours] = platform_events("support.ended")
    assert (ours.actor_kind, ours.actor_id) == ("service", str(acme.pk))
    assert CANARY["acme"] not in f"{vars(ours)}"


def test_taking_the_second_factor_away_is_an_administrator_s_end(inside, browser, acme, ann, bob):
    with enter_tenant(acme):
        switch_on(ann)
        CustomUser.objects.filter(pk=bob.pk).update(is_superuser=True)
    page = f"/admin/accounts/customuser/{ann.pk}/take-second-factor-away/"
    form = {"reason": "phone lost", "username": "ann"}
    assert browser(acme, bob).post(page, form).status_code == 302
    assert the_access().ended_how == "tenant"


def test_taking_it_away_by_command_is_an_operator_s_end(inside, acme, ann, recorded):
    with enter_tenant(acme):
        switch_on(ann)
    words = ("--tenant", "acme", "--person", "ann", "--reason", "phone lost", "--yes", "--json")
    call_command("account", "second-factor", "reset", *words, stdout=StringIO())
    assert the_access().ended_how == "platform"
    for event in (*recorded(acme, "support.ended"), *platform_events("support.ended")):
        assert (event.actor_kind, event.details["how"]) == ("command", "platform")
    assert len(platform_events("support.ended")) == 1


# Refused commands


@pytest.mark.parametrize(
    ("person", "why", "theirs"), [("nobody", "unknown person", 0), ("ann", "forbidden", 1)]
)
def test_a_refused_command_is_in_the_records(person, why, theirs, acme, olga, recorded):
    if why == "forbidden":
        with enter_platform():
            Tenant.objects.filter(pk=acme.pk).update(allows_support=False)
    words = ("acme", "--operator", "olga", "--for", person, "--reason", REASON)
    for more in ((), ("--dry-run",)):
        with pytest.raises(CommandError, match=r"forbids|nobody who"):
            call_command("tenant", "support", "open", *words, *more, stderr=StringIO())
    # With --dry-run nothing was tried.
    [ours] = platform_events("support.refused")
    assert (ours.details["why"], ours.outcome, ours.channel) == (why, "denied", "command")
    assert [event.details["why"] for event in recorded(acme, "support.refused")] == [why] * theirs


# The sweep


def test_a_new_password_is_noticed_without_another_request(inside, acme, olga, ann, recorded):
    assert end_support() == 0
    _new_password(acme, olga, ann)
    assert end_support() == 1
    [event] = recorded(acme, "support.ended")
    assert (event.details["how"], event.actor_kind) == ("person lost", "service")
    assert end_support() == 0


@pytest.mark.parametrize("what", ["expired", "operator lost"])
def test_a_tenant_whose_record_is_broken_keeps_no_other_waiting(what, acme, globex, olga, recorded):
    with enter_platform():
        paul = CustomUser.objects.create_superuser("paul", "paul@platform.example", "x" * 20)
    # The broken one is looked at in the middle, whichever way round.
    for operator, tenant, person in (
        (olga, globex, "sam"),
        (olga, acme, "ann"),
        (paul, globex, "tess"),
    ):
        open_for(tenant, operator, person)
    if what == "expired":
        shift(ends_at=timedelta(minutes=31))
    else:
        with enter_platform():
            CustomUser.objects.filter(is_superuser=True).update(is_active=False)
    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent RENAME TO elsewhere")
    assert end_support() == 2
    assert [event.details["how"] for event in recorded(globex, "support.ended")] == [what, what]

    with enter_tenant(acme), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO activity_activityevent")
    assert end_support() == 1
    assert [event.details["how"] for event in recorded(acme, "support.ended")] == [what]


def test_one_s_own_access_ends_where_the_schema_is_gone(browser, acme, olga):
    open_for(acme, olga)
    console = browser(None, olga)
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute(f"ALTER SCHEMA {acme.schema_name} RENAME TO elsewhere")
    answer = console.post(console_of(acme), {"act": "end", "access": str(the_access().pk)})
    assert answer.status_code == 302
    assert the_access().ended_how == "operator"
    assert "Ended by the operator" in console.get(console_of(acme)).content.decode()


# Whoever had the browser before


def test_whoever_was_signed_in_with_that_browser_is_signed_out_on_record(
    browser, acme, olga, cleo, recorded
):
    client = browser(acme, cleo)
    path = open_for(acme, olga)
    client.get(path)
    assert not recorded(acme, "session.ended")
    assert client.post(path).status_code == 302
    [event] = recorded(acme, "session.ended")
    assert (event.actor_id, event.target_id) == (str(cleo.public_id), str(cleo.public_id))
    [entered] = recorded(acme, "support.entered")
    assert entered.session_ref != event.session_ref
    assert not [one for one in platform_events("support.entered") if one.on_behalf_of_id]


def test_another_access_in_that_browser_ends(inside, acme, olga, ann, recorded):
    with enter_platform():
        paul = CustomUser.objects.create_superuser("paul", "paul@platform.example", "x" * 20)
        before = SupportAccess.objects.get().pk
    assert inside.post(open_for(acme, paul, "bob")).status_code == 302
    [event] = recorded(acme, "support.ended")
    assert (event.details["access"], event.details["how"]) == (str(before), "operator")
    assert (event.actor_label, event.on_behalf_of_id) == ("olga, operator", str(ann.public_id))
    entered = recorded(acme, "support.entered")[-1]
    assert entered.actor_label == "paul, operator"
    # Names of a tenant's people are not for the platform's record.
    for one in platform_events("support.entered", "support.ended"):
        assert (one.on_behalf_of_id, one.on_behalf_of_label) == ("", "")
    assert not recorded(acme, "session.ended")


def test_the_log_of_the_next_request_names_nobody_of_the_last(inside, browser, acme, ann, caplog):
    """A thread of a server answers one after the other."""
    caplog.clear()
    inside.get("/admin/")
    browser(acme).get("/accounts/login/")
    lines = [one.msg for one in caplog.records if one.name == "tenantry.requests"]
    assert [line.get("on_behalf_of") for line in lines] == [str(ann.public_id), None]


# What is offered


@pytest.mark.parametrize(
    ("page", "offers"),
    [
        ("/", ["/accounts/password/change/"]),
        ("/admin/accounts/customuser/", ["/customuser/add/", 'value="activate"']),
        ("/admin/accounts/customuser/{bob}/change/", ["/send-link/", "/erase/", "/delete/"]),
        ("/admin/auth/group/", ["/group/add/"]),
        ("/admin/activity/activityevent/", ["export=csv", "/exports/new/"]),
        ("/admin/reports/most-active/", ["export=csv", "/exports/new/", "/schedules/new/"]),
        ("/admin/", ["/admin/summary/"]),
        ("/admin/schedules/", ["/schedules/new/"]),
        ("/accounts/tokens/", ["/accounts/tokens/new/"]),
        ("/accounts/second-factor/", ["/second-factor/on/"]),
    ],
)
def test_what_would_be_refused_is_not_offered(page, offers, inside, browser, acme, ann, bob):
    page = page.format(bob=bob.pk)
    hers = browser(acme, ann).get(page).content.decode()
    theirs = inside.get(page).content.decode()
    for offer in offers:
        assert offer in hers
        assert offer not in theirs
