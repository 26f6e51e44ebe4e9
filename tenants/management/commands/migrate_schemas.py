"""``migrate_schemas``: what django-tenants calls ``migrate``."""

from tenants.management.commands.migrate import Command

__all__ = ["Command"]
