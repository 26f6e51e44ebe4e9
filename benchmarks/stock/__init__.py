"""Tenants as django-tenants' documentation has them, for the contestants that use it unchanged."""
