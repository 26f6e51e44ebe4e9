"""How often one may ask: counted in the cache by the minute, and not at all while it is down.

The cache fails open (``docs/adr/0014-the-cache-fails-open.md``).
"""

import time
from dataclasses import dataclass
from typing import Final

from django.core.cache import cache

from activity.api.errors import TooManyRequests

PERIOD: Final = 60
"""Seconds of a window. At its end all may be asked again."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in a minute."""

    name: str
    most: int


REQUESTS: Final = Limit("requests", 600)
"""Of one token, or of one person by their session."""

FAILURES: Final = Limit("failures", 60)
"""Presented tokens that open nothing, from one address."""


@dataclass(frozen=True, slots=True)
class Count:
    """How much of a limit is used, and in how many seconds it begins anew."""

    limit: Limit
    used: int
    seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says of it."""
        return {
            "RateLimit-Limit": str(self.limit.most),
            "RateLimit-Remaining": str(max(0, self.limit.most - self.used)),
            "RateLimit-Reset": str(self.seconds),
        }

    def refuse_excess(self, what: str) -> None:
        """Raise ``TooManyRequests`` if more was used than there is."""
        if self.used > self.limit.most:
            raise TooManyRequests(f"{what} at most {self.limit.most} times a minute.", self.seconds)


def counted(limit: Limit, who: str) -> Count:
    """Count one more for ``who``, here in this place, and return how many there are."""
    key, seconds = _window(limit, who)
    try:
        used = cache.incr(key)
    except ValueError:
        used = 1 if cache.add(key, 1, timeout=2 * PERIOD) else cache.incr(key)
    return Count(limit, used, seconds)


def seen(limit: Limit, who: str) -> Count:
    """Return how many there are, one more included, without counting it."""
    key, seconds = _window(limit, who)
    return Count(limit, int(cache.get(key) or 0) + 1, seconds)


def _window(limit: Limit, who: str) -> tuple[str, int]:
    window, passed = divmod(int(time.time()), PERIOD)
    return f"api:{limit.name}:{who}:{window}", PERIOD - passed
