"""Failures and denials, which outlive the rollback of the request that met them.

A success is recorded in the transaction of its act: one without the other never is. A failure has
no act to share a transaction with, and often it is the reason why the transaction is rolled back.
So in a request it is kept, with the circumstances it had, until the view's transaction is over,
and written before the answer leaves the process. A process that dies in between has told nobody
anything. If it cannot be written, the answer is the page of ``activity.unavailable``. The denials
of a command are kept until its verb is over.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.db import DatabaseError, connection, transaction

from activity import floods
from activity.models import ActivityEvent, Outcome
from activity.unavailable import RecordUnavailable, log
from tenants.context import current_tenant, enter_platform, enter_unserved
from tenants.models import Tenant


@dataclass(slots=True)
class Kept:
    """What a request or a command has still to record, each with its tenant, if any."""

    events: list[tuple[Tenant | None, ActivityEvent]] = field(default_factory=list)
    denials_only: bool = False
    """Whether failures and views are written where they happen."""
    failed: bool = False
    """Whether something could not be recorded, whatever was made of the error since."""

    def has(self, action: str) -> bool:
        """Tell whether an event of an action waits."""
        return any(event.action == action for _, event in self.events)


_kept: ContextVar[Kept | None] = ContextVar("activity_outcomes", default=None)


@contextmanager
def keeping(*, denials_only: bool = False) -> Iterator[Kept]:
    """Keep what fails until the block ends; ``write`` it before that."""
    kept = Kept(denials_only=denials_only)
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


@contextmanager
def outliving() -> Iterator[None]:
    """Write what is refused in the block when it is over, committed or not: for commands.

    Their failures are told with what became of a schedule or a domain, and stay in its transaction.
    Views stay where they are: a command does not wait for its end to have looked.
    """
    with keeping(denials_only=True) as kept:
        try:
            yield
        finally:
            # Whoever could not record something has said so.
            kept.failed = False
            write(kept)


def keeps(*actions: str) -> bool:
    """Tell whether an event of one of these actions waits to be written."""
    kept = _kept.get()
    return kept is not None and any(kept.has(action) for action in actions)


def keep(event: ActivityEvent) -> bool:
    """Keep an event of the place one is in for later; ``False`` where nobody will write it."""
    kept = _kept.get()
    if kept is None or (kept.denials_only and event.outcome != Outcome.DENIED):
        return False
    kept.events.append((current_tenant(), event))
    return True


def insert(event: ActivityEvent, *, apart: bool = False) -> None:
    """Write an event in the transaction one is in, or ``apart`` in one of its own.

    One of a flood may be counted instead (``activity.floods``). Raises ``RecordUnavailable``,
    without PostgreSQL's words, which repeat the row; ``activity.unavailable.log`` has the reason.
    """
    try:
        folding = floods.folding_of(event)
        if folding and floods.count(event, folding):
            return
        with transaction.atomic() if apart else nullcontext():
            if folding:
                floods.write(event, folding)
            else:
                event.save(force_insert=True)
    except DatabaseError as error:
        if kept := _kept.get():
            kept.failed = True
        if connection.in_atomic_block and not apart:
            # As PostgreSQL has it: whoever catches this cannot commit the rest.
            transaction.set_rollback(True)
        log(error)
        raise RecordUnavailable from None


def write(kept: Kept) -> None:
    """Write what was kept, each event in the record of its place.

    Raises ``RecordUnavailable`` if that fails, or if something before could not be recorded and
    the error was swallowed.
    """
    if kept.failed:
        raise RecordUnavailable
    while kept.events:
        tenant, event = kept.events.pop(0)
        with enter_unserved(tenant) if tenant else enter_platform():
            insert(event, apart=True)
