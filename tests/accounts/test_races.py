"""What an administrator takes away is not put back by whoever was at work meanwhile.

Each race is held open: the administrator's transaction has the row, and the other one is seen to
wait for it before it commits. So it always happens, on any machine.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.locmem import EmailBackend as Outbox
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import administrators, invitations
from accounts.models import CustomUser
from activity.forgetting import erasing
from activity.forgetting.people import people
from tenants.context import enter_tenant
from tenants.errors import Conflict
from tenants.models import Tenant
from tests.accounts.test_passwords import BrokenServer, better_hashes
from tests.activity.settling import until

OLD = "an old bridge over a river"
NEW = "a new bridge over a river"
CHANGE = "/admin/accounts/customuser/{}/change/"


def person(username: str, **fields: Any) -> CustomUser:
    made: CustomUser = CustomUser.objects.create_user(
        username, f"{username}@lab.example", OLD, display_name=username.capitalize(), **fields
    )
    # Nothing is left to be noted with the next request: it would wait for the row.
    CustomUser.objects.filter(pk=made.pk).update(last_seen=timezone.now())
    made.refresh_from_db()
    return made


def administrator(username: str) -> CustomUser:
    return person(username, is_staff=True, is_superuser=True)


def client_of(lab: Tenant, user: CustomUser | None = None) -> Client:
    client = Client(headers={"host": f"{lab.slug}.localhost:8000"}, raise_request_exception=False)
    if user is not None:
        with enter_tenant(lab):
            client.force_login(user)
    return client


def fresh(user: CustomUser) -> CustomUser:
    return CustomUser.objects.get(pk=user.pk)


class Others:
    """What other connections do meanwhile, each in a thread of its own, and what came of it."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.answers: list[Any] = []

    def begin(self, act: Callable[[], Any]) -> None:
        """Begin something, and come back when it waits for a lock."""

        def work() -> None:
            try:
                self.answers.append(act())
            except Exception as error:
                self.answers.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=work)
        self.threads.append(thread)
        thread.start()
        until(lambda: not thread.is_alive() or waiting() >= len(self.threads))

    def end(self) -> list[Any]:
        for thread in self.threads:
            thread.join()
        return self.answers


def waiting() -> int:
    """How many connections of this very database wait for somebody's row."""
    with connection.cursor() as cursor:
        # Within a transaction it would stay as it was first seen.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


@contextmanager
def others_waiting(*acts: Callable[[], Any]) -> Iterator[Others]:
    """Open a transaction for the block; at its end, before the commit, begin what has to wait."""
    others = Others()
    try:
        with transaction.atomic():
            yield others
            for act in acts:
                others.begin(act)
    finally:
        others.end()


# A password that is void stays void


def test_a_profile_that_is_kept_meanwhile_brings_no_password_back(lab: Tenant) -> None:
    with enter_tenant(lab):
        leaver = person("leaver")
        client = client_of(lab, leaver)
        with others_waiting(lambda: client.post("/", {"display_name": "Still Here"})):
            chosen = fresh(leaver)
            chosen.is_staff = True
            chosen.save(update_fields=["is_staff"])
            invitations.force_new_password(chosen)

        now = fresh(leaver)
        assert now.display_name == "Still Here"
        assert not now.has_usable_password()
        assert now.is_staff


def test_a_password_is_not_changed_that_is_void_by_now(lab: Tenant) -> None:
    with enter_tenant(lab):
        leaver = person("leaver")
        client = client_of(lab, leaver)
        given = {"oldpassword": OLD, "password1": NEW, "password2": NEW}
        with others_waiting(lambda: client.post("/accounts/password/change/", given)) as others:
            invitations.force_new_password(fresh(leaver))

        [answer] = others.answers
        assert answer.status_code == 409
        assert "the password was changed or voided meanwhile." in answer.text.lower()
        assert not fresh(leaver).has_usable_password()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("lost", ["password", "address"])
def test_a_link_that_dies_while_it_is_used_sets_no_password(lab: Tenant, lost: str) -> None:
    with enter_tenant(lab):
        leaver = person("leaver")
        path = invitations.link_for(leaver).partition("localhost:8000")[2]
        client = client_of(lab)
        form = client.get(path, follow=True).request["PATH_INFO"]
        with others_waiting(
            lambda: client.post(form, {"password1": NEW, "password2": NEW})
        ) as others:
            if lost == "password":
                invitations.force_new_password(fresh(leaver))
            else:
                chosen = fresh(leaver)
                chosen.email = "somebody@lab.example"
                chosen.save(update_fields=["email"])

        [answer] = others.answers
        assert answer.status_code == 409
        assert not fresh(leaver).check_password(NEW)


def test_a_form_that_is_kept_meanwhile_brings_no_password_back(lab: Tenant) -> None:
    with enter_tenant(lab):
        chief, leaver = administrator("chief"), person("leaver")
        client = client_of(lab, chief)
        given = {"username": "leaver", "email": leaver.email, "display_name": "Lea Ver"}
        with others_waiting(
            lambda: client.post(CHANGE.format(leaver.pk), given | {"is_active": "on"})
        ) as others:
            invitations.force_new_password(fresh(leaver))

        assert [answer.status_code for answer in others.answers] == [302]
        now = fresh(leaver)
        assert now.display_name == "Lea Ver"
        assert not now.has_usable_password()


def test_a_better_hash_of_a_password_that_is_void_is_not_kept(lab: Tenant, settings: Any) -> None:
    with enter_tenant(lab):
        leaver = person("leaver")
        better_hashes(settings)
        client = client_of(lab)
        with others_waiting(
            lambda: client.post("/accounts/login/", {"login": "leaver", "password": OLD})
        ):
            invitations.force_new_password(fresh(leaver))

        assert not fresh(leaver).has_usable_password()
    assert client.get("/").status_code == 302


# The mail leaves when nobody waits for the row any more


class Watching(Outbox):
    """A mail server that looks whether it is called inside a transaction."""

    seen: list[bool] = []

    def send_messages(self, messages: Any) -> int:
        self.seen.append(connection.in_atomic_block)
        return super().send_messages(messages)


@pytest.mark.parametrize(
    ("server", "said"),
    [(Watching, "was sent a link to choose"), (BrokenServer, "could not be sent")],
)
@pytest.mark.parametrize("door", ["void", "link", "add"])
def test_the_mail_leaves_after_the_commit_and_the_page_says_what_became_of_it(
    lab: Tenant, settings: Any, server: type[BaseEmailBackend], said: str, door: str
) -> None:
    settings.EMAIL_BACKEND = f"{server.__module__}.{server.__name__}"
    Watching.seen.clear()
    with enter_tenant(lab):
        chief, leaver = administrator("chief"), person("leaver")
    client = client_of(lab, chief)
    send = f"/admin/accounts/customuser/{leaver.pk}/send-link/"
    page, given = {
        "void": (send, {"void": "1"}),
        "link": (send, {}),
        "add": ("/admin/accounts/customuser/add/", {"username": "dan", "email": "d@lab.example"}),
    }[door]

    answer = client.post(page, given, follow=True)

    assert said in answer.text
    assert Watching.seen == [False] * (server is Watching)
    with enter_tenant(lab):
        assert fresh(leaver).has_usable_password() == (door != "void")
        assert CustomUser.objects.filter(username="dan").exists() == (door == "add")


# Two administrators


def _demote(client: Client, other: CustomUser) -> Any:
    given = {"username": other.username, "email": other.email, "is_active": "on", "is_staff": "on"}
    return client.post(CHANGE.format(other.pk), given)


def _deactivate(client: Client, other: CustomUser) -> Any:
    given = {"username": other.username, "email": other.email, "is_superuser": "on"}
    return client.post(CHANGE.format(other.pk), given | {"is_staff": "on"})


def _deactivate_in_the_list(client: Client, other: CustomUser) -> Any:
    given = {"action": "deactivate", "_selected_action": [str(other.pk)]}
    return client.post("/admin/accounts/customuser/", given)


def _delete(client: Client, other: CustomUser) -> Any:
    return client.post(f"/admin/accounts/customuser/{other.pk}/delete/", {"post": "yes"})


def _delete_in_the_list(client: Client, other: CustomUser) -> Any:
    given = {"action": "delete_selected", "_selected_action": [str(other.pk)], "post": "yes"}
    return client.post("/admin/accounts/customuser/", given)


DOORS = [_demote, _deactivate, _deactivate_in_the_list, _delete, _delete_in_the_list]


@pytest.mark.parametrize("door", DOORS)
def test_two_administrators_who_remove_each_other_leave_one(lab: Tenant, door: Any) -> None:
    with enter_tenant(lab):
        one, two = administrator("one"), administrator("two")
        of_one, of_two = client_of(lab, one), client_of(lab, two)
        with others_waiting(lambda: door(of_one, two), lambda: door(of_two, one)) as others:
            administrators.locked()

        assert CustomUser.objects.administrators().active().count() == 1
        pages = [answer.text.lower() for answer in others.answers]
        assert len([page for page in pages if "this is the last administrator here." in page]) == 1


def test_two_administrators_who_are_erased_at_once_leave_one(lab: Tenant) -> None:
    def erase(whom: Any) -> Any:
        with enter_tenant(lab):
            return erasing.begin(whom, "request 1")

    with enter_tenant(lab):
        administrator("one"), administrator("two")
        both = [people().find("one"), people().find("two")]
        with others_waiting(lambda: erase(both[0]), lambda: erase(both[1])) as others:
            administrators.locked()

        assert CustomUser.objects.administrators().active().count() == 1
        assert [type(answer) for answer in others.answers if answer] == [Conflict]


# A name that two ask for at once

TAKEN = [
    (
        "accounts/customuser",
        lambda: CustomUser.objects.create_user("twin", "twin@lab.example", OLD),
        {"username": "other", "email": "twin@lab.example"},
        "Somebody has this e-mail address already.",
    ),
    (
        "accounts/customuser",
        lambda: CustomUser.objects.create_user("twin", "twin@lab.example", OLD),
        {"username": "twin", "email": "other@lab.example"},
        "Somebody has this user name already.",
    ),
    (
        "auth/group",
        lambda: Group.objects.create(name="Desk"),
        {"name": "Desk"},
        "Role with this Name already exists.",
    ),
]


@pytest.mark.parametrize(("model", "take", "typed", "sentence"), TAKEN)
def test_the_slower_of_two_who_add_the_same_is_told_so_by_the_form(
    lab: Tenant, model: str, take: Any, typed: dict[str, str], sentence: str
) -> None:
    with enter_tenant(lab):
        client = client_of(lab, administrator("root"))
        before = CustomUser.objects.count() + Group.objects.count()
        with others_waiting(lambda: client.post(f"/admin/{model}/add/", typed)) as others:
            take()
        [answer] = others.answers

        assert answer.status_code == 200
        assert sentence in answer.content.decode()
        for value in typed.values():
            assert f'value="{value}"' in answer.content.decode()
        assert CustomUser.objects.count() + Group.objects.count() == before + 1


def test_the_slower_of_two_who_change_to_the_same_is_told_so_by_the_form(lab: Tenant) -> None:
    with enter_tenant(lab):
        client = client_of(lab, administrator("root"))
        desk = Group.objects.create(name="Desk")
        typed = {"name": "Lobby"}
        address = f"/admin/auth/group/{desk.pk}/change/"
        with others_waiting(lambda: client.post(address, typed)) as others:
            Group.objects.create(name="Lobby")
        [answer] = others.answers

        assert answer.status_code == 200
        assert "Role with this Name already exists." in answer.content.decode()
        desk.refresh_from_db()
        assert desk.name == "Desk"
