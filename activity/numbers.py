"""Whole numbers as people and programs write them."""

from typing import Final

_LONGEST: Final = 9
"""Digits. Python reads no more than some thousands, and other things hold less."""


def whole_number(text: str, most: int, *, least: int = 1) -> int | None:
    """Return the number from ``least`` to ``most`` that a text is in digits, else ``None``."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        return None
    number = int(text)
    return number if least <= number <= most else None
