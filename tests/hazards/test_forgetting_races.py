"""L13: somebody is erased while others are at work with what they have read of them.

Each race is held open by a second connection, so it always happens. What belongs to whoever is
erased is refused; what names them is found once its transaction is over, and certified only then.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import adapter, api_tokens, token_pages
from accounts.admin import CustomUserAdmin
from accounts.models import ApiToken, CustomUser, Membership
from activity.forgetting import erasing, settling, tasks
from activity.forgetting.people import Person, people
from activity.jobs import asking
from activity.jobs.requesters import NotAllowed
from activity.models import ActivityEvent, ExportJob, SavedSearch, Schedule
from activity.presence import AccountGone
from activity.reading import saved
from activity.recording import record
from activity.schedules import keeping
from activity.schedules.wishes import Wish
from activity.verifying import verify
from tenants.context import enter_tenant
from tenants.models import Tenant
from tests.accounts.test_races import waiting
from tests.accounts.test_support import switch_on
from tests.activity.settling import settle, until
from tests.activity.test_forgetting import EMAIL, NAME, found_anywhere, lived

WISH = Wish(name="Sign-ins", source="sign-ins", cron="daily", delivery="storage")


class Somebody:
    """Another connection that does one thing after the other, as it is told."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.steps: list[Callable[[], Any]] = []
        self.turn = threading.Semaphore(0)
        self.done = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self) -> None:
        try:
            with enter_tenant(self.tenant), transaction.atomic():
                while self.turn.acquire() and self.steps:
                    self.steps.pop()()
                    self.done.release()
        except Exception as error:
            self.error = error
        finally:
            connection.close()
            self.done.release()

    def do(self, step: Callable[[], Any]) -> None:
        """Do it in the transaction that is open, and come back when it is done."""
        self.steps.append(step)
        self.turn.release()
        self.done.acquire()
        assert self.error is None, self.error

    def commit(self) -> None:
        self.turn.release()
        self.thread.join()


@pytest.fixture
def somebody(lab: Tenant) -> Iterator[Somebody]:
    one = Somebody(lab)
    yield one
    one.commit()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.0)


def mention() -> None:
    """Write what somebody else does with the person's name in it."""
    record("export.requested", details={"format": "csv", "filters": f"actor:{EMAIL}"})


def read() -> None:
    """Read who they are, as a request does that has not written anything yet."""
    assert CustomUser.objects.get(email=EMAIL).display_name == NAME


def certificates() -> int:
    return ActivityEvent.objects.filter(action="record.erased").count()


def is_gone(lab: Tenant) -> bool:
    return found_anywhere([lab.schema_name, "public"]) == []


def erase() -> None:
    erasing.erase(people().find(EMAIL), "request 1")


def elsewhere(lab: Tenant, act: Callable[[], Any]) -> None:
    """Do something on a connection of its own, to its end."""
    one = Somebody(lab)
    one.do(act)
    one.commit()
    assert one.error is None, one.error


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("when", ["written before", "read before, written after"])
def test_l13_what_names_somebody_and_commits_later_is_found_before_it_is_certified(
    lab: Tenant, somebody: Somebody, when: str
) -> None:
    with enter_tenant(lab):
        lived()
        somebody.do(mention if when == "written before" else read)
        with pytest.raises(settling.Unsettled, match="has not ended"):
            erase()
        # What there was is gone; nothing says that this was all.
        assert not CustomUser.objects.filter(email=EMAIL).exists()
        assert not ActivityEvent.objects.filter(actor_label__contains=NAME).exists()
        assert erasing.sweep() == 0
        assert certificates() == 0

        if when != "written before":
            somebody.do(mention)
        somebody.commit()
        assert not is_gone(lab)

        assert erasing.sweep() == 1
        assert is_gone(lab)
        assert certificates() == 1
        assert erasing.sweep() == 0
        settle()
        assert verify().wrong is None


def test_l13_an_erasure_waits_for_who_is_at_work(
    lab: Tenant, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            somebody.commit()

    with enter_tenant(lab):
        lived()
        somebody.do(mention)
        monkeypatch.setattr(settling.time, "sleep", pause)
        erase()
        assert len(pauses) >= 3
        assert is_gone(lab)
        assert certificates() == 1


def test_l13_who_is_at_work_is_seen_by_a_role_that_may_see_nothing_else(
    lab: Tenant, somebody: Somebody
) -> None:
    with enter_tenant(lab):
        lived()
        before = settling.others()
        somebody.do(read)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE ROLE nobody_in_particular")
            cursor.execute("GRANT nobody_in_particular TO CURRENT_USER WITH INHERIT FALSE")
            cursor.execute("SET LOCAL ROLE nobody_in_particular")
            seen = settling.others()
            transaction.set_rollback(True)
        assert len(seen - before) == 1


def test_l13_it_is_looked_again_until_a_look_finds_nothing(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[None] = []

    def wait() -> None:
        # Whoever reads what was not emptied yet and writes it down again.
        if len(waited) < 3:
            elsewhere(lab, mention)
        waited.append(None)

    with enter_tenant(lab):
        lived()
        monkeypatch.setattr(settling, "wait", wait)
        erase()
        assert len(waited) == 4
        assert is_gone(lab)


def test_l13_what_never_settles_is_not_certified(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_tenant(lab):
        lived()
        monkeypatch.setattr(settling, "wait", lambda: elsewhere(lab, mention))
        with pytest.raises(settling.Unsettled, match="again and again"):
            erase()
        assert certificates() == 0
        monkeypatch.undo()
        assert erasing.sweep() == 1
        assert is_gone(lab)


@pytest.mark.usefixtures("impatient")
def test_l13_a_worker_looks_again_later(
    lab: Tenant, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    with enter_tenant(lab):
        lived()
        somebody.do(mention)
        with pytest.raises(settling.Unsettled):
            erase()
        monkeypatch.setattr(
            tasks, "_send", lambda attempt, countdown=0: sent.append((attempt, countdown))
        )
        assert tasks.finish_erasures_in_tenant(tenant_id=str(lab.pk)) == 0
        assert sent == [(1, 60)]
        tasks.finish_erasures_in_tenant(len(tasks.PAUSES), tenant_id=str(lab.pk))
        assert sent == [(1, 60)]
        somebody.commit()
        assert tasks.finish_erasures_in_tenant(1, tenant_id=str(lab.pk)) == 1
        assert sent == [(1, 60)]
        assert is_gone(lab)


@contextmanager
def stale(lab: Tenant) -> Iterator[CustomUser]:
    """Give somebody as they were read before they were erased, and find nothing of them later."""
    lived()
    user = CustomUser.objects.get(email=EMAIL)
    CustomUser.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    user.refresh_from_db()
    elsewhere(lab, lambda: erasing.begin(people().find(EMAIL), "request 1"))
    yield user
    assert not CustomUser.objects.filter(pk=user.pk).exists()
    assert erasing.sweep() == 1
    assert is_gone(lab)


def set_password(user: CustomUser) -> None:
    user.set_password("y" * 20)
    user.save()


def rename(user: CustomUser) -> None:
    user.display_name = f"{NAME} the Second"
    user.save()


def signed_in(user: CustomUser) -> None:
    user.last_login = timezone.now()
    user.save(update_fields=["last_login"])


BELONGINGS: dict[str, Callable[[CustomUser], Any]] = {
    "an API token": lambda user: api_tokens.make(user, "nightly", ["record:read"], 7),
    "a saved search": lambda user: saved.save(user, "mine", "action:user.*", is_shared=True),
    "a schedule": lambda user: keeping.create(user, WISH),
    "a second factor": switch_on,
    "a password": set_password,
    "a name": rename,
    "a sign-in": signed_in,
}


@pytest.mark.parametrize("what", BELONGINGS)
def test_l13_what_would_be_somebodys_is_refused_when_they_were_erased(
    lab: Tenant, what: str
) -> None:
    with enter_tenant(lab), stale(lab) as user:
        with pytest.raises(AccountGone, match="the account is gone") as refused:
            BELONGINGS[what](user)
        assert refused.value.http_status == 409
        for model in (ApiToken, SavedSearch, Schedule):
            assert not model._default_manager.exists()


def test_l13_an_erasure_waits_for_what_is_being_kept_of_somebody(
    lab: Tenant, somebody: Somebody
) -> None:
    with enter_tenant(lab):
        lived()
        user = CustomUser.objects.get(email=EMAIL)
        somebody.do(lambda: api_tokens.make(user, "nightly", ["record:read"], 7))
        eraser = Somebody(lab)
        eraser.steps.append(lambda: erasing.begin(people().find(EMAIL), "request 1"))
        eraser.turn.release()
        until(waiting)
        assert CustomUser.objects.filter(email=EMAIL).exists()
        somebody.commit()
        eraser.done.acquire()
        eraser.commit()
        assert eraser.error is None
        assert not ApiToken.objects.exists()
        assert erasing.sweep() == 1
        assert is_gone(lab)


def signed_in_browser(lab: Tenant, user: CustomUser) -> Client:
    client = Client(headers={"host": f"{lab.slug}.localhost:8000"}, raise_request_exception=False)
    with enter_tenant(lab):
        client.force_login(user)
        # Nothing is left to be noted with the next request: it would lock the account.
        CustomUser.objects.filter(pk=user.pk).update(last_seen=timezone.now())
    return client


def erased_before(lab: Tenant, act: Any, whom: Person) -> Any:
    """Return ``act``, with somebody erased before it, by another connection."""

    def acting(*given: Any, **named: Any) -> Any:
        elsewhere(lab, lambda: erasing.begin(whom, "request 1"))
        return act(*given, **named)

    return acting


def test_l13_a_page_says_that_the_account_is_gone(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_tenant(lab):
        user, _ = lived()
        whom = people().find(EMAIL)
    client = signed_in_browser(lab, user)
    client.post("/accounts/reauthenticate/", {"password": "x" * 20})
    monkeypatch.setattr(token_pages, "make", erased_before(lab, token_pages.make, whom))

    answer = client.post(
        "/accounts/tokens/new/", {"name": "nightly", "scopes": ["record:read"], "days": "7"}
    )

    assert answer.status_code == 409
    assert "the account is gone" in answer.content.decode().lower()
    with enter_tenant(lab):
        assert not ApiToken.objects.exists()
        assert not Session.objects.exists()
        assert erasing.sweep() == 1
        assert is_gone(lab)


def test_l13_a_sign_in_leaves_no_session_of_whom_is_gone(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_tenant(lab):
        user, _ = lived()
        whom = people().find(EMAIL)
    client = Client(headers={"host": f"{lab.slug}.localhost:8000"}, raise_request_exception=False)

    def authenticate(*given: Any, **named: Any) -> Any:
        # The password was right.
        found = right(*given, **named)
        elsewhere(lab, lambda: erasing.begin(whom, "request 1"))
        return found

    right = adapter.authenticate
    monkeypatch.setattr(adapter, "authenticate", authenticate)
    answer = client.post("/accounts/login/", {"login": EMAIL, "password": "x" * 20})

    assert answer.status_code == 409
    with enter_tenant(lab):
        assert not CustomUser.objects.filter(pk=user.pk).exists()
        assert not Session.objects.exists()
        assert erasing.sweep() == 1
        assert is_gone(lab)


@pytest.mark.usefixtures("impatient")
def test_l13_an_export_that_is_being_asked_for_is_ended(lab: Tenant, somebody: Somebody) -> None:
    with enter_tenant(lab):
        lived()
        CustomUser.objects.filter(email=EMAIL).update(is_staff=True, is_superuser=True)
        user = CustomUser.objects.get(email=EMAIL)
        CustomUser.objects.create_superuser("chief", "chief@lab.example", "y" * 20)
        somebody.do(lambda: asking.request("events", {"q": f"actor:{EMAIL}"}, "csv", by=user))
        with pytest.raises(settling.Unsettled):
            erase()
        somebody.commit()
        assert erasing.sweep() == 1
        [job] = ExportJob.objects.all()
        assert job.state == ExportJob.State.FAILED
        assert NAME not in job.requester_label
        assert is_gone(lab)
    with enter_tenant(lab), pytest.raises(NotAllowed, match="no account here any more"):
        asking.request("events", {}, "csv", by=user)


def test_l13_a_role_is_not_given_to_whom_is_erased_meanwhile(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_tenant(lab):
        user, owner = lived()
        CustomUser.objects.filter(pk=owner.pk).update(is_staff=True)
        group = Group.objects.create(name="Auditors")
        whom = people().find(EMAIL)
    client = signed_in_browser(lab, owner)
    # From there on the erasure would wait.
    monkeypatch.setattr(CustomUserAdmin, "locked", erased_before(lab, CustomUserAdmin.locked, whom))

    answer = client.post(
        f"/admin/accounts/customuser/{user.pk}/change/",
        {
            "username": user.username,
            "email": EMAIL,
            "display_name": NAME,
            "is_active": "on",
            "roles": [str(group.pk)],
        },
    )

    assert answer.status_code == 302
    assert answer["Location"] == "/admin/"
    with enter_tenant(lab):
        assert not CustomUser.objects.filter(pk=user.pk).exists()
        assert not Membership.objects.filter(group=group).exists()
        assert erasing.sweep() == 1
        assert is_gone(lab)


def test_l13_what_refers_to_whom_is_gone_by_the_end_is_a_refusal(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_tenant(lab):
        user, owner = lived()
        CustomUser.objects.filter(pk=owner.pk).update(is_staff=True)
        group = Group.objects.create(name="Auditors")
        whom = people().find(EMAIL)
    client = signed_in_browser(lab, owner)

    # The account is not locked, as at a door that forgets to; its role is written last of all.
    monkeypatch.setattr(CustomUserAdmin, "locked", lambda *_: None)

    def giving(self: CustomUser, *given: Any, **named: Any) -> None:
        elsewhere(lab, lambda: erasing.begin(whom, "request 1"))
        Membership.objects.bulk_create([Membership(user=user, group=group)])

    monkeypatch.setattr(CustomUser, "save", giving)
    answer = client.post(
        f"/admin/accounts/customuser/{user.pk}/change/",
        {
            "username": user.username,
            "email": EMAIL,
            "display_name": NAME,
            "is_active": "on",
            "roles": [str(group.pk)],
        },
    )

    assert answer.status_code == 409
    assert "was deleted meanwhile" in answer.content.decode()
    with enter_tenant(lab):
        assert not Membership.objects.filter(group=group).exists()
        assert erasing.sweep() == 1
        assert is_gone(lab)
