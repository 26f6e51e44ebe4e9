"""L13 and L14: what is forgotten is gone, what is proven stays, killed anywhere or raced.

The scratch platform's tests use real processes and a real ``SIGKILL``.
"""

import os
import signal
import threading
from typing import Any

import pytest
from django.db import connection

from accounts import api_authentication
from accounts.models import CustomUser
from activity.forgetting import erasing, retention, settling
from activity.forgetting.people import people
from activity.models import ActivityEvent
from activity.recording import record
from activity.verifying import verify
from tenants.context import enter_tenant
from tenants.models import Tenant
from tests.activity.settling import seal, settle
from tests.activity.test_forgetting import EMAIL, IP, NAME, found_anywhere, lived
from tests.api import EVENTS, program, token_of
from tests.hazards.kills import answers

EVERY = int(os.environ.get("TEST_KILL_EVERY", "9"))
KILLED = -signal.SIGKILL

ERASED = """
from accounts.models import CustomUser
from activity.forgetting import erasing
from activity.forgetting.people import people
from activity.models import ActivityEvent
from activity.recording import record
from activity.sealing import sealer
from activity.verifying import verify
from django.db import connection
from django.utils import timezone
from tenants import provisioning
from tenants.context import enter_tenant
from tenants.models import Tenant

every = int(sys.argv[1])


def inside(act):
    def run():
        with enter_tenant(Tenant.objects.get(slug="lethe")):
            return act()
    return run


def made():
    provisioning.create(provisioning.TenantRequest(slug="lethe", name="Lethe"))
    return "made"


def lived(name):
    user = CustomUser.objects.create_user(name, name + "@quist.example", "x" * 20)
    user.display_name = "Mallory " + name
    user.save()
    for _ in range(5):
        record("session.started", target=user)
    record("export.requested", details={"format": "csv", "filters": "actor:" + user.email})
    sealer.seal(timezone.now())
    return str(user.public_id)


def erase(who):
    return erasing.erase(people().find(who), "request 1").digest


def left(name, person):
    found = 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = current_schema()::regnamespace"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ~ %s', [name])
            found += cursor.fetchone()[0]
    return {
        "found": found,
        "has_account": CustomUser.objects.filter(username=name).exists(),
        "said": ActivityEvent.objects.filter(action="user.erased", target_id=person).count(),
        "certified": ActivityEvent.objects.filter(action="record.erased", target_id=person).count(),
        "unfinished": person in erasing.unfinished(),
        "wrong": verify().wrong,
    }


on_platform(made)
occurrence = 1
while True:
    name = f"quist{occurrence}x"
    person = on_platform(inside(lambda: lived(name)))
    first = in_child(lambda: killed_before("", occurrence, inside(lambda: erase(person))))
    between = on_platform(inside(lambda: left(name, person)))
    second = on_platform(inside(lambda: erase(person)))
    after = on_platform(inside(lambda: left(name, person)))
    say(first=first, between=between, second=second, after=after)
    if first != -9:
        break
    occurrence += every
"""


def test_l13_an_erasure_that_is_killed_before_any_statement_is_whole_in_the_end(
    scratch_platform: dict[str, str],
) -> None:
    said = answers(ERASED, scratch_platform, EVERY)

    assert len(said) > 5
    assert [one["first"] for one in said[:-1]] == [KILLED] * (len(said) - 1)
    begun = 0
    for one in said:
        between, after = one["between"], one["after"]
        # The account is there, or its erasure is in the record; never neither, never both.
        assert between["has_account"] != bool(between["said"]), one
        begun += between["unfinished"]
        assert (after["found"], after["has_account"], after["wrong"]) == (0, False, None), one
        assert after["unfinished"] is False
        assert after["said"] == 1
        assert between["wrong"] is None
    assert begun > 1


def test_l13_a_person_is_gone_while_events_are_written_and_sealed(lab: Tenant) -> None:
    stop = threading.Event()

    def work(act: Any) -> None:
        try:
            with enter_tenant(lab):
                while not stop.is_set():
                    act()
        finally:
            connection.close()

    with enter_tenant(lab):
        lived()
        others = [
            threading.Thread(target=work, args=(act,))
            for act in (lambda: record("session.started"), seal, verify_intact)
        ]
        for thread in others:
            thread.start()
        try:
            erasing.erase(people().find(EMAIL), "request 1")
        finally:
            stop.set()
            for thread in others:
                thread.join()

        assert found_anywhere([lab.schema_name]) == []
        settle()
        assert verify().wrong is None


def verify_intact() -> None:
    assert verify().wrong is None


def test_l13_two_at_once_erase_somebody_once(lab: Tenant) -> None:
    with enter_tenant(lab):
        user, _ = lived()
        person = people().find(EMAIL)
        ready = threading.Barrier(2)

        def work() -> None:
            try:
                with enter_tenant(lab):
                    ready.wait()
                    erasing.erase(person, "request 1")
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert found_anywhere([lab.schema_name]) == []
        assert ActivityEvent.objects.filter(action="user.erased").count() == 1
        assert not CustomUser.objects.filter(pk=user.pk).exists()
        settle()
        assert verify().wrong is None


def test_l13_a_request_by_token_that_runs_meanwhile_leaves_nothing(
    lab: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_tenant(lab):
        user, _ = lived()
        CustomUser.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
        _, text = token_of(lab, user)

    refused: list[Exception] = []

    def erase() -> None:
        try:
            with enter_tenant(lab):
                erasing.erase(people().find(EMAIL), "request 1")
        except settling.Unsettled as error:
            refused.append(error)
        finally:
            connection.close()

    def erased_meanwhile(_: Any) -> None:
        # The token was good, and the answer is not written yet.
        thread = threading.Thread(target=erase)
        thread.start()
        thread.join()

    monkeypatch.setattr(settling, "PATIENCE", 0.0)
    monkeypatch.setattr(api_authentication, "note_used", erased_meanwhile)
    assert program(lab, text).get(EVENTS, REMOTE_ADDR=IP).status_code == 200
    assert program(lab, text).get(EVENTS, REMOTE_ADDR="192.0.2.1").status_code == 401

    with enter_tenant(lab):
        # Not certified while the request could still write.
        assert len(refused) == 1
        assert not ActivityEvent.objects.filter(action="record.erased").exists()
        assert found_anywhere([lab.schema_name])
        assert erasing.sweep() == 1
        assert found_anywhere([lab.schema_name]) == []
        settle()
        assert verify().wrong is None


def test_l13_the_stranger_of_another_tenant_is_left_alone(
    lab: Tenant, django_db_blocker: Any
) -> None:
    with enter_tenant(lab):
        lived()
        erasing.erase(people().find(EMAIL), "request 1")
    other = Tenant.objects.get(slug="globex")
    with enter_tenant(other):
        assert CustomUser.objects.filter(username="sam").exists()
        assert not ActivityEvent.objects.filter(action="user.erased").exists()
        assert not ActivityEvent.objects.filter(actor_salt=None).exists()


def test_l14_two_cuts_at_once_remove_each_event_once(lab: Tenant) -> None:
    from tests.activity.test_forgetting_retention import happen, seal_as_of

    with enter_tenant(lab):
        happen(sessions=40)
        seal_as_of(100)
        retention.keep("session", 30)
        counts: list[int] = []

        def work() -> None:
            try:
                with enter_tenant(lab):
                    counts.append(retention.cut().events)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(counts) == 40
        verdict = verify()
        assert (verdict.wrong, verdict.cut) == (None, 40)


@pytest.mark.parametrize("name", [NAME])
def test_l13_a_name_is_looked_for_as_whole_words(lab: Tenant, name: str) -> None:
    with enter_tenant(lab):
        lived()
        kept = [
            record("export.requested", details={"format": "csv", "filters": f"actor:x{EMAIL}"}),
            record("export.requested", details={"format": "csv", "filters": f"actor:{EMAIL}.org"}),
            record("export.requested", details={"format": "csv", "filters": f"{name}son"}),
        ]
        gone = record(
            "export.requested", details={"format": "csv", "filters": f"<{EMAIL.upper()}>, {name}."}
        )
        erasing.erase(people().find(EMAIL), "request 1")
        for event in kept:
            event.refresh_from_db()
            assert event.details
        gone.refresh_from_db()
        assert gone.details == {}
