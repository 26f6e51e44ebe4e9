"""Acts on tenants that outlive the process that began them.

An operation is a row with the names of its steps and how many are done. Each step is one
transaction that takes the tenant's lock, looks whether somebody else was faster, does its part and
counts itself as done. A ``kill -9`` between two steps loses nothing, one in a step undoes it, and
whoever comes next carries on: the command, the console or a worker.

What the steps of a kind are, ``tenants.plans`` knows.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.dispatch import Signal
from kombu.exceptions import OperationalError

from tenants.context import enter_platform
from tenants.errors import Conflict, NotFound, TenantryError
from tenants.models import Operation, Tenant
from tenants.owner import may_change_schemas, require_owner
from tenants.plans import Step, Work, acting_for, asking, known, plan_of

logger = structlog.get_logger("tenantry.operations")

Progress = Callable[[str, int, int], None]
"""Called with the step that was just done, how many are done, and how many there are."""

cancelled = Signal()
"""Sent on the platform before an operation is undone; ``sender`` is ``Operation``."""

SILENT_SECONDS: Final = 60
"""After so long without a sign of life, an operation that waits or runs was forgotten."""

_LONGEST_ERROR: Final = 2_000

# What a step does may be the other connection's work, for hours, while this transaction waits.
# Ended for being idle it would take the lock with it, and all that the step has done.
_LOCK: Final = """
SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)),
       set_config('idle_in_transaction_session_timeout', '0', true),
       set_config('transaction_timeout', '0', true)
"""

_OWNERS: Final = (
    Operation.Kind.CREATE,
    Operation.Kind.PURGE,
    Operation.Kind.IMPORT,
    Operation.Kind.MIGRATE,
)
"""Kinds whose steps make, change or drop schemas."""


def lock_of(tenant_id: UUID | None) -> str:
    """Return the name of the lock that whoever works on the tenant, or on the fleet, holds."""
    return f"tenantry:operation:{tenant_id or 'fleet'}"


def begin(
    kind: Operation.Kind,
    tenant: Tenant | None,
    request: Mapping[str, Any],
    *,
    at_once: bool = False,
) -> Operation:
    """Store what is to be done. Nothing is done yet: ``carry_on`` does it, or a worker.

    ``at_once`` says that whoever begins carries on in the next moment, with ``begun``: the first
    attempt is counted here, which saves a transaction.

    Belongs in the transaction that makes the request hold, if there is one. Raises ``Conflict``
    when an operation of the kind is unfinished for this tenant.
    """
    try:
        with enter_platform(), transaction.atomic():
            return Operation.objects.create(
                kind=kind,
                tenant=tenant,
                steps=[step.name for step in plan_of(kind).steps],
                request=dict(request),
                actor=asking(),
                **(_first_attempt() if at_once else {}),
            )
    except IntegrityError:
        with enter_platform():
            other = Operation.objects.unfinished().filter(kind=kind, tenant=tenant).first()
        if other is None:
            raise
        raise Conflict(
            f'the operation "{other}" is not finished.',
            f"Carry it on: manage.py tenant operations --resume {other.pk}",
        ) from None


def _first_attempt() -> dict[str, Any]:
    return {"state": Operation.State.RUNNING, "attempt": 1, "started_at": Now()}


def hint(operation: Operation) -> None:
    """Tell a worker, when the transaction commits. A message that is lost only costs time."""
    from tenants.tasks import carry_on as task

    def send() -> None:
        try:
            task.delay(str(operation.pk))
        except OperationalError:
            logger.warning("no broker; the sweep will find it", operation=str(operation.pk))

    transaction.on_commit(send)


def retry(operation: Operation) -> None:
    """Have a worker carry on an operation that stopped.

    Raises ``Busy`` for one that somebody is running, ``Conflict`` for one of which no steps are
    left.
    """
    with _locked(Work(operation=operation)):
        if not operation.is_unfinished:
            raise Conflict("no steps of it are left.", "Ask for it again if it is needed again.")
        operation.state, operation.attempt = Operation.State.WAITING, 0
        _save(operation)
        hint(operation)


def finished(
    kind: Operation.Kind,
    tenant: Tenant | None,
    request: Mapping[str, Any],
    result: Mapping[str, Any] | None = None,
) -> Operation:
    """Store an act that is done in the one transaction one is in."""
    with enter_platform():
        return Operation.objects.create(
            kind=kind,
            tenant=tenant,
            state=Operation.State.FINISHED,
            steps=[str(kind)],
            done=1,
            attempt=1,
            request=dict(request),
            result=dict(result or {}),
            actor=asking(),
            started_at=Now(),
            finished_at=Now(),
        )


def operation_with(key: Any) -> Operation:
    """Return the operation with this id; raises ``NotFound``."""
    with enter_platform():
        found = Operation.objects.select_related("tenant").filter(pk=key).first()
    if found is None:
        raise NotFound(f"there is no operation {key}.", "`manage.py tenant operations` lists them.")
    return found


def may_carry_on(operation: Operation) -> bool:
    """Whether this process can take the steps. If not, a worker has to: see ``retry``."""
    return operation.kind not in _OWNERS or may_change_schemas()


def carry_on(
    operation: Operation,
    *,
    on_progress: Progress | None = None,
    transient: dict[str, Any] | None = None,
    begun: bool = False,
) -> Work:
    """Do the steps that are left, as whoever asked for it.

    ``begun`` says that the operation comes from ``begin`` with ``at_once`` in this very moment.
    ``transient`` is handed to the steps; one must be able to do without what was not stored.
    Raises ``Conflict`` while somebody else takes a step of it, for one that was cancelled and for
    one whose steps are not known here, ``TenantryError`` where this process may not take them, and
    what a step raises; then the operation is ``failed`` and can be carried on again.
    """
    plan = plan_of(operation.kind)
    if operation.is_unfinished and not plan.steps:
        raise Conflict(
            f'nobody knows the steps of "{operation}".', "Ask the release that began it."
        )
    if operation.is_unfinished and not may_carry_on(operation):
        # Refused before it is begun: an attempt that can only fail is none of the operation's.
        require_owner(f'carry on the operation "{operation}"')
    report = on_progress or (lambda *_: None)
    work = Work(operation=operation, transient=transient or {})
    if not begun:
        _start(work)
    with acting_for(operation):
        for position, step in enumerate(plan.steps):
            if position >= work.operation.done:
                _take(work, position, step)
            report(step.name, position + 1, len(plan.steps))
    with enter_platform():
        operation.refresh_from_db()
    return work


def _start(work: Work) -> None:
    """Count the attempt. What is finished or given up stays so."""
    with _locked(work):
        operation = work.operation
        _refuse_cancelled(operation)
        if not operation.is_unfinished:
            return
        operation.state = Operation.State.RUNNING
        operation.attempt += 1
        operation.error = ""
        operation.started_at = operation.started_at or Now()
        _save(operation)


def _refuse_cancelled(operation: Operation) -> None:
    if operation.state == Operation.State.CANCELLED:
        raise Conflict(f'the operation "{operation}" was cancelled.', "Ask for it again.")


def _take(work: Work, position: int, step: Step) -> None:
    try:
        with _locked(work):
            operation = work.operation
            _refuse_cancelled(operation)
            if operation.done > position:
                # Somebody else carried it on meanwhile.
                return
            step.run(work)
            operation.done = position + 1
            if operation.done == len(operation.steps):
                operation.state = Operation.State.FINISHED
                operation.finished_at = Now()
            _save(operation)
        work.finished_here = operation.state == Operation.State.FINISHED
    except Exception as error:
        _fail(work.operation, step, error)
        raise


def can_be_undone(operation: Operation) -> bool:
    """Whether ``cancel`` could give it up: it is unfinished, and its kind takes nothing away."""
    return operation.is_unfinished and plan_of(operation.kind).undo is not None


def cancel(operation: Operation) -> Operation:
    """Give up an operation that is not finished and undo what it did so far.

    Sends ``cancelled`` in the transaction. Raises ``Conflict`` for one that is finished or being
    run, or that cannot be undone.
    """
    plan = plan_of(operation.kind)
    work = Work(operation=operation)
    with _locked(work), acting_for(operation):
        current = work.operation
        if current.state == Operation.State.CANCELLED:
            return current
        if plan.undo is None or not can_be_undone(current):
            raise Conflict(
                f'the operation "{current}" is {current.get_state_display().lower()}'
                " and cannot be undone.",
                "Only what is unfinished can be cancelled, and not once data is gone.",
            )
        cancelled.send(sender=Operation, operation=current)
        plan.undo(work)
        if Operation.objects.filter(pk=current.pk).exists():
            current.state = Operation.State.CANCELLED
            current.finished_at = Now()
            _save(current)
            current.refresh_from_db()
    return work.operation


@contextmanager
def _locked(work: Work) -> Iterator[None]:
    """One transaction on the platform in which nobody else works on the same tenant.

    A transaction's lock, not a session's: it ends with the process, and behind any pooler.
    """
    with enter_platform(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [lock_of(work.operation.tenant_id)])
            is_mine, *_ = cursor.fetchone()
        if not is_mine:
            raise Busy(
                f'the operation "{work.operation}" is being run by somebody else right now.',
                "Wait until it is done: manage.py tenant operations",
            )
        operations = Operation.objects.select_for_update(of=("self",)).select_related("tenant")
        found = operations.filter(pk=work.operation.pk).first()
        if found is None:
            raise Gone("the operation is gone.", "Its tenant was never made.")
        # Whoever holds the object they passed in sees how it went.
        work.operation.__dict__.update(found.__dict__)
        work.tenant = found.tenant
        yield


class Busy(Conflict):
    """Somebody else is taking a step of the operation at this moment."""

    code = "busy"


class Gone(NotFound):
    """The operation is not there any more: whoever undid it took the row along."""


def _save(operation: Operation) -> None:
    # What the database's clock says is read again with the row, at the next step or the end.
    operation.touched_at = Now()
    operation.save()


def _fail(operation: Operation, step: Step, error: Exception) -> None:
    """Store why a step failed, unless somebody else is at it or nothing is left to store it in."""
    if isinstance(error, Busy | Gone):
        return
    said = _said(error)
    text = f"{step.name}: {said}".replace("\x00", "")[:_LONGEST_ERROR]
    logger.warning("operation failed", operation=str(operation.pk), step=step.name, error=said)
    with enter_platform():
        Operation.objects.unfinished().filter(pk=operation.pk).update(
            state=Operation.State.FAILED, error=text, touched_at=Now()
        )
        operation.state, operation.error = Operation.State.FAILED, text


def _said(error: Exception) -> str:
    if isinstance(error, TenantryError):
        return str(error)
    text = str(error)
    if isinstance(error, DatabaseError):
        # PostgreSQL's first line says what is wrong. The others say with which row of whom.
        text = text.partition("\n")[0]
    return f"{type(error).__name__}: {text}"


def forgotten(*, silent_seconds: int = SILENT_SECONDS) -> list[Operation]:
    """Return operations that nobody works on although steps are left, the oldest first.

    Those that failed are not among them: somebody has to look first.
    """
    with enter_platform():
        return list(
            Operation.objects.filter(
                state__in=[Operation.State.WAITING, Operation.State.RUNNING],
                touched_at__lt=Now() - timedelta(seconds=silent_seconds),
                kind__in=known(),
            )
            .select_related("tenant")
            .order_by("id")
        )


def leave_to_somebody(operation: Operation) -> None:
    """Stop trying: an operation that brought down whoever took it needs eyes, not attempts."""
    with enter_platform():
        Operation.objects.unfinished().filter(pk=operation.pk).update(
            state=Operation.State.FAILED,
            error=f"{operation.next_step}: given up after {operation.attempt} attempts, none of "
            "which came to an end.",
            touched_at=Now(),
        )
