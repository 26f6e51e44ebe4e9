"""How often somebody may guess a code: counted in the row itself, so without Redis too."""

import time
from typing import Any, Final

GUESSES: Final = 10
"""Wrong codes in a row after which one has to wait."""
FIRST_WAIT: Final = 300
"""Seconds; twice as long after each further ``GUESSES``."""
LONGEST_WAIT: Final = 3600
"""Seconds. Three of a million codes are right at a time: ten an hour find one in four years."""


def must_wait(tries: Any) -> bool:
    """Tell whether no code is taken now. ``tries`` is how many failed in a row, and the last when.

    What makes no sense, because somebody else wrote it, waits until it is taken away.
    """
    if tries is None:
        return False
    try:
        failed, last = int(tries[0]), float(tries[1])
    except (TypeError, ValueError, LookupError):
        return True
    if not failed or failed % GUESSES:
        return False
    wait = min(FIRST_WAIT << min(failed // GUESSES - 1, 10), LONGEST_WAIT)
    return 0 <= time.time() - last < wait


def one_more(tries: Any) -> list[float]:
    """Return the count after a wrong code."""
    return [(tries[0] if tries else 0) + 1, time.time()]
