"""Tenantry as it runs in production, with the pages of the benchmark beside its own."""

# ruff: noqa: F403, F405

from config.settings.production import *

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.web"]
SHARED_APPS = INSTALLED_APPS
TENANT_APPS = [*TENANT_APPS, "benchmarks.web"]
ROOT_URLCONF = "benchmarks.web.urls_tenantry"
# Nothing is collected, and no page here shows an image.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
