"""Cookies, headers and keys."""

from typing import Any

from config.settings.environment import ENVIRONMENT

SECRET_KEY_FALLBACKS = list(ENVIRONMENT.SECRET_KEY_FALLBACKS)

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# What a browser may load into a page and run there (W3C, Content Security Policy Level 3): nothing
# that does not come from the same host as a file. The panel needs a little more: tenants.sites.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        # The one inline style there is, of tenants/plain.html, by its digest.
        "style-src": ["'self'", "'sha256-4PA79Q9FxrSuBQoGxENyMlem1H33d99/B/CrVpR9QKg='"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# No SESSION_COOKIE_DOMAIN: a cookie goes back to the very host that set it, to no other tenant.
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
# Whichever is first ends a session: accounts.timeouts.
TENANTRY_SESSION_IDLE_MINUTES = ENVIRONMENT.TENANTRY_SESSION_IDLE_MINUTES
MESSAGE_STORAGE = "config.messages.MessageStorage"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

# Half a day: long enough for a mail to be read, short enough for a mailbox that is lost.
PASSWORD_RESET_TIMEOUT = 12 * 3600

# For how long operators may look into a tenant at most.
TENANTRY_SUPPORT_MINUTES = ENVIRONMENT.TENANTRY_SUPPORT_MINUTES

# Which key seals the record, and which did: activity.sealing.keys reads and explains them.
TENANTRY_SEAL_KEY = ENVIRONMENT.TENANTRY_SEAL_KEY
TENANTRY_SEAL_KEY_FILE = ENVIRONMENT.TENANTRY_SEAL_KEY_FILE
TENANTRY_SEAL_KEYS = ENVIRONMENT.TENANTRY_SEAL_KEYS
# Who is given its checkpoints: activity.sealing.witnesses.
TENANTRY_WITNESS_FILE = ENVIRONMENT.TENANTRY_WITNESS_FILE
TENANTRY_WITNESS_URL = ENVIRONMENT.TENANTRY_WITNESS_URL

# What a monitoring system shows to be given /metrics of the platform's host.
TENANTRY_METRICS_TOKEN = ENVIRONMENT.TENANTRY_METRICS_TOKEN
