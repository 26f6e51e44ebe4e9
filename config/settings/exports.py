"""Exports that are made in the background: where their files lie, how many, and for how long."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from config.settings.environment import ENVIRONMENT

TENANTRY_EXPORTS_DIRECTORY = (
    ENVIRONMENT.TENANTRY_EXPORTS_DIRECTORY or ENVIRONMENT.TENANTRY_DATA / "exports"
)
TENANTRY_EXPORT_DAYS = ENVIRONMENT.TENANTRY_EXPORT_DAYS
TENANTRY_EXPORT_QUOTA = ENVIRONMENT.TENANTRY_EXPORT_QUOTA_MB * 1_000_000
TENANTRY_EXPORT_MOST_WAITING = ENVIRONMENT.TENANTRY_EXPORT_MOST_WAITING
TENANTRY_EXPORT_SLOTS = ENVIRONMENT.TENANTRY_EXPORT_SLOTS
TENANTRY_EXPORT_BACKGROUND_ROWS = ENVIRONMENT.TENANTRY_EXPORT_BACKGROUND_ROWS


def _exports() -> dict[str, Any]:
    """Return Django's storage of the files: a directory, or a bucket."""
    if ENVIRONMENT.TENANTRY_EXPORTS_URL is None:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": TENANTRY_EXPORTS_DIRECTORY / "files",
                # No address leads there: files go out through a view that asks who it is.
                "base_url": None,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    url = urlsplit(ENVIRONMENT.TENANTRY_EXPORTS_URL)
    asked = dict(parse_qsl(url.query))
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": url.hostname,
            # Without them boto3 looks where it always does.
            "access_key": unquote(url.username) if url.username else None,
            "secret_key": unquote(url.password) if url.password else None,
            "location": url.path.strip("/"),
            "endpoint_url": asked.get("endpoint"),
            "region_name": asked.get("region"),
            # Each file has a name of its own; nobody else may read it.
            "file_overwrite": True,
            "default_acl": None,
            "querystring_auth": True,
        },
    }


STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "exports": _exports(),
}
