"""How SQL spells names and constants, for the statements that take no parameters."""


def literal(text: str) -> str:
    """Return a text as a constant of SQL (``standard_conforming_strings`` is on)."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as SQL spells it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema_name: str, name: str) -> str:
    """Return the name of a table or sequence of a schema as SQL spells it."""
    return f"{identifier(schema_name)}.{identifier(name)}"
