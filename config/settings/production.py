"""A deployment. What is missing or unsafe here is refused by ``config.checks``, with a hint."""

from config.logging import configuration
from config.settings.common import *

TENANTRY_PRODUCTION = True

SECRET_KEY = ENVIRONMENT.SECRET_KEY or "missing"

# Machines read the log of a deployment, unless somebody asked for the form that people read.
if "TENANTRY_LOG_FORMAT" not in ENVIRONMENT.model_fields_set:
    TENANTRY_LOG_FORMAT = "json"
    LOGGING = configuration(TENANTRY_LOG_FORMAT, ENVIRONMENT.TENANTRY_LOG_LEVEL)

if EMBEDDED_POSTGRESQL:
    # Never the embedded server: without a DATABASE_URL nothing answers (tenantry.E004).
    DATABASES["default"] |= {"HOST": "database-url-is-not-set.invalid", "OPTIONS": {}}
if EMBEDDED_REDIS:
    REDIS_URL = CELERY_BROKER_URL = "redis://redis-url-is-not-set.invalid:6379/0"
    CACHES["default"]["LOCATION"] = REDIS_URL

TENANTRY_SCHEME = "https"
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True

# The prefix makes browsers refuse the cookie unless it is secure and host-only.
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

STATIC_ROOT = CHECKOUT / "static"
STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}

if ENVIRONMENT.TENANTRY_EMAIL_URL is None:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    TENANTRY_SENDS_MAIL = False
