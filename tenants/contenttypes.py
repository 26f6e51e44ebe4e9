"""A ContentType cache for each schema.

Django keeps one per process, and django-tenants empties it at every switch. Between the two a
thread reads the ids that another thread has just cached for another tenant: wrong permissions, or
an integrity error. Keyed by schema, threads are right and a switch costs nothing.
"""

from collections import defaultdict
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connections

_by_schema: defaultdict[tuple[str, str], dict[Any, ContentType]] = defaultdict(dict)


class SchemaCache:
    """Stands in for ``ContentTypeManager._cache``: a dict of dicts by database alias."""

    def __getitem__(self, alias: str) -> dict[Any, ContentType]:
        return _by_schema[alias, connections[alias].schema_name]  # type: ignore[attr-defined]

    def setdefault(self, alias: str, default: Any) -> dict[Any, ContentType]:
        """Return the cache of the schema that ``alias`` points at; ``default`` is never needed."""
        return self[alias]

    def clear(self) -> None:
        """Do nothing: called at every switch of tenants, when nothing has become wrong."""


def install() -> None:
    """Replace the process-wide cache. Called once, when the app registry is ready."""
    ContentType.objects._cache = SchemaCache()  # type: ignore[attr-defined]


def forget(schema_name: str) -> None:
    """Drop what is cached for one schema: after its migration or its end."""
    # A copy of the keys: other threads may meet a new schema meanwhile.
    for key in list(_by_schema):
        if key[1] == schema_name:
            _by_schema.pop(key, None)
