"""What Django sends while it migrates one tenant, as a script for the others.

Tenants in the same state get the same statements, so Django works them out once, in the first one,
and what it sent is written down. That holds for operations that are rendered from the models'
states alone. One that looks at rows, or makes up values, has to run in every tenant.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.migrations import AddField, AlterField, RenameModel, RunSQL, SeparateDatabaseAndState
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.models.fields import NOT_PROVIDED
from pgtrigger.migrations import AddTrigger, RemoveTrigger

from tenants.fleet.graph import is_in_tenants, name_of

_RENDERED_IN: Final = (
    "django.db.migrations.operations.models",
    "django.db.migrations.operations.fields",
)

# What these return is the same whenever they are called. Others (a UUID, a random salt) give the
# rows of each tenant values of its own, as Django's executor does.
_CONSTANT: Final = (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)

_CHANGES: Final = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
    r"(?:ALTER|COMMENT|CREATE|DELETE|DO|DROP|GRANT|INSERT|REVOKE|TRUNCATE|UPDATE)\b",
    re.IGNORECASE | re.DOTALL,
)
_NEEDS_ITS_OWN_MESSAGE: Final = re.compile(
    r"\b(?:CONCURRENTLY|VACUUM|search_path|set_config)\b"
    r"|(?:\A|;)\s*(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE)\b",
    re.IGNORECASE,
)

# Reads and bounds: of this one tenant's run alone.
_NOT_PART_OF_IT: Final = re.compile(
    r"\s*(?:SELECT|SHOW|SET\s+LOCAL|SET\s+search_path)\b", re.IGNORECASE
)
_SAVEPOINT: Final = re.compile(r"\s*(SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT) (\S+)")
_BOOKKEEPING: Final = re.compile(r'\s*(?:INSERT INTO|DELETE FROM) "django_migrations"')


def why_not(plan: Iterable[Migration]) -> str:
    """Return why the plan has to run in every tenant; empty when it can be replayed."""
    for migration in plan:
        if not is_in_tenants(migration.app_label):
            continue
        if not migration.atomic:
            return f"{name_of(migration)} is not atomic"
        for operation in _flat(migration.operations):
            reason = _why_not(operation)
            if reason:
                return f"{name_of(migration)} {reason}"
    return ""


def _flat(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _flat(operation.database_operations)
        else:
            yield operation


def _why_not(operation: Operation) -> str:
    kind = type(operation)
    if getattr(operation, "replayable", False):
        return ""
    if isinstance(operation, RunSQL):
        return "has SQL that is not made of changes alone" if not _is_static(operation) else ""
    if isinstance(operation, RenameModel):
        return "renames a model, and with it rows of content types"
    if kind.__module__ not in _RENDERED_IN and kind not in (AddTrigger, RemoveTrigger):
        return f"has a {kind.__name__}"
    if isinstance(operation, AddField | AlterField) and _makes_values(operation.field):
        return f"fills {operation.model_name}.{operation.name} with values that are made up"
    return ""


def _makes_values(field: Any) -> bool:
    return bool(
        # With a default of its own, the database fills the column.
        field.db_default is NOT_PROVIDED
        and field.has_default()
        and callable(field.default)
        and field.default not in _CONSTANT
    )


def _is_static(operation: RunSQL) -> bool:
    sql: Any = operation.sql
    texts = [sql] if isinstance(sql, str) else list(sql)
    statements = [text if isinstance(text, str) else text[0] for text in texts]
    return all(
        not statement.strip()
        or (_CHANGES.match(statement) and not _NEEDS_ITS_OWN_MESSAGE.search(statement))
        for statement in statements
    )


@dataclass
class Recording:
    """Writes down what a connection is sent, for ``connection.execute_wrapper``.

    ``trouble`` says why the script cannot be used elsewhere, if it cannot.
    """

    statements: list[str] = field(default_factory=list)
    trouble: str = ""
    _savepoints: dict[str, int] = field(default_factory=dict)

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        """Send a statement, and write it down if it changes something."""
        # What fails raises here, and is not written down.
        result = execute(sql, params, many, context)
        text = str(sql)
        if savepoint := _SAVEPOINT.match(text):
            self._mark(*savepoint.groups())
            return result
        if _NOT_PART_OF_IT.match(text) or _BOOKKEEPING.match(text):
            return result
        if many:
            self.trouble = "a statement was sent for many rows at once"
        else:
            self.statements.append(context["connection"].ops.compose_sql(text, params))
        return result

    def _mark(self, what: str, name: str) -> None:
        """Forget what is rolled back."""
        if what == "SAVEPOINT":
            self._savepoints[name] = len(self.statements)
        elif what.startswith("ROLLBACK"):
            del self.statements[self._savepoints[name] :]

    def check_relative(self, *names: str) -> None:
        """See to it that no statement names the tenant it was written down in."""
        if any(name in statement for statement in self.statements for name in names):
            self.trouble = "a statement names the tenant that it was written down in"
