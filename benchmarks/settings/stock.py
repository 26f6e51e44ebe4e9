"""django-tenants as its documentation sets it up, with no other middleware."""

# ruff: noqa: F403, F405

from benchmarks.settings.bare import *

DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
INSTALLED_APPS = ["django_tenants", "benchmarks.stock", *WEB_APPS]
SHARED_APPS = INSTALLED_APPS
TENANT_APPS = WEB_APPS
TENANT_MODEL = "stock.Client"
TENANT_DOMAIN_MODEL = "stock.Domain"
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware"]
