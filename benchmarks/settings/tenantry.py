"""Tenantry's tenancy alone: its middleware for tenants, its database backend, its cache of hosts.

The rest of its middleware and the transaction around each request are left out, because bare
Django has neither here. The views are the same.
"""

# ruff: noqa: F403, F405

from config.settings.development import *

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.web"]
SHARED_APPS = INSTALLED_APPS
TENANT_APPS = [*TENANT_APPS, "benchmarks.web"]
DATABASES["default"]["ATOMIC_REQUESTS"] = False
BENCHMARK_MIDDLEWARE = ["tenants.middleware.TenantMiddleware"]
ROOT_URLCONF = PUBLIC_SCHEMA_URLCONF = "benchmarks.web.urls"
