"""What a migration does to the code before it and after it, while both serve.

During a deploy the old code meets the new schema, and the new code may meet a tenant that stayed
behind. So a release first only adds (*expand*), and a later one takes away what nobody uses any
more (*contract*): ``docs/adr/0020-expand-in-one-release-contract-in-a-later-one.md``. A migration
whose operations would break the code before it says why that is well, in a class attribute:
``contract = "unused since 1.4: …"``. A system check asks for it.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.fields import NOT_PROVIDED

_ROOT: Final = Path(__file__).resolve().parents[1]

_TAKES_AWAY: Final = re.compile(
    r"\b(?:DROP|RENAME|TRUNCATE|REVOKE|SET\s+NOT\s+NULL|SET\s+SCHEMA|ADD\s+CONSTRAINT"
    r"|ALTER\s+COLUMN\s+\S+\s+(?:SET\s+DATA\s+)?TYPE|CREATE\s+UNIQUE\s+INDEX)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Effect:
    """What an operation does to others; both are empty where it does nothing.

    ``before`` says what breaks of the code before the migration once it is applied, ``after`` what
    breaks of the code after it while it is not.
    """

    before: str = ""
    after: str = ""


NEEDED: Final = Effect(after="what it makes is used")
_HARMLESS: Final = Effect()


def effects(loader: MigrationLoader) -> dict[tuple[str, str], list[Effect]]:
    """Return what each operation of each migration does, by app and name of the migration."""
    found: dict[tuple[str, str], list[Effect]] = {}
    state = ProjectState(real_apps=loader.unmigrated_apps)
    seen: set[tuple[str, str]] = set()
    for target in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan(target):
            if key not in seen:
                seen.add(key)
                found[key] = list(_effects(loader.graph.nodes[key], state))
    return found


def _effects(migration: Migration, state: ProjectState) -> Iterator[Effect]:
    made: set[str] = set()
    for operation in migration.operations:
        for part in _flat(operation):
            if isinstance(part, migrations.CreateModel):
                made.add(part.name_lower)
            yield _effect(part, _Before(migration.app_label, state, made))
        operation.state_forwards(migration.app_label, state)


def _flat(operation: Operation) -> Iterator[Operation]:
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for part in operation.database_operations:
            yield from _flat(part)
    else:
        yield operation


@dataclass(frozen=True)
class _Before:
    """The models before an operation, and which of them the same migration has made."""

    app_label: str
    state: ProjectState
    made: set[str]

    def field(self, model: str, name: str) -> Any:
        found = self.state.models.get((self.app_label, model))
        return found.fields.get(name) if found else None


def _effect(operation: Operation, before: _Before) -> Effect:
    judge = _JUDGES.get(type(operation))
    if judge is None:
        # Whatever a function or an unknown operation does, the code after it was written for it.
        return NEEDED
    if getattr(operation, "model_name_lower", "") in before.made:
        return NEEDED
    return judge(operation, before)


def _remove_field(operation: Any, before: _Before) -> Effect:
    name = f"{operation.model_name}.{operation.name}"
    field = before.field(operation.model_name_lower, operation.name)
    demanded = field is not None and _demands_a_value(field)
    return Effect(
        before=f"removes {name}, which the code before reads",
        after=f"until it is applied, the column of {name} demands a value" if demanded else "",
    )


def _add_field(operation: Any, before: _Before) -> Effect:
    if not _demands_a_value(operation.field):
        return NEEDED
    name = f"{operation.model_name}.{operation.name}"
    return Effect(
        before=f"adds {name} without a default in the database, so the code before can insert"
        " nothing",
        after=NEEDED.after,
    )


def _demands_a_value(field: Any) -> bool:
    return not (
        field.null
        or field.many_to_many
        or field.primary_key
        or field.db_default is not NOT_PROVIDED
        or getattr(field, "generated", False)
    )


def _alter_field(operation: Any, before: _Before) -> Effect:
    old, new = before.field(operation.model_name_lower, operation.name), operation.field
    if old is None:
        return NEEDED
    name = f"{operation.model_name}.{operation.name}"
    narrower = [word for word, is_so in _NARROWER.items() if is_so(old, new)]
    others = [word for word, is_so in _OTHERWISE.items() if is_so(old, new)]
    return Effect(
        before=f"{', '.join((*narrower, *others))} {name}" if narrower or others else "",
        after=NEEDED.after if others or _widens(old, new) else "",
    )


def _shorter(old: Any, new: Any) -> bool:
    return any(
        getattr(new, size, None) is not None
        and (getattr(old, size, None) is None or getattr(new, size) < getattr(old, size))
        for size in ("max_length", "max_digits", "decimal_places")
    )


_Compare = Callable[[Any, Any], bool]

_NARROWER: Final[dict[str, _Compare]] = {
    "demands a value of": lambda old, new: old.null and not new.null,
    "shortens": _shorter,
    "allows each value once in": lambda old, new: new.unique and not old.unique,
}
_OTHERWISE: Final[dict[str, _Compare]] = {
    "changes the type of": lambda old, new: _kind(old) != _kind(new),
    "renames the column of": lambda old, new: old.db_column != new.db_column,
    "takes the default of the database from": lambda old, new: (
        old.db_default is not NOT_PROVIDED and new.db_default is NOT_PROVIDED
    ),
}


def _widens(old: Any, new: Any) -> bool:
    return bool(
        (new.null and not old.null)
        or (old.unique and not new.unique)
        or _shorter(new, old)
        or (new.db_default is not NOT_PROVIDED and old.db_default is NOT_PROVIDED)
    )


def _kind(field: Any) -> tuple[str, str]:
    related = field.remote_field.model if field.remote_field else ""
    return field.get_internal_type(), str(getattr(related, "_meta", related)).lower()


def _renames(operation: Any, before: _Before) -> Effect:
    return Effect(
        before=f"{operation.describe()}: the code before knows the old name",
        after="the code after knows the new name",
    )


def _run_sql(operation: Any, before: _Before) -> Effect:
    parts = [operation.sql] if isinstance(operation.sql, str) else operation.sql
    texts = [part if isinstance(part, str) else part[0] for part in parts]
    word = next((found[0] for text in texts if (found := _TAKES_AWAY.search(text))), "")
    return Effect(before=f"runs SQL with {word}" if word else "", after=NEEDED.after)


_JUDGES: Final[Mapping[type[Operation], Callable[[Any, _Before], Effect]]] = {
    migrations.AddField: _add_field,
    migrations.AddIndex: lambda *_: _HARMLESS,
    migrations.RemoveIndex: lambda *_: _HARMLESS,
    migrations.RenameIndex: lambda *_: _HARMLESS,
    migrations.AlterField: _alter_field,
    migrations.AlterModelManagers: lambda *_: _HARMLESS,
    migrations.AlterModelOptions: lambda *_: _HARMLESS,
    migrations.AlterModelTable: _renames,
    migrations.AlterUniqueTogether: lambda operation, _: Effect(
        before=f"{operation.describe()}: the code before does not heed it",
        after="what it allows is used",
    ),
    migrations.AddConstraint: lambda operation, _: Effect(
        before=f"adds the constraint {operation.constraint.name}, which the code before may break"
    ),
    migrations.DeleteModel: lambda operation, _: Effect(
        before=f"deletes {operation.name}, which the code before reads"
    ),
    migrations.RemoveField: _remove_field,
    migrations.RenameField: _renames,
    migrations.RenameModel: _renames,
    migrations.RunSQL: _run_sql,
}


def unexplained(
    loader: MigrationLoader | None = None, ours: Callable[[Migration], bool] | None = None
) -> list[str]:
    """Return what is wrong with each migration of ours that breaks the code before it.

    Those that are the first of their app break nobody, and those that say why it is well are
    believed. ``ours`` tells which to look at, by default those that are written here.
    """
    loader = loader or MigrationLoader(None)
    return [
        f"{migration.app_label}.{migration.name} {problems[0]}."
        for key, found in effects(loader).items()
        if (ours or is_ours)(migration := loader.graph.nodes[key])
        and not migration.initial
        and not str(getattr(migration, "contract", "")).strip()
        and (problems := [effect.before for effect in found if effect.before])
    ]


def is_ours(migration: Migration) -> bool:
    """Tell whether the migration is written here, and not in a package that is used."""
    file = sys.modules[type(migration).__module__].__file__
    path = Path(file or "").resolve()
    return path.is_relative_to(_ROOT) and "site-packages" not in path.parts
