"""The test suite."""

from config.settings.development import *

SECRET_KEY = "a-key-for-tests-that-signs-nothing-anybody-keeps-0123456789"  # noqa: S105
# Each test expects the URLs and limits of a default installation, whatever .env says.
TENANTRY_BASE_DOMAIN = "localhost"
TENANTRY_PUBLIC_PORT = 8000
TENANTRY_TRUSTED_PROXIES = 0
TENANTRY_HOST_CACHE_SECONDS = 5.0
TIME_ZONE = "UTC"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
