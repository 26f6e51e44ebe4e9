"""What the blueprint depends on, as one number.

Migrations are read as bytes and never imported: importing takes a hundred times as long.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from tenants.owner import owner_connection

# Django's and the packages' code decides what a migration becomes in SQL.
_PACKAGES: Final = (
    "django",
    "django-allauth",
    "django-pgtrigger",
    "django-simple-history",
    "django-tenants",
)
# And so does ours, whatever of it is behind the blueprint or in the migrations.
_OURS: Final = (
    "blueprint.py",
    "catalog.py",
    "fingerprint.py",
    "privileges.py",
    "schemas.py",
    "script.py",
    "uuid7.py",
)


def current_fingerprint() -> str:
    """Return the SHA-256 of everything that a tenant's schema of this release comes from.

    Kept for the process: what it has imported does not change either.
    """
    return _fingerprint(owner_connection().pg_version // 10_000)


@cache
def _fingerprint(postgresql: int) -> str:
    digest = hashlib.sha256()
    for part in (
        f"PostgreSQL {postgresql}",
        *(f"{name} {version(name)}" for name in _PACKAGES),
        # Who may use the tables. Not whose they are: who serves people does not know that.
        str(settings.DATABASES[DEFAULT_DB_ALIAS]["USER"]),
        *settings.TENANT_APPS,
    ):
        digest.update(part.encode() + b"\0")
    for name, path in (*_migrations(), *((name, Path(__file__).with_name(name)) for name in _OURS)):
        # Lengths keep what stands in one file from passing for what stands in two.
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\0".encode() + content)
    return digest.hexdigest()


def _migrations() -> Iterator[tuple[str, Path]]:
    """Yield app and name, and the file, of each migration: the platform's are recorded too."""
    for app in sorted(apps.get_app_configs(), key=lambda app: app.label):
        module = settings.MIGRATION_MODULES.get(app.label, f"{app.name}.migrations")
        spec = importlib.util.find_spec(module) if module else None
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in sorted(Path(folder).glob("[!_]*.py")):
                yield f"{app.label}.{path.stem}", path
