"""The platform's own schema: before any tenant's, by Django's own command."""

import time
from collections.abc import Callable
from typing import Any, Final

from django.core.management import call_command
from django.core.management.commands import makemigrations
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import OperationalError

from tenants.backend.base import PUBLIC
from tenants.errors import Conflict
from tenants.fleet.bounds import IN_THE_WAY
from tenants.owner import owner_alias, owner_in
from tenants.patience import patient
from tenants.sqlstate import sqlstate_of

LOCK_SECONDS: Final = 1.0
"""How long a statement waits for a table. Behind it waits who comes after, here for all tenants
whose hosts are asked for: less than a request may wait itself (``patience.of_a_request``)."""

PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between two attempts, in which whoever had to wait is served."""


class SchemaMigrate(DjangoMigrate):
    """Django's ``migrate`` for the one schema that the connection is in.

    It detects changes with the same class as makemigrations, which pgtrigger has taught triggers.
    """

    autodetector = makemigrations.Command.autodetector


def migrate_schema(
    schema_name: str,
    *arguments: str,
    say: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> None:
    """Run Django's ``migrate`` in one schema, with its signals and its words.

    A table that somebody uses is waited for shortly, and then tried again, of which ``say`` is
    told. Raises ``Conflict`` when it stays in use; the migrations before are done then.
    """
    streams = {name: options.pop(name) for name in ("stdout", "stderr") if name in options}
    options |= {"database": owner_alias(), "skip_checks": True}
    for pause in (*PAUSES, None):
        try:
            with owner_in(schema_name), patient(lock=LOCK_SECONDS, using=owner_alias()):
                call_command(SchemaMigrate(**streams), *arguments, **options)
        except OperationalError as error:
            if sqlstate_of(error) not in IN_THE_WAY:
                raise
            if pause is None:
                raise Conflict(
                    f"a table that is to be changed in {schema_name} stays in use.",
                    "Let what uses it end, such as a dump (see pg_stat_activity); migrate again.",
                ) from error
            say(f"A table is in use. Trying again in {pause:.0f} s.")
            time.sleep(pause)
        else:
            return


def migrate_public(**options: Any) -> None:
    """Bring the platform's own schema up to date."""
    migrate_schema(PUBLIC, **{"verbosity": 0, "interactive": False, **options})
