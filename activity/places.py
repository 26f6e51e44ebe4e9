"""Whose record a command is about."""

import argparse
from contextlib import AbstractContextManager
from typing import Any

from tenants.context import enter_platform, enter_tenant
from tenants.directory import tenant_to_enter


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare ``--tenant``."""
    parser.add_argument("--tenant", metavar="SLUG", help="whose record; default: the platform's")


def place(options: argparse.Namespace) -> AbstractContextManager[Any]:
    """Return the context of the tenant that was named, or of the platform."""
    if options.tenant:
        return enter_tenant(tenant_to_enter(options.tenant))
    return enter_platform()
