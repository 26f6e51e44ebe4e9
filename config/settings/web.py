"""Hosts, URLs, middleware, templates and static files."""

from config.settings.environment import ENVIRONMENT

DEBUG = ENVIRONMENT.DEBUG

TENANTRY_BASE_DOMAIN = ENVIRONMENT.TENANTRY_BASE_DOMAIN
TENANTRY_PLATFORM_HOSTS = frozenset({TENANTRY_BASE_DOMAIN, *ENVIRONMENT.ALLOWED_HOSTS})
TENANTRY_DNS_SERVERS = ENVIRONMENT.TENANTRY_DNS_SERVERS
TENANTRY_HOST_CACHE_SECONDS = ENVIRONMENT.TENANTRY_HOST_CACHE_SECONDS
TENANTRY_DELETION_GRACE_DAYS = ENVIRONMENT.TENANTRY_DELETION_GRACE_DAYS
TENANTRY_SCHEME = "http"
TENANTRY_PUBLIC_PORT = ENVIRONMENT.TENANTRY_PUBLIC_PORT
TENANTRY_TRUSTED_PROXIES = ENVIRONMENT.TENANTRY_TRUSTED_PROXIES
ALLAUTH_TRUSTED_PROXY_COUNT = TENANTRY_TRUSTED_PROXIES

ALLOWED_HOSTS = [TENANTRY_BASE_DOMAIN, f".{TENANTRY_BASE_DOMAIN}", *ENVIRONMENT.ALLOWED_HOSTS]
USE_X_FORWARDED_HOST = False

ROOT_URLCONF = "config.urls_tenant"
PUBLIC_SCHEMA_URLCONF = "config.urls_platform"
WSGI_APPLICATION = "config.wsgi.application"

MIDDLEWARE = [
    # What only adds headers, to every answer; the other half of Django's needs a verified host.
    "config.middleware.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.HealthMiddleware",
    # Before anything else that answers: on a host that nobody owns there is nothing, not even a
    # style sheet; and before anything that asks for the host, which only the tenants' table can
    # verify.
    "tenants.middleware.TenantMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "activity.middleware.ActivityMiddleware",
    "activity.sealing.hinting.HintingMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.PersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.support.refusals.SupportMiddleware",
    "config.middleware.ErrorMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.pages.place",
            ]
        },
    }
]

STATIC_URL = "/static/"


LANGUAGE_CODE = "en-gb"
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
USE_TZ = True
TIME_ZONE = ENVIRONMENT.TENANTRY_TIME_ZONE
