"""How a schema is made again what the blueprint says, where nothing can be lost by it.

Rows, columns and tables are never touched, and nothing is taken away that somebody added: what
does not fit there is for a person to look at.
"""

from typing import Final

from tenants import script
from tenants.catalog import SCHEMA, Attributes, Catalog, Difference, Key
from tenants.quoting import identifier, literal

_STAGES: Final = ("function", "constraint", "index", "trigger")
"""In this order: triggers call functions, and some indexes come with their constraints."""


def stage(difference: Difference) -> int:
    """Return a number by which differences are sorted before they are repaired."""
    key = difference.key
    if key.kind in _STAGES:
        return _STAGES.index(key.kind)
    # Permissions refer to content types.
    return len(_STAGES) + (key.of == "auth_permission")


def remedy(difference: Difference, expected: Catalog) -> list[str] | None:
    """Return the statements that do away with the difference; ``None`` when a person has to look.

    The schema's name is a placeholder in them.
    """
    key, what = difference.key, difference.what
    if what == "extra":
        return None
    own = expected[key]
    if what == "missing":
        return _missing(key, own)
    if difference.attribute == "comment":
        return [script.comment(key, own.get("comment"))]
    if difference.attribute == "privileges":
        return script.privileges([difference]) or None
    return _changed(difference, own)


def _missing(key: Key, own: Attributes) -> list[str] | None:
    if key.kind == "index" and not own.get("constraint"):
        statements = [own["definition"]]
    elif key.kind == "index":
        # Comes back with its constraint, which is missing too.
        return []
    elif key.kind == "constraint":
        # Refused by PostgreSQL where rows do not fulfil it.
        statements = [script.add_constraint(key, own)]
    elif key.kind == "trigger":
        statements = [own["definition"]]
        if own["enabled"] != "O":
            statements.append(script.enable_trigger(key, own))
    elif key.kind == "function":
        statements = [own["definition"]]
    elif key.kind == "row":
        return _row(key, own)
    else:
        return None
    if own.get("comment") is not None:
        statements.append(script.comment(key, own["comment"]))
    return statements


def _changed(difference: Difference, own: Attributes) -> list[str] | None:
    key, attribute = difference.key, difference.attribute
    match key.kind, attribute:
        case "trigger", "enabled":
            statements = [script.enable_trigger(key, own)]
        case "trigger", "definition":
            name, table = identifier(key.name), f"{SCHEMA}.{identifier(key.of)}"
            statements = [f"DROP TRIGGER {name} ON {table}", *(_missing(key, own) or ())]
        case "function", "definition":
            statements = [own["definition"]]
        case "index", "state":
            statements = [f"REINDEX INDEX {SCHEMA}.{identifier(key.name)}"]
        case "column", "required" if own.get("required"):
            # Comes back with its constraint, which is missing too.
            statements = []
        case "row", "label":
            app, model, codename = key.name.split(".")
            place = f"codename = {literal(codename)} AND content_type_id = ({_type(app, model)})"
            label = literal(own["label"])
            statements = [f"UPDATE {SCHEMA}.auth_permission SET name = {label} WHERE {place}"]
        case _:
            return None
    return statements


def _row(key: Key, own: Attributes) -> list[str] | None:
    if key.of == "django_content_type":
        app, model = key.name.split(".")
        values = f"{literal(app)}, {literal(model)}"
        return [f"INSERT INTO {SCHEMA}.django_content_type (app_label, model) VALUES ({values})"]
    if key.of == "auth_permission":
        app, model, codename = key.name.split(".")
        values = f"{literal(own['label'])}, ({_type(app, model)}), {literal(codename)}"
        columns = "name, content_type_id, codename"
        return [f"INSERT INTO {SCHEMA}.auth_permission ({columns}) VALUES ({values})"]
    # A migration that did not run is not made to have run by saying so.
    return None


def _type(app: str, model: str) -> str:
    return (
        f"SELECT id FROM {SCHEMA}.django_content_type"
        f" WHERE app_label = {literal(app)} AND model = {literal(model)}"
    )
