"""What a schema lacks, computed from what it has applied.

Django's loader asks a connection what is applied, and looks through the whole catalogue for the
table first. Here the answer is known already, for a thousand schemas at once.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django_tenants.routers import TenantSyncRouter

Applied = Mapping[tuple[str, str], Any]
"""The keys are app and name of each migration that is applied."""


def name_of(migration: Migration) -> str:
    """Return the name by which a migration is stored and printed: ``app.name``."""
    return f"{migration.app_label}.{migration.name}"


def is_in_tenants(app_label: str) -> bool:
    """Tell whether the app has tables in tenants' schemas.

    Where it has none, its migrations are noted as applied and nothing of them is run.
    """
    return bool(TenantSyncRouter().app_in_list(app_label, settings.TENANT_APPS))


class Graph(MigrationLoader):
    """The migrations of this code, as they are for a schema that has some of them.

    Which ones stand for others (``replaces``) depends on what is applied, so each state has a graph
    of its own. Making one takes a millisecond once the modules are imported.
    """

    def __init__(self, applied: Applied) -> None:
        self._applied = dict(applied)
        super().__init__(None)

    @property
    def applied_migrations(self) -> dict[tuple[str, str], Any]:
        """What is applied."""
        return self._applied

    @applied_migrations.setter
    def applied_migrations(self, _: object) -> None:
        """Keep what is known: without a connection Django takes it that nothing is applied."""

    def missing(self) -> tuple[Migration, ...]:
        """Return what is not applied, in the order in which it has to be."""
        seen = set(self._applied)
        plan: list[Migration] = []
        for target in self.graph.leaf_nodes():
            for key in self.graph.forwards_plan(target):
                if key not in seen:
                    seen.add(key)
                    plan.append(self.graph.nodes[key])
        return tuple(plan)


def target() -> str:
    """Return a digest of the names of all migrations of this code: what a run brings schemas to."""
    names = sorted(f"{app}.{name}" for app, name in Graph({}).disk_migrations)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
