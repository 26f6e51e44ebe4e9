"""``tenant operations``: what is being done to tenants, and carrying it on."""

import argparse
import uuid
from typing import Any

from tenants import operations
from tenants.commandline import Output, Verb
from tenants.context import enter_platform
from tenants.directory import tenant_called
from tenants.errors import InvalidInput
from tenants.models import Operation

_MOST_SHOWN = 200


def described_operation(operation: Operation) -> dict[str, Any]:
    """The keys of an operation in every ``--json`` document."""
    return {
        "id": operation.pk,
        "kind": operation.kind,
        "tenant": operation.tenant.slug if operation.tenant else None,
        "state": operation.state,
        "steps": operation.steps,
        "done": operation.done,
        "next_step": operation.next_step,
        "attempt": operation.attempt,
        "error": operation.error,
        "actor": operation.actor.get("label", ""),
        "requested_at": operation.requested_at,
        "started_at": operation.started_at,
        "finished_at": operation.finished_at,
    }


class Operations(Verb):
    """List operations, carry one on, or give one up."""

    name = "operations"
    help = "List what is being done to tenants; carry on or give up what is not finished."
    examples = (
        "tenant operations",
        "tenant operations --all --tenant acme --json",
        "tenant operations --resume 01a206a3-d3e0-74f3-8037-abb494252507",
    )

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the filters and the two acts."""
        parser.add_argument("--all", action="store_true", help="the finished ones too")
        parser.add_argument("--tenant", metavar="SLUG", help="only of this tenant")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--resume", metavar="ID", help="do the steps that are left")
        act.add_argument("--cancel", metavar="ID", help="undo the steps that were done")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Do one of the three."""
        if options.resume is not None:
            self._resume(_key(options.resume), output)
        elif options.cancel is not None:
            cancelled = operations.cancel(operations.operation_with(_key(options.cancel)))
            self._answer("cancelled", cancelled, output)
        else:
            self._list(options, output)

    def _resume(self, key: uuid.UUID, output: Output) -> None:
        operation = operations.operation_with(key)
        was_finished = not operation.is_unfinished
        if not was_finished and not operations.may_carry_on(operation):
            operations.retry(operation)
            self._answer("left to a worker:", operations.operation_with(key), output)
            return
        with output.progress(operation.get_kind_display()) as progress:
            operations.carry_on(operation, on_progress=progress)
        self._answer("already finished:" if was_finished else "finished", operation, output)

    def _answer(self, done: str, operation: Operation, output: Output) -> None:
        if output.as_json:
            output.document(described_operation(operation))
        slug = operation.tenant.slug if operation.tenant else "all tenants"
        output.say(f"{done} {operation.get_kind_display().lower()} of {slug}")

    def _list(self, options: argparse.Namespace, output: Output) -> None:
        tenant = tenant_called(options.tenant) if options.tenant is not None else None
        with enter_platform():
            chosen = Operation.objects.select_related("tenant")
            if tenant:
                chosen = chosen.filter(tenant=tenant)
            if not options.all:
                chosen = chosen.unfinished()
            rows = list(chosen[:_MOST_SHOWN])
        if output.as_json:
            output.document([described_operation(row) for row in rows])
            return
        output.table(
            ("ID", "KIND", "TENANT", "STATE", "STEP", "TRIES", "ERROR"),
            (
                (
                    row.pk,
                    row.get_kind_display(),
                    row.tenant.slug if row.tenant else "all",
                    row.get_state_display(),
                    f"{row.done}/{len(row.steps)} {row.next_step}".rstrip(),
                    row.attempt,
                    row.error[:100],
                )
                for row in rows
            ),
            empty="There are no operations." if options.all else "Nothing is unfinished.",
        )


def _key(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        raise InvalidInput(
            f"{text[:60]!r} is no id of an operation.", "`manage.py tenant operations` lists them."
        ) from None
