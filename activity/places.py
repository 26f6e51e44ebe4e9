"""Whose record a command is about."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from tenants.commandline import Output
from tenants.context import enter_living, enter_platform, enter_tenant
from tenants.directory import tenant_to_enter
from tenants.errors import InvalidInput
from tenants.models import Tenant

Found = TypeVar("Found")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare ``--tenant``."""
    parser.add_argument("--tenant", metavar="SLUG", help="whose record; default: the platform's")


def place(options: argparse.Namespace) -> AbstractContextManager[Any]:
    """Return the context of the tenant that was named, or of the platform."""
    return _place(options, enter_tenant)


def _place(
    options: argparse.Namespace, enter: Callable[[Tenant], AbstractContextManager[Any]]
) -> AbstractContextManager[Any]:
    return enter(tenant_to_enter(options.tenant)) if options.tenant else enter_platform()


def add_places(parser: argparse.ArgumentParser) -> None:
    """Declare ``--tenant`` and ``--all``."""
    add_place(parser)
    parser.add_argument("--all", action="store_true", help="the platform's and every tenant's")


def each(
    options: argparse.Namespace, output: Output, act: Callable[[], Found]
) -> tuple[dict[str, Found], list[str]]:
    """Act wherever it was asked for; one place that fails keeps no other waiting.

    It is for what keeps a record in order, which those of tenants that are not served need too.
    Returns what that came to, by slug or ``platform``, and the slugs of those that failed. Raises
    ``InvalidInput`` for both options at once.
    """
    if options.all and options.tenant:
        raise InvalidInput("--all and --tenant exclude each other.", "Use one of them.")
    if not options.all:
        with _place(options, enter_living):
            return {options.tenant or "platform": act()}, []
    with enter_platform():
        slugs = [tenant.slug for tenant in Tenant.objects.living()]
        found = {"platform": act()}
    failed = []
    with output.progress("tenants") as progress:
        for done, slug in enumerate(slugs, start=1):
            try:
                with enter_living(tenant_to_enter(slug)):
                    found[slug] = act()
            except Exception as error:
                failed.append(slug)
                output.stderr.write(f"{slug}: {' '.join(str(error).split())}")
            progress(f"tenants, {len(failed)} failed", done, len(slugs))
    return found, failed
