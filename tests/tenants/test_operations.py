"""Operations: steps that are done once, whoever takes them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import IntegrityError, connection
from django.db.models.functions import Now

from accounts.models import CustomUser
from tenants import operations, plans, tasks
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict, InvalidInput, NotFound
from tenants.fleet.journal import Journal
from tenants.fleet.locking import FleetLock
from tenants.fleet.report import Report
from tenants.models import Operation, Tenant
from tenants.plans import Plan, Step, Work
from tests.tenants.conftest import Run

KIND = Operation.Kind.EXPORT


@pytest.fixture
def taken() -> Iterator[list[str]]:
    """Register an operation of three steps; yield the names of the steps as they are taken."""
    names: list[str] = []
    before = dict(plans._plans)

    def step(name: str) -> Step:
        def run(work: Work) -> None:
            names.append(name)
            work.result[name] = len(names)
            if work.request.get("fails_at") == name and names.count(name) == 1:
                raise Conflict(f"{name} is not possible.", "Try again.")

        return Step(name, run)

    def undo(work: Work) -> None:
        names.append("undo")

    plans.register(KIND, Plan(steps=(step("one"), step("two"), step("three")), undo=undo))
    yield names
    plans._plans.clear()
    plans._plans.update(before)


def test_every_step_is_taken_once_and_the_operation_is_finished(
    acme: Tenant, taken: list[str]
) -> None:
    operation = operations.begin(KIND, acme, {})
    assert operation.state == Operation.State.WAITING
    operations.carry_on(operation)
    operations.carry_on(operation)
    assert taken == ["one", "two", "three"]
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.attempt) == ("finished", 3, 1)
    assert operation.result == {"one": 1, "two": 2, "three": 3}
    assert operation.finished_at is not None


def test_a_step_that_fails_is_said_so_and_carried_on_from_there(
    acme: Tenant, taken: list[str]
) -> None:
    operation = operations.begin(KIND, acme, {"fails_at": "two"})
    with pytest.raises(Conflict, match="two is not possible"):
        operations.carry_on(operation)
    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("failed", 1)
    assert operation.error == "two: two is not possible. Try again."
    # What the failed step noted is undone with it.
    assert operation.result == {"one": 1}
    operations.carry_on(operation)
    assert taken == ["one", "two", "two", "three"]
    operation.refresh_from_db()
    assert (operation.state, operation.attempt, operation.error) == ("finished", 2, "")


def test_a_second_one_of_the_kind_is_refused_while_the_first_is_unfinished(
    acme: Tenant, globex: Tenant, taken: list[str]
) -> None:
    first = operations.begin(KIND, acme, {})
    with pytest.raises(Conflict, match=str(first.pk)):
        operations.begin(KIND, acme, {})
    operations.begin(KIND, globex, {})
    operations.carry_on(first)
    operations.begin(KIND, acme, {})


def test_a_fleet_has_one_unfinished_operation_of_a_kind(db: None, taken: list[str]) -> None:
    operations.begin(KIND, None, {})
    with pytest.raises(Conflict):
        operations.begin(KIND, None, {})


def test_what_is_cancelled_is_undone_and_cannot_be_carried_on(
    acme: Tenant, taken: list[str]
) -> None:
    operation = operations.begin(KIND, acme, {"fails_at": "two"})
    with pytest.raises(Conflict):
        operations.carry_on(operation)
    assert operations.cancel(operation).state == Operation.State.CANCELLED
    assert taken == ["one", "two", "undo"]
    with pytest.raises(Conflict, match="was cancelled"):
        operations.carry_on(operation)
    assert operations.cancel(operation).state == Operation.State.CANCELLED
    assert taken[-1] == "undo"
    assert taken.count("undo") == 1


def test_what_is_finished_cannot_be_cancelled(acme: Tenant, taken: list[str]) -> None:
    operation = operations.begin(KIND, acme, {})
    operations.carry_on(operation)
    with pytest.raises(Conflict, match="cannot be undone"):
        operations.cancel(operation)


def test_what_is_being_run_is_left_to_who_runs_it(lab: Tenant, taken: list[str]) -> None:
    inside, go_on = Event(), Event()

    def wait(work: Work) -> None:
        inside.set()
        assert go_on.wait(60)

    plans.register(KIND, Plan(steps=(Step("wait", wait),), undo=lambda work: None))
    operation = operations.begin(KIND, lab, {})

    def elsewhere() -> None:
        with enter_platform():
            operations.carry_on(operations.operation_with(operation.pk))
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(elsewhere)
        try:
            assert inside.wait(60)
            for act in (operations.carry_on, operations.cancel, operations.retry):
                with pytest.raises(Conflict, match="being run by somebody else"):
                    act(operations.operation_with(operation.pk))  # type: ignore[operator]
        finally:
            go_on.set()
        running.result(timeout=60)
    assert operations.operation_with(operation.pk).state == Operation.State.FINISHED
    assert operations.operation_with(operation.pk).error == ""


def test_a_run_through_the_fleet_that_goes_on_is_not_said_to_wait(db: None) -> None:
    """Such a run holds no lock of its row: nothing but the fleet's own keeps others from it."""
    with FleetLock(wait=False, say=lambda _: None):
        running = Journal.open({}, Report(jobs=1)).operation
        with pytest.raises(operations.Busy):
            operations.retry(running)
    running.refresh_from_db()
    assert (running.state, running.attempt) == ("running", 1)


def test_what_has_no_steps_left_is_not_handed_to_a_worker(acme: Tenant, taken: list[str]) -> None:
    done = operations.finished(KIND, acme, {})
    with pytest.raises(Conflict, match="no steps"):
        operations.retry(done)


def test_a_failed_one_that_is_handed_to_a_worker_has_all_its_attempts_again(
    acme: Tenant, taken: list[str]
) -> None:
    operation = operations.begin(KIND, acme, {"fails_at": "two"})
    with pytest.raises(Conflict):
        operations.carry_on(operation)
    operations.retry(operation)
    operation.refresh_from_db()
    assert (operation.state, operation.attempt, operation.done) == ("waiting", 0, 1)
    assert operations.forgotten(silent_seconds=0) == [operation]


def test_a_server_that_ends_idle_transactions_does_not_end_a_step(
    acme: Tenant, taken: list[str]
) -> None:
    """While a step waits for its other connection, this one does nothing, maybe for hours."""
    limits = ("idle_in_transaction_session_timeout", "transaction_timeout")

    def limited() -> list[str]:
        with connection.cursor() as cursor:
            found = []
            for name in limits:
                cursor.execute(f"SHOW {name}")
                found.append(cursor.fetchone()[0])
        return found

    plans.register(KIND, Plan(steps=(Step("one", lambda work: taken.extend(limited())),)))
    operation = operations.begin(KIND, acme, {})
    with connection.cursor() as cursor:
        for name in limits:
            cursor.execute(f"SET {name} = '5min'")
    try:
        operations.carry_on(operation)
    finally:
        with connection.cursor() as cursor:
            for name in limits:
                cursor.execute(f"RESET {name}")
    assert taken == ["0", "0"]


def test_what_a_step_does_not_find_is_stored_as_why_it_failed(
    acme: Tenant, taken: list[str]
) -> None:
    def look(work: Work) -> None:
        raise NotFound("there is no file.", "Name one.")

    plans.register(KIND, Plan(steps=(Step("look", look),)))
    operation = operations.begin(KIND, acme, {})
    with pytest.raises(NotFound):
        operations.carry_on(operation)
    operation.refresh_from_db()
    assert (operation.state, operation.error) == ("failed", "look: there is no file. Name one.")


def test_what_nobody_gives_a_sign_of_life_of_is_found(acme: Tenant, taken: list[str]) -> None:
    waiting = operations.begin(KIND, acme, {})
    assert operations.forgotten() == []
    assert operations.forgotten(silent_seconds=0) == [waiting]
    operations.carry_on(waiting)
    assert operations.forgotten(silent_seconds=0) == []


def test_a_worker_that_may_not_carry_on_leaves_it_alone_and_says_so_once(
    acme: Tenant,
    taken: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(operations, "_OWNERS", (KIND,))
    monkeypatch.setattr(operations, "may_change_schemas", lambda: False)
    tasks._warn_of_no_owner.cache_clear()
    operation = operations.begin(KIND, acme, {})
    Operation.objects.filter(pk=operation.pk).update(touched_at=Now() - timedelta(hours=1))
    before = Operation.objects.values().get(pk=operation.pk)

    assert [tasks.carry_on_forgotten(), tasks.carry_on_forgotten()] == [0, 0]

    assert Operation.objects.values().get(pk=operation.pk) == before
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "DATABASE_OWNER_URL" in warning.getMessage()


def test_what_was_done_at_once_is_an_operation_too(acme: Tenant) -> None:
    done = operations.finished(Operation.Kind.SUSPEND, acme, {"reason": "unpaid"})
    done.refresh_from_db()
    assert (done.state, done.next_step, done.request) == ("finished", "", {"reason": "unpaid"})


def test_the_command_lists_resumes_and_cancels(acme: Tenant, taken: list[str], run: Run) -> None:
    nothing = run("operations")
    assert (nothing.stdout, nothing.stderr) == ("", "Nothing is unfinished.")
    operation = operations.begin(KIND, acme, {"fails_at": "two"})
    with pytest.raises(Conflict):
        operations.carry_on(operation)
    listed = run("operations").stdout
    assert str(operation.pk) in listed
    assert "two is not possible" in listed
    resumed = run("operations", "--resume", str(operation.pk))
    assert (resumed.status, resumed.stdout) == (0, "finished export of acme\n")
    again = run("operations", "--resume", str(operation.pk))
    assert (again.status, again.stdout) == (0, "already finished: export of acme\n")
    other = operations.begin(KIND, acme, {})
    assert run("operations", "--cancel", str(other.pk)).stdout == "cancelled export of acme\n"
    [newest, exported, *_] = run("operations", "--all", "--tenant", "acme", "--json").document
    assert (newest["state"], exported["state"]) == ("cancelled", "finished")


def test_an_operation_that_does_not_exist_is_said_so(db: None, run: Run) -> None:
    unknown = run("operations", "--resume", "01a206a3-d3e0-74f3-8037-abb494252507")
    assert unknown.status == NotFound.exit_status
    nonsense = run("operations", "--cancel", "nonsense")
    assert nonsense.status == InvalidInput.exit_status
    assert "'nonsense' is no id of an operation" in nonsense.stderr


@pytest.mark.parametrize("option", ["--resume", "--cancel"])
@pytest.mark.parametrize("kind", [Operation.Kind.RENAME, Operation.Kind.SUSPEND])
def test_what_was_done_at_once_can_neither_be_carried_on_nor_given_up(
    acme: Tenant, run: Run, kind: Operation.Kind, option: str
) -> None:
    done = operations.finished(kind, acme, {})
    ran = run("operations", option, str(done.pk))
    if option == "--resume":
        assert (ran.status, ran.stdout) == (0, f"already finished: {kind.label.lower()} of acme\n")
    else:
        assert ran.status == 4
        assert "is finished and cannot be undone" in ran.stderr
    done.refresh_from_db()
    assert done.state == Operation.State.FINISHED


def test_an_error_of_the_database_is_stored_without_the_row_it_names(acme: Tenant) -> None:
    def duplicate(work: Work) -> None:
        with enter_tenant(acme):
            CustomUser.objects.create(username="ann", email="somebody@else.example")

    before = dict(plans._plans)
    plans.register(KIND, Plan(steps=(Step("duplicate", duplicate),)))
    try:
        operation = operations.begin(KIND, acme, {})
        with pytest.raises(IntegrityError, match="ann"):
            operations.carry_on(operation)
    finally:
        plans._plans.clear()
        plans._plans.update(before)
    operation.refresh_from_db()
    assert operation.error.startswith("duplicate: IntegrityError: duplicate key value violates")
    assert "ann" not in operation.error


@pytest.mark.parametrize("option", ["--resume", "--cancel", "--tenant"])
def test_an_empty_value_is_not_taken_for_none(acme: Tenant, run: Run, option: str) -> None:
    ran = run("operations", option, "")
    assert ran.status in (2, 3)
    assert "there is no tenant" in ran.stderr or "is no id of an operation" in ran.stderr
