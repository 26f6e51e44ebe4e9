"""How SQL spells names and constants, for the statements that take no parameters."""


def literal(text: str) -> str:
    """Return a text as a constant of SQL (``standard_conforming_strings`` is on)."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as SQL spells it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
