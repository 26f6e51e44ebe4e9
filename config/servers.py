"""Keeping the embedded servers running for as long as this process does."""

import sys

from django.conf import settings

from config.embedded import join


def join_if_embedded() -> None:
    """Use the embedded servers, starting them first, where the settings point at them.

    Does nothing with a ``DATABASE_URL`` and a ``REDIS_URL``, and never anything in production.
    Raises ``EmbeddedError`` with a sentence when they cannot run.
    """
    if settings.TENANTRY_PRODUCTION:
        return
    if settings.EMBEDDED_POSTGRESQL or settings.EMBEDDED_REDIS:
        join(
            settings.TENANTRY_DATA,
            on_start=lambda sentence: print(sentence, file=sys.stderr, flush=True),
        )
