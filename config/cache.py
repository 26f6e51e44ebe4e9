"""The cache: a tenant's keys are its own, and a Redis that is gone is an empty cache.

Nothing is only here but rate limits: with Redis down people still sign in and pages still answer,
and attempts go uncounted until it is back.
"""

import time
from collections.abc import Callable, Iterable
from copy import copy
from functools import wraps
from typing import Any, Final

import structlog
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from tenants.context import current_scope
from tenants.errors import TenantryError
from tenants.models import Tenant

logger = structlog.get_logger("tenantry.cache")

_PAUSE_SECONDS: Final = 2.0
"""After a failure Redis is left alone for so long, so that a hanging one costs one time-out."""


def tenant_key(key: str, prefix: str, version: int) -> str:
    """Return the key as Redis holds it, below the UUID of the tenant one is in."""
    return f"tenantry:{current_scope()}:{prefix}:{version}:{key}"


def _or(default: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a cache method answer ``default`` while Redis does not answer."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def guarded(self: "TenantRedisCache", *args: Any, **kwargs: Any) -> Any:
            # A copy: what one caller adds to its answer must not be in the next one's.
            fallback = kwargs.get(
                "default", args[1] if method.__name__ == "get" and len(args) > 1 else copy(default)
            )
            if time.monotonic() < TenantRedisCache.resting_until:
                return fallback
            try:
                return method(self, *args, **kwargs)
            except (RedisError, OSError) as error:
                TenantRedisCache.resting_until = time.monotonic() + _PAUSE_SECONDS
                logger.warning("cache unavailable", operation=method.__name__, error=str(error))
                return fallback

        return guarded

    return decorate


class TenantRedisCache(RedisCache):
    """Django's Redis cache for many tenants."""

    resting_until: float = 0.0

    get = _or(None)(RedisCache.get)
    set = _or(None)(RedisCache.set)
    add = _or(True)(RedisCache.add)
    touch = _or(False)(RedisCache.touch)
    delete = _or(False)(RedisCache.delete)
    has_key = _or(False)(RedisCache.has_key)
    get_many = _or({})(RedisCache.get_many)
    set_many = _or([])(RedisCache.set_many)
    delete_many = _or(None)(RedisCache.delete_many)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add to a number; without Redis it is as if the key had just been made."""
        answer: int = _or(delta)(RedisCache.incr)(self, key, delta, version)
        return answer

    @_or(False)
    def add_member(self, key: str, member: str) -> bool:
        """Put a text into a set that is kept until it is taken."""
        self._cache.get_client(None, write=True).sadd(self.make_key(key), member)
        return True

    @_or([])
    def take_members(self, key: str) -> list[str]:
        """Return the texts of a set, at most ten thousand, and remove them from it."""
        client: Any = self._cache.get_client(None, write=True)
        return [member.decode() for member in client.spop(self.make_key(key), 10_000)]

    @_or(False)
    def clear(self) -> bool:
        """Empty the cache of the place one is in, never anybody else's."""
        self.delete_scope(current_scope())
        return True

    def delete_scope(self, scope: str) -> int:
        """Delete every key of a place; returns how many. Raises ``RedisError`` without Redis."""
        client = self._cache.get_client(None, write=True)
        # SCAN and not KEYS, which would stop Redis for everybody while it looks.
        keys = client.scan_iter(match=f"tenantry:{scope}:*", count=1000)
        return sum(client.delete(*batch) for batch in _batches(keys, 1000))


def empty_for(tenant: Tenant) -> int:
    """Delete every key of a tenant that is being deleted; returns how many there were.

    Raises ``TenantryError`` while Redis does not answer: that they are gone is then not known.
    """
    try:
        deleted: int = cache.delete_scope(str(tenant.pk))  # type: ignore[attr-defined]
    except (RedisError, OSError) as error:
        raise TenantryError(
            f"the cache could not be emptied: {error}.", "Carry the operation on with Redis back."
        ) from None
    return deleted


def _batches(keys: Iterable[Any], size: int) -> Iterable[list[Any]]:
    batch: list[Any] = []
    for key in keys:
        batch.append(key)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
