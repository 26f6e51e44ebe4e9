"""What the fields of an event may hold, as JSON Schema (draft 2020-12), and the check for it.

Only the few words that the catalogue uses are known here: a check on the way into the record must
cost microseconds. A test compares it with what the words mean.
"""

from typing import Any, Final

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string", "maxLength": 2000}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
HASH: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]+$"}
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}
ANYTHING: Final[Schema] = {}

ROW: Final[dict[str, Schema]] = {"*": ANYTHING}
"""The changes of an event that follows a row: whichever recorded fields of it changed."""


def one_of(*words: str) -> Schema:
    """Return the schema of one word of a few."""
    return {"enum": list(words)}


def of_details(fields: dict[str, Schema]) -> Schema:
    """Return the schema of ``details``. A name that ends in ``?`` may be missing; no other may.

    The name ``*`` stands for any others.
    """
    properties = {name.rstrip("?"): schema for name, schema in fields.items() if name != "*"}
    required = [name for name in fields if not name.endswith(("?", "*"))]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": fields.get("*", False),
    }


def of_changes(fields: dict[str, Schema]) -> Schema:
    """Return the schema of ``changes``: field → its value before and after, either may be null."""
    pairs = {name: _pair(schema) for name, schema in fields.items() if name != "*"}
    return {
        "type": "object",
        "properties": pairs,
        "additionalProperties": _pair(fields["*"]) if "*" in fields else False,
    }


def _pair(schema: Schema) -> Schema:
    value = {"anyOf": [schema, {"type": "null"}]} if schema else schema
    return {"type": "array", "prefixItems": [value, value], "minItems": 2, "maxItems": 2}


_TYPES: Final[dict[str, Any]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
    "array": (list, tuple),
}


def problem(fields: dict[str, Schema], values: dict[str, Any]) -> str:
    """Return what is wrong with the values of ``details``; empty when nothing is.

    Looks at names and types. Lengths need no look: texts are cut on their way into the record.
    """
    for name, value in values.items():
        schema = fields.get(name)
        if schema is None:
            schema = fields.get(f"{name}?", fields.get("*"))
        if schema is None:
            return f'"{name}" is no field of it; it has {_named(fields)}'
        if not _fits(schema, value):
            return f'"{name}" is {value!r:.60}, not {in_words(schema)}'
    missing = [name for name in fields if name[-1] not in "?*" and name not in values]
    return f'"{missing[0]}" is missing' if missing else ""


def problem_of_changes(fields: dict[str, Schema], names: Any) -> str:
    """Return what is wrong with the names of changed fields; empty when nothing is."""
    if "*" in fields:
        return ""
    wrong = [name for name in names if name not in fields]
    return f'"{wrong[0]}" is no field that it changes; it has {_named(fields)}' if wrong else ""


def _fits(schema: Schema, value: Any) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type")
    if kind is None:
        return True
    if isinstance(value, bool) and kind != "boolean":
        return False
    if not isinstance(value, _TYPES[kind]):
        return False
    if "minimum" in schema and value < schema["minimum"]:
        return False
    return "items" not in schema or all(_fits(schema["items"], item) for item in value)


def _named(fields: dict[str, Schema]) -> str:
    return ", ".join(f'"{name.rstrip("?")}"' for name in fields) or "none"


def in_words(schema: Schema) -> str:
    """Return what a schema says, as people do."""
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("format") == "date-time":
        return "a moment (RFC 3339)"
    if "pattern" in schema:
        return "hex digits"
    if "items" in schema:
        return "a list of texts"
    words = {"string": "a text", "integer": "a count", "boolean": "true or false"}
    return words.get(schema.get("type", ""), "any value")
