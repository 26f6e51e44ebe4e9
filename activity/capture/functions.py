"""The bodies of trigger functions, generated from declarations.

Row by row, since a statement-level trigger would have to join what was with what is, without
statistics. Fields are compared by name, so the statement that changed one row in ten thousand
pays for one. A function first writes the history row, then an event for each action.
"""

from collections.abc import Iterator
from typing import Any, Final

from django.db import models

from activity.actions import CATALOGUE
from activity.capture.expressions import as_json, label, safe, table, template, value
from activity.subjects import Action, Declaration, Flip, Link, OneOf, declaration_of, link_of
from tenants.quoting import literal
from tenants.triggers import HERE

_EVENT: Final = "activity_activityevent"

_CONTEXT: Final = {
    "actor_kind": ("kind", "varchar(16)"),
    "actor_id": ("id", "varchar(64)"),
    "actor_label": ("label", "varchar(200)"),
    "on_behalf_of_id": ("behalf_id", "varchar(64)"),
    "on_behalf_of_label": ("behalf_label", "varchar(200)"),
    "ip": ("ip", "inet"),
    "user_agent": ("agent", "varchar(400)"),
    "channel": ("channel", "varchar(16)"),
    "request_id": ("request", "uuid"),
    "session_ref": ("session", "varchar(32)"),
    "reason": ("reason", "varchar(500)"),
}
"""Column of an event → where the context has it, and its type."""

VARIABLES: Final = [
    ("r", "record"),
    ("c", "jsonb"),
    ("actions", "text[]"),
    ("severities", "text[]"),
    ("diffs", "jsonb[]"),
    ("d", "jsonb"),
    ("subject", "text"),
    ("called", "text"),
    # Filled before the INSERT: an assignment is prepared once in a transaction, and what an INSERT
    # works out is prepared for every row.
    *((f"e_{column}", kind) for column, (_, kind) in _CONTEXT.items()),
]
"""The row, who acts, what was found, what it was found of, and who acts as an event says it."""


def row_function(model: type[models.Model]) -> str:
    """Return the body for a declared model: a history row if it has history, and events."""
    known = declaration_of(model)
    fields = [field for field in model._meta.concrete_fields if field.name not in known.ignored]
    told = [field for field in fields if field.name not in known.secret]
    differs = " OR ".join(_differs(field) for field in fields)
    return "\n".join(
        [
            f"IF TG_OP = 'UPDATE' AND NOT ({differs}) THEN RETURN NULL; END IF;",
            "IF TG_OP = 'DELETE' THEN r := OLD; ELSE r := NEW; END IF;",
            *_who(),
            *(_of_tie(model, known, told) if known.is_tie else _of_row(model, known, fields, told)),
            "RETURN NULL;",
        ]
    )


def _of_row(
    model: type[models.Model], known: Declaration, fields: list[Any], told: list[Any]
) -> Iterator[str]:
    yield "IF TG_OP = 'INSERT' THEN"
    yield _remember(literal(known.created), _severity(known.created), _all(told, "NEW", "new"))
    yield "ELSIF TG_OP = 'DELETE' THEN"
    yield _remember(literal(known.deleted), _severity(known.deleted), _all(told, "OLD", "old"))
    yield "ELSE"
    yield from _updates(known, told)
    yield "END IF;"
    write = _history(model, told)
    if write:
        # A secret alone makes no new row: it would be like the one before.
        yield f"IF actions IS NOT NULL THEN {write} END IF;"
    yield from _secrets(known, fields)
    yield from _events(known.noun, value(model, known.id, "r"), label(model, "r"))


def _of_tie(model: type[models.Model], known: Declaration, told: list[Any]) -> Iterator[str]:
    yield _history(model, told)
    for row, other, action, place in (
        ("OLD", "INSERT", known.deleted, "old"),
        ("NEW", "DELETE", known.created, "new"),
    ):
        yield f"IF TG_OP <> '{other}' THEN"
        yield _only(action, _all(told, row, place))
        yield from _events(known.noun, value(model, known.id, row), label(model, row))
        yield "END IF;"


def link_function(model: type[models.Model]) -> str:
    """Return the body for the rows between two models: they are a change of the holder."""
    link = link_of(model)
    holder: Any = model._meta.get_field(link.holder).related_model
    noun = declaration_of(holder).noun
    steps = []
    for row, happened, place in (("OLD", "INSERT", "old"), ("NEW", "DELETE", "new")):
        names = f"pg_catalog.jsonb_build_array({safe('called', 200)})"
        pair = f"{names}, NULL" if place == "old" else f"NULL, {names}"
        diff = (
            f"pg_catalog.jsonb_build_object({literal(link.field)},"
            f" pg_catalog.jsonb_build_array({pair}))"
        )
        steps += [
            f"IF TG_OP <> '{happened}' THEN",
            f"called := {template(model, link.name, row)};",
            _only(link.action, diff),
            *_events(noun, _of_holder(model, link, row), value(model, link.holder, row)),
            "END IF;",
        ]
    keys = [field for field in model._meta.concrete_fields if field.is_relation]
    differs = " OR ".join(_differs(field) for field in keys)
    return "\n".join(
        [
            f"IF TG_OP = 'UPDATE' AND NOT ({differs}) THEN RETURN NULL; END IF;",
            *_who(),
            *steps,
            "RETURN NULL;",
        ]
    )


def _of_holder(model: type[models.Model], link: Link, row: str) -> str:
    holder: Any = model._meta.get_field(link.holder).related_model
    return value(model, f"{link.holder}.{declaration_of(holder).id}", row)


def _who() -> Iterator[str]:
    """Yield what finds out who acts, in the forms that columns of an event have."""
    yield f"c := {HERE}.capture_context();"
    for column, (name, kind) in _CONTEXT.items():
        told = f"(c ->> '{name}')::{kind}"
        said = f"coalesce({told}, '')" if kind.startswith("varchar") else told
        yield f"e_{column} := {said};"


def _differs(field: Any) -> str:
    return f'OLD."{field.column}" IS DISTINCT FROM NEW."{field.column}"'


def _history(model: type[models.Model], told: list[Any]) -> str:
    """Return the statement that writes the history row; empty for a model without history."""
    history = getattr(model, "history", None)
    if history is None:
        return ""
    kept = [field.column for field in told]
    if sorted(kept) != sorted(field.column for field in history.model.tracked_fields):
        raise TypeError(f"{model._meta.label}: history and declaration differ in what is kept")
    columns = ", ".join(f'"{column}"' for column in kept)
    values = ", ".join(f'r."{column}"' for column in kept)
    kind = "CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END"
    return (
        f"INSERT INTO {table(history.model)} ({columns}, history_date, history_type,"
        " history_user_id, actor_label, request_id, history_change_reason)"
        f" VALUES ({values}, pg_catalog.clock_timestamp(), {kind},"
        " (c ->> 'id')::varchar(64), e_actor_label, e_request_id,"
        " (c ->> 'reason')::varchar(100));"
    )


def _groups(known: Declaration, fields: list[Any]) -> dict[Action, list[Any]]:
    """Return the fields whose change is an action of its own, by that action."""
    groups: dict[Action, list[Any]] = {}
    for field in fields:
        if field.name in known.actions:
            groups.setdefault(known.actions[field.name], []).append(field)
    return groups


def _updates(known: Declaration, told: list[Any]) -> Iterator[str]:
    """Yield the statements that find the actions of an update: those of a field, then the rest."""
    for action, group in _groups(known, told).items():
        yield from _update(action, group)
    if rest := [field for field in told if field.name not in known.actions]:
        yield from _update(known.changed, rest)


def _secrets(known: Declaration, fields: list[Any]) -> Iterator[str]:
    """Yield the statements that find which secrets were changed, not to what."""
    for action, group in _groups(known, [f for f in fields if f.name in known.secret]).items():
        name, severity = _named(action, group[0])
        differs = " OR ".join(_differs(field) for field in group)
        found = _remember(name, severity, "'{}'::jsonb")
        yield f"IF TG_OP = 'UPDATE' AND ({differs}) THEN {found} END IF;"


def _update(action: Action, group: list[Any]) -> Iterator[str]:
    name, severity = _named(action, group[0])
    if len(group) == 1:
        [field] = group
        yield f"IF {_differs(field)} THEN {_remember(name, severity, _pair(field))} END IF;"
        return
    yield "d := NULL;"
    for field in group:
        yield f"IF {_differs(field)} THEN d := coalesce(d, '{{}}') || {_pair(field)}; END IF;"
    yield f"IF d IS NOT NULL THEN {_remember(name, severity, 'd')} END IF;"


def _pair(field: Any) -> str:
    return (
        f"pg_catalog.jsonb_build_object({literal(field.name)},"
        f" pg_catalog.jsonb_build_array({as_json(field, 'OLD')}, {as_json(field, 'NEW')}))"
    )


def _all(fields: list[Any], row: str, place: str) -> str:
    """Return SQL for the changes of a row that is new, or gone."""
    parts = []
    for field in fields:
        own = as_json(field, row)
        pair = f"NULL, {own}" if place == "new" else f"{own}, NULL"
        parts.append(f"{literal(field.name)}, pg_catalog.jsonb_build_array({pair})")
    return f"pg_catalog.jsonb_build_object({', '.join(parts)})"


def _named(action: Action, field: Any) -> tuple[str, str]:
    """Return SQL for the name and the severity of an action."""
    match action:
        case Flip(on=on, off=off):
            cases = f'CASE WHEN NEW."{field.column}" THEN {{}} ELSE {{}} END'
            return (
                cases.format(literal(on), literal(off)),
                cases.format(_severity(on), _severity(off)),
            )
        case OneOf(usual=usual, others=others):
            names = "".join(f" WHEN {literal(name)} THEN {literal(name)}" for name in others)
            severities = "".join(f" WHEN {literal(name)} THEN {_severity(name)}" for name in others)
            return (
                f"CASE c ->> 'meaning'{names} ELSE {literal(usual)} END",
                f"CASE c ->> 'meaning'{severities} ELSE {_severity(usual)} END",
            )
    return literal(action), _severity(action)


def _severity(action: str) -> str:
    return literal(CATALOGUE[action].severity)


def _remember(name: str, severity: str, diff: str) -> str:
    return (
        f"actions := actions || {name}::text; severities := severities || {severity}::text;"
        f" diffs := diffs || {diff};"
    )


def _only(action: str, diff: str) -> str:
    return (
        f"actions := ARRAY[{literal(action)}]; severities := ARRAY[{_severity(action)}];"
        f" diffs := ARRAY[{diff}];"
    )


def _events(noun: str, subject: str, called: str) -> Iterator[str]:
    """Yield what writes an event for each action that was found."""
    yield f"subject := {subject};"
    yield f"called := {called};"
    yield f"called := {safe('called', 200)};"
    columns = {
        # Stamped by the table's own trigger. Said here, so that no default is worked out first.
        "id": "'00000000-0000-0000-0000-000000000000'",
        "occurred_at": "'epoch'",
        "actor_salt": "NULL",
        "target_salt": "NULL",
        "action": "actions[i]",
        "outcome": "'success'",
        "severity": "severities[i]",
        "target_type": literal(noun),
        "target_id": "coalesce(subject::varchar(64), '')",
        "target_label": "coalesce(called, '')",
        "changes": "diffs[i]",
        "details": "'{}'",
        "schema_version": "1",
        **{column: f"e_{column}" for column in _CONTEXT},
    }
    yield "FOR i IN 1 .. coalesce(pg_catalog.array_length(actions, 1), 0) LOOP"
    yield f"INSERT INTO {HERE}.{_EVENT} ({', '.join(columns)})"
    yield f"VALUES ({', '.join(columns.values())});"
    yield "END LOOP;"
