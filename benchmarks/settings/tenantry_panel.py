"""Tenantry as it is in production, but for its static files."""

# ruff: noqa: F403

from config.settings.production import *

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Nothing is collected, and no page here shows an image.
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
