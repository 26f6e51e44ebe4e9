"""``migrate`` migrates every schema, because a schema left behind would be served with errors."""

from tenants.management.commands.migrate_schemas import Command

__all__ = ["Command"]
