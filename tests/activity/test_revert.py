"""Taking a person or a role back to what they were: shown first, recorded, permitted by itself."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import OperationalError, connection, transaction
from django.test import Client

from accounts import administrators
from accounts.admin import CustomUserAdmin
from accounts.models import CustomUser
from activity.models import ActivityEvent
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict
from tests.conftest import CANARY, PASSWORD

PEOPLE = "/admin/accounts/customuser/"
ROLES = "/admin/auth/group/"
WAS = f"Cleo {CANARY['acme']}"


@pytest.fixture
def dora(acme):
    """Helps Ann: may see and change people and take them back, no administrator."""
    return helper(acme, "dora", "view_customuser", "change_customuser", "revert_history")


def helper(tenant, username, *codenames):
    with enter_tenant(tenant):
        role = Group.objects.create(name=f"Role of {username}")
        role.permissions.set(Permission.objects.filter(codename__in=codenames))
        person = CustomUser.objects.create_user(
            username, f"{username}@acme.example", PASSWORD, is_staff=True
        )
        person.groups.add(role)
        return person


def changed(tenant, row, **fields):
    """Change a row, and return its first version."""
    with enter_tenant(tenant):
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()
        return row.history.last()


def page_of(row, version, base=PEOPLE):
    return f"{base}{row.pk}/history/{version.pk}/take-back/"


def fingerprint_on(page):
    return re.search(r'name="fingerprint" value="([^"]+)"', page.text)[1]


def take_back(client, page, **form):
    """What a person does: look, agree."""
    shown = client.get(page)
    assert shown.status_code == 200
    return client.post(page, {"fingerprint": fingerprint_on(shown), **form})


def fresh(tenant, row):
    with enter_tenant(tenant):
        return type(row)._default_manager.get(pk=row.pk)


# Shown first


def test_the_page_of_a_version_leads_to_a_preview_that_changes_nothing(
    browser, acme, ann, cleo, recorded
):
    version = changed(acme, cleo, display_name="Mistake", is_active=False)
    client = browser(acme, ann)
    before = recorded(acme)

    old = client.get(f"{PEOPLE}{cleo.pk}/history/{version.pk}/")
    shown = client.get(page_of(cleo, version))

    assert f'href="{page_of(cleo, version)}"' in old.text
    assert ">Revert<" not in old.text
    rows = re.findall(r'<th scope="row">(.*?)</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>', shown.text)
    assert sorted(rows) == [("Active", "no", "yes"), ("Name", "Mistake", WAS)]
    assert "memberships and permissions are no part of it" in shown.text
    assert fresh(acme, cleo).display_name == "Mistake"
    assert {event.action for event in recorded(acme)[len(before) :]} == {"history.viewed"}


def test_a_version_that_is_like_now_says_that_there_is_nothing_to_do(
    browser, acme, ann, cleo, recorded
):
    with enter_tenant(acme):
        version = cleo.history.last()
    client = browser(acme, ann)

    shown = client.get(page_of(cleo, version))
    posted = client.post(page_of(cleo, version), {"fingerprint": "x"})

    for answer in (shown, posted):
        assert answer.status_code == 200
        assert "nothing to do: it is now as it was then" in answer.text
        assert '<button type="submit">Take back' not in answer.text
    assert recorded(acme, "history.reverted", "user.changed") == []


# Done and recorded


def test_it_is_taken_back_with_history_row_and_events_that_say_so(
    browser, acme, ann, cleo, recorded
):
    version = changed(acme, cleo, display_name="Mistake", is_active=False)
    before = len(recorded(acme))

    answer = take_back(browser(acme, ann), page_of(cleo, version), reason="a slip, #7")

    assert answer.status_code == 302
    assert answer["Location"] == f"{PEOPLE}{cleo.pk}/change/"
    now = fresh(acme, cleo)
    assert (now.display_name, now.is_active) == (WAS, True)
    events = {
        event.action: event
        for event in recorded(acme)[before:]
        if event.action not in ("history.viewed", "session.started")
    }
    assert set(events) == {"user.changed", "user.reactivated", "history.reverted"}
    assert events["user.changed"].changes == {"display_name": ["Mistake", WAS]}
    told = events["user.reactivated"].reason
    assert told.startswith("Taken back to how it was at ")
    assert told.endswith(": a slip, #7")
    said = events["history.reverted"]
    assert said.reason == "a slip, #7"
    assert (said.target_id, said.actor_id) == (str(cleo.public_id), str(ann.public_id))
    assert said.details["version"] == version.pk
    assert sorted(said.details["fields"]) == ["display_name", "is_active"]
    assert len({event.request_id for event in events.values()}) == 1
    with enter_tenant(acme):
        row = cleo.history.first()
        assert (row.display_name, row.request_id) == (WAS, said.request_id)
        assert row.history_change_reason.startswith("Taken back to how it was at ")
    listed = browser(acme, ann).get(f"{PEOPLE}{cleo.pk}/history/")
    assert "Taken back to how it was at" in listed.text


def test_password_and_last_visit_stay_what_they_are(browser, acme, ann, cleo, recorded):
    version = changed(acme, cleo, display_name="Mistake")
    with enter_tenant(acme):
        cleo.set_password("a quite different sentence")
        cleo.last_seen = cleo.last_login = version.history_date
        cleo.save()

    take_back(browser(acme, ann), page_of(cleo, version))

    now = fresh(acme, cleo)
    assert now.display_name == WAS
    assert now.check_password("a quite different sentence")
    assert now.last_seen == now.last_login == version.history_date
    assert len(recorded(acme, "user.password_changed")) == 1


def test_an_administrator_takes_power_back_and_the_record_says_so(
    browser, acme, ann, bob, recorded
):
    version = changed(acme, bob, is_superuser=True)

    answer = take_back(browser(acme, ann), page_of(bob, version))

    assert answer.status_code == 302
    assert not fresh(acme, bob).is_superuser
    event = recorded(acme, "user.privileges_changed")[-1]
    assert event.changes == {"is_superuser": [True, False]}
    assert event.reason.startswith("Taken back to how it was at ")
    assert event.actor_id == str(ann.public_id)


def test_a_role_gets_its_name_back_and_keeps_what_it_may(browser, acme, ann, recorded):
    with enter_tenant(acme):
        role = Group.objects.get(name__startswith="Readers")
        may = set(role.permissions.values_list("pk", flat=True))
    version = changed(acme, role, name="Mistake")

    answer = take_back(browser(acme, ann), page_of(role, version, ROLES))

    assert answer.status_code == 302
    assert fresh(acme, role).name == version.name
    with enter_tenant(acme):
        assert set(role.permissions.values_list("pk", flat=True)) == may
    [event] = recorded(acme, "history.reverted")
    assert (event.target_type, event.details["fields"]) == ("group", ["name"])
    assert len(recorded(acme, "group.changed")) == 2


def test_operators_are_taken_back_on_the_platform(browser, operator, recorded):
    with enter_platform():
        pat = CustomUser.objects.create_user("pat", "pat@platform.example", PASSWORD)
        version = pat.history.last()
        pat.display_name = "Mistake"
        pat.save()

    answer = take_back(browser(None, operator), page_of(pat, version))

    assert answer.status_code == 302
    with enter_platform():
        pat.refresh_from_db()
        assert pat.display_name == ""
        assert ActivityEvent.objects.filter(action="history.reverted").count() == 1


# What cannot be done


def test_a_user_name_that_is_taken_by_now_is_a_sentence_and_no_change(
    browser, acme, ann, bob, cleo, recorded
):
    version = changed(acme, cleo, username="cleo2", display_name="Mistake")
    changed(acme, bob, username="cleo")
    before = recorded(acme, "user.changed")

    answer = take_back(browser(acme, ann), page_of(cleo, version), reason="a slip")

    assert answer.status_code == 409
    assert "Somebody has this user name already." in answer.text
    assert "Nothing was changed." in answer.text
    assert 'value="a slip"' in answer.text
    now = fresh(acme, cleo)
    assert (now.username, now.display_name) == ("cleo2", "Mistake")
    assert recorded(acme, "user.changed") == before
    assert recorded(acme, "history.reverted") == []


def test_a_user_name_that_is_taken_in_the_same_moment_is_a_sentence_too(
    browser, acme, ann, bob, cleo, recorded, monkeypatch
):
    """Between the check and the statement: the database has the last word."""
    version = changed(acme, cleo, username="cleo2")
    changed(acme, bob, username="cleo")
    monkeypatch.setattr(CustomUser, "full_clean", lambda self, **_: None)

    answer = take_back(browser(acme, ann), page_of(cleo, version))

    assert answer.status_code == 409
    assert "Somebody else has one of these values by now." in answer.text
    assert fresh(acme, cleo).username == "cleo2"
    assert recorded(acme, "history.reverted") == []


@pytest.mark.parametrize("action", ["user.changed", "history.reverted"])
def test_if_it_cannot_be_recorded_nothing_is_taken_back(browser, acme, ann, cleo, broken, action):
    version = changed(acme, cleo, display_name="Mistake")
    client = browser(acme, ann)
    page = page_of(cleo, version)
    agreed = fingerprint_on(client.get(page))
    broken(acme, action)

    with transaction.atomic():
        answer = client.post(page, {"fingerprint": agreed})

    assert answer.status_code == 503
    assert fresh(acme, cleo).display_name == "Mistake"


def test_nobody_changes_somebody_who_is_being_taken_back(lab, monkeypatch):
    with enter_tenant(lab):
        owner = CustomUser.objects.create_superuser("owner", "owner@lab.example", PASSWORD)
        user = CustomUser.objects.create_user("user", "user@lab.example", PASSWORD)
    version = changed(lab, user, display_name="Mistake")
    client = Client(headers={"host": f"{lab.slug}.localhost:8000"})
    with enter_tenant(lab):
        client.force_login(owner)

    def change_meanwhile():
        try:
            with enter_tenant(lab), transaction.atomic():
                CustomUser.objects.select_for_update(nowait=True).get(pk=user.pk)
        except OperationalError:
            return "locked"
        finally:
            connection.close()
        return "free"

    found = []

    def look(self, row, shown):
        with ThreadPoolExecutor(1) as pool:
            found.append(pool.submit(change_meanwhile).result(timeout=30))

    monkeypatch.setattr(CustomUserAdmin, "refuse_taking_back", look)

    assert take_back(client, page_of(user, version)).status_code == 302
    assert found == ["locked"]
    assert change_meanwhile() == "free"


def test_what_was_changed_since_the_preview_is_shown_again_and_not_done(
    browser, acme, ann, cleo, recorded
):
    version = changed(acme, cleo, display_name="Mistake")
    client = browser(acme, ann)
    page = page_of(cleo, version)
    seen = fingerprint_on(client.get(page))
    changed(acme, cleo, display_name="Another")

    answer = client.post(page, {"fingerprint": seen})

    assert answer.status_code == 409
    assert "This was changed since you looked." in answer.text
    assert "<td>Another</td>" in answer.text
    assert fingerprint_on(answer) != seen
    assert fresh(acme, cleo).display_name == "Another"
    assert recorded(acme, "history.reverted") == []
    again = client.post(page, {"fingerprint": fingerprint_on(answer)})
    assert again.status_code == 302
    assert fresh(acme, cleo).display_name == WAS


def test_nothing_is_done_without_having_looked(browser, acme, ann, cleo):
    version = changed(acme, cleo, display_name="Mistake")

    answer = browser(acme, ann).post(page_of(cleo, version))

    assert answer.status_code == 409
    assert fresh(acme, cleo).display_name == "Mistake"


def test_somebody_removed_is_not_offered_and_not_brought_back(browser, acme, ann, cleo):
    key = cleo.pk
    version = changed(acme, cleo, display_name="Mistake")
    with enter_tenant(acme):
        cleo.delete()
    cleo.pk = key
    client = browser(acme, ann)

    old = client.get(f"{PEOPLE}{key}/history/{version.pk}/")
    shown = client.get(page_of(cleo, version))
    posted = client.post(page_of(cleo, version), {"fingerprint": "x"})

    assert "This was removed, and is not brought back." in old.text
    assert "take-back/" not in old.text
    assert shown.status_code == posted.status_code == 404
    assert "is not brought back" in shown.text
    with enter_tenant(acme):
        assert not CustomUser.objects.filter(username="cleo").exists()


def test_a_version_of_somebody_who_had_the_same_key_is_not_taken(browser, acme, ann, cleo, bob):
    changed(acme, bob, display_name="Mistake")
    with enter_tenant(acme):
        cleo.history.update(id=bob.pk)
        version = type(cleo).history.filter(id=bob.pk, username="cleo").first()

    answer = browser(acme, ann).get(page_of(bob, version))

    assert answer.status_code == 404


def test_the_last_administrator_is_not_lost(acme, ann):
    with enter_tenant(acme):
        with pytest.raises(Conflict, match="last administrator"):
            administrators.keep_one(ann)
        CustomUser.objects.filter(username="bob").update(is_superuser=True)
        administrators.keep_one(ann)


def test_two_who_take_each_others_power_back_leave_one(browser, acme, ann, bob, monkeypatch):
    """Ann's power goes in the moment before hers over Bob is used."""
    version = changed(acme, bob, is_superuser=True)
    client = browser(acme, ann)
    page = page_of(bob, version)
    agreed = fingerprint_on(client.get(page))
    locked = CustomUserAdmin.locked

    def late(self, key):
        CustomUser.objects.filter(pk=ann.pk).update(is_superuser=False)
        return locked(self, key)

    monkeypatch.setattr(CustomUserAdmin, "locked", late)
    answer = client.post(page, {"fingerprint": agreed})

    assert answer.status_code == 409
    assert "This is the last administrator here." in answer.text
    assert fresh(acme, bob).is_superuser


# Who may


def test_a_helper_takes_back_what_they_may_change_and_leaves_power(
    browser, acme, cleo, dora, recorded
):
    with enter_tenant(acme):
        cleo.is_superuser = cleo.is_staff = True
        cleo.save()
        version = cleo.history.first()
        cleo.is_superuser = cleo.is_staff = False
        cleo.display_name = "Mistake"
        cleo.save()
    before = len(recorded(acme, "user.privileges_changed"))
    client = browser(acme, dora)

    shown = client.get(page_of(cleo, version))
    answer = client.post(
        page_of(cleo, version),
        {"fingerprint": fingerprint_on(shown), "is_superuser": "on", "is_staff": "on"},
    )

    assert "This stays as it is now, because you may not change it here" in shown.text
    assert answer.status_code == 302
    now = fresh(acme, cleo)
    assert (now.display_name, now.is_staff, now.is_superuser) == (WAS, False, False)
    assert len(recorded(acme, "user.privileges_changed")) == before
    [event] = recorded(acme, "history.reverted")
    assert event.details["fields"] == ["display_name"]
    assert sorted(event.details["left"]) == ["is_staff", "is_superuser"]


def test_a_helper_takes_back_nobody_who_may_do_more(browser, acme, ann, dora, recorded):
    version = changed(acme, ann, display_name="Mistake")
    client = browser(acme, dora)

    answers = [
        client.get(page_of(ann, version)),
        client.post(page_of(ann, version), {"fingerprint": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert fresh(acme, ann).display_name == "Mistake"
    assert len(recorded(acme, "access.denied")) == 2


def test_ann_keeps_her_own_power_whatever_she_was(browser, acme, ann, bob):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=ann.pk).update(is_superuser=False, display_name="Less")
        version = ann.history.first()
        CustomUser.objects.filter(pk=ann.pk).update(is_superuser=True, display_name="Ann")

    answer = take_back(browser(acme, ann), page_of(ann, version))

    assert answer.status_code == 302
    now = fresh(acme, ann)
    assert (now.display_name, now.is_superuser) == ("Less", True)


@pytest.mark.parametrize(
    "codenames",
    [
        ("view_customuser", "view_activityevent"),
        ("view_customuser", "change_customuser"),
        ("view_customuser", "revert_history"),
    ],
)
def test_it_takes_both_permissions(browser, acme, cleo, codenames):
    version = changed(acme, cleo, display_name="Mistake")
    client = browser(acme, helper(acme, "ed", *codenames))

    old = client.get(f"{PEOPLE}{cleo.pk}/history/{version.pk}/")
    answers = [
        client.get(page_of(cleo, version)),
        client.post(page_of(cleo, version), {"fingerprint": "x"}),
    ]

    assert old.status_code == 200
    assert "take-back/" not in old.text
    assert [answer.status_code for answer in answers] == [403, 403]
    assert fresh(acme, cleo).display_name == "Mistake"


def test_who_may_take_back_people_takes_back_no_role(browser, acme, dora):
    with enter_tenant(acme):
        role = Group.objects.get(name__startswith="Readers")
    version = changed(acme, role, name="Mistake")

    answer = browser(acme, dora).post(page_of(role, version, ROLES), {"fingerprint": "x"})

    assert answer.status_code == 403
    assert fresh(acme, role).name == "Mistake"


def test_the_form_of_the_library_is_closed_to_administrators_too(browser, acme, ann, cleo):
    version = changed(acme, cleo, display_name="Mistake")
    form = {"username": "cleo", "email": "evil@acme.example", "is_superuser": "on"}

    answer = browser(acme, ann).post(f"{PEOPLE}{cleo.pk}/history/{version.pk}/", form)

    assert answer.status_code == 403
    now = fresh(acme, cleo)
    assert (now.email, now.is_superuser) == ("cleo@acme.example", False)


def test_what_belongs_to_another_tenant_is_not_there(browser, acme, globex, sam, ann, cleo):
    changed(acme, cleo, display_name="Mistake")
    with enter_tenant(acme):
        version = cleo.history.first()
    with enter_tenant(globex):
        stranger = CustomUser.objects.get(username="uwe")
        # No version of Globex has this key.
        assert not CustomUser.history.filter(history_id=version.pk).exists()
    client = browser(globex, sam)

    answers = [
        client.get(page_of(stranger, version)),
        client.post(page_of(stranger, version), {"fingerprint": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert fresh(acme, cleo).display_name == "Mistake"
    elsewhere = browser(acme)
    elsewhere.cookies = client.cookies
    assert "Mistake" not in elsewhere.get(page_of(cleo, version), follow=True).text


@pytest.mark.parametrize("ids", [("abc", "1"), ("1", "abc"), ("9" * 30, "1"), ("1", "9" * 30)])
def test_nonsense_for_an_id_leads_nowhere(browser, acme, ann, ids):
    page = f"{PEOPLE}{ids[0]}/history/{ids[1]}/take-back/"

    for answer in (browser(acme, ann).get(page), browser(acme, ann).post(page)):
        assert answer.status_code == 404


def test_roles_offer_the_permission_in_words(browser, acme, ann):
    page = browser(acme, ann).get(f"{ROLES}add/")

    assert "Can take people and roles back to what they were" in page.text
