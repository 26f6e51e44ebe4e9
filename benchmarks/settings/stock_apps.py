"""django-tenants with Tenantry's apps: the same tables for each tenant, made its way."""

# ruff: noqa: F403, F405

from config.settings.development import *

DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"
TENANT_LIMIT_SET_CALLS = False
# First, so that its commands are the ones that run. The app `tenants` is there because the others
# import its models, and only in public.
INSTALLED_APPS = list(dict.fromkeys(["django_tenants", "benchmarks.stock", *INSTALLED_APPS]))
SHARED_APPS = INSTALLED_APPS
TENANT_MODEL = "stock.Client"
TENANT_DOMAIN_MODEL = "stock.Domain"
