"""django-tenants with the setting that lets it send ``SET search_path`` less often."""

# ruff: noqa: F403

from benchmarks.settings.stock import *

TENANT_LIMIT_SET_CALLS = True
