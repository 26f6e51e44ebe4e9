"""The SQL that makes a schema which is like a described one.

A list of single statements, each with the schema's name written out: on plain PostgreSQL they are
joined into one message, and Citus, which takes one DDL statement a message, is sent one by one.
Constraints stand inside ``CREATE TABLE``, which takes half as long as adding them.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from tenants.catalog import SCHEMA, SEED_TABLES, Attributes, Catalog, Difference, Key
from tenants.quoting import identifier, literal

_NAME_BYTES: Final = 63
"""PostgreSQL cuts names after so many bytes: what would be longer is written out here."""

_ENABLING: Final = {"D": "DISABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}

_PRIVILEGES: Final = {
    "r": "SELECT",
    "a": "INSERT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
}


def _qualified(name: str) -> str:
    return f"{SCHEMA}.{identifier(name)}"


def structure(catalog: Catalog) -> list[str]:
    """Return the statements that make tables, indexes, functions and sequences, in their order.

    Rows belong between these and ``rules``: triggers would see them.
    """
    functions = list(catalog.of_kind("function"))
    tables = _in_order_of_reference(catalog)
    return [
        # PL/pgSQL is not looked into when it is made; what is comes after the tables.
        *(a["definition"].strip() for _, a in functions if a["language"] == "plpgsql"),
        *_sequences(catalog),
        *(_table(catalog, name, tables[: place + 1]) for place, name in enumerate(tables)),
        *_sequence_owners(catalog),
        *_indexes(catalog),
        *(a["definition"].strip() for _, a in functions if a["language"] != "plpgsql"),
    ]


def rules(catalog: Catalog) -> list[str]:
    """Return the statements for what tables refer to in circles, for triggers, and comments."""
    return [*_late_references(catalog), *_triggers(catalog), *_comments(catalog)]


def _references(catalog: Catalog, table: str) -> Iterator[tuple[Key, Attributes]]:
    for key, attributes in catalog.of_kind("constraint", table):
        if attributes["type"] == "f":
            yield key, attributes


def _in_order_of_reference(catalog: Catalog) -> list[str]:
    """Tables after those they refer to; of those that refer to each other the first comes first."""
    left = [key.name for key, _ in catalog.of_kind("table")]
    ordered: list[str] = []
    while left:
        ready = [
            name
            for name in left
            if all(
                a.get("refers to") in (*ordered, name, None) for _, a in _references(catalog, name)
            )
        ] or left[:1]
        ordered += ready
        left = [name for name in left if name not in ready]
    return ordered


def _table(catalog: Catalog, name: str, there: list[str]) -> str:
    """``there`` are the tables that can be referred to, this one included."""
    own = catalog[Key("table", "", name)]
    constraints = dict(catalog.of_kind("constraint", name))
    required = {
        attributes["column"]: key
        for key, attributes in constraints.items()
        if attributes["type"] == "n"
    }
    parts = []
    for column in own.get("columns", ()):
        text = _column(catalog, name, column)
        key = required.get(column)
        if key and _is_ordinary_not_null(key, column, constraints[key]):
            text += " NOT NULL"
            del constraints[key]
        parts.append(text)
    parts += [
        f"CONSTRAINT {identifier(key.name)} {attributes['definition']}"
        for key, attributes in constraints.items()
        if attributes["type"] != "f" or not _is_late(key, attributes, there)
    ]
    options = f" WITH ({', '.join(own['options'])})" if own.get("options") else ""
    return f"CREATE TABLE {_qualified(name)} ({', '.join(parts)}){options}"


def _is_ordinary_not_null(key: Key, column: str, attributes: Attributes) -> bool:
    usual = f"{key.of}_{column}_not_null"
    is_plain = attributes["definition"] in (
        f"NOT NULL {column}",
        f"NOT NULL {identifier(column)}",
    )
    return is_plain and key.name == usual and len(usual.encode()) <= _NAME_BYTES


def _column(catalog: Catalog, table: str, name: str) -> str:
    own = catalog[Key("column", table, name)]
    parts = [identifier(name), own["type"]]
    if own.get("storage"):
        names = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
        parts.append(f"STORAGE {names[own['storage']]}")
    if own.get("compression"):
        parts.append(f"COMPRESSION {({'p': 'pglz', 'l': 'lz4'})[own['compression']]}")
    if own.get("collation"):
        parts.append(f"COLLATE {own['collation']}")
    if own.get("generated"):
        kind = {"s": "STORED", "v": "VIRTUAL"}[own["generated"]]
        parts.append(f"GENERATED ALWAYS AS ({own['default']}) {kind}")
    elif own.get("default"):
        parts.append(f"DEFAULT {own['default']}")
    if own.get("identity"):
        when = {"a": "ALWAYS", "d": "BY DEFAULT"}[own["identity"]]
        parts.append(f"GENERATED {when} AS IDENTITY{_identity(catalog, table, name)}")
    return " ".join(parts)


def _identity(catalog: Catalog, table: str, column: str) -> str:
    for key, own in catalog.of_kind("sequence"):
        if own.get("belongs to") == [table, column, "i"]:
            usual = f"{table}_{column}_seq"
            is_usual = key.name == usual and len(usual.encode()) <= _NAME_BYTES
            name = "" if is_usual else f"SEQUENCE NAME {_qualified(key.name)} "
            text = f"{name}{_sequence_options(own)}".strip()
            return f" ({text})" if text else ""
    return ""


def _sequence_options(own: Attributes) -> str:
    """What is not usual about a sequence; empty when all is."""
    start, increment, least, most, cache, cycles = own["options"]
    bits = {"smallint": 15, "integer": 31, "bigint": 63}[own["type"]]
    if (start, increment, least, most, cache, cycles) == (1, 1, 1, 2**bits - 1, 1, False):
        return ""
    return (
        f"START {start} INCREMENT {increment} MINVALUE {least} MAXVALUE {most} CACHE {cache}"
        f" {'' if cycles else 'NO '}CYCLE"
    )


def _is_own(own: Attributes) -> bool:
    """Whether a sequence is made by itself, and not with an identity column."""
    return "i" not in own.get("belongs to", ())[2:]


def _sequences(catalog: Catalog) -> Iterator[str]:
    for key, own in catalog.of_kind("sequence"):
        if _is_own(own):
            options = f"AS {own['type']} {_sequence_options(own)}".rstrip()
            yield f"CREATE SEQUENCE {_qualified(key.name)} {options}"


def _sequence_owners(catalog: Catalog) -> Iterator[str]:
    for key, own in catalog.of_kind("sequence"):
        if _is_own(own) and own.get("belongs to"):
            table, column, _ = own["belongs to"]
            owner = f"{_qualified(table)}.{identifier(column)}"
            yield f"ALTER SEQUENCE {_qualified(key.name)} OWNED BY {owner}"


def _indexes(catalog: Catalog) -> Iterator[str]:
    for _, own in catalog.of_kind("index"):
        # Those of primary keys and unique constraints come with them.
        if not own.get("constraint"):
            yield own["definition"]


def _late_references(catalog: Catalog) -> Iterator[str]:
    tables = _in_order_of_reference(catalog)
    for place, name in enumerate(tables):
        for key, own in _references(catalog, name):
            if _is_late(key, own, tables[: place + 1]):
                yield add_constraint(key, own)


def _is_late(key: Key, own: Attributes, there: list[str]) -> bool:
    """Whether a foreign key is added after the rows.

    Rows that are there already are checked at once and together; of rows that come later each is
    checked by itself, at the end of the transaction, and until then the table cannot be altered.
    """
    return key.of in SEED_TABLES or own.get("refers to") not in there


def add_constraint(key: Key, own: Attributes) -> str:
    """Return the statement that adds a constraint to a table that is there."""
    name = identifier(key.name)
    return f"ALTER TABLE {_qualified(key.of)} ADD CONSTRAINT {name} {own['definition']}"


def _triggers(catalog: Catalog) -> Iterator[str]:
    for key, own in catalog.of_kind("trigger"):
        yield own["definition"]
        if own["enabled"] in _ENABLING:
            yield enable_trigger(key, own)


def enable_trigger(key: Key, own: Attributes) -> str:
    """Return the statement that makes a trigger fire when it should."""
    how = _ENABLING.get(own["enabled"], "ENABLE")
    return f"ALTER TABLE {_qualified(key.of)} {how} TRIGGER {identifier(key.name)}"


def _comments(catalog: Catalog) -> Iterator[str]:
    for key, own in catalog.items():
        if own.get("comment") is not None:
            yield comment(key, own["comment"])


def comment(key: Key, text: str | None) -> str:
    """Return the statement that sets an object's comment, or takes it away."""
    if key.kind == "column":
        named = f"COLUMN {_qualified(key.of)}.{identifier(key.name)}"
    elif key.kind in ("trigger", "constraint"):
        named = f"{key.kind.upper()} {identifier(key.name)} ON {_qualified(key.of)}"
    elif key.kind == "function":
        name, _, arguments = key.name.partition("(")
        named = f"FUNCTION {_qualified(name)}({arguments}"
    else:
        named = f"{key.kind.upper()} {_qualified(key.name)}"
    return f"COMMENT ON {named} IS {'NULL' if text is None else literal(text)}"


def privileges(found: Iterable[Difference]) -> list[str]:
    """Return the statements that give the privileges that were found to differ.

    Objects of one kind that have, and should have, the same are named in one statement.
    """

    def same(one: Difference) -> tuple[str, str, str]:
        return one.key.kind, json.dumps(one.found), json.dumps(one.expected)

    statements: list[str] = []
    differing = [one for one in found if one.attribute == "privileges" and not one.key.of]
    for (kind, _, _), group in groupby(sorted(differing, key=same), key=same):
        alike = list(group)
        on = f"{kind.upper()} {', '.join(_object(one.key) for one in alike)}"
        for grantee, _ in _grants(alike[0].found):
            statements.append(f"REVOKE ALL ON {on} FROM {grantee}")
        for grantee, letters in _grants(alike[0].expected):
            statements += _grant(on, grantee, letters)
    return statements


def _object(key: Key) -> str:
    if key.kind == "schema":
        return SCHEMA
    if key.kind == "function":
        name, _, arguments = key.name.partition("(")
        return f"{_qualified(name)}({arguments}"
    return _qualified(key.name)


def _grants(privileges: Any) -> Iterator[tuple[str, str]]:
    for entry in privileges or ():
        # As PostgreSQL writes them: grantee=letters/grantor, nobody being everybody.
        grantee, _, rest = entry.rpartition("/")[0].rpartition("=")
        yield grantee or "PUBLIC", rest


def _grant(on: str, grantee: str, letters: str) -> Iterator[str]:
    # A star behind a letter is the right to give it on.
    passed_on = {letters[at - 1] for at, letter in enumerate(letters) if letter == "*"}
    for given, suffix in (
        (set(letters) - passed_on - {"*"}, ""),
        (passed_on, " WITH GRANT OPTION"),
    ):
        if given:
            names = ", ".join(_PRIVILEGES[letter] for letter in sorted(given))
            yield f"GRANT {names} ON {on} TO {grantee}{suffix}"
