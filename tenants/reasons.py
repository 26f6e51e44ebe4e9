"""The reasons that people give for an act, in the one form in which they are kept."""

from typing import Final

from tenants.errors import InvalidInput

LONGEST: Final = 300
"""Longest reason, in characters."""


def sound(reason: str, hint: str = "") -> str:
    """Return a reason on one line, as it is kept.

    Raises ``InvalidInput`` for none, one that is too long, and one that cannot be printed, since a
    terminal or a page might do what it says. ``hint`` ends the advice, such as who reads it.
    """
    text = " ".join(reason.split())
    if not text or len(text) > LONGEST or not text.isprintable():
        why = f": {hint}" if hint else ""
        raise InvalidInput(
            "a reason is needed.", f"Say why, in at most {LONGEST} printable characters{why}."
        )
    return text
