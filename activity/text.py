"""Making hostile text safe to keep, to log and to show: one line, valid, and bounded."""

import re
from typing import Final

from tenants.errors import InvalidInput

# C0 and C1 controls (CR, LF, NUL, the escape of ANSI sequences), line and paragraph separators,
# the marks that reorder text on a screen (Unicode TR 36), and lone surrogates, which are no text.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
MARK: Final = "…"


def one_line(text: str, limit: int) -> str:
    """Return ``text`` with unsafe characters escaped, cut to ``limit`` characters with a mark."""
    # Cutting first bounds the work; escaping can only lengthen, so it is cut again.
    safe = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + MARK


def sound_name(name: str, *, what: str, example: str, longest: int) -> str:
    """Return a name that somebody typed as it can be shown: one line, of ``longest`` characters.

    Raises ``InvalidInput`` for any other, saying of ``what`` it is and giving an ``example``.
    """
    name = " ".join(name.split())
    if not name:
        raise InvalidInput(f"the {what} has no name.", f"Type one, such as {example}.")
    if len(name) > longest:
        raise InvalidInput(f"the name has {len(name):,} characters.", f"Use at most {longest}.")
    if one_line(name, longest) != name:
        raise InvalidInput(
            "the name has characters that cannot be seen.", "Use printable ones, on one line."
        )
    return name
