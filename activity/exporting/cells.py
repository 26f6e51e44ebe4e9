"""Cells of a CSV that no spreadsheet computes.

Said once and meant twice: Python makes the cells of reports, PostgreSQL those of events
(``activity.exporting.statements``), and a test holds the two equal.
"""

import json
import re
from datetime import UTC, date, datetime
from typing import Any, Final

# What comes before a formula without hiding it: white space (all that Python strips), and marks
# that nobody sees (zero width, direction, byte order).
_SKIPPED: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064"
    "\u2066-\u2069\u3000\ufeff"
)

FORMULA: Final = f"^([\t\r\n]|[{_SKIPPED}]*[=+@＝＋－＠-])"
"""What spreadsheets take for the beginning of a formula (OWASP, CSV injection), also full-width.

The characters themselves, without escapes, so that Python and PostgreSQL read the same.
"""

_FORMULA: Final = re.compile(FORMULA)


def safe_cell(value: Any) -> Any:
    """Return ``value`` as a CSV cell that no spreadsheet computes.

    Numbers stay numbers. Text that could begin a formula, also behind what nobody sees, gets a
    leading apostrophe, which spreadsheets show as text; NDJSON is exact.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = str(value).replace("\0", "")
    return f"'{text}" if _FORMULA.match(text) else text
