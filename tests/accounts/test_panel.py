"""People and roles in the panel: who may see, who may change, and what is written down."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.api_tokens import make
from accounts.models import CustomUser, Membership
from activity.models import ActivityEvent, ExportJob, Retention
from tenants import lifecycle
from tenants.context import enter_platform, enter_tenant
from tenants.sites import platform_site, tenant_site
from tests.accounts.test_passwords import BrokenServer, link_in, may_sign_in, path_of
from tests.conftest import CANARY, PASSWORD

PEOPLE = "/admin/accounts/customuser/"
ROLES = "/admin/auth/group/"


@pytest.fixture
def dora(acme):
    """Helps Ann with the people of Acme: may add, change and delete them, no administrator."""
    with enter_tenant(acme):
        helpers = Group.objects.create(name="Helpers")
        helpers.permissions.set(Permission.objects.filter(content_type__model="customuser"))
        person = CustomUser.objects.create_user(
            "dora", "dora@acme.example", PASSWORD, is_staff=True
        )
        person.groups.add(helpers)
        return person


def form_of(person, **changes):
    """What the browser sends for a person's page, with some fields changed."""
    fields = {
        "username": person.username,
        "email": person.email,
        "display_name": person.display_name,
        "time_zone": person.time_zone,
        "roles": [group.pk for group in person.groups.all()],
    }
    flags = {name: getattr(person, name) for name in ("is_active", "is_staff", "is_superuser")}
    sent = fields | {name: "on" for name, value in flags.items() if value} | changes
    return {name: value for name, value in sent.items() if value is not None}


def page_of(person):
    return f"{PEOPLE}{person.pk}/change/"


def change(client, tenant, person, **changes):
    with enter_tenant(tenant):
        form = form_of(person, **changes)
    response = client.post(page_of(person), form)
    with enter_tenant(tenant):
        person.refresh_from_db()
    return response


def act(client, action, *people):
    return client.post(PEOPLE, {"action": action, "_selected_action": [p.pk for p in people]})


def names_on(response):
    with enter_tenant(response.wsgi_request.tenant):
        return [person.username for person in response.context["cl"].result_list]


# Looking


def test_ann_lists_searches_and_filters_people(browser, acme, ann, cleo):
    with enter_tenant(acme):
        cleo.is_active = False
        cleo.save()
    client = browser(acme, ann)

    def listed(**query):
        return names_on(client.get(PEOPLE, query))

    assert listed() == ["ann", "bob", "cleo"]
    assert listed(q="BOB") == ["bob"]
    assert listed(q="cleo@acme") == ["cleo"]
    assert listed(q="nobody") == []
    assert listed(state="deactivated") == ["cleo"]
    assert listed(state="active") == ["ann", "bob"]
    assert listed(state="never") == ["bob", "cleo"]
    assert listed(power="administrators") == ["ann"]
    assert listed(power="panel") == ["ann", "bob"]
    with enter_tenant(acme):
        readers = Group.objects.get()
    assert listed(groups__id__exact=readers.pk) == ["bob"]


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=" + "a" * 3_000,
        "p=abc",
        "p=-1",
        "p=99999",
        "o=99.-3.x",
        "state=x",
        "power=%00",
        "groups__id__exact=abc",
        "password__startswith=md5",
        "user_permissions__codename=x",
        "nonsense=1",
        "_popup=1",
        "_to_field=password",
    ],
)
def test_nonsense_in_the_address_of_the_list_is_answered_kindly(browser, acme, ann, query):
    response = browser(acme, ann).get(f"{PEOPLE}?{query}")

    assert response.status_code in (200, 302, 400)


@pytest.mark.parametrize(
    "lookup",
    ["password__startswith", "password", "password__regex", "groups__user__password__startswith"],
)
def test_nobody_guesses_password_hashes_by_filtering(browser, acme, bob, lookup):
    response = browser(acme, bob).get(PEOPLE, {lookup: "md5"})

    assert response.status_code == 400


@pytest.mark.parametrize("what", ["abc", "0", "-1", "99999", "9" * 30, "%00", "1%2F2", "²"])
@pytest.mark.parametrize(
    "page", ["{}/change/", "{}/history/", "{}/delete/", "{}/send-link/", "1/history/{}/"]
)
def test_nonsense_for_an_id_leads_nowhere(browser, acme, ann, what, page):
    response = browser(acme, ann).get(PEOPLE + page.format(what), follow=True)

    assert response.status_code in (200, 404)
    assert response.status_code == 404 or response.request["PATH_INFO"] == "/admin/"
    assert mail.outbox == []


# Adding


def test_ann_adds_dan_who_gets_a_mail_and_cannot_come_before_he_chose_a_password(
    browser, acme, ann, recorded, commits
):
    client = browser(acme, ann)
    with enter_tenant(acme):
        readers = Group.objects.get()

    response = client.post(
        f"{PEOPLE}add/",
        {"username": "Dan", "email": "Dan@Acme.example", "is_staff": "on", "roles": [readers.pk]},
    )

    assert response.status_code == 302
    with enter_tenant(acme):
        dan = CustomUser.objects.get(username="dan")
        assert dan.email == "dan@acme.example"
        assert not dan.has_usable_password()
        assert [group.pk for group in dan.groups.all()] == [readers.pk]
    [message] = mail.outbox
    assert message.to == ["dan@acme.example"]
    assert link_in(message).startswith("http://acme.localhost:8000/")
    for password in ("", "!", dan.password):
        assert not may_sign_in(browser, acme, "dan", password)
    created, role = recorded(acme, "user.created", "group.member_added")[-2:]
    assert created.actor_id == str(ann.public_id)
    assert created.target_id == role.target_id == str(dan.public_id)
    assert created.changes["email"] == [None, "dan@acme.example"]
    assert "password" not in created.changes
    assert created.request_id == role.request_id


def test_a_mail_that_cannot_be_sent_is_said_and_the_person_is_there(
    browser, acme, ann, settings, commits
):
    settings.EMAIL_BACKEND = f"{BrokenServer.__module__}.BrokenServer"

    response = browser(acme, ann).post(
        f"{PEOPLE}add/", {"username": "dan", "email": "dan@acme.example"}, follow=True
    )

    assert "could not be sent" in response.text
    with enter_tenant(acme):
        assert CustomUser.objects.filter(username="dan").exists()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"username": "ANN", "email": "x@acme.example"}, "has this user name already"),
        ({"username": "x", "email": "ANN@ACME.example"}, "has this e-mail address already"),
        ({"username": "x", "email": "no address"}, "valid email address"),
        ({"username": "", "email": "x@acme.example"}, "required"),
        ({"username": "a b", "email": "x@acme.example"}, "valid username"),
        ({"username": "x", "email": "x@acme.example", "time_zone": "Mars/Dome"}, "Europe/Berlin"),
        ({"username": "x", "email": "x@acme.example", "display_name": "a\u202eb"}, "one line"),
    ],
)
def test_what_cannot_be_a_person_is_refused_with_a_sentence(browser, acme, ann, fields, sentence):
    with enter_tenant(acme):
        before = CustomUser.objects.count()

    response = browser(acme, ann).post(f"{PEOPLE}add/", fields)

    assert response.status_code == 200
    assert sentence in response.text
    assert mail.outbox == []
    with enter_tenant(acme):
        assert CustomUser.objects.count() == before


def test_what_an_operators_form_says_is_of_the_platform(browser, acme, ann, operator):
    console, panel = browser(None, operator), browser(acme, ann)

    for page in (f"{PEOPLE}add/", page_of(operator)):
        shown = console.get(page).content.decode()
        assert "May do everything on the platform." in shown
        assert "organisation" not in shown
    for page in (f"{PEOPLE}add/", page_of(ann)):
        assert "May do everything in this organisation." in panel.get(page).content.decode()


def test_ann_sends_a_new_link_from_the_page_of_a_person(browser, acme, ann, cleo, commits):
    response = browser(acme, ann).post(f"{PEOPLE}{cleo.pk}/send-link/")

    assert response["Location"] == page_of(cleo)
    assert [message.to for message in mail.outbox] == [["cleo@acme.example"]]
    assert path_of(link_in(mail.outbox[0])).startswith("/accounts/password/reset/key/")


# Changing


def test_a_change_is_written_down_with_who_before_and_after(browser, acme, ann, cleo, recorded):
    client = browser(acme, ann)
    before = len(recorded(acme))

    response = change(client, acme, cleo, display_name="Cleo Neu", email="cleo.neu@acme.example")

    assert response.status_code == 302
    [event] = recorded(acme)[before:]
    assert event.action == "user.changed"
    assert event.actor_id == str(ann.public_id)
    assert event.actor_label == f"Ann {CANARY['acme']} (ann)"
    assert event.target_id == str(cleo.public_id)
    assert event.changes == {
        "display_name": [f"Cleo {CANARY['acme']}", "Cleo Neu"],
        "email": ["cleo@acme.example", "cleo.neu@acme.example"],
    }
    with enter_tenant(acme):
        newest, first = cleo.history.all()
        assert newest.display_name == "Cleo Neu"
        assert newest.actor_label == f"Ann {CANARY['acme']} (ann)"
        assert newest.request_id == event.request_id
        assert first.history_type == "+"


def test_the_form_writes_what_was_changed_and_nothing_else(browser, acme, ann, cleo):
    client = browser(acme, ann)

    with CaptureQueriesContext(connection) as statements:
        change(client, acme, cleo, display_name="Cleo Neu")

    [update] = [
        one["sql"]
        for one in statements
        if one["sql"].startswith('UPDATE "accounts_customuser"') and "last_seen" not in one["sql"]
    ]
    assert "display_name" in update
    assert not any(name in update for name in ("password", "is_active", "is_superuser", "email"))


def test_power_state_and_names_are_events_of_their_own(browser, acme, ann, cleo, recorded):
    client = browser(acme, ann)
    before = len(recorded(acme))

    change(
        client, acme, cleo, is_superuser="on", is_staff="on", is_active=None, display_name="Chief"
    )

    events = {event.action: event.changes for event in recorded(acme)[before:]}
    assert events == {
        "user.deactivated": {"is_active": [True, False]},
        "user.privileges_changed": {"is_superuser": [False, True], "is_staff": [False, True]},
        "user.changed": {"display_name": [f"Cleo {CANARY['acme']}", "Chief"]},
    }


def test_saving_a_page_as_it_is_writes_nothing(browser, acme, ann, bob, recorded):
    client = browser(acme, ann)
    before = len(recorded(acme))

    response = change(client, acme, bob)

    assert response.status_code == 302
    assert recorded(acme)[before:] == []
    with enter_tenant(acme):
        assert bob.history.count() == 1


def test_roles_are_given_and_taken_with_an_event_each(browser, acme, ann, bob, recorded):
    client = browser(acme, ann)
    with enter_tenant(acme):
        readers, writers = Group.objects.get(), Group.objects.create(name="Writers")

    change(client, acme, bob, roles=[writers.pk])

    gained, lost = recorded(acme, "group.member_added", "group.member_removed")[-2:]
    if gained.action == "group.member_removed":
        gained, lost = lost, gained
    assert gained.target_label == f"Bob {CANARY['acme']} (bob) the role Writers"
    assert lost.target_label == f"Bob {CANARY['acme']} (bob) the role {readers.name}"
    assert {gained.actor_id, lost.actor_id} == {str(ann.public_id)}
    with enter_tenant(acme):
        assert [group.name for group in bob.groups.all()] == ["Writers"]


def test_people_are_deactivated_and_activated_together(browser, acme, ann, bob, cleo, recorded):
    client = browser(acme, ann)

    off = act(client, "deactivate", ann, bob, cleo)
    on = act(client, "activate", bob)

    assert off.status_code == on.status_code == 302
    with enter_tenant(acme):
        states = dict(CustomUser.objects.values_list("username", "is_active"))
    assert states == {"ann": True, "bob": True, "cleo": False}
    done = [
        (event.action, event.target_label.rpartition(" ")[2])
        for event in recorded(acme, "user.deactivated", "user.reactivated")
    ]
    assert done == [
        ("user.deactivated", "(bob)"),
        ("user.deactivated", "(cleo)"),
        ("user.reactivated", "(bob)"),
    ]


def test_ann_removes_cleo_and_the_record_keeps_who_she_was(browser, acme, ann, cleo, recorded):
    client = browser(acme, ann)

    asked = client.get(f"{PEOPLE}{cleo.pk}/delete/")
    client.post(f"{PEOPLE}{cleo.pk}/delete/", {"post": "yes"})

    assert asked.status_code == 200
    [event] = recorded(acme, "user.deleted")
    assert event.actor_id == str(ann.public_id)
    assert event.target_id == str(cleo.public_id)
    assert event.changes["email"] == ["cleo@acme.example", None]
    with enter_tenant(acme):
        assert not CustomUser.objects.filter(pk=cleo.pk).exists()
        assert CustomUser.history.filter(id=cleo.pk, history_type="-").exists()


# Roles


def test_ann_makes_changes_and_removes_a_role(browser, acme, ann, recorded):
    client = browser(acme, ann)
    with enter_tenant(acme):
        view = Permission.objects.get(codename="view_customuser")
        read = Permission.objects.get(codename="view_activityevent")

    client.post(f"{ROLES}add/", {"name": "Desk", "permissions": [view.pk]})
    with enter_tenant(acme):
        desk = Group.objects.get(name="Desk")
    client.post(f"{ROLES}{desk.pk}/change/", {"name": "Front desk", "permissions": [read.pk]})
    client.post(f"{ROLES}{desk.pk}/delete/", {"post": "yes"})

    events = [event for event in recorded(acme) if event.target_id == str(desk.pk)][-7:]
    assert [event.action for event in events] == [
        "group.created",
        "group.permissions_changed",
        "group.changed",
        "group.permissions_changed",
        "group.permissions_changed",
        # What the role could do goes with it.
        "group.permissions_changed",
        "group.deleted",
    ]
    assert {event.actor_id for event in events} == {str(ann.public_id)}
    assert events[1].changes == {"permissions": [None, ["accounts.view_customuser"]]}
    assert events[2].changes == {"name": ["Desk", "Front desk"]}


def test_a_role_cannot_be_given_power_that_the_panel_has_no_page_for(browser, acme, ann):
    with enter_tenant(acme):
        hidden = Permission.objects.get(codename="delete_activityevent")

    response = browser(acme, ann).post(
        f"{ROLES}add/", {"name": "Forgers", "permissions": [hidden.pk]}
    )

    assert response.status_code == 200
    with enter_tenant(acme):
        assert not Group.objects.filter(name="Forgers").exists()


def test_pages_show_times_in_one_form(browser, acme, ann, cleo):
    client = browser(acme, ann)
    seen = datetime(2026, 3, 9, 18, 5, 59, tzinfo=UTC)
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=ann.pk).update(time_zone="America/Sao_Paulo")
        CustomUser.objects.filter(pk=cleo.pk).update(last_seen=seen, last_login=seen)

    for page in (client.get(PEOPLE), client.get(page_of(cleo))):
        assert "2026-03-09 15:05" in page.text
        assert "p.m." not in page.text


# History pages


def test_the_history_of_a_person_says_who_changed_what(browser, acme, ann, cleo):
    client = browser(acme, ann)
    change(client, acme, cleo, display_name="Cleo Neu")

    page = client.get(f"{PEOPLE}{cleo.pk}/history/")
    with enter_tenant(acme):
        first = cleo.history.last()
    version = client.get(f"{PEOPLE}{cleo.pk}/history/{first.pk}/")

    assert page.status_code == version.status_code == 200
    assert "Cleo Neu" in page.text
    assert f"Ann {CANARY['acme']} (ann)" in page.text
    assert f"Cleo {CANARY['acme']}" in version.text


@pytest.mark.parametrize("name", ["evil\u202egnp.exe", "two\u2028lines", "bell\x07"])
def test_a_role_has_a_name_that_shows_as_it_is(browser, acme, ann, name):
    client = browser(acme, ann)
    with enter_tenant(acme):
        readers, plain = Group.objects.get(), Group.objects.get().name

    added = client.post(f"{ROLES}add/", {"name": name})
    changed = client.post(f"{ROLES}{readers.pk}/change/", {"name": name})
    # Only whoever writes past every page gives one; nobody takes a role back to it.
    with enter_tenant(acme):
        Group.objects.filter(pk=readers.pk).update(name=name)
        version = readers.history.first().pk
        Group.objects.filter(pk=readers.pk).update(name=plain)
    page = f"{ROLES}{readers.pk}/history/{version}/take-back/"
    taken_back = client.post(page, {"fingerprint": client.get(page).context["shown"].fingerprint})

    for refused in (added, changed):
        assert "Use printable characters on one line." in refused.text
    assert taken_back.status_code == 409
    with enter_tenant(acme):
        assert [role.name for role in Group.objects.all()] == [plain]


def first_version(client, tenant, row, page):
    with enter_tenant(tenant):
        first = row.history.last()
    response = client.get(f"{page}{row.pk}/history/{first.pk}/")
    with enter_tenant(tenant):
        fields = {
            field.field["name"]: field.contents()
            for fieldset in response.context["adminform"]
            for line in fieldset
            for field in line
            if field.is_readonly
        }
    return response, fields


def test_a_version_of_a_person_shows_the_roles_of_then(browser, acme, ann, cleo):
    client = browser(acme, ann)
    with enter_tenant(acme):
        readers = Group.objects.get()
        writers = Group.objects.create(name="Writers")
    added = {
        "username": "wanda",
        "email": "wanda@acme.example",
        "roles": [writers.pk],
        "display_name": "",
        "time_zone": "",
    }
    client.post(f"{PEOPLE}add/", added)
    with enter_tenant(acme):
        wanda = CustomUser.objects.get(username="wanda")
    change(client, acme, wanda, roles=[readers.pk])
    with enter_tenant(acme):
        writers.name = "Authors"
        writers.save()
    change(client, acme, cleo, roles=[readers.pk])

    _, of_wanda = first_version(client, acme, wanda, PEOPLE)
    _, of_cleo = first_version(client, acme, cleo, PEOPLE)

    assert (of_wanda["roles_then"], of_cleo["roles_then"]) == ("Writers", "–")


def test_a_version_of_a_person_shows_nothing_of_today(browser, acme, ann, cleo):
    client = browser(acme, ann)
    change(client, acme, cleo, display_name="Cleo Neu")

    page, fields = first_version(client, acme, cleo, PEOPLE)

    assert fields.keys().isdisjoint({"second_factor", "last_login", "last_seen"})
    assert "Last login" not in page.text
    assert "Last seen" not in page.text
    assert 'name="roles"' not in page.text
    assert "in_the_record" in fields


def test_a_version_of_a_role_shows_what_it_allowed_then(browser, acme, ann):
    client = browser(acme, ann)
    with enter_tenant(acme):
        view = Permission.objects.get(codename="view_customuser")
        add = Permission.objects.get(codename="add_customuser")
    client.post(f"{ROLES}add/", {"name": "Helpers", "permissions": [view.pk]})
    with enter_tenant(acme):
        helpers = Group.objects.get(name="Helpers")
    client.post(f"{ROLES}{helpers.pk}/change/", {"name": "Helpers of Ann", "permissions": [add.pk]})

    page, fields = first_version(client, acme, helpers, ROLES)

    assert fields["permissions_then"] == "Can view person"
    assert 'name="permissions"' not in page.text
    with enter_tenant(acme):
        assert [one.pk for one in helpers.permissions.all()] == [add.pk]


def test_roles_and_permissions_are_not_told_of_a_time_that_is_not_kept(browser, acme, ann, cleo):
    client = browser(acme, ann)
    with enter_tenant(acme):
        readers = Group.objects.get()
        long_ago = timezone.now() - timedelta(days=400)
        for row in (cleo, readers):
            row.history.update(history_date=long_ago)
        Retention.objects.create(family="group", days=365)

    _, of_cleo = first_version(client, acme, cleo, PEOPLE)
    _, of_readers = first_version(client, acme, readers, ROLES)

    assert "not kept any more" in of_cleo["roles_then"]
    assert "not kept any more" in of_readers["permissions_then"]


@pytest.mark.parametrize("site", [tenant_site, platform_site], ids=lambda site: site.settings_name)
def test_a_page_offers_the_history_that_there_is(browser, acme, ann, operator, site):
    lifecycle.suspend(acme)
    lifecycle.resume(acme)
    is_panel = site is tenant_site
    client = browser(acme, ann) if is_panel else browser(None, operator)
    with enter_tenant(acme) if is_panel else enter_platform():
        make(ann if is_panel else operator, "nightly", ["record:read"], 7)
        Group.objects.create(name="Desk")
        pages = [
            f"/admin/{m._meta.app_label}/{m._meta.model_name}/{m._base_manager.last().pk}"
            for m in site._registry
        ]
    with_history = set()
    for page in pages:
        shown = client.get(f"{page}/change/")
        is_there = client.get(f"{page}/history/").status_code == 200

        assert shown.status_code == 200
        assert (f'{page}/history/"' in shown.content.decode()) is is_there, page
        with_history |= {page.split("/")[3]} if is_there else set()

    assert with_history == ({"customuser", "group"} if is_panel else {"customuser"})


@pytest.mark.parametrize("who", ["bob", "dora"])
def test_whoever_is_no_administrator_puts_nothing_back(browser, acme, ann, bob, dora, cleo, who):
    with enter_tenant(acme):
        person = CustomUser.objects.get(username=who)
        for powerful in (cleo, person):
            powerful.is_superuser = powerful.is_staff = True
            powerful.save()
            powerful.is_superuser = powerful.is_staff = False
            powerful.save()
        person.is_staff = True
        person.save()
        readers = Group.objects.get(name__startswith="Readers")
        readers.permissions.add(Permission.objects.get(codename="view_group"))
        before = everything_in(acme)
    client = browser(acme, person)

    statuses = set()
    for subject in (ann, cleo, person):
        with enter_tenant(acme):
            versions = list(subject.history.values_list("pk", flat=True))
        for version in versions:
            form = {"username": "x", "email": "evil@acme.example", "is_active": "on"}
            response = client.post(f"{PEOPLE}{subject.pk}/history/{version}/", form)
            statuses.add(response.status_code)
    with enter_tenant(acme):
        version = readers.history.first().pk
        every = [permission.pk for permission in Permission.objects.all()]
    form = {"name": "Mine", "permissions": every}
    statuses.add(client.post(f"{ROLES}{readers.pk}/history/{version}/", form).status_code)

    assert statuses == {403}
    with enter_tenant(acme):
        assert everything_in(acme) == before


def test_ann_does_not_put_herself_back_to_less(browser, acme, ann):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=ann.pk).update(is_superuser=True)
        version = ann.history.last()
    client = browser(acme, ann)

    response = client.post(
        f"{PEOPLE}{ann.pk}/history/{version.pk}/",
        {"username": "ann", "email": "ann@acme.example"},
    )

    assert response.status_code == 403
    with enter_tenant(acme):
        ann.refresh_from_db()
        assert ann.is_active


def test_a_person_who_was_removed_is_not_brought_back_by_a_version(browser, acme, ann, cleo):
    with enter_tenant(acme):
        key, version = cleo.pk, cleo.history.last().pk
        cleo.delete()
    client = browser(acme, ann)

    shown = client.get(f"{PEOPLE}{key}/history/")
    posted = client.post(
        f"{PEOPLE}{key}/history/{version}/",
        {"username": "cleo", "email": "cleo@acme.example", "is_active": "on"},
    )

    assert shown.status_code == 200
    assert posted.status_code == 404
    with enter_tenant(acme):
        assert not CustomUser.objects.filter(username="cleo").exists()


# Who may not


def everything_in(tenant):
    """All that the panel can change, without when somebody was here."""
    with enter_tenant(tenant):
        people = CustomUser.objects.order_by("pk").values(
            "pk", "username", "email", "display_name", "password", "time_zone",
            "is_active", "is_staff", "is_superuser",
        )  # fmt: skip
        return (
            list(people),
            list(Group.objects.order_by("pk").values("pk", "name")),
            list(Membership.objects.order_by("pk").values("user_id", "group_id")),
            sorted(Group.permissions.through.objects.values_list("group_id", "permission_id")),
        )


def test_bob_reads_and_changes_nothing(browser, acme, ann, bob, cleo):
    client = browser(acme, bob)
    before = everything_in(acme)
    with enter_tenant(acme):
        readers = Group.objects.get()

    assert client.get(PEOPLE).status_code == 200
    assert client.get(page_of(cleo)).status_code == 200
    refused = [
        client.get(f"{PEOPLE}add/"),
        client.post(f"{PEOPLE}add/", {"username": "dan", "email": "dan@acme.example"}),
        change(client, acme, cleo, display_name="x"),
        change(client, acme, bob, is_superuser="on"),
        client.post(f"{PEOPLE}{cleo.pk}/delete/", {"post": "yes"}),
        client.get(f"{PEOPLE}{cleo.pk}/send-link/"),
        client.get(ROLES),
        client.post(f"{ROLES}{readers.pk}/change/", {"name": "x"}),
    ]
    for action in ("deactivate", "activate", "delete_selected"):
        act(client, action, cleo)

    assert {response.status_code for response in refused} == {403}
    assert everything_in(acme) == before
    assert mail.outbox == []


def test_dora_changes_people_and_no_administrator(browser, acme, ann, cleo, dora):
    client = browser(acme, dora)

    allowed = change(client, acme, cleo, display_name="Cleo Neu")
    before = everything_in(acme)
    refused = [
        change(client, acme, ann, email="evil@acme.example"),
        client.post(f"{PEOPLE}{ann.pk}/delete/", {"post": "yes"}),
        client.get(f"{PEOPLE}{ann.pk}/send-link/"),
    ]
    act(client, "deactivate", ann)
    client.post(PEOPLE, {"action": "delete_selected", "_selected_action": [ann.pk], "post": "yes"})

    assert allowed.status_code == 302
    assert cleo.display_name == "Cleo Neu"
    assert {response.status_code for response in refused} == {403}
    assert everything_in(acme) == before
    assert mail.outbox == []


def test_dora_grants_no_power_to_anybody_by_sending_the_fields_anyway(
    browser, acme, bob, cleo, dora
):
    client = browser(acme, dora)
    with enter_tenant(acme):
        readers = Group.objects.get(name__startswith="Readers")
        every = [permission.pk for permission in Permission.objects.all()]
    power = {
        "is_staff": "on",
        "is_superuser": "on",
        "roles": [readers.pk],
        "groups": [readers.pk],
        "user_permissions": every,
        "password": "x",
    }

    for person in (cleo, dora):
        change(client, acme, person, **power)
    client.post(f"{PEOPLE}add/", {"username": "dan", "email": "dan@acme.example", **power})

    with enter_tenant(acme):
        dan = CustomUser.objects.get(username="dan")
        for person in (cleo, dan):
            person.refresh_from_db()
            assert not person.is_staff
            assert not person.is_superuser
            assert not person.groups.exists()
            assert not person.user_permissions.exists()
        assert not dora.is_superuser
        assert [group.name for group in dora.groups.all()] == ["Helpers"]
        assert dora.check_password(PASSWORD)


def test_dora_changes_nobody_who_may_do_what_she_may_not(browser, acme, bob, dora):
    client = browser(acme, dora)

    # With his address changed to hers, a reset link would make her a reader of the record.
    refused = [
        change(client, acme, bob, email="dora+bob@acme.example"),
        client.post(f"{PEOPLE}{bob.pk}/delete/", {"post": "yes"}),
        client.post(f"{PEOPLE}{bob.pk}/send-link/"),
    ]

    assert {response.status_code for response in refused} == {403}
    assert bob.email == "bob@acme.example"
    assert mail.outbox == []


def test_dora_takes_no_role_away_by_saving_a_page(browser, acme, bob, dora):
    with enter_tenant(acme):
        dora.groups.add(bob.groups.get())
    client = browser(acme, dora)

    response = change(client, acme, bob, display_name="Bob Neu", roles=[])

    assert response.status_code == 302
    assert bob.display_name == "Bob Neu"
    assert bob.is_staff
    with enter_tenant(acme):
        assert bob.groups.count() == 1


@pytest.mark.parametrize("who", ["ann", "dora"])
def test_nobody_deactivates_demotes_or_deletes_themselves(browser, acme, ann, dora, who):
    with enter_tenant(acme):
        person = CustomUser.objects.get(username=who)
        was = (person.is_active, person.is_staff, person.is_superuser)
    client = browser(acme, person)

    change(client, acme, person, is_active=None, is_staff=None, is_superuser=None)
    act(client, "deactivate", person)
    client.post(f"{PEOPLE}{person.pk}/delete/", {"post": "yes"})
    client.post(
        PEOPLE, {"action": "delete_selected", "_selected_action": [person.pk], "post": "yes"}
    )

    with enter_tenant(acme):
        person.refresh_from_db()
    assert (person.is_active, person.is_staff, person.is_superuser) == was


def test_a_role_that_is_lost_is_lost_at_the_next_request(browser, acme, bob):
    client = browser(acme, bob)
    before = client.get(PEOPLE).status_code

    with enter_tenant(acme):
        bob.groups.clear()

    assert before == 200
    assert client.get(PEOPLE).status_code == 403


def test_people_change_their_own_name_and_zone_and_nothing_else(browser, acme, cleo, recorded):
    client = browser(acme, cleo)

    response = client.post(
        "/",
        {
            "display_name": "Cleo Neu",
            "time_zone": "Asia/Tokyo",
            "email": "evil@acme.example",
            "username": "ann2",
            "is_staff": "on",
            "is_superuser": "on",
        },
    )

    assert response.status_code == 302
    with enter_tenant(acme):
        cleo.refresh_from_db()
    assert (cleo.display_name, cleo.time_zone) == ("Cleo Neu", "Asia/Tokyo")
    assert (cleo.username, cleo.email) == ("cleo", "cleo@acme.example")
    assert not cleo.is_staff
    assert not cleo.is_superuser
    [event] = recorded(acme, "user.changed")
    assert event.actor_id == event.target_id == str(cleo.public_id)
    assert set(event.changes) == {"display_name", "time_zone"}


# Every address there is


def addresses(patterns, before="/") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern).replace("^", "").replace("$", "")
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from addresses(pattern.url_patterns, route)


def filled(route, values):
    named = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda found: str(values[found[1]]), route)
    plain = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(values[found[1]]), named)
    unnamed = iter(("object_id", "version_id"))
    return re.sub(r"\([^)]*\)", lambda _: str(values[next(unnamed)]), plain)


@pytest.fixture
def every_address(acme, globex, ann) -> list[str]:
    """Every address of the tenant URLconf, with ids of Acme, of Globex, and with nonsense."""
    routes = list(addresses(get_resolver("config.urls_tenant").url_patterns))
    found = []
    for tenant in (acme, globex):
        with enter_tenant(tenant):
            event = ActivityEvent.objects.order_by("id").first().pk
            version = CustomUser.history.last().pk
            person = CustomUser.objects.order_by("pk").first()
            token, _ = make(person, f"Token {CANARY[tenant.slug]}", ["record:read"], 90)
            job = ExportJob.objects.create(
                source="events",
                asked={"filters": {}, "form": "csv", "note": CANARY[tenant.slug]},
                requester_kind="person",
                requester_id=str(person.public_id),
                requester_label=person.display_name,
            )
        for object_id in (ann.pk, event, "nonsense"):
            values = {
                "object_id": object_id,
                "version_id": version,
                "content_type_id": 1,
                "name": "sign-ins",
                "app_label": "accounts",
                "url": "nonsense/",
                "uidb36": 1,
                "key": "abc",
                "event_id": event,
                "token_id": token.pk,
                "job": job.pk,
                "export_id": job.pk,
                "schedule_id": job.pk,
                "code": "not-found",
            }
            found += [filled(route, values) for route in routes]
    return list(dict.fromkeys(found))


def test_the_crawl_reaches_every_model_and_page(every_address):
    from tenants.sites import tenant_site

    assert len(every_address) > 60
    for model in tenant_site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert base in every_address
        assert f"{base}1/change/" in every_address
        assert f"{base}1/history/" in every_address
    assert "/api/v1/activity/events" in every_address
    assert "/admin/accounts/customuser/1/send-link/" in every_address
    assert "/admin/reports/sign-ins/" in every_address


OPEN = re.compile(r"/accounts/|/$")
"""What may be answered to whoever may not open the panel."""


@pytest.mark.parametrize("who", ["nobody", "the stranger", "cleo", "bob", "ann"])
def test_no_address_shows_or_does_what_it_may_not(
    browser, acme, globex, ann, bob, cleo, sam, every_address, who
):
    client = browser(acme, {"cleo": cleo, "bob": bob, "ann": ann}.get(who))
    if who == "the stranger":
        client.cookies = browser(globex, sam).cookies
    client.raise_request_exception = False
    before = everything_in(acme), everything_in(globex)

    for address in every_address:
        if address.startswith("/accounts/logout/"):
            continue
        methods = ("get",) if who == "ann" else ("get", "post")
        for method in methods:
            response = getattr(client, method)(address)
            page = b"".join(response) if response.streaming else response.content

            assert response.status_code < 500, address
            assert CANARY["globex"].encode() not in page, address
            if who in ("nobody", "the stranger"):
                assert CANARY["acme"].encode() not in page, address
            if address.startswith("/admin/") and who not in ("bob", "ann"):
                assert response.status_code in (302, 403, 404), address

    assert (everything_in(acme), everything_in(globex)) == before


def test_the_panel_of_globex_never_shows_acme_under_the_same_ids(
    browser, acme, globex, sam, every_address
):
    client = browser(globex, sam)
    client.raise_request_exception = False

    for address in every_address:
        response = client.get(address)
        page = b"".join(response) if response.streaming else response.content

        assert CANARY["acme"].encode() not in page, address


def test_the_console_of_the_platform_is_not_on_a_tenants_host(browser, acme, ann, operator):
    client = browser(acme, ann)

    assert client.get("/admin/tenants/tenant/").status_code == 404
    assert client.get("/admin/tenants/domain/").status_code == 404
    assert browser(acme).get("/admin/tenants/tenant/").status_code in (302, 404)


@pytest.mark.parametrize(
    "query",
    ["email__regex=(((((", "username__iregex=[", "date_joined__year=99999999999", "email=%00"],
)
def test_only_the_filters_of_the_list_are_asked_of_the_database(browser, acme, bob, query):
    assert browser(acme, bob).get(f"{PEOPLE}?{query}").status_code == 400


@pytest.mark.parametrize("action", ["activate", "deactivate", "delete_selected"])
@pytest.mark.parametrize("key", ["\0", "abc", "1e9", ""])
def test_a_chosen_row_that_is_none_is_answered_kindly(browser, acme, ann, action, key):
    response = browser(acme, ann).post(PEOPLE, {"action": action, "_selected_action": key})

    assert response.status_code == 400
