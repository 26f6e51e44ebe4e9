"""Cookies, headers and keys."""

from config.settings.environment import ENVIRONMENT

SECRET_KEY_FALLBACKS = list(ENVIRONMENT.SECRET_KEY_FALLBACKS)

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# No SESSION_COOKIE_DOMAIN: a cookie goes back to the very host that set it, to no other tenant.
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
MESSAGE_STORAGE = "config.messages.MessageStorage"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

# Half a day: long enough for a mail to be read, short enough for a mailbox that is lost.
PASSWORD_RESET_TIMEOUT = 12 * 3600

# Which key seals the record, and which did: activity.sealing.keys reads and explains them.
TENANTRY_SEAL_KEY = ENVIRONMENT.TENANTRY_SEAL_KEY
TENANTRY_SEAL_KEY_FILE = ENVIRONMENT.TENANTRY_SEAL_KEY_FILE
TENANTRY_SEAL_KEYS = ENVIRONMENT.TENANTRY_SEAL_KEYS
# Who is given its checkpoints: activity.sealing.witnesses.
TENANTRY_WITNESS_FILE = ENVIRONMENT.TENANTRY_WITNESS_FILE
TENANTRY_WITNESS_URL = ENVIRONMENT.TENANTRY_WITNESS_URL

# What a monitoring system shows to be given /metrics of the platform's host.
TENANTRY_METRICS_TOKEN = ENVIRONMENT.TENANTRY_METRICS_TOKEN
