"""The run as an operation: who began it, how far it is, and how it ended.

An operation that was begun and whose process is gone is taken over by the next run: whoever holds
the fleet's lock is alone, so nobody works on it any more.
"""

import os
import socket
import time
from typing import Any, Final, Self

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from tenants import operations
from tenants.context import enter_platform
from tenants.errors import TenantryError
from tenants.fleet.report import Report
from tenants.models import Operation

_TOUCH_SECONDS: Final = 5.0
_LONGEST_ERROR: Final = 2_000


def unfinished() -> Operation | None:
    """Return the fleet's migration that was begun and not finished, if there is one."""
    with enter_platform():
        return (
            Operation.objects.unfinished().filter(kind=Operation.Kind.MIGRATE, tenant=None).first()
        )


class Journal:
    """The operation of a run that is going on. Only whoever holds the fleet's lock makes one."""

    def __init__(self, operation: Operation, report: Report) -> None:
        self.operation = operation
        self._report = report
        self._touched = time.monotonic()

    @classmethod
    def open(cls, request: dict[str, Any], report: Report) -> Self:
        """Begin an operation, or take over the one whose process is gone."""
        operation = unfinished() or operations.begin(Operation.Kind.MIGRATE, None, request)
        journal = cls(operation, report)
        journal._update(
            state=Operation.State.RUNNING,
            attempt=F("attempt") + 1,
            error="",
            request=request,
            result=journal._result(),
            started_at=Coalesce("started_at", Now()),
        )
        return journal

    def touch(self) -> None:
        """Give a sign of life, every few seconds."""
        if time.monotonic() - self._touched >= _TOUCH_SECONDS:
            self._update(result=self._result())

    def close(self) -> None:
        """Say how it ended: finished, or failed where tenants stayed behind."""
        if self._report.failures:
            first = self._report.failures[0]
            self.fail(f"{len(self._report.failures)} failed, {first.slug} first: {first.error}")
            return
        self._update(
            state=Operation.State.FINISHED, done=1, result=self._result(), finished_at=Now()
        )

    def fail(self, error: BaseException | str) -> None:
        """Say what stopped it."""
        said = str(error)
        if not isinstance(error, str | TenantryError):
            said = f"{type(error).__name__}: {error}"
        self._update(
            state=Operation.State.FAILED,
            error=said.replace("\x00", "")[:_LONGEST_ERROR],
            result=self._result(),
        )

    def _result(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "host": socket.gethostname(), **self._report.document()}

    def _update(self, **fields: Any) -> None:
        self._touched = time.monotonic()
        with enter_platform():
            Operation.objects.filter(pk=self.operation.pk).update(touched_at=Now(), **fields)
