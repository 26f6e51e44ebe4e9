"""The platform's own schema: before any tenant's, by Django's own command."""

from typing import Any

from django.core.management import call_command
from django.core.management.commands import makemigrations
from django.core.management.commands.migrate import Command as DjangoMigrate

from tenants.backend.base import PUBLIC
from tenants.owner import owner_alias, owner_in


class SchemaMigrate(DjangoMigrate):
    """Django's ``migrate`` for the one schema that the connection is in.

    It detects changes with the same class as makemigrations, which pgtrigger has taught triggers.
    """

    autodetector = makemigrations.Command.autodetector


def migrate_schema(schema_name: str, *arguments: str, **options: Any) -> None:
    """Run Django's ``migrate`` in one schema, with its signals and its words."""
    streams = {name: options.pop(name) for name in ("stdout", "stderr") if name in options}
    with owner_in(schema_name):
        call_command(
            SchemaMigrate(**streams),
            *arguments,
            **{**options, "database": owner_alias(), "skip_checks": True},
        )


def migrate_public(**options: Any) -> None:
    """Bring the platform's own schema up to date."""
    migrate_schema(PUBLIC, **{"verbosity": 0, "interactive": False, **options})
