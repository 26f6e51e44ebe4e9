"""The test suite."""

import os

from config.settings.development import *

SECRET_KEY_FALLBACKS = []
SECRET_KEY = "a-key-for-tests-that-signs-nothing-anybody-keeps-0123456789"  # noqa: S105
# Each test expects the URLs and limits of a default installation, whatever .env says.
TENANTRY_BASE_DOMAIN = "localhost"
TENANTRY_PLATFORM_HOSTS = frozenset({"localhost", "127.0.0.1"})
ALLOWED_HOSTS = ["localhost", ".localhost", "127.0.0.1"]
TENANTRY_PUBLIC_PORT = 8000
TENANTRY_TRUSTED_PROXIES = 0
TENANTRY_HOST_CACHE_SECONDS = 5.0
TENANTRY_DELETION_GRACE_DAYS = 30
TENANTRY_SUPPORT_MINUTES = 120
TENANTRY_SESSION_IDLE_MINUTES = 4320
TENANTRY_SEAL_KEY = TENANTRY_SEAL_KEY_FILE = None
TENANTRY_SEAL_KEYS = ()
TENANTRY_WITNESS_FILE = TENANTRY_WITNESS_URL = TENANTRY_METRICS_TOKEN = None
TIME_ZONE = "UTC"
# A claim would have the pool filled at once: tasks run where they are sent.
TENANTRY_SPARE_SCHEMAS = 0
TENANTRY_EXPORTS_DIRECTORY = ENVIRONMENT.TENANTRY_DATA / "test-exports"
TENANTRY_EXPORT_DAYS, TENANTRY_EXPORT_QUOTA = 7, 5_000_000_000
TENANTRY_EXPORT_MOST_WAITING, TENANTRY_EXPORT_SLOTS = 10, 1
TENANTRY_EXPORT_BACKGROUND_ROWS = 100_000
STORAGES["exports"] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": TENANTRY_EXPORTS_DIRECTORY / "files", "base_url": None},
}
# One role, whatever .env says: a test database has one connection.
DATABASES.pop("owner", None)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True

# Each process that runs tests has a Redis database of its own, beside the one of `make up`. A Redis
# that is not ours has 16, enough for 15, unless its `databases` says more.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
CACHES["default"]["LOCATION"] = f"{REDIS_URL.partition('?')[0]}?db={1 + int(_worker)}"
