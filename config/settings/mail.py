"""E-mail."""

from urllib.parse import unquote, urlsplit

from config.settings.environment import ENVIRONMENT

DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.TENANTRY_EMAIL_FROM
EMAIL_TIMEOUT = 10
TENANTRY_SENDS_MAIL = True
TENANTRY_MAIL_ATTACHMENT_BYTES = ENVIRONMENT.TENANTRY_MAIL_ATTACHMENT_MB * 1_000_000

_url = urlsplit(ENVIRONMENT.TENANTRY_EMAIL_URL or f"file://{ENVIRONMENT.TENANTRY_DATA / 'mail'}")
if _url.scheme == "file":
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = unquote(_url.path)
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _url.hostname or "localhost"
    EMAIL_USE_SSL = _url.scheme == "smtps"
    EMAIL_PORT = _url.port or (465 if EMAIL_USE_SSL else 587)
    EMAIL_HOST_USER = unquote(_url.username or "")
    EMAIL_HOST_PASSWORD = unquote(_url.password or "")
    # Credentials never travel in the clear; a relay without them on the same host may.
    EMAIL_USE_TLS = not EMAIL_USE_SSL and bool(EMAIL_HOST_USER)
